/**
 * Connections that stop speaking HTTP. Node hands them over by itself only when the client sent an Upgrade header;
 * Docker's older clients do not, and expect the same socket to turn raw after "200 OK".
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** How long a client may keep its end open after everything was said. */
const LINGER_MS = 10_000;

/** Takes the socket of a request from Node's parser. The request's body must have been read to its end. */
export function takeSocket(request: IncomingMessage, response: ServerResponse): Duplex {
  const socket = request.socket;
  const ours = () => {};
  // Adding a listener for data makes Node stop reading the descriptor from inside its parser.
  socket.on("data", ours);
  socket.pause();
  for (const event of ["data", "end", "drain", "timeout", "resume", "pause"]) socket.removeAllListeners(event);
  socket.on("error", () => socket.destroy());
  response.detachSocket(socket as Socket);
  socket.setTimeout(0);
  return socket;
}

/**
 * Joins a client with a process until the process's output ends: client's bytes to its stdin (unless `input` is false),
 * its output to the client. Both directions have back-pressure and half-close. Resolves when both ends are closed;
 * never rejects, because a stream that broke has nobody left to tell.
 */
export function join(client: Duplex, process: Duplex, options: { input: boolean }): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let open = 2;
  const closed = () => --open === 0 && resolve();
  client.on("error", () => client.destroy());
  process.on("error", () => process.destroy());
  client.once("close", () => (process.destroy(), closed()));
  process.once("close", () => (linger(client), closed()));
  process.once("end", () => linger(client));
  process.pipe(client);
  if (options.input) client.pipe(process);
  else client.resume();
  return promise;
}

/**
 * Ends a client that has had everything. Its unread input is read and dropped first: closing a socket with unread
 * bytes would reset the connection, and the client might lose the end of the output.
 */
function linger(client: Duplex): void {
  client.unpipe();
  client.end();
  client.resume();
  if (client.readableEnded) return;
  const timer = setTimeout(() => client.destroy(), LINGER_MS).unref();
  client.once("close", () => clearTimeout(timer));
}
