/** `docker image prune`. */
import { openRemovals } from "#core/gc/graph.ts";
import type { Core } from "#core/core.ts";
import type { Node } from "#core/leases/leases.ts";
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

/** What the plan would do, without doing it. */
export function foretellPrune(core: Core, records: readonly ImageRecord[], doomed: readonly ImageRecord[]): { deleted: RemovedImage[]; reclaimed: number } {
  const node = ({ id }: ImageRecord) => `content/${id}` as Node;
  const removals = openRemovals(core.graph(), records.map(node));
  return {
    deleted: doomed.flatMap(({ id, repoTags, repoDigests }): RemovedImage[] => [
      ...(repoTags.length > 0 ? repoTags : repoDigests).map((name) => ({ Untagged: name })),
      { Deleted: id },
    ]),
    reclaimed: doomed.reduce((sum, record) => sum + removals.remove(node(record)), 0),
  };
}
