/** Brings an image: index, manifests, configurations and layers, what is missing of them. See transfer.ts. */
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Content } from "#core/content/content.ts";
import { type Descriptor, isIndex, isIndexType, isManifestType, type Manifest, parseTarget } from "#spec/image.ts";
import { formatPlatform, type Platform, platformFit } from "#spec/platform.ts";
import { accessKey } from "../http/ask.ts";
import type { FetchEvent, FetchOptions, Remote } from "../transfer.ts";
import { readDocument } from "./documents.ts";
import { fetchBlob } from "./fetch-blob.ts";
import type { Flights } from "./flights.ts";
import type { Limit } from "./limit.ts";

export type FetchParts = { readonly content: Content; readonly flights: Flights<FetchEvent>; readonly downloads: Limit };

const MOST_DEPTH = 4;
const MOST_MANIFESTS = 1000;

export async function fetchImage(parts: FetchParts, remote: Remote, target: Descriptor, options: FetchOptions): Promise<void> {
  const stop = new AbortController();
  const inner = { ...options, signal: AbortSignal.any([options.signal, stop.signal]) };
  const manifests = await collectManifests(parts, remote, target, inner);
  const blobs = new Map<string, Descriptor>();
  for (const { config, layers } of manifests) for (const blob of [config, ...layers]) blobs.set(blob.digest, blob);
  const configs = new Set(manifests.map(({ config }) => config.digest));
  const layers = new Map(manifests.flatMap((manifest) => manifest.layers.map((layer) => [layer.digest, layer])));
  for (const layer of layers.values()) announce(parts.content, layer, options);
  const work = [...blobs.values()].map((blob) => bring(parts, remote, blob, inner, configs.has(blob.digest)).catch((error: unknown) => {
    stop.abort(error);
    throw error;
  }));
  // All have ended when this ends: nothing writes behind the caller's back.
  const ends = await Promise.allSettled(work);
  options.signal.throwIfAborted();
  if (ends.some(({ status }) => status === "rejected")) throw stop.signal.reason;
}

function announce(content: Content, descriptor: Descriptor, { lease, progress }: FetchOptions): void {
  progress?.({ kind: "layer", descriptor, here: content.find(lease, descriptor.digest) !== undefined });
}

/** The manifests of the wanted platforms, in the order of the index. */
async function collectManifests(parts: FetchParts, remote: Remote, target: Descriptor, options: FetchOptions, depth = 0): Promise<Manifest[]> {
  if (depth > MOST_DEPTH) throw fail("invalid", `read ${target.digest}: its indexes are nested too deep`);
  const document = parseTarget(await bringDocument(parts, remote, target, options), target.mediaType);
  if (!isIndex(document)) return [document];
  const wanted = choose(document.manifests.filter(({ mediaType }) => isManifestType(mediaType) || isIndexType(mediaType)), target, options.platforms);
  if (wanted.length > MOST_MANIFESTS) throw fail("invalid", `read ${target.digest}: it has more than ${MOST_MANIFESTS} manifests`);
  const found = await Promise.all(wanted.map((child) => collectManifests(parts, remote, child, options, depth + 1)));
  return found.flat();
}

/** For each platform that is asked for, what fits it best. */
function choose(manifests: readonly Descriptor[], target: Descriptor, platforms: FetchOptions["platforms"]): readonly Descriptor[] {
  if (platforms === "all") return manifests;
  const chosen = platforms.map((platform) => {
    const best = bestFor(manifests, platform);
    if (best === undefined) throw fail("not-found", `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`, { facts: { index: target.digest, platform } });
    return best;
  });
  return manifests.filter((manifest) => chosen.includes(manifest));
}

function bestFor(manifests: readonly Descriptor[], platform: Platform): Descriptor | undefined {
  let best: { manifest: Descriptor; fit: number } | undefined;
  for (const manifest of manifests) {
    // An index that names no platforms may lead to any.
    const fit = manifest.platform === undefined ? 1 : platformFit(platform, manifest.platform);
    if (fit > (best?.fit ?? 0)) best = { manifest, fit };
  }
  return best?.manifest;
}

async function bringDocument({ content, flights }: FetchParts, remote: Remote, descriptor: Descriptor, { lease, signal, progress }: FetchOptions): Promise<Buffer> {
  await flights.join(descriptor.digest, {
    access: identity(remote),
    signal,
    arrived: () => content.find(lease, descriptor.digest) !== undefined,
    listen: () => undefined,
    async lead() {
      const { bytes } = await readDocument(remote.session, descriptor.digest, signal);
      await failpoint("fetch.document");
      await content.ingest(lease, [bytes], { digest: descriptor.digest, size: descriptor.size });
    },
  });
  progress?.({ kind: "manifest", descriptor });
  return content.read(descriptor.digest);
}

async function bring({ content, flights, downloads }: FetchParts, remote: Remote, blob: Descriptor, options: FetchOptions, isConfig: boolean): Promise<void> {
  const { lease, signal, progress } = options;
  await flights.join(blob.digest, {
    access: identity(remote),
    signal,
    arrived: () => content.find(lease, blob.digest) !== undefined,
    listen: (event) => progress?.(event),
    async lead(tell) {
      const { session } = remote;
      const run = (sink: ReturnType<NonNullable<FetchOptions["tee"]>>) => fetchBlob(blob, { content, session, lease, signal, sink, tell });
      // Configurations are small, and what somebody looks at first.
      if (isConfig) await run(undefined);
      else await downloads.run(session.settings.maxDownloads, signal, () => run(options.tee?.(blob)));
    },
  });
  progress?.({ kind: "done", digest: blob.digest });
}

/** Two of the same repository with the same credentials see the same. */
const identity = ({ repository, session }: Remote): string => `${repository.registry}/${repository.path} ${accessKey(session.access)}`;
