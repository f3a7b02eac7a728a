/**
 * Builds as a resource of the engine: the builder with everything it is handed (base images, RUN in containers, names of
 * images, pushes). Loaded with the first request that is about builds.
 */
import type { BuildClient, Builder } from "#builder/builder.ts";
import type { Cache } from "#builder/cache/cache.ts";
import type { CacheCollection } from "#builder/cache/collect.ts";
import type { Contexts } from "#builder/contexts/contexts.ts";
import type { History } from "#builder/history/history.ts";
import type { FileTree } from "#builder/tree.ts";
import type { Content } from "#core/content/content.ts";
import type { Digest } from "#spec/digest.ts";
import type { EngineImages } from "../images/images.ts";

export type Builds = Builder & {
  readonly cache: Cache;
  readonly history: History;
  /** By which the cache is kept small. */
  readonly rounds: CacheCollection["rounds"];
  /** What images that were built consist of. */
  readonly content: Pick<Content, "stat" | "read">;
  /** For the doors: how a client's files come in. */
  readonly contexts: Contexts;
  /** A repository's files, an archive's; or a download itself, under the name `file`. Until it is disposed. */
  readonly openRemote: (url: string, file: string | undefined, options: { readonly client: BuildClient; readonly signal: AbortSignal }) => Promise<{ readonly tree: FileTree } & Disposable>;
  /** From here on: what takes an image away again that has got no name meanwhile and was not here without one before. */
  readonly passing: () => (image: Digest) => Promise<void>;
  /** For the classic door: its steps' images can be asked for. */
  readonly foretell: EngineImages["foretell"];
};
