/** A tree becomes a layer's blob: written by `cell`, hashed meanwhile, stored as it is. */
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { MEDIA } from "#spec/image.ts";
import type { Content } from "../content/content.ts";
import { enterFolder } from "../inside.ts";
import type { Lease } from "../leases/leases.ts";
import type { Layer } from "./layers.ts";

/** Flags of the ops `archive` and `changes`. */
export const TREE_OVERLAY = 1;
const TREE_LAYER = 2;
const TREE_FILE = 4;

/** The slot in which `below` leaves the older tree. */
export const BELOW = 40;
const BLOB = 39;
const O_WRONLY = 1;

export type TakenTree = {
  /** Folder of the tree. */
  readonly tree: string;
  /** It is an overlay's upper directory; else a whole copy, compared with what `below` puts into its slot. */
  readonly marks: boolean;
  readonly below: Program;
  /** Where it is a whole copy: paths that are no change when they are new. */
  readonly except?: readonly string[];
};

/** Two a level of a tree. */
const NOFILE = 7;
const FILES = 20_000;
export const manyFiles: Op = { op: "rlimit", resource: NOFILE, soft: FILES, hard: FILES };

/** Writes the tree's changes as an archive, sorted by name, into the file at `path`. The tree is all there is while it is read. */
function layerProgram({ tree, marks, below, except = [] }: TakenTree, path: string): Program {
  return [
    manyFiles,
    ...(marks ? [] : below),
    { op: "open", slot: BLOB, path, flags: O_WRONLY },
    ...enterFolder(tree),
    marks
      ? { op: "archive", path: ".", to: BLOB, flags: TREE_OVERLAY | TREE_LAYER | TREE_FILE }
      : { op: "archive", path: ".", to: BLOB, from: BELOW, flags: TREE_LAYER | TREE_FILE, except: except.map((one) => `${one}\0`).join("") },
  ];
}

/** What every container finds in its tree: where that is a whole copy, no change of its own. */
export const INIT_PATHS: readonly string[] = [
  "dev", "dev/pts", "dev/shm", "dev/console", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", "proc", "sys", ".dockerenv",
];

type Parts = { readonly kernel: Kernel; readonly content: Content };

/**
 * Stores what the tree changed: a layer whose digest is its diff ID. `cell` writes the blob; here it is only read, to be hashed.
 * @throws ProgramError: EILSEQ for a name that begins with ".wh.", ENAMETOOLONG for a path that no layer holds
 */
export async function takeLayer({ kernel, content }: Parts, lease: Lease, taken: TakenTree, { signal }: { readonly signal: AbortSignal }): Promise<Layer> {
  const { digest, size } = await content.take(lease, async function* (path) {
    await using reader = await kernel.read(layerProgram(taken, path), { signal });
    for await (const size of sizes(reader.bytes)) yield size;
  });
  return { descriptor: { mediaType: MEDIA.ociLayer, digest, size }, diffId: digest };
}

/** The last of the numbers that came, which are of eight bytes, however they were cut. */
async function* sizes(pieces: AsyncIterable<Buffer>): AsyncGenerator<number> {
  let left: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = left.length === 0 ? piece : Buffer.concat([left, piece]);
    const whole = bytes.length - (bytes.length % 8);
    left = bytes.subarray(whole);
    if (whole > 0) yield Number(bytes.readBigUInt64LE(whole - 8));
  }
}
