/** Joins what is done with images. See images.ts. */
import { fail } from "#base/errors.ts";
import { isDangling } from "#core/images/images.ts";
import type { Node } from "#core/leases/leases.ts";
import { type Digest, isDigest } from "#spec/digest.ts";
import { chainIds } from "#spec/image.ts";
import { formatPlatform, parsePlatform, type Platform } from "#spec/platform.ts";
import type { LocalName } from "#transfer/trust/trust.ts";
import { parseReference } from "#spec/reference.ts";
import type { RemovedImage } from "../api/api.ts";
import { addBuiltin } from "./builtin.ts";
import { unpackVariant } from "./complete.ts";
import { chooseVariant, openDocuments, type Variant } from "./documents.ts";
import { findImage, type Found, noSuchImage, tryFindImage } from "./find.ts";
import { openForetoldImages } from "./foretold.ts";
import { imageHistory } from "./history.ts";
import type { EngineImages, ImageParts } from "./images.ts";
import { importImage } from "./import.ts";
import { allRecords, listImages } from "./list.ts";
import { openLastUse } from "./last-use.ts";
import { loadImages } from "./load.ts";
import { manifestsOf } from "./manifests.ts";
import { familiarName, imageEvent, nameImage, parseTarget } from "./names.ts";
import { isPinned, pinImage } from "./pins.ts";
import { foretellPrune, planPrune, takesInterrupted, usersWithout } from "./prune.ts";
import { imageRecord } from "./record.ts";
import { planPlatformRemoval, type PlatformRemoval } from "./remove-platforms.ts";
import { eventsOf, planRemoval, type Removal } from "./remove.ts";
import { savedBlobs, saveImages } from "./save.ts";

