/**
 * A connection lent to another process, which writes the body of an answer to it: what a file holds then goes from the
 * file to the client without passing through here.
 *
 *     const fd = lendable(call);
 *     if (fd !== undefined) await lend(call, "application/x-tar", () => sendChunks(fd));
 *
 * The other process writes chunks of HTTP/1.1 (RFC 9112, 7.1) without the last one.
 */
import { once } from "node:events";
import { Socket } from "node:net";
import type { Call } from "./http.ts";

/** The connection's descriptor in this process; undefined where bytes are not written to it as they are, or not in chunks. */
export function lendable({ request, response }: Call): number | undefined {
  const { socket } = response;
  if (!(socket instanceof Socket) || "encrypted" in socket || request.httpVersion !== "1.1" || response.headersSent) return undefined;
  const { fd = -1 } = (socket as Socket & { _handle?: { fd?: number } | null })._handle ?? {};
  return fd < 0 ? undefined : fd;
}

/** Writes the head, lets `work` write the body, and ends the answer. What `work` throws cuts the connection. */
export async function lend({ response, signal }: Call, contentType: string, work: () => Promise<void>): Promise<undefined> {
  const { socket } = response;
  response.writeHead(200, { "Content-Type": contentType });
  response.flushHeaders();
  while (socket !== null && socket.writableLength > 0 && !socket.destroyed) await once(socket, "drain", { signal });
  await work();
  response.end();
}
