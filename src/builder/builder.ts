/**
 * Builds: a Dockerfile and a context become an image. Whichever door a build comes through (POST /build, BuildKit's
 * protocol), it is the same request, asked of the same builder; what differs is the client that answers the builder's
 * questions, and how events are shown.
 *
 *     const builder = openBuilder(parts);
 *     const result = await builder.build(request, client, { signal, report: (event) => … });
 *
 * The road of a build: the Dockerfile is read from the client (`dockerfile/` parses it), `plan/` makes a graph of steps
 * (graph.ts) and the configuration of the image, `solve/` finds or makes what each step results in (tree.ts), by the
 * performers of `files/`, `contexts/` and the engine; `export/` makes of the target's layers what was asked for.
 */
import type { Credentials } from "#transfer/transfer.ts";
import type { Digest } from "#spec/digest.ts";
import type { Platform } from "#spec/platform.ts";
import type { ImageDocuments } from "./export/documents.ts";
import type { FileTree } from "./tree.ts";
import type { BuildEvent } from "./events.ts";
import type { Duplex } from "node:stream";

export type BuildRequest = {
  /** Chosen by the client (BuildKit's ref, /build's buildid), else by the door: 25 characters of a-z0-9. */
  readonly ref: string;
  /** Where the Dockerfile is: a path in the context, or in the client's folder "dockerfile" when `separate`. */
  readonly dockerfile: { readonly path: string; readonly separate: boolean };
  /** "": the client's folder "context"; else the URL of a git repository, an archive or a text. */
  readonly context: string;
  /** --build-context: name → "docker-image://…", "oci-layout://…", "target:…", "local:NAME" (a folder of the client), URL. */
  readonly contexts: Readonly<Record<string, string>>;
  /** "": the last stage. */
  readonly target: string;
  /** A value of undefined: named without one. */
  readonly buildArgs: Readonly<Record<string, string | undefined>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty: this machine's. */
  readonly platforms: readonly Platform[];
  /** All, or the named stages only. */
  readonly noCache: boolean | readonly string[];
  /** Ask the registries also for what is here. */
  readonly pull: boolean;
  readonly run: RunDefaults;
  /** "network.host", "security.insecure", "device": what the client allows its build. */
  readonly entitlements: readonly string[];
  readonly exports: readonly ExportWish[];
  readonly cacheFrom: readonly CacheWish[];
  readonly cacheTo: readonly CacheWish[];
  /** "sbom" → its options, "provenance" → its options. */
  readonly attestations: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Layers of this build, or all, become one. */
  readonly squash: "no" | "new" | "all";
  /** Only look for what lint has to say (`--check`), or only what would be done (`--dry-run`). */
  readonly only?: "check" | "outline" | "targets" | "plan";
  /**
   * As dockerd's classic builder has it: of what is ignored only the Dockerfile and .dockerignore are left out, because the
   * client has left out the rest; history in its words, labels among it.
   */
  readonly classic?: boolean;
  /** Of what the client said what its history shows: BuildKit's frontend attributes, without what could be a secret. */
  readonly said?: Readonly<Record<string, string>>;
  /** What a failed RUN leaves is kept and offered to `client.debug` (`--debug-on-fail`). */
  readonly debugOnFail?: boolean;
};

/** What every RUN gets unless it says otherwise. */
export type RunDefaults = {
  /** "default", "none", "host", or a network's name (classic only). */
  readonly network: string;
  /** "name:address", or "name:host-gateway". */
  readonly extraHosts: readonly string[];
  readonly ulimits: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[];
  /** Bytes; 0: the default. */
  readonly shmSize: number;
  readonly cgroupParent: string;
  /** Classic's: Docker's HostConfig keys Memory, MemorySwap, CpuShares, CpuPeriod, CpuQuota, CpusetCpus, CpusetMems. */
  readonly limits: Readonly<Record<string, number | string>>;
  /** Why a command could not be started is said by the failure alone, not in the step's output as well. */
  readonly quietStart?: boolean;
};

