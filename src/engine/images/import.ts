/** `docker import`: the archive of a root file system becomes an image of one layer, kept as it came. */
import { formatTime, nowNanos } from "#base/clock.ts";
import { hasher } from "#base/digest.ts";
import { type Compression, decompress, gather, tap } from "#base/streams.ts";
import type { Core } from "#core/core.ts";
import { LAYER_LIMITS } from "#core/layers/layers.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import { hostPlatform, normalizePlatform } from "#spec/platform.ts";
import type { Images } from "../api/api.ts";
import { applyChanges } from "./changes.ts";
import { completeTarget, unpackVariant } from "./complete.ts";
import { chooseVariant, type Documents } from "./documents.ts";
import type { ImageParts } from "./images.ts";
import { makeImage } from "./make.ts";
import { imageEvent, nameImage, parseTarget } from "./names.ts";

type ImportOptions = Parameters<Images["import"]>[1];

const MEDIA_TYPES: Partial<Record<Compression, string>> = { none: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd };

/** The id of the image. @throws invalid */
export async function importImage(parts: ImageParts & { documents: Documents }, source: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<string> {
  const { core, documents, publish } = parts;
  const names = options.target === "" ? [] : [parseTarget(options.target)];
  const config = applyChanges({}, options.changes);
  try {
    using lease = core.leases.open();
    const layer = await takeLayer(core, lease, source, options.signal);
    const created = formatTime(nowNanos());
    const comment = options.message === "" ? "Imported from -" : options.message;
    const platform = options.platform === undefined ? hostPlatform() : normalizePlatform(options.platform);
    const target = await makeImage(core, lease, { platform, created, config, history: [{ created, comment }], layers: [layer] });
    await completeTarget({ core, documents, lease, find: (digest) => core.content.find(lease, digest) }, target);
    const variant = chooseVariant(await documents.variants(target), undefined)!;
    await unpackVariant(core, lease, variant, { signal: options.signal });
    await nameImage(core.images, target, names);
    imageEvent(publish, "import", target.digest, target.digest);
    return target.digest;
  } finally {
    await core.collect();
  }
}

/** Stores the bytes as they come, and learns on the way what they are when decompressed. */
async function takeLayer(core: Core, lease: Lease, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<{ descriptor: Descriptor; diffId: Digest }> {
  const writer = await core.content.writer(lease);
  try {
    const stored = tapAsync(gather(source), async (chunk) => {
      signal.throwIfAborted();
      await writer.write(chunk);
    });
    const { compression, stream } = await decompress(stored, { what: "the archive", limit: LAYER_LIMITS.bytes });
    const hash = hasher();
    for await (const _ of tap(stream, hash.update));
    const { digest, size } = await writer.commit();
    return { descriptor: { mediaType: MEDIA_TYPES[compression]!, digest, size }, diffId: hash.digest() };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function* tapAsync(source: AsyncIterable<Uint8Array>, look: (chunk: Uint8Array) => Promise<void>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    await look(chunk);
    yield chunk;
  }
}
