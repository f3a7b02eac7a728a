/** Joins what is done with images. See images.ts. */
import { fail } from "#base/errors.ts";
import { isDangling } from "#core/images/images.ts";
import { chainIds } from "#spec/image.ts";
import { formatPlatform, parsePlatform, type Platform } from "#spec/platform.ts";
import { parseReference } from "#spec/reference.ts";
import type { RemovedImage } from "../api/api.ts";
import { addBuiltin } from "./builtin.ts";
import { unpackVariant } from "./complete.ts";
import { chooseVariant, openDocuments, type Variant } from "./documents.ts";
import { findImage, type Found, tryFindImage } from "./find.ts";
import { imageHistory } from "./history.ts";
import type { EngineImages, ImageParts } from "./images.ts";
import { importImage } from "./import.ts";
import { allRecords, listImages } from "./list.ts";
import { loadImages } from "./load.ts";
import { familiarName, imageEvent, nameImage, parseTarget } from "./names.ts";
import { planPrune } from "./prune.ts";
import { imageRecord } from "./record.ts";
import { eventsOf, planRemoval, type Removal } from "./remove.ts";
import { saveImages } from "./save.ts";

export function openImages(given: ImageParts): EngineImages {
  const { core, users, publish, trust } = given;
  const documents = openDocuments(core.content);
  const parts = { ...given, documents };

  return {
    list: ({ filters, sharedSize }) => listImages(parts, filters, sharedSize),
    count: () => new Set(core.images.list().map((image) => image.target.digest)).size,
    load: (archive, options) => loadImages(parts, archive, options),
    save: (refs, options) => saveImages(core, documents, refs, options),
    import: (archive, options) => importImage(parts, archive, options),
    addBuiltin: (name, binary) => addBuiltin(parts, name, binary),
    find: (ref) => tryFindImage(core.images, ref)?.id,

    async get(ref, { platform } = {}) {
      const found = findImage(core.images, ref);
      const variants = await documents.variants(found.all[0]!.target);
      const variant = need(ref, variants, platform);
      return imageRecord(core, found.all, variant, platform === undefined ? variants : [variant], users.usedImages().get(found.id)?.ids.length ?? 0);
    },

    async history(ref, { platform } = {}) {
      const found = findImage(core.images, ref);
      const { config } = need(ref, await documents.variants(found.all[0]!.target), platform);
      return imageHistory(core.snapshots, found.id, tagsOf(found), config);
    },

    async resolve(ref, { platform } = {}) {
      const found = findImage(core.images, ref);
      trust.run({ ref, digest: found.id, names: found.all.filter(({ name }) => !isDangling(name)).map(({ name, labels }) => ({ reference: parseReference(name), labels })) });
      const wanted = platform === undefined || platform === "" ? undefined : parsePlatform(platform);
      const variant = need(ref, await documents.variants(found.all[0]!.target), wanted);
      const top = chainIds(variant.config.diffIds).at(-1);
      if (top !== undefined && core.snapshots.stat(top) === undefined) {
        using lease = core.leases.open();
        await unpackVariant(core, lease, variant);
      }
      return { id: found.id, manifestDigest: variant.descriptor.digest, platform: variant.config.platform, config: variant.config.config, snapshot: top };
    },

    async tag(ref, target) {
      const name = parseTarget(target);
      const found = findImage(core.images, ref);
      await nameImage(core.images, found.all[0]!.target, [name]);
      imageEvent(publish, "tag", found.id, tagsOf(findImage(core.images, target))[0] ?? target);
    },

    async remove(ref, { force }) {
      const removal = planRemoval(core.images, users, ref, force);
      await removeNames(removal);
      await core.collect();
      return [...removal.told];
    },

    async prune(filters) {
      const deleted: RemovedImage[] = [];
      for (const { id } of planPrune(await allRecords(parts), filters)) {
        const removal = planRemoval(core.images, users, id, true);
        await removeNames(removal);
        deleted.push(...removal.told);
      }
      const { bytes } = await core.collect();
      return { deleted, reclaimed: bytes };
    },
  };

  async function removeNames(removal: Removal): Promise<void> {
    await core.images.put(removal.keep, removal.delete);
    for (const { action, name } of eventsOf(removal)) imageEvent(publish, action, removal.id, name);
  }
}

function tagsOf({ all }: Found): string[] {
  return all.filter(({ name }) => !isDangling(name)).map(({ name }) => familiarName(name));
}

function need(ref: string, variants: readonly Variant[], platform: Platform | undefined): Variant {
  const variant = chooseVariant(variants, platform);
  if (variant !== undefined) return variant;
  if (platform === undefined) throw fail("not-found", `image ${ref} is incomplete: none of its manifests is here`);
  throw fail("not-found", `image with reference ${ref} was found but does not provide the specified platform (${formatPlatform(platform)})`);
}
