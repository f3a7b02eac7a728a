/** Names that image collection and prunes leave alone. A pin is the name's: what it comes to point at is pinned with it. */
import type { Image, Images } from "#core/images/images.ts";
import { findImage } from "./find.ts";
import { familiarName } from "./names.ts";

const LABEL = "gantry.pinned";

/** Labels of a name that is pinned from its beginning. */
export const PINNED: Readonly<Record<string, string>> = { [LABEL]: "true" };

export const isPinned = (names: readonly Image[]): boolean => names.some(({ labels }) => labels[LABEL] !== undefined);

/** By name: that name; by id: all names of the image. @throws not-found */
export async function pinImage(images: Images, ref: string, pinned: boolean): Promise<string[]> {
  const { named, all } = findImage(images, ref);
  const meant = named === undefined ? all : all.slice(0, 1);
  await images.label(meant.map(({ name }) => ({ name, labels: { [LABEL]: pinned ? "true" : undefined } })));
  return meant.map(({ name }) => familiarName(name));
}
