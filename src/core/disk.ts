/** Failures of the disk, as the user must hear them. */
import { constants } from "node:os";
import { fail, Failure, messageOf } from "#base/errors.ts";

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Turns "no space left" of node:fs or of a program into `exhausted`; leaves the rest as it is. */
export async function diskFailure<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asDiskFailure(what, error);
  }
}

export function asDiskFailure(what: string, error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  if (error instanceof Failure || typeof code !== "string" || !FULL.has(code)) return error;
  const words = code === "ENOSPC" ? "no space left on device" : messageOf(error);
  return fail("exhausted", `${what}: ${words}`, { cause: error, facts: { errno: (constants.errno as Record<string, number>)[code] } });
}
