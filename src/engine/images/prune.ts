/** `docker image prune`. */
import type { ImageRecord, RemovedImage } from "../api/api.ts";
import type { Filters } from "../engine.ts";
import { booleanFilter, checkFilters, matchesLabels, untilFilter } from "../filters.ts";
import { createdOf, isUnnamed, labelsOf } from "./list.ts";

/** Which images go: those without a name (or with dangling=false all) that no container uses. */
export function planPrune(records: readonly ImageRecord[], filters: Filters): ImageRecord[] {
  checkFilters(filters, ["dangling", "label", "label!", "until"]);
  const danglingOnly = booleanFilter(filters, "dangling") ?? true;
  const until = untilFilter(filters);
  return records.filter((record) =>
    record.containers === 0 &&
    (!danglingOnly || isUnnamed(record)) &&
    (until === undefined || createdOf(record) < until) &&
    matchesLabels(filters, labelsOf(record)));
}

export type Pruned = { deleted: RemovedImage[]; reclaimed: number };

