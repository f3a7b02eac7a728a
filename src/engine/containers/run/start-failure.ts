/**
 * Why a container could not be started, in Docker's words: clients look for them, and the client of Docker derives the
 * exit codes 126 and 127 from them.
 */
import { getSystemErrorMessage } from "node:util";
import { Failure, fail, kindOf, messageOf } from "#base/errors.ts";
import { MAP_IDS, ProgramError } from "#core/tasks/tasks.ts";
import type { ContainerRecord, StartFailure } from "../../engine.ts";
import { subpathFailure } from "../mounts/subpath-failure.ts";

export const NOT_EXECUTABLE = 126;
export const NOT_FOUND = 127;
/** The engine's fault, or that of the request. */
export const NOT_STARTED = 128;

const WRONG_TYPE =
  "not a directory: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";
const CREATE = "failed to create task for container: failed to create shim task: OCI runtime create failed: unable to start container process";

export function startFailure(error: unknown, record: Pick<ContainerRecord, "path" | "config">): StartFailure {
  const mount = error instanceof ProgramError ? mountFailure(error) : undefined;
  if (mount !== undefined) return startFailure(mount, record);
  if (error instanceof ProgramError) return programFailure(error, CREATE, { command: record.path, cwd: record.config.WorkingDir });
  if (error instanceof Failure && typeof error.facts["exitCode"] === "number") return error as StartFailure;
  const facts = { ...(error instanceof Failure ? error.facts : {}), exitCode: NOT_STARTED };
  return fail(kindOf(error), messageOf(error), { cause: error, facts }) as StartFailure;
}

function mountFailure(error: ProgramError): Failure | undefined {
  if (error.op?.note === MAP_IDS) return fail("invalid", `mount with mapped owners: ${error.code === "EINVAL" ? "the file system of the source cannot do that" : getSystemErrorMessage(-error.errno)}`, { cause: error });
  return error.op !== undefined && "path" in error.op ? subpathFailure(error, String(error.op.path)) : undefined;
}

/** The same for `prefix` another sentence: exec's. */
export function programFailure(error: ProgramError, prefix: string, { command, cwd }: { command: string; cwd: string }): StartFailure {
  const make = (words: string, exitCode: number, kind: "invalid" | "internal" = "invalid") =>
    fail(kind, `${prefix}: ${words}: unknown`, { cause: error, facts: { exitCode, errno: error.code } }) as StartFailure;
  const name = error.op?.op;
  if (name === "exec") {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") {
      return make(command.includes("/") ? `exec: "${command}": stat ${command}: no such file or directory` : `exec: "${command}": executable file not found in $PATH`, NOT_FOUND);
    }
    if (error.code === "EACCES" || error.code === "EPERM") return make(`exec: "${command}": permission denied`, NOT_EXECUTABLE);
    if (error.code === "ENOEXEC") return make(`exec ${command}: exec format error`, NOT_EXECUTABLE);
    return make(`exec: "${command}": ${getSystemErrorMessage(-error.errno)}`, NOT_EXECUTABLE);
  }
  const folder = name === "chdir" || name === "fchdir" || ((name === "mkdirAll" || name === "open") && error.op?.path === cwd);
  if (folder && cwd !== "") {
    const words = { ENOENT: "no such file or directory", ENOTDIR: "not a directory", EACCES: "permission denied" }[error.code] ?? error.code;
    return make(`chdir to cwd ("${cwd}") set in config.json failed: ${words}`, error.code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE);
  }
  // A build's mounts have no name outside.
  const mounted = name === "moveMount" ? /^(.*) on (\/.*)$/.exec(error.op?.note ?? "") : null;
  if (mounted !== null && (error.code === "EINVAL" || error.code === "ENOTDIR")) {
    return make(`error during container init: error mounting ${mounted[1] === "" ? "" : `"${mounted[1]}" `}to rootfs at "${mounted[2]}": ${WRONG_TYPE}`, NOT_EXECUTABLE);
  }
  if (error.code === "ENOTDIR" || error.code === "EISDIR") {
    return make(`error during container init: ${error.message}: ${WRONG_TYPE}`, NOT_EXECUTABLE);
  }
  return make(`error during container init: ${error.message}`, NOT_STARTED, "internal");
}
