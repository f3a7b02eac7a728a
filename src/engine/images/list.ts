/** `docker images` and its filters. */
import { parseTime } from "#base/clock.ts";
import type { Core } from "#core/core.ts";
import { familiar, familiarRepository, tryReference } from "#spec/reference.ts";
import type { ImageRecord } from "../api/api.ts";
import type { Filters } from "../engine.ts";
import { booleanFilter, checkFilters, matchesLabels, untilFilter } from "../filters.ts";
import { chooseVariant, type Documents } from "./documents.ts";
import { findImage } from "./find.ts";
import type { ImageUsers } from "./images.ts";
import { compilePattern } from "./pattern.ts";
import { imageRecord, sharedSizes } from "./record.ts";

const KNOWN = ["before", "dangling", "label", "label!", "reference", "since", "until"];

type Parts = { readonly core: Core; readonly documents: Documents; readonly users: ImageUsers };

/** Newest first. One record an image, whatever its names. */
export async function listImages(parts: Parts, filters: Filters, sharedSize: boolean): Promise<ImageRecord[]> {
  checkFilters(filters, KNOWN);
  const all = await allRecords(parts);
  const test = compileFilters(parts, filters, all);
  const found = all.filter(test).toSorted((a, b) => compare(createdOf(b), createdOf(a)) || (a.id < b.id ? -1 : 1));
  if (!sharedSize) return found;
  const shared = sharedSizes(parts.core.snapshots, all);
  return found.map((record) => ({ ...record, sharedSize: shared[all.indexOf(record)]! }));
}

export async function allRecords({ core, documents, users }: Parts): Promise<ImageRecord[]> {
  const used = users.usedImages();
  const groups = Map.groupBy(core.images.list(), (image) => image.target.digest);
  const records = await Promise.all([...groups].map(async ([digest, names]) => {
    const variants = await documents.variants(names[0]!.target);
    const variant = chooseVariant(variants, undefined);
    return variant && imageRecord(core, names, variant, variants, used.get(digest)?.ids.length ?? 0);
  }));
  return records.filter((record) => record !== undefined);
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
  const patterns = (filters.get("reference") ?? []).map(compilePattern);
  return (record) => tests.every((test) => test(record)) && (patterns.length === 0 || patterns.some((pattern) => matchesReference(pattern, record)));
}

/** A pattern is compared with the name people write, with and without its tag or digest. */
function matchesReference(pattern: RegExp, record: ImageRecord): boolean {
  return [...record.repoTags, ...record.repoDigests].some((name) => {
    const reference = tryReference(name);
    if (reference === undefined) return false;
    return pattern.test(familiar(reference)) || pattern.test(familiarRepository(reference));
  });
}

export const isUnnamed = (record: ImageRecord): boolean => record.repoTags.length === 0 && record.repoDigests.length === 0;

export const labelsOf = (record: ImageRecord): Record<string, string> => (record.config["Labels"] ?? {}) as Record<string, string>;

/** Unix nanoseconds; an image without a time is the oldest. */
export const createdOf = (record: ImageRecord): bigint => (record.created === undefined ? 0n : (parseTime(record.created) ?? 0n));

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);
