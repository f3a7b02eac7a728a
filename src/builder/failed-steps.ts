/** --debug-on-fail: what failed steps leave behind is kept, and the client shown into the one that its build fails with. */
import { Failure, messageOf } from "#base/errors.ts";
import type { BuildClient, FailedStep } from "./builder.ts";
import type { Graph } from "./graph.ts";
import type { LeftStep } from "./solve/solve.ts";

export type FailedSteps = AsyncDisposable & {
  keep(step: number, left: LeftStep): void;
  /** Resolves when the client has had enough of it. What goes wrong with the shell is told, and no failure. */
  show(failure: unknown, options: { readonly graph: Graph; readonly client: BuildClient; readonly signal: AbortSignal }): Promise<void>;
};

type Shell = FailedStep["shell"];

export function openFailedSteps(): FailedSteps {
  const kept = new Map<number, LeftStep>();
  const stack = new AsyncDisposableStack();
  return {
    keep: (step, left) => void kept.set(step, stack.use(left)),
    async show(failure, { graph, client, signal }) {
      const { step: index, vertex } = (failure instanceof Failure ? failure.facts : {}) as { readonly step?: number; readonly vertex?: string };
      const step = index === undefined ? undefined : graph.steps[index];
      if (index === undefined || step === undefined || vertex === undefined || client.debug === undefined || signal.aborted) return;
      const show = (shell: Shell) => client.debug!({ failure, name: step.name, vertex, shell });
      const left = kept.get(index);
      let entered = false;
      const enter = (shell: Shell) => ((entered = true), show(shell));
      const entering = left === undefined ? enter(step.op.kind === "exec" ? "its command was not started" : "it runs no command") : left.enter(enter, signal);
      await entering.catch((error: unknown) => (entered || signal.aborted ? undefined : show(messageOf(error)))).catch(() => undefined);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
