/** `docker load`. */
import { fail } from "#base/errors.ts";
import { formatPlatform, type Platform } from "#spec/platform.ts";
import { parseReference } from "#spec/reference.ts";
import type { Images, LoadProgress } from "../api/api.ts";
import { imagesOf, type Loadable } from "./archive-images.ts";
import { readArchive } from "./archive.ts";
import { messagesOf } from "../registries/messages.ts";
import { type Complete, completeTarget, tryComplete, unpackVariant } from "./complete.ts";
import { chooseVariant, type Documents } from "./documents.ts";
import type { ImageParts } from "./images.ts";
import { familiarName, imageEvent, nameImage } from "./names.ts";

type LoadOptions = Parameters<Images["load"]>[1];

/** Each image is named only when it is whole and unpacked; one that fails ends the load, those before it stay. */
export async function* loadImages(parts: LoadParts, source: AsyncIterable<Uint8Array>, { platforms = [], signal }: LoadOptions): AsyncGenerator<LoadProgress> {
  const messages = messagesOf(signal, async (send, stop) => {
    const progress = (id: string, current: number, total: number) => send({ status: "Loading layer", id, progressDetail: { current, total } });
    for await (const step of takeImages(parts, source, { platforms, signal: stop, progress })) send({ aux: step });
  });
  for await (const { aux, status = "", id = "", progressDetail } of messages) {
    if (aux !== undefined) yield aux as LoadProgress;
    else yield { kind: "progress", id, status, current: progressDetail?.current ?? 0, total: progressDetail?.total ?? 0 };
  }
}

type LoadParts = ImageParts & { readonly documents: Documents };
type TakeOptions = { readonly platforms: readonly Platform[]; readonly signal: AbortSignal; readonly progress: (id: string, current: number, total: number) => void };

async function* takeImages(parts: LoadParts, source: AsyncIterable<Uint8Array>, { platforms, signal, progress }: TakeOptions): AsyncGenerator<LoadProgress> {
  const { core, documents, publish, trust } = parts;
  try {
    using lease = core.leases.open();
    await using ahead = core.layers.ahead();
    const archive = await readArchive({ content: core.content, lease, ahead, signal, progress }, source);
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
  const isWhole = platforms.length === 0 ? completeTarget(complete, image.target).then(() => true) : tryComplete(complete, image.target);
  if (!(await isWhole)) throw lacks(image, platforms[0]!);
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
