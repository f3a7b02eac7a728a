/** Joins what solves have in common: work under way, and how much of it at a time. See solve.ts. */
import { availableParallelism } from "node:os";
import { checkGraph } from "../check-graph.ts";
import { openSlots, type Slots } from "./slots.ts";
import type { Solver, SolverParts } from "./solve.ts";
import { solveGraph } from "./solve-graph.ts";
import { openWorks, type Works } from "./works.ts";

export type Solving = SolverParts & { readonly works: Works; readonly slots: { readonly exec: Slots; readonly file: Slots; readonly source: Slots } };

/**
 * RUNs wait (for registries, for disks) more than they compute, and whoever wrote five stages side by side means them to
 * run so: many more than there are processors, few enough that their memory has room. File steps are the disk's.
 */
const runsAtOnce = (): number => Math.max(8, 2 * availableParallelism() + 4);
const filesAtOnce = (): number => availableParallelism() + 2;
const SOURCES_AT_ONCE = 16;

export function openSolver(parts: SolverParts): Solver {
  const slots = { exec: openSlots(parts.parallel ?? runsAtOnce()), file: openSlots(filesAtOnce()), source: openSlots(SOURCES_AT_ONCE) };
  const solving: Solving = { ...parts, works: openWorks(parts.leases), slots };
  return {
    async solve(graph, targets, options) {
      checkGraph(graph, targets, options);
      return await solveGraph(solving, graph, targets, options);
    },
  };
}
