/** A plain archive becomes a layer's blob: hashed, compressed on other threads, stored. What a layer is made into is made once. */
import { pipeline } from "node:stream/promises";
import type { Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { hasher } from "#base/digest.ts";
import { CHUNK, decompress, gather, tap } from "#base/streams.ts";
import type { Core } from "#core/core.ts";
import { LAYER_LIMITS, type Layer } from "#core/layers/layers.ts";
import type { Lease } from "#core/leases/leases.ts";
import { MEDIA } from "#spec/image.ts";
import type { Compression } from "./attributes.ts";

export type StoreOptions = { readonly core: Pick<Core, "content">; readonly lease: Lease; readonly compression: Compression; readonly level: number | undefined };

const TYPES: Readonly<Record<Compression, string>> = { uncompressed: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd };

export async function storeLayer(archive: AsyncIterable<Uint8Array>, { core, lease, compression, level }: StoreOptions): Promise<Layer> {
  const hash = hasher();
  const plain = tap(gather(archive, CHUNK), hash.update);
  const { digest, size } = await core.content.ingest(lease, compression === "uncompressed" ? plain : compressed(plain, compressor(compression, level)));
  return { descriptor: { mediaType: TYPES[compression], digest, size }, diffId: hash.digest() };
}

export type Storing = {
  readonly core: Pick<Core, "content">;
  readonly lease: Lease;
  /** Layers that were made before, by what was made of which. */
  readonly done: Map<string, Layer>;
};

const MOST = 10_000;

/** What was made of the same before, if it is still there. */
export async function once({ core, lease, done }: Storing, key: string, make: () => Promise<Layer>): Promise<Layer> {
  const before = done.get(key);
  if (before !== undefined && core.content.find(lease, before.descriptor.digest) !== undefined) return before;
  const made = await make();
  if (done.size >= MOST) done.delete(done.keys().next().value!);
  done.set(key, made);
  return made;
}

export function compressionOf({ descriptor: { mediaType } }: Layer): Compression {
  return mediaType.endsWith("gzip") ? "gzip" : mediaType.endsWith("zstd") ? "zstd" : "uncompressed";
}

/** A layer's archive. */
export async function* plainBytes({ core }: Pick<Storing, "core">, { descriptor: { digest } }: Layer, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { stream } = await decompress(core.content.stream(digest), { what: `layer ${digest}`, limit: LAYER_LIMITS.bytes, consume: true });
  for await (const chunk of stream) {
    signal.throwIfAborted();
    yield chunk;
  }
}

/** Without a level, gzip's is Go's and zstd's is 3. */
function compressor(compression: "gzip" | "zstd", level: number | undefined): Transform {
  if (compression === "gzip") return createGzip({ chunkSize: CHUNK, level: Math.min(level ?? 6, 9) });
  return createZstdCompress({ chunkSize: CHUNK, params: { [constants.ZSTD_c_compressionLevel]: Math.min(level ?? 3, 22) } });
}

async function* compressed(source: AsyncIterable<Uint8Array>, engine: Transform): AsyncGenerator<Buffer> {
  // What goes wrong with the source comes out of the engine, which it destroys.
  const fed = pipeline(source, engine).catch(() => {});
  try {
    for await (const chunk of engine) yield chunk as Buffer;
  } finally {
    engine.destroy();
    await fed;
  }
}
