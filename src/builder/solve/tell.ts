/** What a solve tells of its steps: vertices that begin and end, and whose failure it was. */
import { nowNanos } from "#base/clock.ts";
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";
import type { Graph } from "../graph.ts";
import type { SolveOptions, StepContext } from "./solve.ts";
import { Changed } from "./changed.ts";
import { groupOf, isShown, type Vertices } from "./vertices.ts";

export type Telling = {
  /** A failure of `work` is this step's, unless it is another's already. */
  step<T>(index: number, signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  /** `why`: what is different from the last time. */
  started(index: number, why?: readonly string[]): void;
  completed(index: number, cached: boolean, result?: string): void;
  log(index: number): StepContext["log"];
  progress(index: number): StepContext["progress"];
  /** All went well: what was never spoken of was not needed. */
  end(): void;
  /** What the build ends with. */
  failed(error: unknown): unknown;
};

type State = { readonly started: bigint; readonly completed: boolean; readonly why: readonly string[] | undefined };

/** As BuildKit says it of steps that end because of another one. */
const CANCELED = "context canceled";

export function openTelling({ steps }: Graph, { ids, same, needed }: Vertices, options: Pick<SolveOptions, "report" | "signal">): Telling {
  const states = new Map<number, State>();
  const told = new WeakSet<object>();
  const shown = new Set(needed.filter((index) => isShown(steps[index]!)));
  const statuses = new Map<string, bigint>();

  const report = (index: number, rest: { started: bigint; completed?: bigint; cached?: boolean; error?: string; result?: string }, why?: readonly string[]) => {
    if (!shown.has(index)) return;
    const { name, inputs } = steps[index]!;
    states.set(index, { started: rest.started, completed: rest.completed !== undefined, why });
    const above = inputs.map((input) => same[input]!).filter((input) => shown.has(input));
    options.report({ kind: "vertex", id: ids[index]!, name, ...groupOf(steps, ids, index), inputs: above.map((input) => ids[input]!), ...rest, ...(why !== undefined && { why }) });
  };
  const isOpen = (index: number) => states.get(index)?.completed === false;

  const telling: Telling = {
    async step(index, signal, work) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof Changed || (typeof error === "object" && error !== null && told.has(error))) {
          if (isOpen(index) && !(error instanceof Changed)) end(index, CANCELED);
          throw error;
        }
        if (signal.aborted || options.signal.aborted) {
          if (isOpen(index)) end(index, CANCELED);
          throw error;
        }
        const failure = failureOf(error, index);
        told.add(failure);
        end(index, String(failure.facts["ofStep"] ?? failure.message));
        throw failure;
      }
    },
    started: (index, why) => report(index, { started: nowNanos() }, why),
    completed(index, cached, result) {
      const now = nowNanos();
      const open = isOpen(index) ? states.get(index) : undefined;
      report(index, { started: open?.started ?? now, completed: now, ...(cached && { cached }), ...(result !== undefined && { result }) }, cached ? [] : open?.why);
    },
    log: (index) => (stream, data) => options.report({ kind: "log", vertex: ids[index]!, stream, data, time: nowNanos() }),
    progress: (index) => ({ id, name, current, total, done = total > 0 && current >= total }) => {
      const key = `${index} ${id}`;
      const started = statuses.get(key) ?? nowNanos();
      statuses.set(key, started);
      const completed = done ? { completed: nowNanos() } : {};
      options.report({ kind: "status", vertex: ids[index]!, id, name, current, total, started, ...completed });
    },
    end() {
      for (const index of shown) if (!states.has(index)) telling.completed(index, true);
    },
    failed(error) {
      if (options.signal.aborted) return kindOf(error) === "cancelled" ? error : fail("cancelled", "the build was cancelled", { cause: error });
      return error;
    },
  };
  return telling;

  function end(index: number, error: string): void {
    const now = nowNanos();
    report(index, { started: states.get(index)?.started ?? now, completed: now, error }, states.get(index)?.why);
  }

  function failureOf(error: unknown, step: number): Failure {
    const facts = error instanceof Failure ? error.facts : {};
    return fail(kindOf(error), messageOf(error), { cause: error, facts: { ...facts, step, vertex: ids[step]! } });
  }
}
