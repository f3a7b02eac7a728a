/**
 * Builds, from the client's side: BuildKit's protocol, spoken over the engine's own socket, so that `gantry build` works
 * with any engine that has it.
 *
 * Two connections, both HTTP/2 with gRPC on it (h2/, rpc/): on `POST /grpc` we ask (Control.Solve, Control.Status); on
 * `POST /session` the engine asks us: for the files of a context (files/), secrets, ssh agents, credentials (attach/), and
 * it sends us what is exported (export/). Progress is BuildKit's graph of vertices, shown by progress/.
 *
 *     const wish = parseWish(options, args, env);                      // wish/: flags → what is asked for
 *     const { response, failure } = await solve(cli, wish, display);   // solve.ts: both connections, to the end
 *
 * Everything here is loaded by `build` alone. Nothing of a context is read that the engine has not asked for; what it
 * remembers of the last time is not sent again, nor even told again (files/token.ts).
 */
import type { Duplex } from "node:stream";
import type { Ahead } from "./files/folder.ts";

/** What SolveRequest is made of, and what the session offers meanwhile. */
export type SolveWish = {
  /** 25 characters of a-z0-9. */
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly exporters: readonly { readonly type: string; readonly attributes: Readonly<Record<string, string>> }[];
  readonly cacheExports: readonly CacheOption[];
  readonly cacheImports: readonly CacheOption[];
  readonly entitlements: readonly string[];
  /** Not kept in the history: a question, not a build. */
  readonly internal: boolean;
  readonly session: Offers;
};

export type CacheOption = { readonly type: string; readonly attributes: Readonly<Record<string, string>> };

/** What the engine may ask of us while it builds. */
export type Offers = {
  /** Folders by name: "context", "dockerfile", names of --build-context. */
  readonly folders: ReadonlyMap<string, Folder>;
  readonly secrets: ReadonlyMap<string, SecretSource>;
  /** By id: agents' sockets, or keys. */
  readonly agents: ReadonlyMap<string, () => Promise<Duplex>>;
  /** Where the exporters' results go, in their order; undefined: nothing comes to us. */
  readonly targets: readonly (ExportTarget | undefined)[];
  /** Folders with blobs by digest, by the names that the engine calls them by: "local:FOLDER", "oci:ID". */
  readonly stores: ReadonlyMap<string, string>;
  /** Archives that are given away once, by id: a context from standard input. */
  readonly uploads: ReadonlyMap<string, AsyncIterable<Uint8Array>>;
};

/**
 * A folder of this machine, or files that exist only in memory (a Dockerfile from standard input). `ahead`: it is read
 * already, since all of it is wanted, as far as one can tell before the engine asks.
 */
export type Folder = { readonly path: string; readonly ahead?: Ahead } | { readonly files: ReadonlyMap<string, Uint8Array> };

export type SecretSource = { readonly file: string } | { readonly env: string };

/** One file (its descriptor), or a folder that is filled. */
export type ExportTarget = { readonly kind: "file"; readonly path: string } | { readonly kind: "stdout" } | { readonly kind: "folder"; readonly path: string };

/** What the engine answers at the end: "containerimage.digest", "containerimage.config.digest", … */
export type SolveResponse = Readonly<Record<string, string>>;
