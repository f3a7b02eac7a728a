import type { Server as SecureServer } from "node:https";
import type { IncomingMessage, Server, ServerOptions, ServerResponse as Response } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { messageOf } from "./errors.ts";
import type { Address, Call, HttpServer, HttpServerOptions } from "./http.ts";
import { linger, takeSocket, takeUnread } from "./http-hijack.ts";
import { bind, type Bound } from "./http-listen.ts";

// Not by `import`: that reads every export of the module, and among node:http's are lazy ones that load a whole web
// client: 60 ms of start and 16 MB of memory.
const { createServer, ServerResponse } = process.getBuiltinModule("node:http");

/** The largest chunk that waits in a socket before its source is told to pause. */
const HIGH_WATER_MARK = 512 * 1024;

const IDLE_SWEEP_MS = 50;

export function openHttpServer(options: HttpServerOptions): HttpServer {
  const bound: Bound[] = [];
  /** Sockets that left their server with an upgrade or a hijack: it no longer counts them. */
  const hijacked = new Set<Duplex>();
  const secure: SecureServer[] = [];
  return {
    renew(tls) {
      for (const server of secure) server.setSecureContext({ ...tls, minVersion: "TLSv1.2" });
    },
    async listen(address) {
      const server = createFor(address, options, hijacked);
      if ("setSecureContext" in server) secure.push(server as SecureServer);
      const one = await bind(server, address);
      bound.push(one);
      return one.name;
    },
    async close({ graceMs = 0 } = {}) {
      const closing = bound.splice(0).map((one) => one.close());
      const timer = setTimeout(() => cut(closing.map((c) => c.server), hijacked), graceMs);
      // A connection whose last answer is complete would wait for a next request.
      const sweep = setInterval(() => closing.forEach((c) => c.server.closeIdleConnections()), IDLE_SWEEP_MS);
      await Promise.all(closing.map((c) => c.closed));
      clearTimeout(timer);
      clearInterval(sweep);
      for (const stream of hijacked) stream.destroy();
    },
  };
}

function cut(servers: readonly Server[], hijacked: ReadonlySet<Duplex>): void {
  for (const server of servers) server.closeAllConnections();
  for (const stream of hijacked) stream.destroy();
}

function createFor(address: Address, options: HttpServerOptions, hijacked: Set<Duplex>): Server {
  const tls = address.kind === "tcp" ? address.tls : undefined;
  const settings: ServerOptions = {
    maxHeaderSize: 16 * 1024,
    headersTimeout: 30_000,
    // An upload or an answer takes as long as it takes.
    requestTimeout: 0,
    keepAliveTimeout: 60_000,
    connectionsCheckingInterval: 10_000,
    noDelay: true,
    highWaterMark: HIGH_WATER_MARK,
    requireHostHeader: false,
    shouldUpgradeCallback: (request) => options.mayHijack(splitUrl(request.url ?? "/").path),
  };
  const server =
    tls === undefined
      ? createServer(settings)
      : process.getBuiltinModule("node:https").createServer({ ...settings, ...tls, minVersion: "TLSv1.2", requestCert: tls.ca !== undefined, rejectUnauthorized: tls.ca !== undefined });
  server.maxHeadersCount = 100;
  const trusted = address.kind !== "tcp" || tls?.ca !== undefined;
  const serve = (request: IncomingMessage, response: Response, raw: Duplex, upgrade: boolean) =>
    void options.serve(new OneCall({ request, response, raw, upgrade, trusted, hijacked })).catch((error: unknown) => {
      options.log.error("request failed beyond its answer", { error: messageOf(error) });
      raw.destroy();
    });
  server.on("request", (request: IncomingMessage, response: Response) => serve(request, response, request.socket, false));
  server.on("upgrade", (request: IncomingMessage, raw: Duplex, head: Buffer) => {
    // From here on the server neither counts nor closes it.
    track(raw, hijacked);
    raw.on("error", () => raw.destroy());
    if (head.length > 0) raw.unshift(head);
    serve(request, responseOn(request, raw), raw, true);
  });
  server.on("clientError", (error: ParserError, socket: Duplex) => {
    const { http2 } = options;
    if (error.code !== "HPE_PAUSED_H2_UPGRADE" || error.rawPacket === undefined || http2 === undefined || !trusted) return refuseGarbage(error, socket);
    const stream = takeUnread(socket as Socket, error.rawPacket);
    track(stream, hijacked);
    http2(stream);
  });
  return server;
}

