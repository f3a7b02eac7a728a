/**
 * An HTTP/1.1 server for APIs: routes by table, bodies with limits, connections that can be taken over as raw streams.
 * It knows nothing of what it serves.
 *
 *     const router = routes([{ method: "GET", path: "/things/{id}/json", run: async (call) => call.json(200, {}) }]);
 *     const server = openHttpServer({ serve: (call) => router(call), mayHijack: () => false, log });
 *     const name = await server.listen({ kind: "unix", path: "/run/x.sock" });
 *
 * A handler answers in full, hijacks, or throws a `Failure` before it has answered; `serve` turns what is thrown into
 * an answer. A connection whose answer has begun when something is thrown is cut, so that no client takes half an
 * answer for a whole one.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Log } from "./log.ts";

export { openHttpServer } from "./http-server.ts";
export { compileRoutes, type Route, type RouteMatch } from "./http-router.ts";

/** One request and the answer to it. */
export type Call = {
  readonly method: string;
  /** Decoded, without the query; begins with "/". */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborted when the client goes away before it has its answer. */
  readonly signal: AbortSignal;
  /** True when the client asked to upgrade and `mayHijack` agreed. */
  readonly upgrade: boolean;
  /** What came over TCP without a client certificate can come from a browser. */
  readonly trusted: boolean;
  /**
   * Takes the connection: writes "101 UPGRADED" if the client asked for it, else "200 OK", with the headers set so far
   * and the content type, and returns the raw stream. The request's body must have been read.
   */
  hijack(contentType: string): Duplex;
  /** The same for another protocol, when `upgrade` is true. */
  upgradeTo(protocol: string, headers: Readonly<Record<string, string>>): Duplex;
};

export type HttpServerOptions = {
  serve(call: Call): Promise<void>;
  /** Whether an upgrade is possible there; elsewhere the header is ignored, as HTTP wants. */
  mayHijack(path: string): boolean;
  /** A connection that begins with HTTP/2's preface, of a client that may be trusted; else it is garbage. */
  http2?(connection: Duplex): void;
  log: Log;
};

export type Address =
  /** `group` owns the socket beside root ("" or one that does not exist: root alone). */
  | { readonly kind: "unix"; readonly path: string; readonly group?: string }
  /**
   * Without TLS a TCP port is root for everybody who reaches it: refused unless loopback and `insecure`. `guarded`: what is
   * served there is not the engine, and its program has decided by itself where it may listen.
   */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: Tls; readonly insecure?: boolean; readonly guarded?: true }
  /** A listening socket inherited from systemd. */
  | { readonly kind: "fd"; readonly fd: number };

/** PEM. With `ca`, clients must present a certificate signed by it. */
export type Tls = { readonly key: string | Buffer; readonly cert: string | Buffer; readonly ca?: string | Buffer };

export type HttpServer = {
  /** Resolves when it answers, to the address in words: "unix:///run/x.sock", "tcp://127.0.0.1:2375" (the real port). */
  listen(address: Address): Promise<string>;
  /** Stops listening, removes the sockets' paths, ends idle connections now and all others after `graceMs` (0). */
  close(options?: { graceMs?: number }): Promise<void>;
  /** Another certificate, for the connections that come from now on to addresses with TLS. @throws what is no certificate */
  renew(tls: Tls): void;
};