export function openImages(given: ImageParts): EngineImages {
  const { core, users, publish, trust } = given;
  const documents = openDocuments(core.content);
  const lastUse = openLastUse(core.images);
  const foretold = openForetoldImages(core, documents);
  let pruning = false;
  const parts = { ...given, documents, lastUse };

  return {
    list: (options) => listImages(parts, options),
    count: () => new Set(core.images.list().map((image) => image.target.digest)).size,
    load: (archive, options) => loadImages(parts, archive, options),
    foretell: foretold.add,
    makeForetold: foretold.make,
    async save(refs, options) {
      for (const ref of refs) if (tryFindImage(core.images, ref) === undefined) await foretold.make(ref);
      return await saveImages(core, documents, refs, options);
    },
    blobs: (refs, { platforms }) => savedBlobs(core, documents, refs, platforms),
    async missing(digests) {
      const here = digests.filter((digest) => isDigest(digest)).filter((digest) => core.content.stat(digest) !== undefined);
      await core.kept.keep(here.map((digest): Node => `content/${digest}`), 3600);
      return digests.filter((digest) => !here.includes(digest as Digest) || core.content.stat(digest as Digest) === undefined);
    },
    import: (archive, options) => importImage(parts, archive, options),
    addBuiltin: (name, binary) => addBuiltin(parts, name, binary),
    find: (ref) => tryFindImage(core.images, ref)?.id,

    async get(ref, { platform, manifests = false } = {}) {
      const found = await findOrMake(ref);
      const { target } = found.all[0]!;
      const variants = await documents.variants(target);
      const variant = need(ref, variants, platform);
      const containers = users.usedImages().get(found.id)?.ids.length ?? 0;
      const record = imageRecord({ ...core, lastUse }, found.all, variant, platform === undefined ? variants : [variant], containers);
      return manifests ? { ...record, manifests: await manifestsOf(parts, target, users.usedManifests()) } : record;
    },

    async history(ref, { platform } = {}) {
      const found = await findOrMake(ref);
      const { config } = need(ref, await documents.variants(found.all[0]!.target), platform);
      return imageHistory(core.snapshots, found.id, tagsOf(found), config);
    },

    async resolve(ref, { platform, lease: given } = {}) {
      const found = await findOrMake(ref);
      // Held from the moment it is found: whoever removes its names now takes nothing of it away.
      using own = core.leases.open();
      const lease = given ?? own;
      lease.hold(`content/${found.id}`);
      lastUse.note(found.id);
      trust.run({ ref, digest: found.id, names: calledBy(found) });
      const wanted = platform === undefined || platform === "" ? undefined : parsePlatform(platform);
      const variant = need(ref, await documents.variants(found.all[0]!.target), wanted);
      const top = chainIds(variant.config.diffIds).at(-1);
      if (top !== undefined) lease.hold(`snapshot/${top}`);
      if (top !== undefined && core.snapshots.stat(top) === undefined) await unpackVariant(core, lease, variant);
      return { id: found.id, manifestDigest: variant.descriptor.digest, platform: variant.config.platform, config: variant.config.config, snapshot: top };
    },

    async tag(ref, target) {
      const name = parseTarget(target);
      const found = await findOrMake(ref);
      await nameImage(core.images, found.all[0]!.target, [name]);
      imageEvent(publish, "tag", found.id, tagsOf(findImage(core.images, target))[0] ?? target);
    },

    async remove(ref, { force, platforms = [] }) {
      await findOrMake(ref);
      if (platforms.length > 0) {
        const part = await planPlatformRemoval(parts, findImage(core.images, ref), platforms, force);
        if (!part.whole) return await removePlatforms(part);
      }
      const removal = planRemoval(core.images, users, ref, force);
      await removeNames(removal);
      await core.collect();
      return [...removal.told];
    },
    async removeUnused(id) {
      const names = core.images.byDigest(id as Digest);
      if (names.length === 0 || users.usedImages().has(id) || isPinned(names)) return undefined;
      const removal = planRemoval(core.images, users, id, true);
      await removeNames(removal);
      await core.collect();
      return [...removal.told];
    },
    async prune(filters, { dryRun = false, without = new Set<string>() } = {}) {
      const doomed = planPrune(await allRecords({ ...parts, users: usersWithout(users, without) }), filters);
      if (dryRun) return foretellPrune(core, doomed, filters, without);
      if (pruning) throw fail("conflict", "a prune operation is already running");
      pruning = true;
      const deleted: RemovedImage[] = [];
      try {
        for (const { id } of doomed) {
          const names = core.images.byDigest(id as Digest);
          if (users.usedImages().has(id) || names.length === 0 || isPinned(names)) continue;
          const removal = planRemoval(core.images, users, id, true);
          await removeNames(removal);
          deleted.push(...removal.told);
        }
      } finally {
        pruning = false;
      }
      const interrupted = takesInterrupted(filters) ? await dropInterrupted() : 0;
      const reclaimed = (await core.collect()).bytes + interrupted;
      publish({ Type: "image", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: String(reclaimed) } } });
      return { deleted, reclaimed };
    },
    pin: (ref, pinned) => pinImage(core.images, ref, pinned),
    flushUse: lastUse.flush,
  };

  /** In the turn in which it is found, whoever needs it holds it. */
  async function findOrMake(ref: string): Promise<Found> {
    const found = tryFindImage(core.images, ref) ?? ((await foretold.make(ref)) ? tryFindImage(core.images, ref) : undefined);
    if (found === undefined) throw noSuchImage(ref);
    return found;
  }

  async function dropInterrupted(): Promise<number> {
    await core.kept.clear();
    return (await core.content.dropPartials()).bytes;
  }

  async function removePlatforms({ edges, manifests }: PlatformRemoval): Promise<RemovedImage[]> {
    for (const [source, target] of edges) await core.unlink(source, [target]);
    await core.collect();
    for (const digest of manifests) imageEvent(publish, "delete", digest, digest);
    return manifests.map((digest) => ({ Deleted: digest }));
  }

  async function removeNames(removal: Removal): Promise<void> {
    await core.images.put(removal.keep, removal.delete);
    for (const one of removal.told) if ("Deleted" in one) foretold.forget(one.Deleted as Digest);
    for (const { action, name } of eventsOf(removal)) imageEvent(publish, action, removal.id, name);
  }
}

/** The name that was meant, or all of an image that was called by its id. */
function calledBy({ named, all }: Found): LocalName[] {
  const meant = named === undefined ? all : all.slice(0, 1);
  return meant.filter(({ name }) => !isDangling(name)).map(({ name, labels }) => ({ reference: parseReference(name), labels }));
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
