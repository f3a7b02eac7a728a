/** wait: for the end of a run, or of the container. */
import { isUp, type Context } from "../context.ts";
import type { Exit } from "../live.ts";

export type Condition = "not-running" | "next-exit" | "removed";

/** Listens from the call on: what ends right afterwards is not missed. */
export async function wait(ctx: Context, ref: string, condition: Condition, signal: AbortSignal): Promise<Exit> {
  const record = ctx.store.find(ref);
  const live = ctx.lives.of(record.id);
  if (condition === "not-running" && !isUp(record)) {
    const { exitCode, error } = record.state;
    return { code: exitCode, ...(error === "" ? {} : { error }) };
  }
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Exit>();
  const listeners = condition === "removed" ? live.onRemoved : live.onExit;
  const abort = () => reject(signal.reason);
  listeners.add(resolve);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await promise;
  } finally {
    listeners.delete(resolve);
    signal.removeEventListener("abort", abort);
  }
}

export function tell(listeners: Set<(exit: Exit) => void>, exit: Exit): void {
  for (const listener of listeners) listener(exit);
  listeners.clear();
}
