/**
 * The registry client: OCI distribution 1.1 and Docker's schema 2, over HTTP. It brings what a reference leads to into the
 * content store, and takes it from there to another registry. It knows nothing of Docker's API and of snapshots.
 *
 *     await using transfer = openTransfer({ settings, content, log });
 *     const remote = transfer.open({ registry: "docker.io", path: "library/busybox" }, { credentials, signal });
 *     const { descriptor } = await remote.resolve("latest");
 *     using lease = leases.open();
 *     await transfer.fetch(remote, descriptor, { lease, platforms: [host], signal, progress });
 *     …
 *     await transfer.push(remote, descriptor, { tag: "1.0", platforms: "all", signal, progress });
 *
 * What it holds to:
 * - Credentials go to the registry they were given for and to the token server it names, over TLS unless the registry is
 *   listed as insecure; never along a redirect to another origin (security RC-01 to RC-06).
 * - Bytes count only when size and digest hold. A blob that was cut is kept as far as it came and goes on there, also after
 *   the engine was killed, by range, when the server still has the same bytes (RC-07).
 * - Every wait has a limit: to connect, between bytes, of redirects, of attempts, of what a server may ask us to wait (RC-08).
 * - One blob is fetched once, however many ask for it at the same time.
 *
 * Failures: not-found (no such repository or manifest, as far as we may know), forbidden (no access: the message says
 * whether credentials were sent), invalid (what came is not what was promised), unavailable (no answer; the last attempt's
 * reason), cancelled. The message names the request and the host: `GET https://HOST/v2/…: 500 Internal Server Error: …`.
 * A server's text in it is cut to 512 characters and stripped of control characters; no secret is ever part of one (RC-10).
 */
import type { Content } from "#core/content/content.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Log } from "#base/log.ts";
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import type { Platform } from "#spec/platform.ts";
import type { Session } from "./session.ts";

export { openTransfer } from "./open-transfer.ts";

export type Transfer = AsyncDisposable & {
  /** Asks the registry whether the credentials are good. @throws forbidden, unavailable. */
  login(registry: string, credentials: Credentials, signal: AbortSignal): Promise<{ identityToken?: string }>;
  open(repository: Repository, access: Access): Remote;
  /** Brings everything `target` leads to (for the platforms) into the content store, held by the lease. */
  fetch(remote: Remote, target: Descriptor, options: FetchOptions): Promise<void>;
  /** Makes the registry have everything `target` leads to, then puts the manifest under the tag (or its digest alone). */
  push(remote: Remote, target: Descriptor, options: PushOptions): Promise<Descriptor>;
  /** Puts one document whose parts the registry has, under the tag or its digest alone. */
  put(remote: Remote, document: { readonly descriptor: Descriptor; readonly bytes: Buffer }, options: { readonly tag?: string; readonly signal: AbortSignal }): Promise<void>;
  /** From registry to registry, through memory only; what the other side has is not sent. */
  copy(from: Remote, target: Descriptor, to: Remote, options: CopyOptions): Promise<Descriptor>;
};

export type TransferOptions = {
  /** Read at each request's beginning: a reload of the configuration takes effect. */
  readonly settings: () => TransferSettings;
  readonly content: Content;
  readonly log: Log;
  /** What is waited for and how often; for tests. */
  readonly limits?: Partial<Limits>;
};

export type Limits = {
  readonly connectMs: number;
  /** Without a byte, of the head and of the body. */
  readonly idleMs: number;
  /** Fewer bytes than this a second, over `rateMs` of waiting: the connection is given up. */
  readonly bytesPerSecond: number;
  readonly rateMs: number;
  readonly redirects: number;
  /** The most that a server may ask us to wait before the next attempt. */
  readonly retryAfterMs: number;
  /** Before the second attempt, with jitter; doubled for each further one. */
  readonly backoffMs: number;
};

export const LIMITS: Limits = { connectMs: 15_000, idleMs: 30_000, bytesPerSecond: 512, rateMs: 60_000, redirects: 5, retryAfterMs: 60_000, backoffMs: 500 };

export type TransferSettings = {
  /** "host:port", or CIDR of addresses: plain HTTP and unverified TLS are allowed there. Loopback always is, as in Docker. */
  readonly insecureRegistries: readonly string[];
  /** Of docker.io, tried in order before it: dockerd's `registry-mirrors`. */
  readonly mirrors: readonly string[];
  /**
   * Folders with one folder a host ("HOST:PORT"): `*.crt` (CA), `*.cert` + `*.key` (client), as Docker's certs.d, and
   * `hosts.toml`, as containerd's. The first folder that has the host decides.
   */
  readonly hostFolders: readonly string[];
  /** Empty: none. Docker's daemon.json `proxies`, else HTTP_PROXY, HTTPS_PROXY, NO_PROXY. */
  readonly proxies: { readonly http: string; readonly https: string; readonly no: string };
  /** Layers at once, of all fetches and of all pushes; attempts per request. Docker: 3, 5, 5. */
  readonly maxDownloads: number;
  readonly maxUploads: number;
  readonly maxAttempts: number;
  /** Registries, mirrors and token servers inside this network (private, loopback, link-local addresses) are refused. Default: no. */
  readonly publicOnly?: boolean;
};

