/** Joins what goes to and comes from elsewhere. See remote.ts. */
import { sha256 } from "#base/digest.ts";
import { fail, kindOf } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import type { Layer } from "#core/layers/layers.ts";
import { parseDigest } from "#spec/digest.ts";
import { type Descriptor, MAX_DOCUMENT, MEDIA } from "#spec/image.ts";
import type { ImportOptions, Outcome } from "../../build.ts";
import type { BuildClient, CacheWish, ClientStore } from "../../builder.ts";
import { internalStep } from "../../internal-step.ts";
import type { ImportedCache } from "../../solve/solve.ts";
import { encodeDocument, INLINE } from "./document.ts";
import { documentOf, exportTo } from "./export.ts";
import { importCache } from "./import.ts";
import type { CacheSource, RemoteCache, RemoteCacheParts } from "./remote.ts";

const EXPORTS: Readonly<Record<string, string>> = { registry: "exporting cache to registry", local: "exporting cache to client directory" };

export function openRemoteCache(parts: RemoteCacheParts): RemoteCache {
  const done = new Map<string, Layer>();
  return {
    async imports(request, options) {
      const found = await Promise.all(request.cacheFrom.map((wish) => importOne(parts, request.ref, wish, options)));
      return found.filter((one) => one !== undefined);
    },
    async exportCache(outcome) {
      const { request, report } = outcome;
      let metadata: Record<string, string> = {};
      for (const wish of request.cacheTo.filter(({ type }) => type !== "inline")) {
        const title = EXPORTS[wish.type];
        if (title === undefined) throw fail("invalid", `unknown cache exporter: ${JSON.stringify(wish.type)}`);
        const told = internalStep(report, `${request.ref} ${JSON.stringify(wish)}`, title, (progress) => exportTo({ ...parts, done }, outcome, wish, progress));
        metadata = { ...metadata, ...(await told.catch((error: unknown) => (mayFail(wish) && !isCancelled(error, outcome.signal) ? {} : Promise.reject(error)))) };
      }
      return metadata;
    },
    inline: (outcome) => (outcome.request.cacheTo.some(({ type }) => type === "inline") ? async (_, layers) => ({ [INLINE]: inlineDocument(outcome, layers) }) : undefined),
  };
}

const mayFail = ({ attributes }: CacheWish): boolean => attributes["ignore-error"] === "true";
/** Who gives a build up gives up all of it. */
const isCancelled = (error: unknown, signal: AbortSignal): boolean => signal.aborted || kindOf(error) === "cancelled";

/** Results whose layers are the image's, beginning with its first. */
function inlineDocument(outcome: Outcome, layers: readonly Layer[]): string {
  const { results, facts } = documentOf(outcome, "min", () => true);
  const own = results.map((result) => ({ ...result, whole: result.whole && result.layers.every(({ diffId }, index) => layers[index]?.diffId === diffId) }));
  return Buffer.from(encodeDocument({ results: own, facts })).toString("base64");
}

/** Undefined: it cannot be had. A build goes on without. */
async function importOne(parts: RemoteCacheParts, ref: string, wish: CacheWish, { client, signal, report }: ImportOptions): Promise<ImportedCache | undefined> {
  // The classic builder's --cache-from: an image that is here, or nothing.
  if (wish.type === "image" && parts.here(wish.attributes["ref"] ?? "") === undefined) return undefined;
  const title = `importing cache manifest from ${wish.attributes["ref"] ?? `${wish.type}:${wish.attributes["src"] ?? ""}`}`;
  try {
    return await internalStep(report, ref, title, async () => {
      const source = await sourceOf(parts, wish, client).catch((error: unknown) => Promise.reject(notThere(wish, error)));
      return await importCache(parts.core, source, signal).catch((error: unknown) => Promise.reject(notThere(wish, error)));
    });
  } catch (error) {
    if (kindOf(error) === "cancelled" || signal.aborted) throw error;
    return undefined;
  }
}

/** In BuildKit's words. */
function notThere({ type, attributes: { ref = "" } }: CacheWish, error: unknown): unknown {
  if (kindOf(error) !== "not-found" || ref === "") return error;
  return fail("not-found", `failed to configure ${type} cache importer: ${ref}: not found`, { cause: error });
}

async function sourceOf(parts: RemoteCacheParts, { type, attributes }: CacheWish, client: BuildClient): Promise<CacheSource> {
  const { ref, src, digest, tag = "latest" } = attributes;
  if (type === "registry" || type === "image") {
    if (ref === undefined) throw fail("invalid", "registry cache importer requires ref");
    const target = parts.here(ref);
    return target === undefined ? await registrySource(parts, ref, client) : storeSource(parts, target);
  }
  if (type !== "local") throw fail("invalid", `unknown cache importer: ${JSON.stringify(type)}`);
  if (src === undefined) throw fail("invalid", "local cache importer requires src");
  const store = await client.store?.(`local:${src}`);
  if (store === undefined) throw fail("not-found", `import the build cache of ${src}: the client does not offer the folder`);
  if (digest === undefined) throw fail("invalid", `local cache importer requires either explicit digest, "latest" tag or custom tag on index.json (${tag})`);
  return folderSource(store, parseDigest(digest));
}

async function registrySource({ open }: RemoteCacheParts, ref: string, client: BuildClient): Promise<CacheSource> {
  const { remote, tag } = await open(ref, client);
  return {
    async manifest(signal) {
      const { descriptor, bytes } = await remote.manifest(tag, signal);
      return { bytes, mediaType: descriptor.mediaType };
    },
    member: async ({ digest }, signal) => (await remote.manifest(digest, signal)).bytes,
    blob: (descriptor, signal) => remote.blob(descriptor, signal),
  };
}

/** An image that is here: of its layers nothing has to be brought. */
function storeSource({ core }: RemoteCacheParts, target: Descriptor): CacheSource {
  return {
    manifest: async () => ({ bytes: await core.content.read(target.digest), mediaType: target.mediaType }),
    member: ({ digest }) => core.content.read(digest),
    blob: ({ digest }) => core.content.stream(digest),
  };
}

function folderSource(store: ClientStore, digest: Descriptor["digest"]): CacheSource {
  const read = async (of: Descriptor["digest"], signal: AbortSignal) => {
    const bytes = await collect(store.read(of, signal), MAX_DOCUMENT, "a build cache");
    if (sha256(bytes) !== of) throw fail("invalid", `read a build cache: ${of} is not what it says`);
    return bytes;
  };
  return {
    async manifest(signal) {
      const bytes = await read(digest, signal);
      const isIndex = Array.isArray((JSON.parse(bytes.toString("utf8")) as { manifests?: unknown }).manifests);
      return { bytes, mediaType: isIndex ? MEDIA.ociIndex : MEDIA.ociManifest };
    },
    member: (descriptor, signal) => read(descriptor.digest, signal),
    blob: (descriptor, signal) => store.read(descriptor.digest, signal),
  };
}
