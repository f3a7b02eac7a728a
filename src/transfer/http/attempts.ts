/** Trying again: when it may help, after how long, and how often. */
import { setTimeout as sleep } from "node:timers/promises";
import { fail, Failure } from "#base/errors.ts";
import type { Limits } from "../transfer.ts";

export type Attempts = {
  /** Resolves when the next attempt is due. @throws the error, when there shall be none. */
  next(error: unknown): Promise<void>;
  /** The last attempt got somewhere: what failed before does not count. */
  progressed(): void;
};

export type AttemptOptions = {
  readonly most: number;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** Told before the wait. */
  readonly retry?: ((seconds: number, reason: string) => void) | undefined;
  /** Somebody was there before: that nobody is now may pass. */
  readonly wasThere?: () => boolean;
};

const AT_MOST_MS = 15_000;

export function openAttempts({ most, limits, signal, retry, wasThere }: AttemptOptions): Attempts {
  let failed = 0;
  let moved = false;
  return {
    progressed() {
      failed = 0;
      moved = true;
    },
    async next(error) {
      signal.throwIfAborted();
      if (!mayHelp(error, wasThere?.() ?? false)) throw error;
      // A connection that the other side had closed while it was kept: it costs nothing to open another.
      if (error.facts["stale"] === true && failed++ === 0) return;
      if (!moved) failed += 1;
      if (failed >= Math.max(1, most)) throw error;
      const ms = moved ? limits.backoffMs * 0.2 * Math.random() : waitFor(error, failed, limits);
      moved = false;
      if (ms >= limits.backoffMs) retry?.(Math.ceil(ms / 1000), error.message);
      await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
    },
  };
}

function mayHelp(error: unknown, wasThere: boolean): error is Failure {
  if (!(error instanceof Failure) || error.facts["again"] !== true) return false;
  return error.facts["absent"] !== true || wasThere;
}

/** Half of the time is chance, so that those who failed together do not come back together. */
function waitFor(error: Failure, failed: number, limits: Limits): number {
  const asked = error.facts["retryAfter"];
  if (typeof asked === "number") {
    const ms = asked * 1000;
    if (ms > limits.retryAfterMs) throw tooLong(error, asked, limits);
    return ms + limits.backoffMs * Math.random();
  }
  const ms = Math.min(limits.backoffMs * 2 ** (failed - 1), AT_MOST_MS);
  return ms / 2 + (ms / 2) * Math.random();
}

function tooLong(error: Failure, seconds: number, { retryAfterMs }: Limits): Failure {
  const why = `the server asks to wait ${seconds} seconds, more than the ${Math.round(retryAfterMs / 1000)} that are waited`;
  return fail(error.kind, `${error.message} (${why})`, { cause: error, facts: { ...error.facts, again: false } });
}
