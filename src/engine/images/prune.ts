/** `docker image prune`. */
import { openRemovals, reach, sizeOf } from "#core/gc/graph.ts";
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

/** A prune of everything takes what interrupted pulls left, too: it has no name either. */
export const takesInterrupted = (filters: Filters): boolean => !filters.has("until") && !filters.has("label");

/** What the plan would do, without doing it. */
export async function foretellPrune(core: Core, records: readonly ImageRecord[], doomed: readonly ImageRecord[], filters: Filters): Promise<{ deleted: RemovedImage[]; reclaimed: number }> {
  const node = ({ id }: ImageRecord) => `content/${id}` as Node;
  const given = core.graph();
  const graph = takesInterrupted(filters) ? { ...given, waiting: [] } : given;
  const removals = openRemovals(graph, records.map(node));
  const unneeded = sizeOf(graph, graph.sizes.keys()) - sizeOf(graph, reach(graph, [...records.map(node), ...graph.others, ...graph.waiting]));
  const partial = takesInterrupted(filters) ? (await core.content.partials()).reduce((sum, { size }) => sum + size, 0) : 0;
  return {
    deleted: doomed.flatMap(({ id, repoTags, repoDigests }): RemovedImage[] => [
      ...(repoTags.length > 0 ? repoTags : repoDigests).map((name) => ({ Untagged: name })),
      { Deleted: id },
    ]),
    reclaimed: doomed.reduce((sum, record) => sum + removals.remove(node(record)), unneeded + partial),
  };
}
