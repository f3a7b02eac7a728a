import { type IncomingHttpHeaders, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { fail, kindOf } from "../errors.ts";
import { calm } from "./connection.ts";
import { HEADROOM, readFrames, writeFrame } from "./frames.ts";
import type { GrpcConnection, Handler, Metadata, Method, ServerCall, ServerOptions } from "./grpc.ts";
import { CONNECTION_WINDOW, MAX_MESSAGE, MAX_STREAMS, STREAM_WINDOW } from "./limits.ts";
import { CODES, type Status, statusHeaders, statusOf } from "./status.ts";

export type Served = readonly [path: string, handler: Handler];

/** What `find` wants, of a list. */
export function served(list: readonly Served[]): ServerOptions["find"] {
  const handlers = new Map(list);
  return (path) => handlers.get(path);
}

export function unary<A, B, C, D>({ path, request, response }: Method<A, B, C, D>, run: (request: A, call: ServerCall) => Promise<D> | D): Served {
  return [path, async (call) => call.send(response.encode(await run(request.decode(await first(call, path)), call), HEADROOM))];
}

export function serverStream<A, B, C, D>({ path, request, response }: Method<A, B, C, D>, run: (request: A, call: ServerCall) => AsyncIterable<D>): Served {
  return [
    path,
    async (call) => {
      for await (const message of run(request.decode(await first(call, path)), call)) await call.send(response.encode(message, HEADROOM));
    },
  ];
}

export type BidirectionalCall<Request, Response> = Pick<ServerCall, "metadata" | "signal" | "head"> & { readonly messages: AsyncIterable<Request>; send(message: Response): Promise<void> };

export function bidirectional<A, B, C, D>({ path, request, response }: Method<A, B, C, D>, run: (call: BidirectionalCall<A, D>) => Promise<void>): Served {
  return [
    path,
    async (call) => {
      const { metadata, signal } = call;
      const messages = (async function* () {
        for await (const message of call.messages) yield request.decode(message);
      })();
      await run({ metadata, signal, messages, head: (more) => call.head(more), send: (message) => call.send(response.encode(message, HEADROOM)) });
    },
  ];
}

async function first(call: ServerCall, path: string): Promise<Buffer> {
  for await (const message of call.messages) return message;
  throw fail("invalid", `${path}: a message was expected`);
}

/** Speaks HTTP/2 on a connection whose HTTP/1.1 is over, or that began with HTTP/2. */
export function serveGrpc(given: Duplex, options: ServerOptions): GrpcConnection {
  if (given.destroyed) return { closed: Promise.resolve(), close: () => {} };
  const connection = calm(given);
  const { promise, resolve } = Promise.withResolvers<void>();
  const session: ServerHttp2Session = performServerHandshake(connection, {
    maxSessionMemory: 64,
    maxSendHeaderBlockLength: 2 ** 20,
    settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: STREAM_WINDOW },
  });
  session.setLocalWindowSize(CONNECTION_WINDOW);
  session.on("error", () => connection.destroy());
  session.on("close", resolve);
  const gone = () => (session.destroy(), connection.destroy(), resolve());
  // A connection of an HTTP server stays open when the client has closed its end of it.
  connection.once("end", gone);
  connection.once("close", gone);
  session.on("stream", (stream, headers, _flags, raw: readonly string[]) => void answer(stream, headers, raw, options));
  return { closed: promise, close: () => session.destroy() };
}

async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[], options: ServerOptions): Promise<void> {
  // What breaks a stream is told by its end.
  stream.on("error", () => {});
  if (headers[":method"] !== "POST" || !String(headers["content-type"]).startsWith("application/grpc")) return refuse(stream);
  const path = String(headers[":path"]);
  const call = openCall(stream, raw, options.maxMessage ?? MAX_MESSAGE);
  let status: Status = OK;
  try {
    const handler = options.find(path);
    if (handler === undefined) throw fail("not-implemented", unknownText(path));
    await handler(call);
  } catch (error) {
    const reason: unknown = call.signal.aborted && kindOf(error) !== "invalid" ? call.signal.reason : error;
    status = statusOf(reason);
    if (status.code === CODES.UNKNOWN) options.failed?.(path, error);
  }
  call.finish(status);
}

const OK: Status = { code: CODES.OK, message: "", details: [] };

function refuse(stream: ServerHttp2Stream): void {
  if (!isOver(stream)) stream.respond({ ":status": 415 }, { endStream: true });
  stream.close();
}

/** Node throws at whoever answers then. One that was reset without an error is still there, for what came of it to be read. */
const isOver = (stream: ServerHttp2Stream): boolean => stream.destroyed || stream.closed;

function unknownText(path: string): string {
  const [, service = "", name = ""] = path.split("/");
  return `unknown method ${name} for service ${service}`;
}

type OpenCall = ServerCall & { finish(status: Status): void };

function openCall(stream: ServerHttp2Stream, raw: readonly string[], maxMessage: number): OpenCall {
  const abort = new AbortController();
  const metadata = metadataOf(raw);
  const timer = deadlineOf(metadata, () => abort.abort(fail("unavailable", "context deadline exceeded", { facts: { grpcCode: CODES.DEADLINE_EXCEEDED } })));
  const gone = () => (clearTimeout(timer), abort.abort(fail("cancelled", "context canceled")));
  stream.once("aborted", gone);
  stream.once("close", gone);
  function head(more: Metadata): void {
    if (stream.headersSent || isOver(stream)) return;
    stream.respond({ ":status": 200, "content-type": "application/grpc", ...more }, { waitForTrailers: true });
  }
  return {
    metadata,
    signal: abort.signal,
    messages: flat(readFrames(stream, maxMessage)),
    head,
    async send(message) {
      head({});
      if (!(await writeFrame(stream, message))) throw fail("cancelled", "context canceled");
    },
    finish(status) {
      clearTimeout(timer);
      if (isOver(stream)) return void stream.destroy();
      const trailers = statusHeaders(status);
      if (stream.headersSent) {
        stream.once("wantTrailers", () => void (isOver(stream) || stream.sendTrailers(trailers)));
        stream.end();
      } else stream.respond({ ":status": 200, "content-type": "application/grpc", ...trailers }, { endStream: true });
      // What the client still sends is of no use to anybody; a reset at once would overtake the status.
      stream.resume();
      const end = setTimeout(() => stream.close(), LINGER_MS).unref();
      stream.once("close", () => clearTimeout(end));
    },
  };
}

async function* flat(batches: AsyncIterable<readonly Buffer[]>): AsyncGenerator<Buffer> {
  for await (const batch of batches) yield* batch;
}

function metadataOf(raw: readonly string[]): Metadata {
  const metadata: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (let at = 0; at < raw.length; at += 2) (metadata[raw[at]!] ??= []).push(raw[at + 1]!);
  return metadata;
}

/** How long a client has to hear that a call is over. */
const LINGER_MS = 1000;

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const LONGEST_TIMER = 2 ** 31 - 1;

function deadlineOf(metadata: Metadata, passed: () => void): NodeJS.Timeout | undefined {
  const [, amount, unit] = /^(\d{1,8})([HMSmun])$/.exec(metadata["grpc-timeout"]?.[0] ?? "") ?? [];
  if (amount === undefined) return undefined;
  return setTimeout(passed, Math.min(Number(amount) * UNITS[unit!]!, LONGEST_TIMER)).unref();
}
