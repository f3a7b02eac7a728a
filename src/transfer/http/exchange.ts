/** One HTTP request and its answer, with limits on every wait. No retries, no redirects, no credentials: see ask.ts. */
import { once } from "node:events";
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from "node:http";
import { isIP, type LookupFunction } from "node:net";
import { fail } from "#base/errors.ts";
import { release } from "#base/memory.ts";
import type { Limits } from "../transfer.ts";
import { bareHost, isInner, publicLookup, refusal } from "./addresses.ts";
import { networkFailure } from "./network-failure.ts";
import { readBody, type ReadOptions } from "./read-body.ts";

const http = process.getBuiltinModule("node:http"); // see base/http-server.ts

export type Body = {
  readonly length: number;
  /** The bytes, anew for each attempt. Whoever sends them owns the chunks. */
  bytes(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
};

export type Wire = {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly agent: Agent;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** The host was named by a server outside: it must be outside too. */
  readonly publicOnly?: boolean;
  readonly lookup?: LookupFunction | undefined;
  /** How long the answer may take once all was sent. Default: idleMs. */
  readonly answerMs?: number;
};

export type Answer = {
  readonly status: number;
  readonly reason: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the socket's other end: a proxy's, if there is one. */
  readonly address: string;
  /** To be called once, or `drop`. */
  read(options: Pick<ReadOptions, "limit" | "arrived" | "own">): AsyncGenerator<Buffer>;
  /** Nobody wants the body: the connection is kept if that is cheap. */
  drop(): void;
};

/** "GET https://host/v2/x": without a query, which may hold secrets. */
export const nameOf = (method: string, url: URL): string => `${method} ${url.protocol}//${url.host}${url.pathname}`;

/** @throws unavailable with the facts of network-failure.ts; the signal's reason. */
export async function exchange(wire: Wire): Promise<Answer> {
  const { url, method, signal, limits, body } = wire;
  const what = nameOf(method, url);
  signal.throwIfAborted();
  const host = bareHost(url.hostname);
  if (wire.publicOnly && isIP(host) !== 0 && isInner(host)) throw networkFailure(what, refusal(host));
  const options: RequestOptions & { highWaterMark?: number } = {
    method,
    agent: wire.agent,
    signal,
    headers: { ...wire.headers, ...(body && { "Content-Length": String(body.length) }) },
    maxHeaderSize: 64 * 1024,
    ...(wire.publicOnly ? { lookup: publicLookup } : wire.lookup && { lookup: wire.lookup }),
  };
  const request = (url.protocol === "https:" ? process.getBuiltinModule("node:https") : http).request(url, options);
  request.on("error", () => undefined);
  using timers = watch(request, wire);
  const head = answered(request, wire, what);
  if (body === undefined) request.end();
  else await Promise.race([send(request, body, limits), head.catch(() => undefined)]);
  timers.sent();
  const response = await head;
  // An answer before all was sent: the rest is not wanted.
  if (!request.writableEnded) response.once("close", () => request.destroy());
  return answerOf(response, { what, limits, signal });
}

function answerOf(response: IncomingMessage, context: Pick<ReadOptions, "what" | "limits" | "signal">): Answer {
  response.pause();
  return {
    status: response.statusCode ?? 0,
    reason: response.statusMessage ?? "",
    headers: response.headers,
    address: response.socket?.remoteAddress ?? "",
    read: (options) => readBody(response, { ...context, ...options }),
    drop() {
      if (Number(response.headers["content-length"] ?? 2 ** 16) > 2 ** 16) response.destroy();
      else response.on("error", () => undefined).resume();
      // One that never ends is not waited for.
      setTimeout(() => response.complete || response.destroy(), 1000).unref();
    },
  };
}

/** `stale`: the connection had been kept, and was closed meanwhile; what has no body can be asked again at once. */
function answered(request: ClientRequest, { signal, publicOnly, body }: Wire, what: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    request.once("error", (error) => {
      const failure = networkFailure(what, error);
      const isStale = request.reusedSocket && body === undefined && failure.facts["again"] === true;
      reject(signal.aborted ? signal.reason : isStale ? fail("unavailable", failure.message, { cause: error, facts: { ...failure.facts, stale: true } }) : failure);
    });
    request.once("socket", (socket) => {
      const address = socket.remoteAddress;
      if (publicOnly && address !== undefined && isInner(address)) request.destroy(refusal(address));
    });
  });
}

/** Ends the request when it does not connect, send, or get an answer in time. */
function watch(request: ClientRequest, { limits, answerMs = limits.idleMs }: Wire): Disposable & { sent(): void } {
  const late = (ms: number, words: string, facts = {}) => setTimeout(() => request.destroy(fail("unavailable", `${words} for ${Math.round(ms / 1000)} seconds`, { facts: { again: true, ...facts } })), ms);
  let timer = late(limits.connectMs, "no connection", { absent: true });
  const restart = (ms: number, words: string) => {
    clearTimeout(timer);
    timer = late(ms, words);
  };
  let isSent = false;
  let done = false;
  const waitForAnswer = () => !done && isSent && restart(answerMs, "no answer");
  request.once("socket", (socket) => {
    const connected = () => (isSent ? waitForAnswer() : done || clearTimeout(timer));
    if (!socket.connecting && !(socket as { secureConnecting?: boolean }).secureConnecting) connected();
    else socket.once("secureConnecting" in socket ? "secureConnect" : "connect", connected);
  });
  return {
    sent() {
      isSent = true;
      const { socket } = request;
      if (socket !== null && !socket.connecting) waitForAnswer();
    },
    [Symbol.dispose]() {
      done = true;
      clearTimeout(timer);
    },
  };
}

/** Resolves when all was handed to the socket, or the request has ended otherwise. */
async function send(request: ClientRequest, body: Body, limits: Limits): Promise<void> {
  let over = false;
  const stop = () => (over = true);
  request.once("response", stop).once("close", stop).once("error", stop);
  try {
    for await (const chunk of body.bytes()) {
      if (over) return;
      if (!request.write(chunk, () => release(chunk))) await drained(request, limits);
    }
    if (!over) request.end();
  } catch (error) {
    request.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

async function drained(request: ClientRequest, limits: Limits): Promise<void> {
  const stop = new AbortController();
  const late = setTimeout(() => request.destroy(fail("unavailable", `nothing could be sent for ${Math.round(limits.idleMs / 1000)} seconds`, { facts: { again: true } })), limits.idleMs);
  try {
    await Promise.race(["drain", "close", "response"].map((event) => once(request, event, { signal: stop.signal })));
  } catch {
    // Its error is told by `answered`.
  } finally {
    clearTimeout(late);
    stop.abort();
  }
}
