/** What is said when a program fails: the op, the errno, where. */
import { constants } from "node:os";
import { getSystemErrorMessage } from "node:util";
import { describeOp } from "./describe.ts";
import { flatten } from "./encode.ts";
import { ProgramError } from "./linux.ts";
import type { Op, Program } from "./ops.ts";

/** The ops of a program, or the last ones of a stream: any number may go by, and failures are told of soon. */
export type Sent = { readonly ops: Op[]; /** How many went by before those. */ before: number };

/** Ops of a stream that are kept: more than can be on their way. */
const REMEMBERED = 50_000;
const ECHILD = constants.errno.ECHILD;

/** Keeps ops for the message of a failure, without the bytes that they carry. */
export function remember(sent: Sent, more: Program): void {
  for (const op of flatten(more)) sent.ops.push("data" in op ? ({ ...op, data: "" } as Op) : op);
  if (sent.ops.length < 2 * REMEMBERED) return;
  const forgotten = sent.ops.length - REMEMBERED;
  sent.ops.splice(0, forgotten);
  sent.before += forgotten;
}

export function programError({ ops, before }: Sent, index: number, errno: number): ProgramError {
  const op = ops[index - before];
  const total = before + ops.length;
  const code = errnoName(errno);
  const what = op === undefined ? "perform a program" : describeOp(op);
  if (index < 0 && errno === constants.errno.EBADMSG) {
    const text = "perform a program: cell does not know an operation of it. A container that was started by another version of Gantry has that version's shim: restart it";
    return new ProgramError({ index, total, errno, code, op, text });
  }
  const text = `${what}: ${code} (${getSystemErrorMessage(-errno) ?? "unknown error"}), operation ${index} of ${total}`;
  return new ProgramError({ index, total, errno, code, op, text });
}

export function lostError({ ops, before }: Sent, why: string): ProgramError {
  const text = `perform a program: cell was lost: ${why}`;
  return new ProgramError({ index: -1, total: before + ops.length, errno: ECHILD, code: "ECHILD", op: undefined, text });
}

/** Where two names share a number (EAGAIN, EWOULDBLOCK) the first is the customary one. */
const errnoNames = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name] as const).toReversed());

/** "EPERM" for 1. */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`;
}