/** `registry` as in a reference: "docker.io", "localhost:5000". The host that is asked may be another (mirrors). */
export type Repository = { readonly registry: string; readonly path: string };

export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** A refresh token that an earlier login returned. */
  | { readonly kind: "identity"; readonly token: string }
  /** Sent as it is, as Bearer. */
  | { readonly kind: "registry"; readonly token: string };

export type Access = { readonly credentials?: Credentials | undefined };

/** One repository of one registry. */
export type Remote = {
  readonly repository: Repository;
  /**
   * What a tag ("latest") or a digest leads to, by HEAD where the registry says it all, so that nothing is counted as a pull.
   * @throws not-found, forbidden, invalid (schema 1), unavailable.
   */
  resolve(tagOrDigest: string, signal: AbortSignal): Promise<{ descriptor: Descriptor }>;
  /** The document itself, of at most 4 MiB. The digest is of the bytes that came, unless one was asked for: then they must agree. */
  manifest(tagOrDigest: string, signal: AbortSignal): Promise<{ descriptor: Descriptor; bytes: Buffer }>;
  /** A blob's bytes, verified: ends happily only if size and digest hold; goes on by range where a connection was cut. */
  blob(descriptor: Descriptor, signal: AbortSignal): AsyncIterable<Buffer>;
  tags(signal: AbortSignal): AsyncIterable<string>;
  referrers(digest: Digest, signal: AbortSignal, artifactType?: string): Promise<readonly Descriptor[]>;
  delete(tagOrDigest: string, signal: AbortSignal): Promise<void>;
  /** Requests to this repository's hosts: for this folder. */
  readonly session: Session;
};

export type FetchOptions = {
  readonly lease: Lease;
  /** Whose manifests of an index: "all", or those; the index itself is always taken, as it came. */
  readonly platforms: "all" | readonly Platform[];
  readonly signal: AbortSignal;
  readonly progress?: (event: FetchEvent) => void;
  /**
   * Asked before a layer's bytes are taken: gets them too, in order, from the first on, before they are verified (what
   * was kept of an earlier attempt included). Undefined: nobody wants them.
   */
  readonly tee?: (layer: Descriptor) => LayerSink | undefined;
};

/** As `AheadLayer` of core/layers. */
export type LayerSink = { write(chunk: Uint8Array): Promise<void>; end(digest: Digest): void; abort(): void };

export type FetchEvent =
  | { readonly kind: "manifest"; readonly descriptor: Descriptor }
  /** Once for each layer that will be needed, in the image's order, before any of it comes. */
  | { readonly kind: "layer"; readonly descriptor: Descriptor; readonly here: boolean }
  | { readonly kind: "progress"; readonly digest: Digest; readonly current: number; readonly total: number; readonly resumedAt: number }
  | { readonly kind: "retry"; readonly digest: Digest; readonly seconds: number; readonly reason: string }
  | { readonly kind: "verifying"; readonly digest: Digest }
  | { readonly kind: "done"; readonly digest: Digest };

export type PushOptions = {
  readonly tag?: string;
  /**
   * "all": an index goes whole; if only one image of it is in the store, that one goes (the descriptor that `push` resolves
   * to is then the manifest's); if several but not all are, that is a conflict. A platform: its manifest, without the index.
   */
  readonly platforms: "all" | readonly Platform[];
  readonly signal: AbortSignal;
  readonly progress?: (event: PushEvent) => void;
  /** Repositories of the same registry that may have the blob: tried by mounting. */
  readonly sources?: (digest: Digest) => readonly string[];
};

export type PushEvent =
  | { readonly kind: "blob"; readonly descriptor: Descriptor }
  | { readonly kind: "progress"; readonly digest: Digest; readonly current: number; readonly total: number }
  | { readonly kind: "exists"; readonly digest: Digest }
  | { readonly kind: "mounted"; readonly digest: Digest; readonly from: string }
  | { readonly kind: "retry"; readonly digest: Digest; readonly seconds: number; readonly reason: string }
  | { readonly kind: "pushed"; readonly digest: Digest }
  | { readonly kind: "manifest"; readonly descriptor: Descriptor; readonly tag: string | undefined };

export type CopyOptions = Omit<PushOptions, "sources">;
