/**
 * The engine's REST API: Docker's, versions 1.24 to 1.56, on unix sockets and TCP. This folder alone knows Docker's JSON
 * and texts; handlers speak the newest version and `compat` translates for older clients.
 *
 *     const api = openApi({ containers, execs, volumes, events, images, networks, facts, containerDefaults, log });
 *     await api.listen({ kind: "unix", path: "/run/gantry/gantry.sock", group: "docker" });
 *     …
 *     await api.close();
 *
 * A listener answers as soon as `listen` resolves. `close` stops listening, removes the sockets' paths, ends idle
 * connections at once and those with a request under way after `graceMs`.
 */
import type { Address } from "#base/http.ts";
import type { Log } from "#base/log.ts";
import type { Builds } from "../builds/builds.ts";
import type { ContainerDefaults, RegistrySettings } from "../config/config.ts";
import type { Disk } from "../disk/disk.ts";
import type { Trust } from "#transfer/trust/trust.ts";
import type { Registries } from "../registries/registries.ts";
import type { Containers, Events, Execs, Filters, Networks, PruneOptions, Volumes } from "../engine.ts";
import type { Files } from "../files/files.ts";

export { openApi } from "./open-api.ts";

export type ApiParts = {
  readonly containers: Containers;
  readonly execs: Execs;
  readonly files: Files;
  readonly volumes: Volumes;
  readonly events: Events;
  readonly images: Images;
  readonly registries: Registries;
  readonly trust: Pick<Trust, "policy">;
  readonly disk: Disk;
  readonly networks: Networks;
  /** The builder, loaded when it is first asked for. */
  readonly builds: () => Promise<Builds>;
  readonly facts: Facts;
  /** What a create request means when it does not say. */
  readonly containerDefaults: Pick<ContainerDefaults, "shmSize" | "ipcMode" | "cgroupnsMode" | "logDriver" | "logOpts">;
  readonly log: Log;
};

export type { Address, Tls } from "#base/http.ts";

export type Api = {
  /** Resolves to the address in words: "unix:///run/gantry/gantry.sock", "tcp://127.0.0.1:2375" (the real port). */
  listen(address: Address): Promise<string>;
  close(options?: { graceMs?: number }): Promise<void>;
};

/** What /version and /info say of this engine and that no other part knows. */
export type Facts = {
  /** Of Gantry, "0.1.0", and the commit it was made from ("" if unknown). */
  readonly version: string;
  readonly commit: string;
  /** Stable for a data root: info's ID. */
  readonly id: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly startedAt: Date;
  readonly storageDriver: string;
  readonly driverStatus: readonly (readonly [string, string])[];
  readonly loggingDriver: string;
  readonly cgroupDriver: "cgroupfs" | "systemd" | "none";
  readonly cgroupVersion: "1" | "2";
  /** "name=seccomp,profile=builtin", … */
  readonly securityOptions: readonly string[];
  readonly labels: readonly string[];
  readonly liveRestore: boolean;
  readonly debug: boolean;
  readonly experimental: boolean;
  readonly initBinary: string;
  readonly firewallBackend: string;
  readonly registries: RegistrySettings;
  /** Volume plugins that have been found and have answered. */
  readonly volumePlugins: () => readonly string[];
  /** Lines that `docker info` prints as warnings. */
  readonly warnings: readonly string[];
};

