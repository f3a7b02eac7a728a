/** Failures that know where in the Dockerfile they are. */
import { fail, Failure, kindOf, messageOf } from "#base/errors.ts";

/** What goes wrong within has these lines, unless it has its own. */
export function at<T>(lines: readonly [number, number], work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw located(error, lines);
  }
}

export function located(error: unknown, lines: readonly [number, number]): unknown {
  if (error instanceof Failure && "lines" in error.facts) return error;
  if (!(error instanceof Failure)) return error;
  return fail(kindOf(error), messageOf(error), { cause: error, facts: { ...error.facts, lines } });
}

export const invalid = (message: string, lines?: readonly [number, number]): Failure => fail("invalid", message, lines === undefined ? {} : { facts: { lines } });
