/**
 * One solve. First each step that the targets need is *known*: what it results in, found by its key or, if there is no
 * other way, made. Then the targets' results are *had*: they are here, or are brought, or made.
 *
 * A step is known as soon as its inputs are; nothing is made whose result is known, and of what is only known nothing is
 * read. Making a step needs its inputs to be had. What is known of a step can turn out to be wrong in one case only: its
 * result went, it had to be made again, and came out differently. Then what follows from it is known anew.
 */
import type { Graph } from "../graph.ts";
import { Changed } from "./changed.ts";
import { have } from "./have.ts";
import { know } from "./know.ts";
import type { Solving } from "./open-solver.ts";
import type { Run } from "./run.ts";
import type { Solved, SolveOptions } from "./solve.ts";
import { openTelling } from "./tell.ts";
import { planEvent, verticesOf } from "./vertices.ts";

export async function solveGraph(solving: Solving, graph: Graph, targets: readonly number[], options: SolveOptions): Promise<Solved> {
  const vertices = verticesOf(graph, targets);
  options.report(planEvent(graph, vertices));
  using stack = new DisposableStack();
  const tell = openTelling(graph, vertices, options);
  const lasting = { ...solving, graph, vertices, options, tell, stack, settled: new Map(), facts: new Map() };
  for (;;) {
    const stop = new AbortController();
    const run: Run = { ...lasting, signal: AbortSignal.any([options.signal, stop.signal]), known: new Map(), had: new Map(), recorded: [] };
    try {
      return await solveOnce(run, targets);
    } catch (error) {
      stop.abort(error);
      // What nobody else waits for has ended when this build does.
      await Promise.allSettled([...run.known.values(), ...run.had.values(), ...run.recorded]);
      if (!(error instanceof Changed) || options.signal.aborted) throw tell.failed(error);
    }
  }
}

async function solveOnce(run: Run, targets: readonly number[]): Promise<Solved> {
  const { vertices, known, tell, recorded } = run;
  run.options.signal.throwIfAborted();
  for (const index of vertices.needed) known.set(index, know(run, index));
  await Promise.all(known.values());
  const trees = await Promise.all(targets.map((target) => have(run, vertices.same[target]!)));
  await Promise.all(recorded);
  tell.end();
  return { trees, steps: await resultsOf(run), facts: run.facts };
}

async function resultsOf({ vertices, known }: Run): Promise<Solved["steps"]> {
  const results = new Map(await Promise.all([...known].map(async ([index, step]) => [index, await step] as const)));
  return new Map(vertices.same.flatMap((first, index) => (results.has(first) ? [[index, results.get(first)!] as const] : [])));
}
