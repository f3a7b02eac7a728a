/**
 * `docker rmi --platform`: what an image has for one platform goes, the rest stays. The index is as it was; what it lists
 * is no longer held for it, and is gone unless another image needs it.
 */
import { fail } from "#base/errors.ts";
import type { Core } from "#core/core.ts";
import type { Node } from "#core/leases/leases.ts";
import { type Digest, shortId } from "#spec/digest.ts";
import { type Descriptor, isIndex, isIndexType } from "#spec/image.ts";
import { formatPlatform, type Platform } from "#spec/platform.ts";
import { chooseVariant, type Documents, type Variant } from "./documents.ts";
import type { Found } from "./find.ts";
import type { ImageUsers } from "./images.ts";

type Parts = { readonly core: Core; readonly documents: Documents; readonly users: ImageUsers };

/** Edges to be taken away, and the manifests that go with them. `whole`: nothing of the image is left then. */
export type PlatformRemoval = { readonly edges: readonly (readonly [Node, Node])[]; readonly manifests: readonly Digest[]; readonly whole: boolean };

const REFERENCE_DIGEST = "vnd.docker.reference.digest";
const node = (digest: Digest): Node => `content/${digest}`;

/** Decides. @throws not-found; conflict */
export async function planPlatformRemoval(parts: Parts, found: Found, platforms: readonly Platform[], force: boolean): Promise<PlatformRemoval> {
  if (!force) throw fail("conflict", "Content will be removed from all images referencing this variant. Use --force to force delete.");
  const { target } = found.all[0]!;
  const variants = await parts.documents.variants(target);
  const doomed = platforms.map((platform) => need(variants, platform, found.id));
  for (const { descriptor } of doomed) refuseUsed(parts.users, descriptor.digest);
  const gone = new Set(doomed.map(({ descriptor }) => descriptor.digest));
  const whole = variants.every(({ descriptor }) => gone.has(descriptor.digest));
  const edges = whole ? [] : await edgesTo(parts, target, gone);
  return { edges, manifests: [...gone], whole };
}

function need(variants: readonly Variant[], platform: Platform, id: string): Variant {
  const variant = chooseVariant(variants, platform);
  if (variant !== undefined) return variant;
  throw fail("not-found", `image with reference ${id} was found but does not provide the specified platform (${formatPlatform(platform)})`);
}

function refuseUsed(users: ImageUsers, manifest: Digest): void {
  const [user] = users.usedManifests().get(manifest) ?? [];
  if (user !== undefined) {
    throw fail("conflict", `conflict: unable to delete ${shortId(manifest)} (cannot be forced) - image is being used by container ${shortId(user)}`);
  }
}

/** From every index below the target to those manifests and to what attests them. */
async function edgesTo(parts: Parts, descriptor: Descriptor, gone: ReadonlySet<Digest>): Promise<(readonly [Node, Node])[]> {
  if (!isIndexType(descriptor.mediaType) || parts.core.content.stat(descriptor.digest) === undefined) return [];
  const index = await parts.documents.target(descriptor);
  if (!isIndex(index)) return [];
  const own = index.manifests.filter(({ digest, annotations }) => gone.has(digest) || gone.has((annotations?.[REFERENCE_DIGEST] ?? "") as Digest));
  const below = await Promise.all(index.manifests.filter((child) => !own.includes(child)).map((child) => edgesTo(parts, child, gone)));
  return [...own.map(({ digest }) => [node(descriptor.digest), node(digest)] as const), ...below.flat()];
}
