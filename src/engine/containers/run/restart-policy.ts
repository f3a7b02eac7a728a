/**
 * Restart policies: whether a container that has ended is started again, and after how long. Pure.
 *
 * As Docker: 100 ms after the first end, twice as long each time up to a minute, and from the beginning again once a run
 * has lasted ten seconds. What a user has stopped stays stopped, until it is started, or, under `always`, the engine is.
 */
import type { ContainerRecord } from "../../engine.ts";

const FIRST_MS = 100;
const LONGEST_MS = 60_000;
const SETTLED_MS = 10_000;

/** How a run ended. `lasted`: milliseconds. `waited`: the delay before it, 0 for one that somebody started. */
export type Run = { readonly code: number; readonly lasted: number; readonly waited: number };

/** Milliseconds until the next start; undefined when there is none. */
export function restartDelay(record: ContainerRecord, { code, lasted, waited }: Run): number | undefined {
  if (!wantsRestart(record, code)) return undefined;
  return waited === 0 || lasted > SETTLED_MS ? FIRST_MS : Math.min(2 * waited, LONGEST_MS);
}

/** Of a container that does not run when the engine starts. */
export function wantsStart(record: ContainerRecord): boolean {
  const { status, exitCode } = record.state;
  if (status === "restarting") return true;
  if (status !== "exited") return false;
  return record.hostConfig.RestartPolicy.Name === "always" || wantsRestart(record, exitCode);
}

function wantsRestart({ hostConfig, restartCount, manuallyStopped }: ContainerRecord, code: number): boolean {
  if (manuallyStopped === true) return false;
  const { Name: name, MaximumRetryCount: most } = hostConfig.RestartPolicy;
  if (name === "always" || name === "unless-stopped") return true;
  return name === "on-failure" && code !== 0 && (most === 0 || restartCount < most);
}
