/** An archive unpacked in a directory of a container: `docker cp` into it. */
import { posix } from "node:path";
import { fail, Failure } from "#base/errors.ts";
import { fillLent } from "#core/layers/fill-lent.ts";
import { fillTree } from "#core/layers/fill-tree.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import type { Op } from "#linux/ops.ts";
import { readAccounts } from "../containers/spec/accounts.ts";
import { publish, type Context } from "../containers/context.ts";
import { resolveUser } from "../containers/spec/user.ts";
import type { ContainerRecord } from "../engine.ts";
import type { WriteOptions } from "./files.ts";
import { CONNECTION, mayTake, takeConnection } from "./lent.ts";
import { type ContainerPath, parsePath } from "./paths.ts";
import { fileFailure, HOLDER, INSIDE, O_PATH_DIRECTORY } from "./stat.ts";
import { see } from "./view.ts";

const REFUSE_DIRECTORY = 1;
const REFUSE_OTHERS = 2;
const OPENED = "where the archive goes";

export async function write(ctx: Context, ref: string, given: string, archive: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<void> {
  const path = parsePath(given);
  refuseReadOnly(ctx.store.find(ref), path);
  using seen = await see(ctx, ref, { mounts: true, signal: options.signal });
  const owner = options.copyUidGid ? await ownerOf(ctx, seen.record) : undefined;
  const open: Op[] = [
    { op: "open", slot: HOLDER, path: path.path, flags: O_PATH_DIRECTORY, resolve: INSIDE, note: OPENED },
    { op: "fchdir", slot: HOLDER },
  ];
  try {
    const { lent, signal } = options;
    const enter = [...seen.enter, ...open];
    const plan = { apart: true, ...(owner !== undefined && { owner }), ...(options.noOverwriteDirNonDir && { before: refuseOther }) };
    if (lent !== undefined && (await mayTake(ctx, lent.fd))) {
      await fillLent(ctx.kernel, { ...lent, slot: CONNECTION }, { enter: [takeConnection(lent.fd), ...enter], what: "the archive", signal, plan });
    } else {
      lent?.back();
      await fillTree(ctx.kernel, archive, { enter, what: "the archive", signal, plan });
    }
  } catch (error) {
    throw writeFailure(error, path, ref);
  }
  publish(ctx, seen.record, "extract-to-dir");
}

const refuseOther = (path: Buffer, type: string): Op[] => [{ op: "forbid", path, flags: type === "directory" ? REFUSE_OTHERS : REFUSE_DIRECTORY }];

/** By the path as it is written, as Docker has it; by what it leads to, the kernel refuses. @throws forbidden */
function refuseReadOnly(record: ContainerRecord, { path }: ContainerPath): void {
  const clean = posix.normalize(path).replace(/(?<=.)\/$/, "");
  const mount = record.mounts
    .filter(({ Destination }) => clean === Destination || clean.startsWith(`${Destination}/`))
    .toSorted((a, b) => b.Destination.length - a.Destination.length)[0];
  if (mount !== undefined && !mount.RW) throw fail("forbidden", "mounted volume is marked read-only");
  if (mount === undefined && record.hostConfig.ReadonlyRootfs) throw fail("forbidden", "container rootfs is marked read-only");
}

/** The container's user; undefined when none is set: then the archive says whose everything is. */
async function ownerOf(ctx: Context, record: ContainerRecord): Promise<{ uid: number; gid: number } | undefined> {
  if (record.config.User === "") return undefined;
  const { uid, gid } = resolveUser(record.config.User, await readAccounts(ctx, record));
  return { uid, gid };
}

function writeFailure(error: unknown, { path }: ContainerPath, ref: string): unknown {
  if (error instanceof Failure || !(error instanceof ProgramError)) return error;
  const { op } = error;
  if (op?.op === "receive" && error.code === "ENODATA") return fail("invalid", "read a tar archive: it is cut short", { cause: error });
  if (op?.op === "receive" && error.code === "EPROTO") return fail("invalid", "read the request's body: a malformed chunk", { cause: error });
  if (op?.note === OPENED) return error.code === "ENOTDIR" ? fail("invalid", "extraction point is not a directory", { cause: error }) : fileFailure(error, path, ref);
  const directory = path.replace(/(?<=.)\/\.?$/, "");
  const name = op !== undefined && "path" in op && op.path instanceof Uint8Array ? posix.join(directory, Buffer.from(op.path).toString("utf8")) : directory;
  if (op?.op === "forbid" && error.code === "EISDIR") return fail("invalid", `cannot overwrite directory ${JSON.stringify(name)} with non-directory ${JSON.stringify(directory)}`, { cause: error });
  if (op?.op === "forbid" && error.code === "ENOTDIR") return fail("invalid", `cannot overwrite non-directory ${JSON.stringify(name)} with directory ${JSON.stringify(directory)}`, { cause: error });
  const failure = fileFailure(error, name, ref);
  return failure instanceof Failure ? failure : fail("invalid", `unpack the archive: ${error.message}`, { cause: error });
}