/** Images, as the API needs them. `ref`: a tag, name@digest, id or unique prefix of an id. */
export type Images = {
  list(options: { all: boolean; filters: Filters; sharedSize: boolean; manifests?: boolean }): Promise<ImageRecord[]>;
  /** not-found: "No such image: X". */
  get(ref: string, options?: { platform?: Platform; manifests?: boolean }): Promise<ImageRecord>;
  history(ref: string, options?: { platform?: Platform }): Promise<HistoryEntry[]>;
  /** `target` is repository and tag, "repo:tag". */
  tag(ref: string, target: string): Promise<void>;
  /** With platforms: only what the image has for those, which then is not here any more. */
  remove(ref: string, options: { force: boolean; noprune: boolean; platforms?: readonly Platform[] }): Promise<RemovedImage[]>;
  prune(filters: Filters, options?: PruneOptions): Promise<{ deleted: RemovedImage[]; reclaimed: number }>;
  /** A pinned name keeps its image from image collection and prunes. The names that were changed. */
  pin(ref: string, pinned: boolean): Promise<string[]>;
  /** `archive` is a docker-archive or OCI archive, compressed or not; every image found is yielded when it is stored. */
  load(archive: AsyncIterable<Uint8Array>, options: { platforms?: readonly Platform[]; signal: AbortSignal }): AsyncIterable<LoadProgress>;
  /** An OCI layout with manifest.json. Fails before the first byte when a name is unknown. */
  save(refs: readonly string[], options: { platforms: readonly Platform[]; without?: ReadonlySet<string>; signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  /** The blobs that `save` would write; those that another engine has it leaves out (`without`). */
  blobs(refs: readonly string[], options: { platforms: readonly Platform[] }): Promise<{ digest: string; size: number }[]>;
  /** Of these digests, those that are not here. The others stay for an hour, until an image leads to them. */
  missing(digests: readonly string[]): Promise<string[]>;
  /** A root file system archive becomes an image; its id. `target`: "repo:tag" or "". */
  import(
    archive: AsyncIterable<Uint8Array>,
    options: { target: string; /** "-", or the URL it came from. */ source?: string; message: string; changes: readonly string[]; platform?: Platform; signal: AbortSignal },
  ): Promise<string>;
  count(): number;
};

export type Platform = { os: string; architecture: string; variant?: string };

export type Descriptor = {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  platform?: Platform;
};

export type ImageRecord = {
  /** Digest of the manifest or index. */
  readonly id: string;
  readonly descriptor: Descriptor;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  /** RFC 3339, from the image's configuration; undefined when it has none. */
  readonly created?: string;
  readonly author: string;
  readonly comment: string;
  readonly platform: Platform;
  readonly osVersion?: string;
  /** Compressed content plus unpacked snapshots, bytes. */
  readonly size: number;
  readonly sharedSize?: number;
  /** Diff IDs, bottom first. */
  readonly diffIds: readonly string[];
  /** The image configuration's `config` object, as it stands in the image. */
  readonly config: Readonly<Record<string, unknown>>;
  /** When a name last came to point at it, RFC 3339. */
  readonly taggedAt?: string;
  /** Containers that use it. */
  readonly containers: number;
  /** One of its names is kept from image collection. */
  readonly pinned: boolean;
  /** When a container was last made of it, if it is known, RFC 3339. */
  readonly usedAt?: string;
  /** What its index lists, when it was asked for; of an image of one platform, that one. */
  readonly manifests?: readonly ManifestRecord[];
};

/** One manifest of an image, which may be here or not. */
export type ManifestRecord = {
  readonly descriptor: Descriptor;
  readonly available: boolean;
  /** Bytes of its blobs that are here, and of its unpacked layers. */
  readonly content: number;
  readonly unpacked: number;
} & (
  | { readonly kind: "image"; readonly platform: Platform; readonly containers: readonly string[] }
  /** `of`: the digest of the manifest that it attests. */
  | { readonly kind: "attestation"; readonly of: string }
  | { readonly kind: "unknown" }
);

export type HistoryEntry = {
  /** Image id or "<missing>". */
  readonly id: string;
  /** Unix seconds. */
  readonly created: number;
  readonly createdBy: string;
  readonly tags: readonly string[];
  readonly size: number;
  readonly comment: string;
};

export type RemovedImage = { readonly Untagged: string } | { readonly Deleted: string };

export type LoadProgress =
  | { readonly kind: "loaded"; /** "name:tag", or the id when the archive names none. */ readonly name: string; readonly named: boolean }
  | { readonly kind: "progress"; readonly id: string; readonly status: string; readonly current: number; readonly total: number };
