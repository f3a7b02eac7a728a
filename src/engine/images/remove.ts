/**
 * `docker rmi`, with Docker's rules (docs/design/images.md): a name that is not the last is only taken away; the image
 * goes with its last name, or when it is meant by its id, unless a container uses it.
 */
import { fail } from "#base/errors.ts";
import { danglingName, type Image, type Images, isDangling } from "#core/images/images.ts";
import { shortId } from "#spec/digest.ts";
import { type Reference, repository, tryReference } from "#spec/reference.ts";
import type { RemovedImage } from "../api/api.ts";
import { findImage, type Found } from "./find.ts";
import type { ImageUsers } from "./images.ts";
import { familiarName } from "./names.ts";

/** What is to be done: names to delete, names to create, and what the user is told. */
export type Removal = { readonly delete: readonly string[]; readonly keep: readonly Image[]; readonly told: readonly RemovedImage[]; readonly id: string };

/** Decides. @throws not-found; conflict, with Docker's text */
export function planRemoval(images: Images, users: ImageUsers, ref: string, force: boolean): Removal {
  const found = findImage(images, ref);
  const { named } = found;
  return named === undefined ? byId(found, users, force) : byName(found, named, users, force);
}

function byName(found: Found, named: Reference, users: ImageUsers, force: boolean): Removal {
  const { id, all } = found;
  const same = sameReferences(named, all);
  if (same.length < all.length) return untag(id, same);
  const user = users.usedImages().get(id);
  if (user === undefined) return removeAll(id, all);
  const name = familiarName(all[0]!.name);
  if (!force) {
    throw conflict(name, "must be forced", `container ${shortId(user.ids[0] ?? "")} is using its referenced image ${shortId(id)}`);
  }
  // The containers still know their image by its id.
  const plan = untag(id, all);
  return { ...plan, keep: [{ ...all[0]!, name: danglingName(found.id) }] };
}

function byId({ id, all }: Found, users: ImageUsers, force: boolean): Removal {
  const user = users.usedImages().get(id);
  if (user?.running === true) {
    throw conflict(shortId(id), "cannot be forced", `image is being used by running container ${shortId(user.ids[0] ?? "")}`);
  }
  if (!force) {
    if (user !== undefined) throw conflict(shortId(id), "must be forced", `image is being used by stopped container ${shortId(user.ids[0] ?? "")}`);
    if (sameReferences(undefined, all).length < all.length) throw conflict(shortId(id), "must be forced", "image is referenced in multiple repositories");
  }
  return removeAll(id, all);
}

function conflict(what: string, can: string, why: string): Error {
  return fail("conflict", `conflict: unable to delete ${what} (${can}) - ${why}`);
}

function untag(id: string, names: readonly Image[]): Removal {
  return { id, delete: names.map(({ name }) => name), keep: [], told: untagged(names) };
}

function removeAll(id: string, names: readonly Image[]): Removal {
  return { id, delete: names.map(({ name }) => name), keep: [], told: [...untagged(names), { Deleted: id }] };
}

const untagged = (names: readonly Image[]): RemovedImage[] =>
  names.filter(({ name }) => !isDangling(name)).map(({ name }) => ({ Untagged: familiarName(name) }));

/**
 * Names that are one and the same to a user: the same repository and tag; its digest names too, as long as the repository
 * has no other tag. By digest: all names of the repository. Without a name: that of the first.
 */
function sameReferences(meant: Reference | undefined, all: readonly Image[]): Image[] {
  const parsed = all.map((image) => ({ image, reference: isDangling(image.name) ? undefined : tryReference(image.name) }));
  const named = meant ?? parsed.find(({ reference }) => reference !== undefined)?.reference;
  if (named === undefined) return [...all];
  const unnamed = parsed.filter(({ reference }) => reference === undefined);
  const own = parsed.filter(({ reference }) => reference !== undefined && repository(reference) === repository(named));
  const tag = named.digest !== undefined && named.tag === undefined ? undefined : (named.tag ?? "latest");
  const tagged = own.filter(({ reference }) => reference!.tag !== undefined);
  const wanted = tag === undefined ? own : tagged.filter(({ reference }) => reference!.tag === tag);
  const pinned = wanted.length === tagged.length && tag !== undefined ? own.filter(({ reference }) => reference!.tag === undefined) : [];
  return [...wanted, ...pinned, ...unnamed].map(({ image }) => image);
}

/** For events: what was told, as action and name. */
export function eventsOf({ told, id }: Removal): { action: string; name: string }[] {
  return told.map((item) => ("Untagged" in item ? { action: "untag", name: item.Untagged } : { action: "delete", name: id }));
}

