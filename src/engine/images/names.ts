/** Names that come, move and go, with the events Docker sends. An image that loses its last name stays, without one. */
import { fail } from "#base/errors.ts";
import { danglingName, type Images, isDangling, type NewImage } from "#core/images/images.ts";
import type { Descriptor } from "#spec/image.ts";
import { canonical, familiar, parseReference, tryReference, withDefaultTag } from "#spec/reference.ts";
import type { Events } from "../engine.ts";

/** Points names at a target, with labels besides those they have; without any it is kept as an image without a name. */
export async function nameImage(images: Images, target: Descriptor, names: readonly string[], labels: Readonly<Record<string, string>> = {}): Promise<void> {
  const bare = danglingName(target.digest);
  const wanted = names.length > 0 ? names : images.byDigest(target.digest).length > 0 ? [] : [bare];
  const orphans = names.flatMap((name) => orphanOf(images, name, target));
  const remove = names.length > 0 ? [bare] : [];
  await images.put([...wanted.map((name): NewImage => ({ name, target, ...(Object.keys(labels).length > 0 && { labels: { ...images.get(name)?.labels, ...labels } }) })), ...orphans], remove);
}

/** The image that a name is taken from, if that was its only one: it goes on without. */
function orphanOf(images: Images, name: string, target: Descriptor): NewImage[] {
  const old = images.get(name);
  if (old === undefined || old.target.digest === target.digest) return [];
  const others = images.byDigest(old.target.digest).filter((image) => image.name !== name);
  return others.length > 0 ? [] : [{ name: danglingName(old.target.digest), target: old.target }];
}

/** The canonical name of what a user wants an image to be called. @throws invalid */
export function parseTarget(text: string): string {
  const reference = parseReference(text);
  if (reference.digest !== undefined) throw fail("invalid", "refusing to create a tag with a digest reference");
  if (familiar(reference) === "sha256" || familiar(reference).startsWith("sha256:")) {
    throw fail("invalid", 'refusing to create an ambiguous tag using digest algorithm as name');
  }
  return canonical(withDefaultTag(reference));
}

/** As people write it: "busybox:latest"; the digest of an image without a name. */
export function familiarName(name: string): string {
  const reference = isDangling(name) ? undefined : tryReference(name);
  return reference === undefined ? name.replace("@dangling", "") : familiar(reference);
}

export function imageEvent(publish: Events["publish"], action: string, id: string, name: string): void {
  publish({ Type: "image", Action: action, Actor: { ID: id, Attributes: { name } } });
}
