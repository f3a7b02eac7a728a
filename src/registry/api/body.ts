/** Bodies of requests and of answers. */
import type { Call } from "#base/http.ts";
import { fail } from "#base/errors.ts";

/** Nobody waits longer for the next bytes of a client, or for it to take some: then the connection ends. */
const IDLE_MS = 120_000;

/** The request's body; its connection ends when nothing comes for too long. */
export function bodyOf({ request }: Call): AsyncIterable<Buffer> {
  request.socket.setTimeout(IDLE_MS);
  return request;
}

/** A short body, whole. @throws invalid, SIZE_INVALID */
export async function readBody(call: Call, limit: number): Promise<Buffer> {
  const tooLong = () => fail("invalid", `read a request: its body is longer than ${limit} bytes`, { facts: { code: "SIZE_INVALID" } });
  if (Number(call.headers["content-length"] ?? 0) > limit) throw tooLong();
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of bodyOf(call)) {
    length += chunk.length;
    // The rest is not read: the connection is of no use any more.
    if (length > limit) {
      call.response.shouldKeepAlive = false;
      throw tooLong();
    }
    parts.push(chunk);
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
}

/** Sends a stream as the body of an answer whose head is written; gives up when the client is gone. A chunk may be used again after it. */
export async function sendBody({ response, request }: Call, stream: AsyncIterable<Buffer>): Promise<void> {
  request.socket.setTimeout(IDLE_MS);
  for await (const chunk of stream) {
    if (response.destroyed) return;
    await written(response, chunk);
  }
  response.end();
}

/** Resolves when the kernel has it, or the connection is gone. */
function written(response: Call["response"], chunk: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("close", done);
      resolve();
    };
    response.once("close", done);
    response.write(chunk, done);
  });
}
