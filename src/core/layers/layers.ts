/**
 * Layers: a tar archive, compressed or not, becomes a snapshot.
 *
 *     const top = await layers.unpack(lease, [{ descriptor, diffId }, …], { signal });   // the chain ID
 *     await snapshots.prepare(containerId, top, { init: true });
 *
 * Each layer is decompressed, hashed, parsed and turned into ops that `cell` performs inside the layer's folder, all at
 * once; two layers of an image at a time. A layer whose chain ID is there already is not unpacked again, and one that is
 * being unpacked for somebody else is waited for. See docs/design/layers.md.
 */
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import type { Lease } from "../leases/leases.ts";

export type Layer = { readonly descriptor: Descriptor; readonly diffId: Digest };

export type UnpackOptions = {
  readonly signal?: AbortSignal;
  /** Called now and then with the compressed bytes read so far of one layer. */
  readonly progress?: (digest: Digest, current: number, total: number) => void;
};

export type Layers = {
  /**
   * Makes the snapshots of the layers, bottom first; resolves to the chain ID of the topmost ("" without layers), which
   * the lease holds.
   * @throws invalid when a layer is not what its digest or diff ID say, is no archive, or is hostile; exhausted when the
   *   disk is full. No snapshot of the image is left then.
   */
  unpack(lease: Lease, layers: readonly Layer[], options?: UnpackOptions): Promise<string>;
  /** Unpacks what may be layers while it comes in. `unpack` takes over what turns out to be one. */
  ahead(): Ahead;
};

/** Bytes that are unpacked before it is known what image they belong to. What nobody took over goes with it. */
export type Ahead = AsyncDisposable & {
  /** Undefined when the driver needs the parent first, or when enough is under way. */
  begin(): AheadLayer | undefined;
};

/** What goes wrong is kept quiet: whoever needs the layer unpacks it from its blob, and hears of it then. */
export type AheadLayer = {
  /** Copies the chunk; resolves when there is room for more. */
  write(chunk: Uint8Array): Promise<void>;
  /** The bytes are those of this blob. Resolves to its diff ID when it is unpacked; undefined when it could not be. */
  end(digest: Digest): Promise<Digest | undefined>;
  abort(): void;
};

/** What an archive may hold at most. */
export type LayerLimits = {
  /** Bytes when uncompressed. */
  readonly bytes: number;
  readonly entries: number;
};

export const LAYER_LIMITS: LayerLimits = { bytes: 256 * 2 ** 30, entries: 10_000_000 };

/** Overlay mounts more, but no engine makes images of more (security F-17). */
export const MAX_LAYERS = 127;
