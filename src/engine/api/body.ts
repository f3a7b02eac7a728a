/** Bodies of requests: JSON is small and strict, archives are streams. */
import type { IncomingMessage } from "node:http";
import { fail } from "#base/errors.ts";
import type { Call } from "#base/http.ts";
import { type Json, parseJson } from "#base/json.ts";

const MAX_JSON = 4 * 1024 * 1024;

/** The JSON of a body; undefined when there is none. */
export async function jsonBody(call: Call): Promise<Json | undefined> {
  if (isEmpty(call.request)) return undefined;
  requireJson(call.headers["content-type"]);
  const bytes = await readAll(call.request, MAX_JSON);
  return bytes.length === 0 ? undefined : parseJson(bytes.toString("utf8"));
}

/** The same where Docker insists on a body. */
export async function requiredJsonBody(call: Call): Promise<Json> {
  const json = await jsonBody(call);
  if (json === undefined) throw fail("invalid", "invalid JSON: got EOF while reading request body");
  return json;
}

/** True when the request says that it has no body. */
export function isEmpty(request: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  return encoding === undefined && (length === undefined || Number(length) === 0);
}

function requireJson(contentType: string | undefined): void {
  const type = (contentType ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json") {
    throw fail("invalid", `unsupported Content-Type header (${contentType ?? ""}): must be 'application/json'`);
  }
}

/**
 * A body as it comes. Leaving it early does not cut the connection, as it would with the request itself: the client is
 * to hear why.
 */
export function bytesOf(request: IncomingMessage): AsyncIterable<Buffer> {
  return request.iterator({ destroyOnReturn: false });
}

async function readAll(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of bytesOf(request)) {
    length += chunk.length;
    if (length > limit) throw fail("invalid", `request body is larger than ${limit} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length);
}

/** Reads what is left of a body and forgets it, so that the connection can be used again. */
export async function drain(request: IncomingMessage): Promise<void> {
  // A request whose client is gone has told so already.
  if (request.complete || request.destroyed) return;
  request.resume();
  await new Promise((resolve) => request.once("end", resolve).once("close", resolve));
}