/** An upgrade request that is answered after all (an error) is answered by HTTP, and the connection ended. */
function responseOn(request: IncomingMessage, raw: Duplex): Response {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  // Only write, end, cork and events are used of it: any Duplex will do.
  response.assignSocket(raw as Socket);
  response.on("finish", () => linger(raw));
  return response;
}

function track(stream: Duplex, hijacked: Set<Duplex>): void {
  hijacked.add(stream);
  stream.once("close", () => hijacked.delete(stream));
}

/** `rawPacket`: what the parser was given last. */
type ParserError = NodeJS.ErrnoException & { readonly rawPacket?: Buffer };

/** What is not HTTP, or too much of it. */
function refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writable && error.code !== "ECONNRESET") {
    const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? "408 Request Timeout" : "400 Bad Request";
    socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`, () => socket.destroy());
  } else {
    socket.destroy();
  }
}

type CallParts = {
  request: IncomingMessage;
  response: Response;
  raw: Duplex;
  upgrade: boolean;
  trusted: boolean;
  hijacked: Set<Duplex>;
};

/** A class, so that the signal and the query of a request are made only when somebody looks at them. */
class OneCall implements Call {
  readonly method: string;
  readonly path: string;
  readonly request: IncomingMessage;
  readonly response: Response;
  readonly upgrade: boolean;
  readonly trusted: boolean;
  readonly #search: string;
  readonly #parts: CallParts;
  #query: URLSearchParams | undefined;
  #abort: AbortController | undefined;

  constructor(parts: CallParts) {
    const { path, search } = splitUrl(parts.request.url ?? "/");
    this.method = parts.request.method ?? "GET";
    this.path = path;
    this.request = parts.request;
    this.response = parts.response;
    this.upgrade = parts.upgrade;
    this.trusted = parts.trusted;
    this.#search = search;
    this.#parts = parts;
  }

  get headers() {
    return this.request.headers;
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#search));
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = (this.#abort = new AbortController());
      const gone = () => this.response.writableFinished || abort.abort();
      if (this.#parts.raw.destroyed) abort.abort();
      else this.#parts.raw.once("close", gone);
      this.response.once("finish", () => this.#parts.raw.off("close", gone));
    }
    return this.#abort.signal;
  }

  hijack(contentType: string): Duplex {
    const { response, upgrade } = this.#parts;
    response.setHeader("Content-Type", contentType);
    if (!upgrade) return this.#take("HTTP/1.1 200 OK");
    response.setHeader("Connection", "Upgrade");
    response.setHeader("Upgrade", "tcp");
    return this.#take("HTTP/1.1 101 UPGRADED");
  }

  upgradeTo(protocol: string, headers: Readonly<Record<string, string>>): Duplex {
    for (const [name, value] of Object.entries({ Connection: "Upgrade", Upgrade: protocol, ...headers })) this.response.setHeader(name, value);
    return this.#take("HTTP/1.1 101 Switching Protocols");
  }

  #take(statusLine: string): Duplex {
    const { request, response, raw, upgrade, hijacked } = this.#parts;
    const head = headOf(statusLine, response);
    const stream = upgrade ? raw : takeSocket(request, response);
    if (upgrade) response.detachSocket(raw as Socket);
    else track(stream, hijacked);
    stream.write(head);
    return stream;
  }
}

/** Names as they are usually written: clients that read heads by hand look for them so. */
function headOf(statusLine: string, response: Response): string {
  const usual = (name: string) => name.replace(/(^|-)[a-z]/g, (sign) => sign.toUpperCase());
  const lines = Object.entries(response.getHeaders()).map(([name, value]) => `${usual(name)}: ${String(value)}\r\n`);
  return `${statusLine}\r\n${lines.join("")}\r\n`;
}

/** A path that does not decode is passed on as it came: it will match nothing that exists. */
function splitUrl(url: string): { path: string; search: string } {
  const mark = url.indexOf("?");
  const encoded = mark < 0 ? url : url.slice(0, mark);
  const search = mark < 0 ? "" : url.slice(mark + 1);
  if (!encoded.includes("%")) return { path: encoded, search };
  try {
    return { path: decodeURIComponent(encoded), search };
  } catch {
    return { path: encoded, search };
  }
}
