/**
 * A container's passwd and group files. Of an image they are read once; of a container that has run, from its own tree,
 * which it may have changed; of one that runs, from what it sees.
 */
import { fail } from "#base/errors.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import { processRoot, ProgramError, readFilesProgram } from "#core/tasks/tasks.ts";
import type { Program } from "#linux/ops.ts";
import { ZERO_TIME } from "#base/clock.ts";
import type { ContainerRecord } from "../../engine.ts";
import type { Accounts, Context } from "../context.ts";
import { USER_FILE_LIMIT } from "./user.ts";

const REMEMBERED = 64;

export function readAccounts(ctx: Context, record: ContainerRecord): Promise<Accounts> {
  if (record.state.pid > 0) return read(ctx, processRoot(record.state.pid));
  const mounts = ctx.snapshots.mounts(record.snapshotKey);
  if (record.state.startedAt !== ZERO_TIME) return read(ctx, ctx.tasks.openRoot(withUpper(mounts), 0));
  return ofImage(ctx, ctx.snapshots.stat(record.snapshotKey)?.parent ?? "", mounts);
}

export function ofImage(ctx: Context, snapshot: string, mounts: Mounts): Promise<Accounts> {
  const known = ctx.accounts.get(snapshot);
  if (known !== undefined) return known;
  const reading = read(ctx, ctx.tasks.openRoot(withoutUpper(mounts), 0));
  ctx.accounts.set(snapshot, reading);
  reading.catch(() => ctx.accounts.delete(snapshot));
  if (ctx.accounts.size > REMEMBERED) ctx.accounts.delete(ctx.accounts.keys().next().value!);
  return reading;
}

async function read(ctx: Context, open: Program): Promise<Accounts> {
  const program = readFilesProgram(open, ["etc/passwd", "etc/group"], USER_FILE_LIMIT);
  try {
    const outputs = await ctx.kernel.perform(program, { forked: "if needed" });
    const [passwd = "", group = ""] = [2, 1].map((back) => outputs.get(program.length - back)?.toString("utf8") ?? "");
    return { passwd, group };
  } catch (error) {
    if (error instanceof ProgramError && error.op?.op === "readFile") throw fail("invalid", `read the container's users: ${error.message}`, { cause: error });
    throw error;
  }
}

/** Read-only views: of the layers below the container's own, and of these with its own on top. */
const withoutUpper = (mounts: Mounts): Mounts => {
  if (mounts.type !== "overlay") return mounts;
  // Overlay wants two at least.
  return mounts.lower.length === 1 ? { type: "bind", source: mounts.lower[0]!, readOnly: true } : { type: "overlay", lower: mounts.lower };
};
const withUpper = (mounts: Mounts): Mounts =>
  mounts.type === "overlay" ? { type: "overlay", lower: [...(mounts.upper === undefined ? [] : [mounts.upper]), ...mounts.lower] } : mounts;
