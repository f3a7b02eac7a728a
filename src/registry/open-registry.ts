import type { Call } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import type { Access } from "./access/access.ts";
import type { Upstreams } from "./cache/cache.ts";
import { openApi } from "./api/api.ts";
import { openOriginRule } from "./api/origin.ts";
import { openUploadIds, storedKey } from "./api/upload-id.ts";
import type { Events } from "./events/events.ts";
import type { Storage } from "./storage/storage.ts";
import { openCollector } from "./collect/collector.ts";
import { openStore } from "./store/open-store.ts";

export type Registry = AsyncDisposable & {
  /** Answers a request: of the distribution API, or of one of the doors. */
  serve(call: Call): Promise<void>;
};

export type RegistryOptions = {
  readonly storage: Storage;
  readonly access: Access;
  readonly events: Events;
  readonly upstreams: Upstreams;
  readonly settings: RegistrySettings;
  readonly log: Log;
  /** More paths that are answered here ("/token", "/metrics"), by exact match. They check their callers themselves. */
  readonly doors?: Readonly<Record<string, (call: Call) => Promise<void>>>;
};

export type RegistrySettings = {
  /** Whether manifests, tags and blobs may be deleted; otherwise 405 (RS-04). */
  readonly deletes: boolean;
  /** Tags that are never overwritten, in repositories of these patterns ("team/*", "**"): 409 (RS-04). */
  readonly createOnly: readonly string[];
  /** An index may name manifests that the repository does not have. */
  readonly sparseIndexes: boolean;
  readonly quotas: readonly Quota[];
  /** Names it is asked by (`Host`), beside loopback's (RS-09). Without accounts, and on loopback, no others; otherwise none given: any. */
  readonly hosts: readonly string[];
  /** It listens beyond loopback: names are not what keeps pages of a browser out. */
  readonly anyHost: boolean;
  readonly collect: CollectSettings;
  /** Keep `index.json` telling of all tags, so that other tools read the folder as an OCI layout. */
  readonly layoutIndex: boolean;
};

/** The bytes that repositories whose name begins so may hold together, each blob counted once. */
export type Quota = { readonly prefix: string; readonly bytes: number };

export type CollectSettings = {
  /** Between collections, in milliseconds; 0: never by itself. */
  readonly everyMs: number;
  /** What is younger is never taken: as long as the longest push. */
  readonly graceMs: number;
  /** Uploads that nobody went on with (RS-06). */
  readonly uploadsMs: number;
  /** Manifests without a tag, an index or a subject that needs them; undefined: they are kept. */
  readonly untaggedMs?: number | undefined;
  readonly retention: readonly Retention[];
};

/** Which tags go. A tag is kept when any rule that has it keeps it, and when no rule has it. */
export type Retention = {
  /** Patterns: "*" is within a component, "**" is anything. */
  readonly repositories: string;
  readonly tags: string;
  readonly keepLast?: number | undefined;
  readonly keepPushedMs?: number | undefined;
  readonly keepPulledMs?: number | undefined;
};

export async function openRegistry(options: RegistryOptions): Promise<Registry> {
  const { storage, access, events, upstreams, settings, log, doors = {} } = options;
  await using stack = new AsyncDisposableStack();
  const own = stack.use(openStore({ storage, settings, log }));
  stack.use(openCollector({ storage, settings: settings.collect, log, changed: own.changed }));
  const api = openApi({
    store: upstreams.around(own),
    access,
    events,
    uploadIds: openUploadIds(await storedKey(storage)),
    isCopy: (repository) => upstreams.isCopy(repository),
    deletes: settings.deletes,
    origin: openOriginRule({ hosts: settings.hosts, strict: access.open && !settings.anyHost }),
    log,
  });
  const parts = stack.move();
  return {
    async serve(call) {
      const door = Object.hasOwn(doors, call.path) ? doors[call.path] : undefined;
      if (door !== undefined) return await door(call);
      await api(call);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
