/** Reads a cache of somewhere else: its document at once, its layers when a step turns out to be in it. */
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import type { Layer } from "#core/layers/layers.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, isIndexType, MAX_DOCUMENT, parseConfig, parseDescriptor, parseManifest, readJson } from "#spec/image.ts";
import { hostPlatform, platformEquals, type Platform } from "#spec/platform.ts";
import type { ImportedCache } from "../../solve/solve.ts";
import { CACHE_CONFIG, type CacheDocument, type CachedResult, decodeDocument, identityOfLayers, INLINE, MAX_CACHE_DOCUMENT } from "./document.ts";
import type { CacheSource, RemoteCacheParts } from "./remote.ts";

export async function importCache(core: RemoteCacheParts["core"], source: CacheSource, signal: AbortSignal): Promise<ImportedCache> {
  const { results, facts } = await readDocument(source, signal);
  const byKey = new Map<Digest, CachedResult>();
  for (const result of results) if (result.whole || !byKey.has(result.key)) byKey.set(result.key, result);
  return {
    find(key) {
      const result = byKey.get(key);
      if (result === undefined) return undefined;
      return { identity: identityOfLayers(result.layers), layers: result.layers, whole: result.whole, created: result.created };
    },
    fact: (key) => facts.get(key),
    async fetch(layers, { lease, signal: stop, progress }) {
      for (const { descriptor } of layers) {
        if (core.content.find(lease, descriptor.digest) !== undefined) continue;
        const tell = (current: number) => progress({ id: descriptor.digest, name: `pulling ${descriptor.digest}`, current, total: descriptor.size });
        await core.content.ingest(lease, counted(source.blob(descriptor, stop), tell), { digest: descriptor.digest, size: descriptor.size });
      }
      const top = await core.layers.unpack(lease, layers, { signal: stop });
      return { kind: "layers", snapshot: top === "" ? undefined : top, layers };
    },
  };
}

async function* counted(bytes: AsyncIterable<Uint8Array>, tell: (current: number) => void): AsyncGenerator<Uint8Array> {
  let current = 0;
  for await (const chunk of bytes) {
    current += chunk.length;
    tell(current);
    yield chunk;
  }
}

async function readDocument(source: CacheSource, signal: AbortSignal): Promise<CacheDocument> {
  const { bytes, mediaType } = await source.manifest(signal);
  const value = readJson(bytes, "a build cache's manifest") as { manifests?: unknown; config?: unknown; layers?: unknown };
  if (Array.isArray(value.manifests)) return await readIndex(source, value.manifests, signal);
  const config = parseDescriptor(value.config, "a build cache's manifest");
  if (config.mediaType === CACHE_CONFIG) return decodeDocument((await whole(source, config, MAX_CACHE_DOCUMENT, signal)).toString("utf8"));
  return await readInline(source, { bytes, mediaType }, signal);
}

/** Of a cache's own kind, or of an image for several platforms. */
async function readIndex(source: CacheSource, manifests: readonly unknown[], signal: AbortSignal): Promise<CacheDocument> {
  const members = manifests.slice(0, 10_000).map((one) => parseDescriptor(one, "a build cache's index"));
  const config = members.find(({ mediaType }) => mediaType === CACHE_CONFIG);
  if (config !== undefined) return decodeDocument((await whole(source, config, MAX_CACHE_DOCUMENT, signal)).toString("utf8"));
  const fits = members.filter(({ mediaType, platform }) => !isIndexType(mediaType) && platform !== undefined && platformEquals(platform as Platform, hostPlatform()));
  const [first] = fits;
  if (first === undefined) return { results: [], facts: new Map() };
  return await readInline(source, { bytes: await source.member(first, signal), mediaType: first.mediaType }, signal);
}

/** Of an image's results those travel whose layers it has. */
async function readInline(source: CacheSource, { bytes, mediaType }: { readonly bytes: Buffer; readonly mediaType: string }, signal: AbortSignal): Promise<CacheDocument> {
  const manifest = parseManifest(bytes, mediaType);
  const text = await whole(source, manifest.config, MAX_DOCUMENT, signal);
  const said = (readJson(text, "an image's configuration") as Record<string, unknown>)[INLINE];
  if (typeof said !== "string") return { results: [], facts: new Map() };
  const { diffIds } = parseConfig(text);
  const own = diffIds.map((diffId, index): Layer => ({ diffId, descriptor: manifest.layers[index]! }));
  const { results, facts } = decodeDocument(Buffer.from(said, "base64").toString("utf8"));
  return {
    facts,
    results: results.map((result) => {
      const isIn = result.whole && result.layers.every(({ diffId }, index) => own[index]?.diffId === diffId);
      return isIn ? { ...result, layers: own.slice(0, result.layers.length) } : { ...result, whole: false };
    }),
  };
}

/** A document, compared with its digest. */
async function whole(source: CacheSource, descriptor: Descriptor, limit: number, signal: AbortSignal): Promise<Buffer> {
  const bytes = await collect(source.blob(descriptor, signal), limit, "a build cache");
  if (sha256(bytes) !== descriptor.digest) throw fail("invalid", `read a build cache: ${descriptor.digest} is not what it says`);
  return bytes;
}
