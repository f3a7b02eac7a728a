/** What the builder does besides the graph's steps, shown as vertices like them: "[internal] load build definition". */
import { sha256 } from "#base/digest.ts";
import { nowNanos } from "#base/clock.ts";
import { messageOf } from "#base/errors.ts";
import type { BuildEvent } from "./events.ts";

type Report = (event: BuildEvent) => void;

/** What the work may tell meanwhile. */
export type Progress = (status: { readonly id: string; readonly name?: string; readonly current: number; readonly total: number; readonly done?: boolean }) => void;

/** `scope`: the build's ref; the same step of two builds is two vertices. */
export async function internalStep<T>(report: Report, scope: string, name: string, work: (progress: Progress, vertex: string) => Promise<T>): Promise<T> {
  const id = sha256(`${scope}\0${name}`);
  const vertex = { kind: "vertex", id, name, inputs: [] } as const;
  const started = nowNanos();
  report({ ...vertex, started });
  const begun = new Map<string, bigint>();
  const progress: Progress = ({ id: what, name: label = what, current, total, done = false }) => {
    const since = begun.get(what) ?? nowNanos();
    begun.set(what, since);
    report({ kind: "status", vertex: id, id: what, name: label, current, total, started: since, ...(done && { completed: nowNanos() }) });
  };
  try {
    const result = await work(progress, id);
    report({ ...vertex, started, completed: nowNanos() });
    return result;
  } catch (error) {
    report({ ...vertex, started, completed: nowNanos(), error: messageOf(error) });
    throw error;
  }
}
