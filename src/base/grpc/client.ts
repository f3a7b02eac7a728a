import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from "node:http2";
import type { Duplex } from "node:stream";
import { fail, type Failure } from "../errors.ts";
import { calm } from "./connection.ts";
import { HEADROOM, readFrames, writeFrame } from "./frames.ts";
import type { CallOptions, ClientCall, GrpcClient, Method } from "./grpc.ts";
import { CONNECTION_WINDOW, MAX_MESSAGE, STREAM_WINDOW } from "./limits.ts";
import { CODES, failureOf, readStatus, type Status } from "./status.ts";

/** Calls what is served on the other end of a connection. `maxMessage`: the longest answer that is read. */
export function openGrpcClient(given: Duplex, { maxMessage = MAX_MESSAGE }: { maxMessage?: number } = {}): GrpcClient {
  const connection = calm(given);
  const { promise, resolve } = Promise.withResolvers<void>();
  const abort = new AbortController();
  const session = connect("http://localhost", {
    createConnection: () => connection,
    maxSessionMemory: 64,
    maxSendHeaderBlockLength: 2 ** 20,
    settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
  });
  const gone = () => {
    session.destroy();
    connection.destroy();
    abort.abort(fail("unavailable", "the client's connection is closed"));
    resolve();
  };
  session.on("connect", () => session.destroyed || session.setLocalWindowSize(CONNECTION_WINDOW));
  session.on("error", () => connection.destroy());
  session.on("close", gone);
  // A connection of an HTTP server stays open when the other side has closed its end of it.
  connection.once("end", gone);
  connection.once("close", gone);
  if (connection.destroyed) gone();
  function stream<A, B, C, D>(method: Method<A, B, C, D>, options: CallOptions = {}): ClientCall<B, C> {
    return openCall(request(session, method.path, options), method, maxMessage, options.signal);
  }
  return {
    closed: promise,
    signal: abort.signal,
    close: gone,
    stream,
    async unary(method, message, options) {
      const call = stream(method, options);
      void call.send(message);
      call.end();
      let answer;
      for await (const one of call.messages) answer ??= one;
      if (answer === undefined) throw fail("internal", `${method.path}: the answer is empty`);
      return answer;
    },
    async ping(deadlineMs) {
      const answered = Promise.withResolvers<void>();
      const timer = setTimeout(() => answered.reject(fail("unavailable", "ping: no answer")), deadlineMs).unref();
      if (session.destroyed) answered.reject(fail("unavailable", "ping: the connection is closed"));
      else session.ping((error) => (error ? answered.reject(error) : answered.resolve()));
      await answered.promise.finally(() => clearTimeout(timer));
    },
  };
}

function request(session: ClientHttp2Session, path: string, { metadata = {} }: CallOptions): ClientHttp2Stream {
  if (session.destroyed || session.closed) throw fail("unavailable", `${path}: the connection is closed`);
  return session.request({
    ":method": "POST",
    ":scheme": "http",
    ":authority": "localhost",
    ":path": path,
    te: "trailers",
    "content-type": "application/grpc",
    "user-agent": "gantry",
    ...metadata,
  });
}

function openCall<A, B, C, D>(stream: ClientHttp2Stream, method: Method<A, B, C, D>, maxMessage: number, signal: AbortSignal | undefined): ClientCall<B, C> {
  let status: Status | undefined;
  let httpStatus = 200;
  let head: IncomingHttpHeaders = {};
  stream.on("error", () => {});
  stream.on("response", (headers) => {
    head = headers;
    httpStatus = Number(headers[":status"]);
    status ??= readStatus(headers);
  });
  stream.on("trailers", (headers: IncomingHttpHeaders) => (status ??= readStatus(headers)));
  const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
  if (signal?.aborted === true) cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  const ended = Promise.withResolvers<void>();
  stream.once("close", () => {
    signal?.removeEventListener("abort", cancel);
    ended.resolve();
  });

  /** Trailers may come after the last byte, and the reason of a reset only with the end of the stream. */
  async function outcome(): Promise<Failure | undefined> {
    if (status === undefined) await ended.promise;
    if (signal?.aborted === true) return fail("cancelled", `${method.path}: cancelled`, { cause: signal.reason });
    if (status !== undefined) return status.code === CODES.OK ? undefined : failureOf(status, method.path);
    if (httpStatus !== 200) return fail("unavailable", `${method.path}: HTTP status ${httpStatus}`);
    return stream.rstCode === constants.NGHTTP2_CANCEL ? fail("cancelled", `${method.path}: cancelled by the other side`) : fail("unavailable", `${method.path}: the connection was closed`);
  }

  async function* batches(): AsyncGenerator<readonly C[]> {
    try {
      try {
        for await (const batch of readFrames(stream, maxMessage)) yield batch.map((message) => method.response.decode(message));
      } catch (error) {
        if (!isStreamError(error)) throw error;
      }
      const failure = await outcome();
      if (failure !== undefined) throw failure;
    } finally {
      // Who ends early wants no more of it; and what the server has ended needs no more from us.
      if (!stream.closed && (status === undefined || !stream.writableEnded)) cancel();
    }
  }

  const all = batches();
  return {
    batches: all,
    messages: flat(all),
    async send(message) {
      await writeFrame(stream, method.request.encode(message, HEADROOM));
    },
    head: (name) => head[name]?.toString(),
    end: () => void stream.end(),
    cancel,
  };
}

async function* flat<T>(batches: AsyncIterable<readonly T[]>): AsyncGenerator<T> {
  for await (const batch of batches) yield* batch;
}

/** Node's own errors have codes; ours have kinds. */
const isStreamError = (error: unknown): boolean => typeof (error as { code?: unknown }).code === "string";
