/** Digests of a stage's files: read in one program, hashed as they come. */
import { hasher, type Hasher, sha256 } from "#base/digest.ts";
import { tarReader } from "#base/tar.ts";
import type { Op } from "#linux/ops.ts";
import type { Digest } from "#spec/digest.ts";
import type { LayerTree } from "../tree.ts";
import type { FilesParts } from "./files.ts";
import { openLayers, SOURCE } from "./layer-source.ts";
import { cleanPath, decodeName, encodeName, joinPath } from "./names.ts";
import type { Match } from "./select.ts";
import type { SourceEntry } from "./source.ts";

/** By their path in the source. */
export async function hashFiles(parts: FilesParts, tree: LayerTree, matches: readonly Match[], signal: AbortSignal): Promise<Map<string, Digest>> {
  const digests = new Map<string, Digest>();
  await hashSmall(parts, { tree, roots: matches.flatMap(({ entries }) => entries.slice(0, 1)), digests, signal });
  for (const { entries } of matches) {
    const root = entries[0];
    if (root === undefined || !entries.some(({ type }) => type === "file")) continue;
    if (!digests.has(root.at)) await hashBelow(parts, { tree, root, digests, signal });
    // One inode is read under its first name.
    const first = new Map<string, Digest>();
    for (const { at, type, inode } of entries) {
      if (type !== "file" || inode === undefined) continue;
      const digest = digests.get(at) ?? first.get(inode);
      if (digest !== undefined) digests.set(at, digest), first.set(inode, digest);
    }
  }
  return digests;
}

/** BENEATH and NO_SYMLINKS. */
const RESOLVE = 0x0c;
const SMALL = 128 * 1024;
/** Of one program: how many, and how much is in memory. */
const [FILES, BYTES] = [256, 4 * 2 ** 20];

type Batch = { readonly tree: LayerTree; readonly roots: readonly SourceEntry[]; readonly digests: Map<string, Digest>; readonly signal: AbortSignal };

/** Wildcards may have found thousands. A view of many layers costs more than such a file. */
async function hashSmall({ kernel, core, tasks }: FilesParts, { tree, roots, digests, signal }: Batch): Promise<void> {
  for (const batch of batches(roots.filter(({ type, size }) => type === "file" && size <= SMALL))) {
    const open = openLayers({ core, tasks }, tree, SOURCE);
    const reads = batch.map(({ at }): Op => ({ op: "readFile", dir: SOURCE, path: encodeName(at), max: SMALL, resolve: RESOLVE }));
    const outputs = await kernel.perform([...open, ...reads], { forked: "if needed", long: true, signal });
    for (const [index, { at }] of batch.entries()) digests.set(at, sha256(outputs.get(open.length + index) ?? Buffer.alloc(0)));
  }
}

/** One alone is read as a large one is. */
function* batches(files: readonly SourceEntry[]): Generator<readonly SourceEntry[]> {
  let [batch, bytes]: [SourceEntry[], number] = [[], 0];
  for (const file of files.length > 1 ? files : []) {
    if (batch.length === FILES || bytes + file.size > BYTES) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(file);
    bytes += file.size;
  }
  if (batch.length > 0) yield batch;
}

type Reading = { readonly tree: LayerTree; readonly root: SourceEntry; readonly digests: Map<string, Digest>; readonly signal: AbortSignal };

async function hashBelow({ kernel, core, tasks }: FilesParts, { tree, root, digests, signal }: Reading): Promise<void> {
  const open = openLayers({ core, tasks }, tree, SOURCE);
  const isDirectory = root.type === "directory";
  await using reader = await kernel.read([...open, { op: "archive", dir: SOURCE, path: encodeName(root.at), name: isDirectory ? "" : "file" }], { signal });
  const tar = tarReader();
  let now: { readonly at: string; readonly hash: Hasher } | undefined;
  for await (const chunk of reader.bytes) {
    for (const event of tar.push(chunk)) {
      if (event.kind === "entry") {
        const path = decodeName(event.entry.name);
        now = event.entry.type !== "file" ? undefined : { at: isDirectory ? joinPath(root.at, cleanPath(path)) : root.at, hash: hasher() };
        if (now !== undefined && event.entry.size === 0) digests.set(now.at, now.hash.digest());
      } else if (now !== undefined) {
        now.hash.update(event.bytes);
        if (event.last) digests.set(now.at, now.hash.digest());
      }
    }
  }
}
