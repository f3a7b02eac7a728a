/** Failures of the file system, as the rest of the registry reads them. */
import { fail, Failure, messageOf } from "#base/errors.ts";

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? "");

/** What is not there is no failure. */
export async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

export function asDiskFailure(what: string, error: unknown): unknown {
  if (error instanceof Failure || !FULL.has(codeOf(error))) return error;
  return fail("exhausted", `${what}: ${codeOf(error) === "ENOSPC" ? "no space left on device" : messageOf(error)}`, { cause: error });
}
