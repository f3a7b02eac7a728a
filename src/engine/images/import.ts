/** `docker import`: the archive of a root file system becomes an image of one layer, kept as it came. */
import { formatTime, nowNanos } from "#base/clock.ts";
import { hasher } from "#base/digest.ts";
import { type Compression, decompress, detectCompression, gather, peek, tap } from "#base/streams.ts";
import type { Core } from "#core/core.ts";
import { type Ahead, LAYER_LIMITS } from "#core/layers/layers.ts";
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

const ARCHIVE = { what: "the archive", limit: LAYER_LIMITS.bytes };
const MEDIA_TYPES: Partial<Record<Compression, string>> = { none: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd };

/** The id of the image. @throws invalid */
export async function importImage(parts: ImageParts & { documents: Documents }, source: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<string> {
  const { core, documents, publish } = parts;
  const names = options.target === "" ? [] : [parseTarget(options.target)];
  const config = applyChanges({}, options.changes);
  try {
    using lease = core.leases.open();
    await using ahead = core.layers.ahead();
    const layer = await takeLayer(core, lease, ahead, source, options.signal);
    const created = formatTime(nowNanos());
    const comment = options.message === "" ? `Imported from ${options.source ?? "-"}` : options.message;
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

type Taken = { readonly descriptor: Descriptor; readonly diffId: Digest };

/** Stores the bytes as they come (decompressed where no layer may be so compressed), and unpacks them on the way, which tells what they are when decompressed. */
async function takeLayer(core: Core, lease: Lease, ahead: Ahead, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Taken> {
  const writer = await core.content.writer(lease);
  const layer = ahead.begin();
  try {
    const { head, stream } = await peek(source);
    const mediaType = MEDIA_TYPES[detectCompression(head)];
    for await (const chunk of gather(mediaType === undefined ? (await decompress(stream, ARCHIVE)).stream : stream)) {
      signal.throwIfAborted();
      await layer?.write(chunk);
      await writer.write(chunk);
    }
    const { digest, size } = await writer.commit();
    const diffId = (await layer?.end(digest)) ?? (await readDiffId(core, digest, signal));
    return { descriptor: { mediaType: mediaType ?? MEDIA.ociLayer, digest, size }, diffId };
  } catch (error) {
    layer?.abort();
    await writer.abort();
    throw error;
  }
}

/** Where nothing is unpacked ahead, or it went wrong: then this says what is wrong with the compression. */
async function readDiffId(core: Core, digest: Digest, signal: AbortSignal): Promise<Digest> {
  const { stream } = await decompress(core.content.stream(digest), ARCHIVE);
  const hash = hasher();
  for await (const _ of tap(stream, (chunk) => (signal.throwIfAborted(), hash.update(chunk))));
  return hash.digest();
}
