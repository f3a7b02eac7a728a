/**
 * The engine as a command sees it: requests by method and path, negotiated to a version both sides speak.
 *
 *   const api = await cli.api();
 *   const containers = await api.json<Container[]>("GET", "/containers/json", { query: { all: true } });
 *   for await (const chunk of (await api.send("GET", "/images/get", { query })).body) …
 *   const stream = await api.hijack("/containers/x/attach", { query: { stream: true, stdout: true } });
 *
 * HTTP is spoken by http.ts over a plain socket: Node's own HTTP client would cost more time to load than a whole
 * `gantry ps` takes.
 */
import type { Duplex, Readable } from "node:stream";

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export type RequestOptions = {
  /** True is sent as 1; false, undefined and "" are left out. */
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers that come several times. */
  readonly repeated?: readonly (readonly [name: string, value: string])[];
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, in chunks, as application/x-tar. */
  readonly upload?: Readable;
  readonly signal?: AbortSignal;
};

export type Answer = {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** To be read to its end, or left by `break`, which closes the connection. */
  readonly body: AsyncIterable<Buffer>;
};

/** An engine that was not asked what it is: for protocols that have versions of their own. */
export type Line = Pick<Api, "hijack" | "address">;

export type Api = {
  /** The version in use, "1.56", and what the engine said of itself. */
  readonly version: string;
  readonly engine: { readonly os: string; readonly experimental: boolean; readonly version: string };
  readonly address: string;
  /** True when the version in use is this one or a later one. */
  atLeast(version: string): boolean;
  /** An answer of 400 or more is thrown as a Failure: "Error response from daemon: …". */
  send(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** The body's text, unparsed: `inspect` shows numbers as the engine wrote them. */
  text(method: string, path: string, options?: RequestOptions): Promise<string>;
  json<T = unknown>(method: string, path: string, options?: RequestOptions): Promise<T>;
  /** POST that turns the connection into a raw stream, of the protocol that an Upgrade header names: writing is stdin, `end()` closes only that half. */
  hijack(path: string, options?: RequestOptions): Promise<Duplex>;
  /** Closes idle connections, so that the process can end. */
  close(): void;
};
