/** What containers ask of images. */
import type { Lease } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import type { Platform } from "#spec/platform.ts";

export type ResolvedImage = {
  /** Digest of the manifest or index that the name leads to. */
  readonly id: string;
  /** Digest of the manifest of the platform that was chosen. */
  readonly manifestDigest: Digest;
  readonly platform: Platform;
  /** The `config` object of the image's configuration, as it stands there. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Name of the committed snapshot to build on: the chain ID. undefined: no layers. */
  readonly snapshot: string | undefined;
};

export type ResolveImage = {
  /**
   * Finds an image for a platform, its layers unpacked. The lease holds what it needs, from when it was found.
   * @throws not-found: "No such image: X" (clients pull then).
   */
  resolve(ref: string, options?: { platform?: string; lease?: Lease }): Promise<ResolvedImage>;
  /** The id that a reference stands for now; undefined if none. */
  find(ref: string): string | undefined;
};
