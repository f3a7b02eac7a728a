/**
 * Images that a build has told of, and that nobody has asked for yet. All there is of them is their two documents; when
 * somebody asks for one, and its layers are still there (the build cache keeps them), it is made: an image without a name.
 */
import { sha256 } from "#base/digest.ts";
import type { Core } from "#core/core.ts";
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import { tryComplete } from "./complete.ts";
import type { Documents } from "./documents.ts";
import { nameImage } from "./names.ts";

export type ForetoldImage = { readonly manifest: Foretold; readonly config: Foretold };
type Foretold = { readonly descriptor: Descriptor; readonly text: string };

export type ForetoldImages = {
  add(image: ForetoldImage): void;
  /** Makes the only one whose id begins so. False: there is none, or something of it went. */
  make(text: string): Promise<boolean>;
  /** Whoever removes an image does not want it made again. */
  forget(id: Digest): void;
};

/** Some kilobytes each; those that were told longest ago are forgotten. */
const MOST = 500;
const MOST_CHARACTERS = 32 * 2 ** 20;
const ID = /^(?:sha256:)?([a-f0-9]{4,64})$/;

export function openForetoldImages(core: Core, documents: Documents): ForetoldImages {
  const images = new Map<Digest, ForetoldImage>();
  let characters = 0;
  function forget(id: Digest): void {
    const image = images.get(id);
    if (image !== undefined) characters -= lengthOf(image);
    images.delete(id);
  }
  return {
    add(image) {
      const { digest } = image.manifest.descriptor;
      forget(digest);
      images.set(digest, image);
      characters += lengthOf(image);
      while (images.size > MOST || characters > MOST_CHARACTERS) forget(images.keys().next().value!);
    },
    forget,
    async make(text) {
      const digits = ID.exec(text)?.[1];
      if (digits === undefined) return false;
      const [found, ...more] = [...images].filter(([id]) => id.startsWith(`sha256:${digits}`));
      return found !== undefined && more.length === 0 && (await makeImage(core, documents, found[1]));
    },
  };
}

const lengthOf = ({ manifest, config }: ForetoldImage): number => manifest.text.length + config.text.length;

async function makeImage(core: Core, documents: Documents, { manifest, config }: ForetoldImage): Promise<boolean> {
  using lease = core.leases.open();
  for (const { text } of [config, manifest]) {
    const bytes = Buffer.from(text);
    if (core.content.find(lease, sha256(bytes)) === undefined) await core.content.ingest(lease, [bytes]);
  }
  const find = (digest: Digest) => core.content.find(lease, digest);
  const whole = await tryComplete({ core, documents, lease, find }, manifest.descriptor).catch(() => false);
  if (whole) await nameImage(core.images, manifest.descriptor, []);
  return whole;
}
