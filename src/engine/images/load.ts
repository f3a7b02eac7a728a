/** `docker load`. */
import { fail } from "#base/errors.ts";
import { formatPlatform, type Platform } from "#spec/platform.ts";
import { parseReference } from "#spec/reference.ts";
import type { Images, LoadProgress } from "../api/api.ts";
import { imagesOf, type Loadable } from "./archive-images.ts";
import { readArchive } from "./archive.ts";
import { type Complete, completeTarget, unpackVariant } from "./complete.ts";
import { chooseVariant, type Documents } from "./documents.ts";
import type { ImageParts } from "./images.ts";
import { familiarName, imageEvent, nameImage } from "./names.ts";

type LoadOptions = Parameters<Images["load"]>[1];

/** Each image is named only when it is whole and unpacked; one that fails ends the load, those before it stay. */
export async function* loadImages(
  parts: ImageParts & { documents: Documents },
  source: AsyncIterable<Uint8Array>,
  { platforms = [], signal }: LoadOptions,
): AsyncGenerator<LoadProgress> {
  const { core, documents, publish, trust } = parts;
  try {
    using lease = core.leases.open();
    await using ahead = core.layers.ahead();
    const archive = await readArchive({ content: core.content, lease, ahead, signal }, source);
    const complete: Complete = { core, documents, lease, platforms, find: (digest) => archive.find(digest) };
    const found = await imagesOf(archive, core.content, lease);
    for (const name of found.flatMap(({ names }) => names)) trust.admit("load", parseReference(name));
    for (const image of found) {
      await makeReady(complete, image, platforms, signal);
      await nameImage(core.images, image.target, image.names);
      imageEvent(publish, "load", image.target.digest, image.target.digest);
      yield* loaded(image);
    }
  } finally {
    await core.collect();
  }
}

async function makeReady(complete: Complete, image: Loadable, platforms: readonly Platform[], signal: AbortSignal): Promise<void> {
  await completeTarget(complete, image.target);
  const variants = await complete.documents.variants(image.target);
  for (const platform of platforms.length === 0 ? [undefined] : platforms) {
    const variant = chooseVariant(variants, platform);
    if (variant === undefined) throw platform === undefined ? fail("invalid", `read image ${image.target.digest}: it is no image of a file system`) : lacks(image, platform);
    await unpackVariant(complete.core, complete.lease, variant, { signal });
  }
}

function lacks({ names, target }: Loadable, platform: Platform): Error {
  const name = names[0] === undefined ? target.digest : familiarName(names[0]);
  return fail("not-found", `image ${name} was not loaded: it doesn't provide the requested platform (${formatPlatform(platform)})`);
}

function loaded({ target, names }: Loadable): LoadProgress[] {
  if (names.length === 0) return [{ kind: "loaded", name: target.digest, named: false }];
  return names.map((name) => ({ kind: "loaded", name: familiarName(name), named: true }));
}
