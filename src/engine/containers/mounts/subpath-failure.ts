/** A part of a volume or an image that is not there, or that a link leads out of, in Docker's words. */
import { fail, type Failure } from "#base/errors.ts";
import { FIND_SUBPATH, ProgramError } from "#core/tasks/tasks.ts";

/** Of the look before a start; and of the start, if somebody has changed it in between. undefined: another error. */
export function subpathFailure(error: unknown, path: string): Failure | undefined {
  if (!(error instanceof ProgramError) || error.op?.note !== FIND_SUBPATH) return undefined;
  if (error.code === "EXDEV" || error.code === "ELOOP") return fail("invalid", `path concatenation escapes the base directory: ${path}`, { cause: error });
  return fail("invalid", `cannot access path ${path}: ${error.code === "ENOENT" ? "no such file or directory" : error.code}`, { cause: error });
}
