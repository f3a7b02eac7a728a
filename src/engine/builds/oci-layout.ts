/** A base image that lies in a folder of the client's, as an OCI layout: --build-context name=oci-layout://…. */
import { fail } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import type { BuildClient, ClientStore } from "#builder/builder.ts";
import type { BaseImage } from "#builder/plan/plan.ts";
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import { type Digest, parseDigest } from "#spec/digest.ts";
import { chainIds, type Descriptor, type Index, isIndex, type Manifest, MAX_DOCUMENT, MEDIA, parseConfig, parseTarget } from "#spec/image.ts";
import { formatPlatform, type Platform, platformFit } from "#spec/platform.ts";

const SCHEME = "oci-layout://";

export const isLayout = (reference: string): boolean => reference.startsWith(SCHEME);

type Parts = { readonly core: Core; readonly client: BuildClient; readonly lease: Lease };
type Options = { readonly platform: Platform; readonly signal: AbortSignal };
type Fetch = (digest: Digest, limit?: number) => Promise<void>;

/** "oci-layout://STORE[:TAG]@DIGEST", as BuildKit's clients write it: what it leads to is brought here. @throws invalid, not-found */
export async function layoutImage({ core, client, lease }: Parts, reference: string, { platform, signal }: Options): Promise<BaseImage> {
  const [, name = "", digits = ""] = /^oci-layout:\/\/([^@:]+)(?::[^@]*)?@(.+)$/.exec(reference) ?? [];
  if (name === "") throw fail("invalid", `could not parse oci-layout reference ${JSON.stringify(reference)}`);
  const digest = parseDigest(digits);
  const store = await client.store?.(`oci:${name}`);
  if (store === undefined) throw fail("not-found", `the client offers no layout ${JSON.stringify(name)}`);
  const fetch: Fetch = (wanted, limit) => bring({ core, lease, store, signal }, wanted, limit);
  const { manifest, digest: chosen } = await choose({ core, fetch, platform }, digest);
  for (const child of [manifest.config, ...manifest.layers]) await fetch(child.digest);
  const document = await core.content.read(manifest.config.digest);
  const config = parseConfig(document);
  return {
    reference,
    digest,
    manifest: chosen,
    platform: config.platform,
    document: parseJson(document.toString("utf8")) as Record<string, unknown>,
    layers: manifest.layers.map((descriptor, index) => ({ descriptor, diffId: config.diffIds[index]! })),
    chain: chainIds(config.diffIds).at(-1) ?? "",
  };
}

type Bringing = { readonly core: Core; readonly lease: Lease; readonly store: ClientStore; readonly signal: AbortSignal };

async function bring({ core, lease, store, signal }: Bringing, digest: Digest, limit?: number): Promise<void> {
  if (core.content.find(lease, digest) !== undefined) return;
  if ((await store.size(digest, signal)) === undefined) throw fail("not-found", `read an OCI layout of the client: it has no ${digest}`);
  await core.content.ingest(lease, store.read(digest, signal), { digest, ...(limit !== undefined && { limit }) });
}

type Choosing = { readonly core: Core; readonly fetch: Fetch; readonly platform: Platform };

/** Of an index the manifest that fits best. */
async function choose(choosing: Choosing, digest: Digest, depth = 0): Promise<{ manifest: Manifest; digest: Digest }> {
  const { core, fetch, platform } = choosing;
  await fetch(digest, MAX_DOCUMENT);
  const target = read(await core.content.read(digest));
  if (!isIndex(target)) return { manifest: target, digest };
  const best = target.manifests.map((child) => ({ child, fit: fitOf(child, platform) })).toSorted((a, b) => b.fit - a.fit)[0];
  if (best === undefined || best.fit === 0 || depth > 3) throw fail("not-found", `the OCI layout has nothing for ${formatPlatform(platform)}`);
  return await choose(choosing, best.child.digest, depth + 1);
}

const fitOf = (child: Descriptor, platform: Platform): number => (child.platform === undefined ? 1 : platformFit(platform, child.platform));

function read(bytes: Buffer): Index | Manifest {
  const { mediaType, manifests } = parseJson(bytes.toString("utf8")) as { mediaType?: unknown; manifests?: unknown };
  return parseTarget(bytes, typeof mediaType === "string" ? mediaType : manifests === undefined ? MEDIA.ociManifest : MEDIA.ociIndex);
}
