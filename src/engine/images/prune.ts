/** `docker image prune`. */
import { reach, sizeOf, without } from "#core/gc/graph.ts";
import type { Core } from "#core/core.ts";
import type { Node } from "#core/leases/leases.ts";
import type { ImageRecord, RemovedImage } from "../api/api.ts";
import type { Filters } from "../engine.ts";
import { booleanFilter, checkFilters, matchesLabels, untilFilter } from "../filters.ts";
import type { ImageUsers } from "./images.ts";
import { createdOf, isUnnamed, labelsOf } from "./list.ts";

/** Which images go: those without a name (or with dangling=false all) that no container uses and that are not pinned. */
export function planPrune(records: readonly ImageRecord[], filters: Filters): ImageRecord[] {
  checkFilters(filters, ["dangling", "label", "label!", "until"]);
  const danglingOnly = booleanFilter(filters, "dangling") ?? true;
  const until = untilFilter(filters);
  return records.filter((record) =>
    record.containers === 0 && !record.pinned &&
    (!danglingOnly || isUnnamed(record)) &&
    (until === undefined || createdOf(record) < until) &&
    matchesLabels(filters, labelsOf(record)));
}

/** A prune of everything takes what interrupted pulls left, too: it has no name either. */
export const takesInterrupted = (filters: Filters): boolean => !filters.has("until") && !filters.has("label");

/** As if these containers were gone. */
export function usersWithout(users: ImageUsers, gone: ReadonlySet<string>): ImageUsers {
  if (gone.size === 0) return users;
  const left = [...users.usedImages()].map(([image, { running, ids }]) => [image, { running, ids: ids.filter((id) => !gone.has(id)) }] as const);
  return { ...users, usedImages: () => new Map(left.filter(([, { ids }]) => ids.length > 0)) };
}

/** A container's snapshot is called as it is. */
export const snapshotsOf = (containers: ReadonlySet<string>): Set<Node> => new Set([...containers].map((id): Node => `snapshot/${id}`));

/** What the plan would do, without doing it: the bytes are what a collection would find then. */
export async function foretellPrune(core: Core, doomed: readonly ImageRecord[], filters: Filters, containers: ReadonlySet<string>): Promise<{ deleted: RemovedImage[]; reclaimed: number }> {
  const graph = without(core.graph(), snapshotsOf(containers));
  const ids = new Set(doomed.map(({ id }) => id));
  const left = core.images.list().flatMap(({ target }): Node[] => (ids.has(target.digest) ? [] : [`content/${target.digest}`]));
  const live = reach(graph, [...left, ...graph.others, ...(takesInterrupted(filters) ? [] : graph.waiting), ...graph.cached]);
  const partial = takesInterrupted(filters) ? (await core.content.partials()).reduce((sum, { size }) => sum + size, 0) : 0;
  return {
    deleted: doomed.flatMap(({ id, repoTags, repoDigests }): RemovedImage[] => [
      ...(repoTags.length > 0 ? repoTags : repoDigests).map((name) => ({ Untagged: name })),
      { Deleted: id },
    ]),
    reclaimed: sizeOf(graph, graph.sizes.keys()) - sizeOf(graph, live) + partial,
  };
}
