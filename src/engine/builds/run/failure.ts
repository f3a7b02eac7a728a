/** Why a step failed, in BuildKit's words and in those of the classic builder: the doors choose. */
import { constants } from "node:os";
import { type Failure, fail, kindOf } from "#base/errors.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import { startFailure } from "../../containers/run/start-failure.ts";
import type { ContainerRecord } from "../../engine.ts";

export type Ended = { readonly code: number; readonly oom: boolean };

const SIGNALS: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** facts: exitCode; command; classic: the other text; oom and signal, if that is why. */
export function exitFailure(args: readonly string[], { code, oom }: Ended): Failure {
  const command = args.join(" ");
  const signal = code > 128 ? SIGNALS[code - 128] : undefined;
  const why = oom ? ": cannot allocate memory" : "";
  return fail("internal", `process ${JSON.stringify(command)} did not complete successfully: exit code: ${code}${why}`, {
    facts: {
      exitCode: code,
      command,
      classic: `The command '${command}' returned a non-zero code: ${code}`,
      ...(oom ? { oom } : {}),
      ...(signal === undefined ? {} : { signal }),
    },
  });
}

/** What is told of it in the step's output. */
export const KILLED_FOR_MEMORY = "killed: the memory limit was reached";

/** What of a failed start belongs into the step's output. */
export const shortReason = (failure: Failure): string => String(failure.facts["classic"]).replace(/^.*?(?=unable to start container process: )/s, "").replace(/: unknown$/, "");

/** It never ran: no such command (127), not executable (126), or what it wants mounted cannot be. facts.classic says why. */
export function notStarted(error: unknown, record: ContainerRecord): Failure {
  const below = belowReadOnly(error);
  if (below !== undefined) return below;
  const failure = startFailure(error, record);
  const { exitCode } = failure.facts;
  const command = [record.path, ...record.args].join(" ");
  const facts = { ...failure.facts, exitCode, command, classic: failure.message, started: false };
  const ranNothing = exitCode === 126 || exitCode === 127;
  const message = ranNothing ? `process ${JSON.stringify(command)} did not complete successfully: exit code: ${exitCode}` : failure.message;
  return fail(kindOf(failure), message, { cause: error, facts });
}

/** Who it should run as is told with the command, as whatever a RUN fails of. */
export function unknownAccount(error: Failure, { path, args }: Pick<ContainerRecord, "path" | "args">): Failure {
  const { message } = error;
  const command = [path, ...args].join(" ");
  return fail(kindOf(error), `process ${JSON.stringify(command)} did not complete successfully: ${message}`, { cause: error, facts: { ...error.facts, classic: message } });
}

/** A mount inside a read-only one, at a place that is not there. */
function belowReadOnly(error: unknown): Failure | undefined {
  const op = error instanceof ProgramError && error.code === "EROFS" ? error.op : undefined;
  if (op?.op !== "mkdirAll" && op?.op !== "mkfileAll") return undefined;
  const text = `RUN --mount: target ${String(op.path)}: it is not there, and what is mounted above it is read-only (rw lets it be made)`;
  return fail("invalid", text, { cause: error, facts: { classic: text, started: false } });
}
