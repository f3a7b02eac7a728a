/** `docker images` and its filters. */
import { parseTime } from "#base/clock.ts";
import { kindOf } from "#base/errors.ts";
import type { Core } from "#core/core.ts";
import { familiar, familiarRepository, tryReference } from "#spec/reference.ts";
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";
import type { ImageRecord, Images } from "../api/api.ts";
import type { Filters } from "../engine.ts";
import { booleanFilter, checkFilters, matchesLabels, untilFilter } from "../filters.ts";
import { chooseVariant, type Documents } from "./documents.ts";
import { findImage } from "./find.ts";
import type { ImageUsers } from "./images.ts";
import type { LastUse } from "./last-use.ts";
import { manifestsOf } from "./manifests.ts";
import { compilePattern } from "./pattern.ts";
import { imageRecord, sharedSizes } from "./record.ts";

const KNOWN = ["before", "dangling", "label", "label!", "reference", "since", "until"];

type Parts = { readonly core: Core; readonly documents: Documents; readonly users: ImageUsers; readonly lastUse: LastUse };

type ListOptions = Parameters<Images["list"]>[0];

/** Newest first. One record an image, whatever its names. */
export async function listImages(parts: Parts, { filters, sharedSize, manifests = false }: ListOptions): Promise<ImageRecord[]> {
  checkFilters(filters, KNOWN);
  const all = await allRecords(parts);
  const test = compileFilters(parts, filters, all);
  const found = all.filter(test).toSorted((a, b) => compare(createdOf(b), createdOf(a)) || (a.id < b.id ? -1 : 1));
  const named = compileNames(filters);
  const shared = sharedSize ? sharedSizes(parts.core.graph(), all) : undefined;
  const users = manifests ? parts.users.usedManifests() : undefined;
  return await Promise.all(found.map(async (record) => ({
    ...record,
    repoTags: record.repoTags.filter(named),
    repoDigests: record.repoDigests.filter(named),
    ...(shared && { sharedSize: shared[all.indexOf(record)]! }),
    ...(users && { manifests: await manifestsOf(parts, targetOf(parts.core, record), users) }),
  })));
}

const targetOf = (core: Core, { id, descriptor }: ImageRecord): Descriptor =>
  core.images.byDigest(id as Digest)[0]?.target ?? (descriptor as Descriptor);

export async function allRecords({ core, documents, users, lastUse }: Parts): Promise<ImageRecord[]> {
  const used = users.usedImages();
  const groups = Map.groupBy(core.images.list(), (image) => image.target.digest);
  const records = await Promise.all([...groups].map(async ([digest, names]) => {
    const variants = await documents.variants(names[0]!.target).catch(goneMeanwhile);
    const variant = chooseVariant(variants, undefined);
    return variant && imageRecord({ ...core, lastUse }, names, variant, variants, used.get(digest)?.ids.length ?? 0);
  }));
  return records.filter((record) => record !== undefined);
}

/** An image that is removed while it is looked at is no failure of the list's. */
function goneMeanwhile(error: unknown): [] {
  if (kindOf(error) === "not-found") return [];
  throw error;
}

type Test = (record: ImageRecord) => boolean;

function compileFilters({ core }: Parts, filters: Filters, all: readonly ImageRecord[]): Test {
  const tests: Test[] = [(record) => matchesLabels(filters, labelsOf(record))];
  const dangling = booleanFilter(filters, "dangling");
  if (dangling !== undefined) tests.push((record) => isUnnamed(record) === dangling);
  const until = untilFilter(filters);
  if (until !== undefined) tests.push((record) => createdOf(record) < until);
  const createdWhen = (ref: string) => {
    const { id } = findImage(core.images, ref);
    const record = all.find((one) => one.id === id);
    return record === undefined ? 0n : createdOf(record);
  };
  for (const ref of filters.get("before") ?? []) {
    const time = createdWhen(ref);
    tests.push((record) => createdOf(record) < time);
  }
  for (const ref of filters.get("since") ?? []) {
    const time = createdWhen(ref);
    tests.push((record) => createdOf(record) > time);
  }
  if (filters.get("reference")?.length) {
    const named = compileNames(filters);
    tests.push((record) => record.repoTags.some(named) || record.repoDigests.some(named));
  }
  return (record) => tests.every((test) => test(record));
}

/** A pattern is compared with the name people write, with and without its tag or digest. Of an image, names that match none are not told. */
function compileNames(filters: Filters): (name: string) => boolean {
  const patterns = (filters.get("reference") ?? []).map(compilePattern);
  if (patterns.length === 0) return () => true;
  return (name) => {
    const reference = tryReference(name);
    return reference !== undefined && patterns.some((pattern) => pattern.test(familiar(reference)) || pattern.test(familiarRepository(reference)));
  };
}

export const isUnnamed = (record: ImageRecord): boolean => record.repoTags.length === 0 && record.repoDigests.length === 0;

export const labelsOf = (record: ImageRecord): Record<string, string> => (record.config["Labels"] ?? {}) as Record<string, string>;

/** Unix nanoseconds; an image without a time is the oldest. */
export const createdOf = (record: ImageRecord): bigint => (record.created === undefined ? 0n : (parseTime(record.created) ?? 0n));

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
