import type { Digest } from "#spec/digest.ts";
import type { Graph, Step } from "../graph.ts";
import type { Tree } from "../tree.ts";
import type { Known } from "./known.ts";
import type { Solving } from "./open-solver.ts";
import type { SolveOptions, StepContext } from "./solve.ts";
import type { Telling } from "./tell.ts";
import type { Vertices } from "./vertices.ts";
import type { Made, Waiter } from "./works.ts";

/** A solve under way. */
export type Run = Solving & {
  readonly graph: Graph;
  readonly vertices: Vertices;
  readonly options: SolveOptions;
  /** Fires when the build is cancelled, when a step fails, and when what is known must be known anew. */
  readonly signal: AbortSignal;
  readonly tell: Telling;
  /** What is true whatever else turns out: sources, and what was made in this solve. */
  readonly settled: Map<number, Known>;
  readonly known: Map<number, Promise<Known>>;
  readonly had: Map<number, Promise<Tree>>;
  readonly facts: Map<Digest, string>;
  /** What lasts as long as the solve: holds on files and on records. */
  readonly stack: DisposableStack;
  /** To be waited for before it is told that all is well. */
  readonly recorded: Promise<void>[];
};

export const stepOf = ({ graph }: Run, index: number): Step => graph.steps[index]!;

/** What the step's inputs are known to be, in their order. */
export const inputsOf = ({ graph, known, vertices }: Run, index: number): Promise<Known[]> =>
  Promise.all(graph.steps[index]!.inputs.map((input) => known.get(vertices.same[input]!)!));

/** The result is this solve's: held by the build's lease, or as long as the solve lasts. */
export function keep({ options, contexts, stack }: Run, { tree }: Made): void {
  if (tree.kind === "files") {
    if (!stack.disposed) stack.use(contexts.hold(tree));
    return;
  }
  if (tree.snapshot !== undefined) options.lease.hold(`snapshot/${tree.snapshot}`);
  for (const { descriptor } of tree.layers) options.lease.hold(`content/${descriptor.digest}`);
}

export function waiterOf(run: Run, index: number): Waiter {
  const { client, run: defaults, entitlements, keepFailed } = run.options;
  return {
    client,
    run: defaults,
    entitlements,
    ...(keepFailed !== undefined && { keepFailed: (left) => keepFailed(index, left) }),
    signal: run.signal,
    log: run.tell.log(index),
    progress: run.tell.progress(index),
    keep: (made) => keep(run, made),
  };
}

/** For what is asked on behalf of this build alone. */
export function contextOf(run: Run, index: number): StepContext {
  const { keep: _, ...context } = waiterOf(run, index);
  return { ...context, lease: run.options.lease };
}
