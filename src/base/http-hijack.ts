/**
 * Connections that stop speaking HTTP. Node hands them over by itself only when the client sent an Upgrade header;
 * Docker's older clients do not, and expect the same socket to turn raw after "200 OK".
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** How long a client may keep its end open after everything was said. */
export const LINGER_MS = 10_000;
/** When a client that sends no more is first asked whether it is there at all, and how seldom in the end. */
const FIRST_PROBE_MS = 250;
const LAST_PROBE_MS = 10_000;

export type JoinOptions = { readonly input: boolean; readonly probeMs?: number };

/** Takes the socket of a request from Node's parser. The request's body must have been read to its end. */
export function takeSocket(request: IncomingMessage, response: ServerResponse): Duplex {
  const socket = abandonParser(request.socket);
  response.detachSocket(socket);
  return socket;
}

/** The same of a connection on which no request was understood; `head`: what was read of it. */
export function takeUnread(socket: Socket, head: Buffer): Duplex {
  abandonParser(socket).unshift(head);
  return socket;
}

/** Node's parser gets nothing more of what comes; nobody reads until somebody resumes the socket. */
export function abandonParser(socket: Socket): Socket {
  // Adding a listener for data makes Node stop reading the descriptor from inside its parser.
  socket.on("data", () => {});
  socket.pause();
  for (const event of ["data", "end", "drain", "timeout", "resume", "pause"]) socket.removeAllListeners(event);
  socket.on("error", () => socket.destroy());
  socket.setTimeout(0);
  return socket;
}

/**
 * Joins a client with a process until the process's output ends: client's bytes to its stdin (unless `input` is false),
 * its output to the client. Both directions have back-pressure and half-close. Resolves when both ends are closed;
 * never rejects, because a stream that broke has nobody left to tell.
 */
export function join(client: Duplex, process: Duplex, options: JoinOptions): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let open = 2;
  client.once("end", () => probe(client, options.probeMs ?? FIRST_PROBE_MS));
  const closed = () => --open === 0 && resolve();
  client.on("error", () => client.destroy());
  process.on("error", () => process.destroy());
  whenClosed(client, () => (process.destroy(), closed()));
  whenClosed(process, () => (linger(client), closed()));
  process.once("end", () => linger(client));
  process.pipe(client);
  if (options.input) client.pipe(process);
  else client.resume();
  return promise;
}

/** One that was closed before tells nobody any more. */
function whenClosed(stream: Duplex, act: () => void): void {
  if (stream.closed) act();
  else stream.once("close", act);
}

/**
 * A client that is gone for good looks like one that has closed its sending direction, until something is written to it:
 * of a silent process it would never be noticed. On a unix socket a write of nothing fails then, and harms nobody.
 */
function probe(client: Duplex, afterMs: number): void {
  const timer = setTimeout(() => {
    if (client.writableLength === 0 && client.writable) client.write(Buffer.alloc(0));
    client.off("close", stop);
    if (!client.destroyed) probe(client, Math.min(afterMs * 2, LAST_PROBE_MS));
  }, afterMs).unref();
  const stop = () => clearTimeout(timer);
  client.once("close", stop);
}

/**
 * Ends a client that has had everything. Its unread input is read and dropped first: closing a socket with unread
 * bytes would reset the connection, and the client might lose the end of the output.
 */
export function linger(client: Duplex): void {
  client.unpipe();
  client.end();
  client.resume();
  if (client.readableEnded) return;
  const timer = setTimeout(() => client.destroy(), LINGER_MS).unref();
  client.once("close", () => clearTimeout(timer));
}
