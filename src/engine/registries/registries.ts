/**
 * Docker's images on their way: pull, push, copy, and what is asked of registries. No HTTP here: the registry client
 * (src/transfer) speaks with registries, src/engine/api with clients.
 *
 *     const registries = openRegistries({ core, transfer, publish: events.publish, log });
 *     for await (const message of registries.pull("busybox:1.36", { auth, signal })) …   // Docker's progress messages
 *     for await (const message of registries.push("localhost:5000/busybox", { tag: "1.36", signal })) …
 *
 * A pull names an image only when all of it is here, verified and unpacked. What an interrupted pull brought is kept for
 * a week (core's `kept`), over a restart too, so that the next attempt goes on; what turned out to be wrong is not.
 * Credentials come with each request, are used for the registry of that request alone, and are not stored.
 */
import type { Core } from "#core/core.ts";
import type { Log } from "#base/log.ts";
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";
import type { Explanation, Trust } from "#transfer/trust/trust.ts";
import type { Credentials, Transfer, TransferSettings } from "#transfer/transfer.ts";
import type { Events, Filters } from "../engine.ts";
import type { IndexPush, RemoteManifest } from "./manifests.ts";

export { openRegistries } from "./open-registries.ts";

export type Registries = {
  /**
   * `name`: a reference; without tag and digest all tags of the repository are pulled. Fails before the first message
   * when there is no such image, or no access to it.
   */
  pull(name: string, options: PullOptions): AsyncIterable<Message>;
  /** `name`: a repository; `tag`: one of its tags here, undefined for all of them. */
  push(name: string, options: PushOptions): AsyncIterable<Message>;
  /** @throws unauthorized, unavailable */
  login(server: string, credentials: Credentials, signal: AbortSignal): Promise<{ identityToken: string }>;
  /** What a registry says of a reference; nothing is stored. */
  inspect(name: string, access: Access): Promise<{ descriptor: Descriptor; platforms: readonly Platform[] }>;
  /** What the trust policy says of a reference: its registry is asked for signatures where they are needed. */
  explainTrust(name: string, access: Access): Promise<Explanation>;
  /** A document of a registry as it is; of an index, its manifests too if wanted. */
  manifest(name: string, options: Access & { readonly children: boolean }): Promise<RemoteManifest>;
  /** Puts an index of images that are at the same registry. */
  pushIndex(name: string, index: IndexPush, access: Access): Promise<{ digest: Digest; pushed: Digest[] }>;
  search(term: string, options: SearchOptions): Promise<readonly Found[]>;
  /** From registry to registry. `from` and `to` are the accesses to either. */
  copy(source: string, target: string, options: CopyOptions): AsyncIterable<Message>;
};

export type Access = { readonly auth?: Credentials | undefined; readonly signal: AbortSignal };
export type PullOptions = Access & { readonly platform?: Platform | undefined };
export type PushOptions = Access & { readonly tag?: string | undefined; readonly platform?: Platform | undefined };
export type CopyOptions = {
  readonly from?: Credentials | undefined;
  readonly to?: Credentials | undefined;
  readonly platforms: "all" | readonly Platform[];
  readonly signal: AbortSignal;
};
export type SearchOptions = Access & { readonly limit: number; readonly filters: Filters };

export type Found = {
  readonly name: string;
  readonly description: string;
  readonly star_count: number;
  readonly is_official: boolean;
  readonly is_automated: boolean;
};

/** A message of Docker's progress streams. Beyond Docker's: `resumedAt`, where an interrupted download went on. */
export type Message = {
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number; readonly resumedAt?: number };
  readonly aux?: unknown;
  readonly errorDetail?: { readonly message: string };
};

export type RegistryParts = {
  readonly core: Core;
  readonly transfer: Transfer;
  readonly settings: () => TransferSettings;
  readonly publish: Events["publish"];
  readonly trust: Trust;
  readonly log: Log;
};
