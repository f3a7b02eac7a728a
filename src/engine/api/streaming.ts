/** Answers that are written bit by bit, with back-pressure. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { messageOf } from "#base/errors.ts";
import { releaseWhole } from "#base/memory.ts";
import { type ApiCall, endAfterRequest } from "./answer.ts";

/** Writes and waits for room; false when the client is gone. */
export async function writeChunk(call: ApiCall, chunk: Uint8Array | string, written?: () => void): Promise<boolean> {
  const { response } = call;
  if (response.destroyed) return false;
  if (!response.write(chunk, written)) await drained(response, call.signal);
  return !response.destroyed;
}

async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    await once(response, "drain", { signal });
  } catch {
    // The client went away: response.destroyed says so.
  }
}

/** Sends the head of an answer at once, before there is anything to say. */
export function begin(call: ApiCall, contentType: string): void {
  call.response.writeHead(200, { "Content-Type": contentType });
  call.response.flushHeaders();
}

/**
 * A stream of messages about progress, one JSON object a line. An error before the first message is an HTTP error, a
 * later one is the last message: clients look for `errorDetail`.
 */
export async function sendProgress(call: ApiCall, messages: AsyncIterable<object>): Promise<undefined> {
  const write = async (message: object) => {
    if (!call.response.headersSent) call.response.writeHead(200, { "Content-Type": "application/json" });
    return await writeChunk(call, `${JSON.stringify(message)}\r\n`);
  };
  try {
    for await (const message of messages) if (!(await write(message))) return;
  } catch (error) {
    if (!call.response.headersSent) throw error;
    await write({ errorDetail: { message: messageOf(error) }, error: messageOf(error) });
  }
  if (!call.response.headersSent) call.response.writeHead(200, { "Content-Type": "application/json" });
  endAfterRequest(call.response);
}

/** Bytes as they come. A source that fails midway cuts the connection, so that nobody takes the part for the whole. */
export async function sendBytes(call: ApiCall, contentType: string, bytes: AsyncIterable<Uint8Array>): Promise<undefined> {
  call.response.writeHead(200, { "Content-Type": contentType });
  for await (const chunk of bytes) if (!(await writeChunk(call, chunk))) return;
  call.response.end();
}

/** The same for chunks that are nobody else's: their memory is given back once they are written. */
export async function sendOwnBytes(call: ApiCall, contentType: string, bytes: AsyncIterable<Uint8Array>): Promise<undefined> {
  call.response.writeHead(200, { "Content-Type": contentType });
  for await (const chunk of bytes) if (!(await writeChunk(call, chunk, () => releaseWhole(chunk)))) return;
  call.response.end();
}
