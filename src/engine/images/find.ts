/** What a user typed → images. */
import { fail } from "#base/errors.ts";
import { type Image, type Images, isDangling } from "#core/images/images.ts";
import { type Digest, isDigest } from "#spec/digest.ts";
import { canonical, familiar, parseReference, type Reference, repository, tryReference, withDefaultTag } from "#spec/reference.ts";

export type Found = {
  /** Docker's id. */
  readonly id: Digest;
  /** The name that was meant, if it was a name; undefined for an id or part of one. */
  readonly named: Reference | undefined;
  /** All names of that image, the one that was meant first. */
  readonly all: readonly Image[];
};

const ID = /^(?:sha256:)?([a-f0-9]{4,64})$/;

/** Looks up a name first, then an id. @throws not-found, invalid */
export function findImage(images: Images, text: string): Found {
  const found = tryFindImage(images, text);
  if (found !== undefined) return found;
  throw noSuchImage(text);
}

export function tryFindImage(images: Images, text: string): Found | undefined {
  const named = isDigest(text) || /^[a-f0-9]{64}$/.test(text) || isDangling(text) ? undefined : parseReference(text);
  return (named && byName(images, named)) ?? byId(images, text);
}

export function noSuchImage(text: string): Error {
  const named = isDigest(text) ? undefined : tryReference(text);
  return fail("not-found", `No such image: ${named === undefined ? text : familiar(withDefaultTag(named))}`);
}

function byName(images: Images, reference: Reference): Found | undefined {
  const image = images.get(canonical(withDefaultTag(reference))) ?? byPinnedName(images, reference);
  return image === undefined ? undefined : withAll(images, image, reference);
}

/** "name@digest" is also the image that has that digest under any tag of the name. */
function byPinnedName(images: Images, reference: Reference): Image | undefined {
  if (reference.digest === undefined) return undefined;
  return images.byDigest(reference.digest).find(({ name }) => {
    const other = tryReference(name);
    return other !== undefined && repository(other) === repository(reference);
  });
}

function byId(images: Images, text: string): Found | undefined {
  if (isDangling(text)) {
    const image = images.get(text);
    return image && withAll(images, image, undefined);
  }
  const digits = ID.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const all = images.byPrefix(`sha256:${digits}`);
  const ids = new Set(all.map((image) => image.target.digest));
  if (ids.size > 1) throw fail("not-found", `ambiguous reference: ${text}`);
  return all[0] && withAll(images, all[0], undefined);
}

function withAll(images: Images, image: Image, named: Reference | undefined): Found {
  const others = images.byDigest(image.target.digest).filter(({ name }) => name !== image.name);
  return { id: image.target.digest, named, all: [image, ...others] };
}
