/** The documents of images, read from the content store: parsed once, then kept, frozen (they are shared). */
import { fail } from "#base/errors.ts";
import type { Content } from "#core/content/content.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, type ImageConfig, type Index, isIndex, isManifestType, type Manifest, MEDIA, parseConfig, parseTarget } from "#spec/image.ts";
import { hostPlatform, type Platform, platformEquals, platformFit } from "#spec/platform.ts";

export type Documents = {
  target(descriptor: Descriptor): Promise<Index | Manifest>;
  config(digest: Digest): Promise<ImageConfig>;
  /** The images that a target leads to, one a platform, whose manifest and configuration are here. */
  variants(target: Descriptor): Promise<Variant[]>;
};

export type Variant = { readonly descriptor: Descriptor; readonly manifest: Manifest; readonly config: ImageConfig };

const KEPT = 500;
const MAX_DEPTH = 4;
const MAX_MANIFESTS = 1000;
/** BuildKit's attestations look like images of an unknown platform. */
const REFERENCE_TYPE = "vnd.docker.reference.type";

export function openDocuments(content: Content): Documents {
  const kept = new Map<string, unknown>();

  const documents: Documents = {
    target: (descriptor) => once(`${descriptor.mediaType} ${descriptor.digest}`, descriptor.digest, (bytes) => parseTarget(bytes, descriptor.mediaType)),
    config: (digest) => once(digest, digest, parseConfig),
    async variants(target) {
      const manifests = await manifestsOf(target, 0);
      const found = await Promise.all(manifests.map(variantOf));
      return found.filter((variant) => variant !== undefined);
    },
  };
  return documents;

  async function once<T>(key: string, digest: Digest, parse: (bytes: Buffer) => T): Promise<T> {
    const known = kept.get(key);
    if (known !== undefined) return known as T;
    const value = deepFreeze(parse(await content.read(digest)));
    kept.set(key, value);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
    return value;
  }

  async function manifestsOf(descriptor: Descriptor, depth: number): Promise<Descriptor[]> {
    if (content.stat(descriptor.digest) === undefined || REFERENCE_TYPE in (descriptor.annotations ?? {})) return [];
    if (isManifestType(descriptor.mediaType)) return [descriptor];
    const target = await documents.target(descriptor);
    if (!isIndex(target)) return [];
    if (depth === MAX_DEPTH) throw fail("invalid", `read image ${descriptor.digest}: indexes are nested more than ${MAX_DEPTH} deep`);
    if (target.manifests.length > MAX_MANIFESTS) throw fail("invalid", `read image ${descriptor.digest}: more than ${MAX_MANIFESTS} manifests`);
    const lists = await Promise.all(target.manifests.map((child) => manifestsOf(child, depth + 1)));
    return lists.flat();
  }

  async function variantOf(descriptor: Descriptor): Promise<Variant | undefined> {
    const manifest = await documents.target(descriptor);
    if (isIndex(manifest) || !isConfigType(manifest.config.mediaType)) return undefined;
    if (content.stat(manifest.config.digest) === undefined) return undefined;
    const config = await documents.config(manifest.config.digest);
    return config.platform.os === "unknown" ? undefined : { descriptor, manifest, config };
  }
}

const isConfigType = (mediaType: string): boolean => mediaType === MEDIA.ociConfig || mediaType === MEDIA.dockerConfig;

/** The variant for exactly the platform asked for; else the one that runs best here, else the first. */
export function chooseVariant(variants: readonly Variant[], wanted: Platform | undefined): Variant | undefined {
  if (wanted !== undefined) return variants.find(({ config }) => platformEquals(wanted, config.platform));
  const host = hostPlatform();
  const fit = ({ config }: Variant) => platformFit(host, config.platform);
  return variants.toSorted((a, b) => fit(b) - fit(a))[0];
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}
