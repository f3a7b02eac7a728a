/**
 * A request whose body another process reads, from the connection itself: what a client sends then goes into a file without
 * passing through here.
 *
 *     const body = lendBody(call);
 *     if (body !== undefined) …receive(body.fd, body.read, body.length)…; body.done(true);
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Call } from "./http.ts";
import { abandonParser, LINGER_MS } from "./http-hijack.ts";
import { lendable } from "./http-lend.ts";

/** The body of a request whose client's connection another process reads. */
export type LentBody = {
  /** The connection's descriptor in this process. */
  readonly fd: number;
  /** What of the body was read already, as it came. */
  readonly read: Buffer;
  /** In bytes; -1: it comes in chunks of HTTP/1.1. */
  readonly length: number;
  /** Nobody has read from the connection: the request's own stream is read after all. */
  back(): void;
  /** `whole`: the body was read to its end. Else what is left of it is dropped while the client reads its answer. */
  done(whole: boolean): void;
};

/** Shorter ones are not worth it. */
const LEAST = 2 ** 20;

/**
 * To be asked for in the turn in which the request came. Until the body is back or done, nothing is read from the connection
 * here. It is closed after the answer. Undefined: the request's own stream has to be read.
 */
export function lendBody(call: Call): LentBody | undefined {
  const { request, response } = call;
  const fd = lendable(call);
  const length = lengthOf(request);
  const read = fd === undefined || length === undefined ? undefined : readAlready(request);
  if (fd === undefined || length === undefined || read === undefined) return undefined;
  const handle = (request.socket as Held)._handle!;
  handle.reading = false;
  handle.readStop();
  let lent = true;
  const end = (): boolean => lent && !(lent = false);
  // Of the stream it is not asked for: that believes to be reading all the time.
  const readAgain = (): void => {
    if (request.socket.destroyed) return;
    handle.reading = true;
    handle.readStart();
  };
  response.shouldKeepAlive = false;
  return {
    fd,
    read,
    length,
    back() {
      if (!end()) return;
      response.shouldKeepAlive = true;
      readAgain();
    },
    done(whole) {
      if (!end()) return;
      if (whole) request.complete = true;
      else drop(request), readAgain();
    },
  };
}

type Held = Socket & { _handle?: { fd?: number; reading: boolean; readStop(): void; readStart(): void } | null; parser?: { getCurrentBuffer?(): Buffer | undefined } | null };

function lengthOf({ headers, method }: IncomingMessage): number | undefined {
  const { "transfer-encoding": encoding, "content-length": length } = headers;
  if (method === "HEAD" || method === "GET") return undefined;
  if (encoding !== undefined) return encoding.toLowerCase() === "chunked" && length === undefined ? -1 : undefined;
  return Number(length) >= LEAST ? Number(length) : undefined;
}

/** What stands behind the head in what the parser is at. Only where the head is there in one piece, and the first thing there. */
function readAlready(request: IncomingMessage): Buffer | undefined {
  const bytes = (request.socket as Held).parser?.getCurrentBuffer?.();
  const line = `${request.method} ${request.url} HTTP/1.1\r\n`;
  const end = bytes?.indexOf("\r\n\r\n") ?? -1;
  return bytes !== undefined && end >= 0 && bytes.subarray(0, line.length).toString("latin1") === line ? bytes.subarray(end + 4) : undefined;
}

/** A connection closed under a client that sends is reset, and the client would not see its answer. */
function drop(request: IncomingMessage): void {
  const socket = abandonParser(request.socket);
  const timer = setTimeout(() => request.destroy(), LINGER_MS).unref();
  socket.once("end", () => request.destroy()).once("close", () => (clearTimeout(timer), request.destroy()));
  socket.on("data", () => {});
  socket.resume();
}
