/** A plain archive becomes a layer's blob: hashed, compressed on other threads, stored. */
import { pipeline } from "node:stream/promises";
import type { Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { hasher } from "#base/digest.ts";
import { CHUNK, gather, tap } from "#base/streams.ts";
import type { Core } from "#core/core.ts";
import type { Layer } from "#core/layers/layers.ts";
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
