/**
 * Directories that a layer's entries lie in without an entry of their own: overlay would show them with the owner and
 * mode they were made with, so they take those of the nearest layer below that has them (as containerd does).
 */
import type { Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { enterFolder } from "../inside.ts";
import { nameBytes } from "./name.ts";

const RESOLVE_IN_ROOT = 0x10;
const O_PATH_DIRECTORY = 0o10000000 | 0o200000;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const ENOENT = 2;

/** `below`: the trees of the layers below, topmost first. */
export async function adoptImplied(kernel: Kernel, tree: string, implied: readonly string[], below: readonly string[]): Promise<void> {
  let missing = [...implied];
  const ops: Op[] = [];
  for (const lower of below) {
    if (missing.length === 0) break;
    const found = await statAll(kernel, lower, missing);
    for (const [path, { mode, uid, gid, sec, nsec }] of found) {
      // Something else there: the directory is this layer's own.
      if ((mode & S_IFMT) !== S_IFDIR) continue;
      ops.push({ op: "putDir", path: nameBytes(path), mode: mode & 0o7777, uid, gid }, { op: "utimes", path: nameBytes(path), sec, nsec });
    }
    missing = missing.filter((path) => !found.has(path));
  }
  if (ops.length > 0) await kernel.perform([...enterFolder(tree), ...ops], { forked: true });
}

type Facts = { mode: number; uid: number; gid: number; sec: bigint; nsec: bigint };

async function statAll(kernel: Kernel, tree: string, paths: readonly string[]): Promise<Map<string, Facts>> {
  const outputs = await kernel.perform([
    { op: "open", slot: 1, path: tree, flags: O_PATH_DIRECTORY },
    ...paths.map((path): Op => ({ op: "stat", dir: 1, path: nameBytes(path), resolve: RESOLVE_IN_ROOT, tolerate: ENOENT })),
  ]);
  return new Map(paths.flatMap((path, index) => {
    const output = outputs.get(index + 1);
    return output === undefined || output.length === 0 ? [] : [[path, readFacts(output)] as const];
  }));
}

const readFacts = (output: Buffer): Facts => ({
  mode: Number(output.readBigUInt64LE(0)),
  uid: Number(output.readBigUInt64LE(8)),
  gid: Number(output.readBigUInt64LE(16)),
  sec: output.readBigInt64LE(32),
  nsec: output.readBigInt64LE(40),
});