export type ExportWish = {
  /** image: into the store (and pushed if `push` is "true"); none: nothing is made of the result. */
  readonly type: "image" | "local" | "tar" | "oci" | "docker" | "none";
  /** As BuildKit's: name (several, separated by commas), push, dest, tar, compression, rewrite-timestamp, annotation.… */
  readonly attributes: Readonly<Record<string, string>>;
};

/** inline | registry | local, with BuildKit's attributes: ref, mode, src, dest, …; image: `ref`, if it is here. */
export type CacheWish = { readonly type: string; readonly attributes: Readonly<Record<string, string>> };

export type BuildResult = {
  /** What clients are told: "containerimage.digest", "containerimage.config.digest", "image.name", … */
  readonly metadata: Readonly<Record<string, string>>;
  /** The image's id when one was put into the store, or would have been. */
  readonly image?: Digest;
  /** For `only`: its text or JSON. */
  readonly text?: string;
  /** What the history keeps of how it was made; worked out when it is asked for, which nobody waits for. */
  readonly provenance?: () => readonly Provenance[];
};

/** A predicate of SLSA, as JSON; `platform` of an image for several only. */
export type Provenance = { readonly platform?: string; readonly type: string; readonly text: string };

/** Who asks for a build, and what the builder may ask of it meanwhile. A door implements it for its protocol. */
export type BuildClient = {
  /**
   * Files of one of its folders: "context", "dockerfile", or of a named context. What the engine has already is not sent.
   * `include`: only these paths and what is below (none: everything); `exclude`: lines of a .dockerignore. `told`: how many
   * bytes have come.
   * @throws not-found when the client does not offer the folder
   */
  files(name: string, wish: FilesWish): Promise<FileTree>;
  /** Undefined: the client has no such secret. */
  secret(id: string, signal: AbortSignal): Promise<Buffer | undefined>;
  /** A connection to an ssh agent of the client; undefined: it offers none of this id. */
  ssh(id: string, signal: AbortSignal): Promise<Duplex | undefined>;
  credentials(host: string): Promise<Credentials | undefined>;
  /** Where an export's archive goes, or (type local) its files as an archive whose entries the client makes files of. */
  receive(exportIndex: number, wish: ExportWish, archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /**
   * Blobs in a folder of the client's: "local:FOLDER" (a local cache), "oci:NAME" (a named context that is an OCI layout),
   * "export" (an output that is a layout in a folder). Undefined: it offers none of this name.
   */
  store?(name: string): Promise<ClientStore | undefined>;
  /** A step has failed: shown before the build ends with it. Resolves when the client has had enough of its shell. Undefined: it wants none. */
  debug?(failed: FailedStep): Promise<void>;
};

export type FailedStep = {
  /** What the build will end with. */
  readonly failure: unknown;
  /** "[build 2/5] RUN npm ci" */
  readonly name: string;
  readonly vertex: string;
  /** A shell that runs in it; or why there is none: "it runs no command". */
  readonly shell: DebugShell | string;
};

export type DebugShell = {
  /** "/bin/bash" */
  readonly path: string;
  readonly terminal: Duplex;
  resize(size: { readonly rows: number; readonly columns: number }): Promise<void>;
};

export type FilesWish = { readonly include?: readonly string[]; readonly exclude?: readonly string[]; readonly signal: AbortSignal; readonly told?: (bytes: number, done: boolean) => void };

/** What comes is not verified; what goes is, by the client. */
export type ClientStore = {
  /** Undefined: it does not have it. */
  size(digest: Digest, signal: AbortSignal): Promise<number | undefined>;
  read(digest: Digest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Nothing happens when it has it. */
  write(blob: { readonly digest: Digest; readonly size: number }, bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
};

export type BuildOptions = {
  readonly signal: AbortSignal;
  /** A promise: whoever tells output waits for it, so that nothing has to be left out for one who reads slowly. */
  readonly report: (event: BuildEvent) => void | Promise<void>;
  /** Of a classic build: the image after an instruction (its place among those that were told), as soon as it is known. */
  readonly intermediate?: (place: number, image: ImageDocuments) => void;
};

export type Builder = {
  /** @throws invalid with the lines of the Dockerfile; canceled; failures of steps: facts.exitCode and facts.step */
  build(request: BuildRequest, client: BuildClient, options: BuildOptions): Promise<BuildResult>;
};
