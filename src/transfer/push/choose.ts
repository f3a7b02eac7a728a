/** Which part of an image that is here is pushed. As Docker's, see PushOptions. */
import { fail } from "#base/errors.ts";
import { formatPlatform, type Platform, platformFit } from "#spec/platform.ts";
import { documentsOf, type Tree } from "./graph.ts";

/** @throws not-found, conflict */
export function chooseTree(tree: Tree, platforms: "all" | readonly Platform[]): Tree {
  if (tree.children.length === 0 && tree.blobs.length > 0) return whole(tree);
  return platforms === "all" ? wholeOrOnly(tree) : forPlatform(tree, platforms);
}

function whole(tree: Tree): Tree {
  if (tree.missing.length === 0) return tree;
  throw fail("not-found", `push ${tree.descriptor.digest}: content ${tree.missing[0]!.digest} is not here: pull the image again`);
}

function wholeOrOnly(tree: Tree): Tree {
  if (tree.missing.length === 0) return tree;
  const complete = images(tree);
  if (complete.length === 1) return complete[0]!;
  const absent = tree.missing.map(({ platform, digest }) => (platform === undefined ? digest : formatPlatform(platform)));
  if (complete.length === 0) throw fail("not-found", `push ${tree.descriptor.digest}: none of its images is here (${absent.join(", ")})`);
  throw fail("conflict", `push ${tree.descriptor.digest}: it is for several platforms, of which ${absent.join(", ")} are not here: choose one with --platform, or pull all of them`);
}

function forPlatform(tree: Tree, platforms: readonly Platform[]): Tree {
  if (platforms.length !== 1) throw fail("invalid", "push: one platform, or all");
  const [platform] = platforms as [Platform];
  const best = images(tree).map((image) => ({ image, fit: image.descriptor.platform === undefined ? 0 : platformFit(platform, image.descriptor.platform) })).toSorted((a, b) => b.fit - a.fit)[0];
  if (best === undefined || best.fit === 0) throw fail("not-found", `push ${tree.descriptor.digest}: no image for ${formatPlatform(platform)} is here`);
  return best.image;
}

/** Manifests that are here with all they need; attestations are about others. */
const images = (tree: Tree): Tree[] =>
  documentsOf(tree).filter(({ blobs, missing, descriptor }) => blobs.length > 0 && missing.length === 0 && descriptor.platform?.os !== "unknown");
