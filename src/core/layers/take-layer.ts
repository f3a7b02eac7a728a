/** A tree becomes a layer's blob: archived by `cell`, hashed and stored as it is, in one pass. */
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { MEDIA } from "#spec/image.ts";
import type { Content } from "../content/content.ts";
import { enterFolder } from "../inside.ts";
import type { Lease } from "../leases/leases.ts";
import type { Layer } from "./layers.ts";

/** Flags of the ops `archive` and `changes`. */
export const TREE_OVERLAY = 1;
export const TREE_LAYER = 2;

/** The slot in which `below` leaves the older tree. */
export const BELOW = 40;

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

/** Puts out the tree's changes as an archive, sorted by name. The tree is all there is while it is read. */
export function layerProgram({ tree, marks, below, except = [] }: TakenTree): Program {
  return [
    manyFiles,
    ...(marks ? [] : below),
    ...enterFolder(tree),
    marks ? { op: "archive", path: ".", flags: TREE_OVERLAY | TREE_LAYER } : { op: "archive", path: ".", from: BELOW, flags: TREE_LAYER, except: except.map((path) => `${path}\0`).join("") },
  ];
}

/** What every container finds in its tree: where that is a whole copy, no change of its own. */
export const INIT_PATHS: readonly string[] = [
  "dev", "dev/pts", "dev/shm", "dev/console", "etc", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", "proc", "sys", ".dockerenv",
];

type Parts = { readonly kernel: Kernel; readonly content: Content };

/**
 * Stores what the program puts out: a layer whose digest is its diff ID.
 * @throws ProgramError: EILSEQ for a name that begins with ".wh.", ENAMETOOLONG for a path that no layer holds
 */
export async function takeLayer({ kernel, content }: Parts, lease: Lease, program: Program, { signal }: { readonly signal: AbortSignal }): Promise<Layer> {
  const writer = await content.writer(lease);
  try {
    await using reader = await kernel.read(program, { signal });
    for await (const chunk of reader.bytes) await writer.write(chunk);
    const { digest, size } = await writer.commit();
    return { descriptor: { mediaType: MEDIA.ociLayer, digest, size }, diffId: digest };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
