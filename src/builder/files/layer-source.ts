/** A stage or an image as COPY's source: its tree is looked at by `cell` only, in a read-only view that nobody else sees. */
import { fail } from "#base/errors.ts";
import { tarReader } from "#base/tar.ts";
import type { Program } from "#linux/ops.ts";
import type { LayerTree } from "../tree.ts";
import { decodeName, encodeName, joinPath } from "./names.ts";
import type { Source, SourceEntry, SourceParts } from "./source.ts";

/** The slot of the source's root, in programs that copy, too. */
export const SOURCE = 41;
const MOST_ENTRIES = 2_000_000;
const S_IFMT = 0o170000;
const TYPES: Readonly<Record<number, SourceEntry["type"]>> = { 0o100000: "file", 0o040000: "directory", 0o120000: "symlink", 0o020000: "char", 0o060000: "block", 0o010000: "fifo" };

export function layerSource({ kernel, core, tasks, signal }: SourceParts, tree: LayerTree): Source {
  const open = (): Program => openLayers({ core, tasks }, tree, SOURCE);
  return {
    kind: "layers",
    async find(path) {
      if (tree.snapshot === undefined) return path.replaceAll("/", "") === "" ? { path: "", type: "directory" } : undefined;
      const program: Program = [...open(), { op: "resolve", dir: SOURCE, path: encodeName(path) }];
      const output = [...(await kernel.perform(program, { forked: "if needed" })).values()].at(-1)!;
      const type = TYPES[output.readUInt32LE(0) & S_IFMT];
      return type && { path: decodeName(output.subarray(4)), type };
    },
    async list(path, depth) {
      if (tree.snapshot === undefined) return [];
      const entries: SourceEntry[] = [];
      await using reader = await kernel.read([...open(), { op: "walk", dir: SOURCE, path: encodeName(path), depth }], { signal });
      try {
        for await (const record of records(reader.bytes)) {
          const entry = readEntry(record, path);
          if (entry !== undefined) entries.push(entry);
          if (entries.length > MOST_ENTRIES) throw fail("exhausted", `copy from /${path}: more than ${MOST_ENTRIES} files`);
        }
      } catch (error) {
        if (!isNothing(error)) throw error;
      }
      return entries;
    },
    async *read({ at }) {
      await using reader = await kernel.read([...open(), { op: "archive", dir: SOURCE, path: encodeName(at), name: "file" }], { signal });
      const tar = tarReader({ entries: 1 });
      for await (const chunk of reader.bytes) for (const event of tar.push(chunk)) if (event.kind === "data") yield event.bytes;
    },
  };
}

/** Ops that put a tree, read-only, into a slot. */
export function openLayers({ core, tasks }: Pick<SourceParts, "core" | "tasks">, tree: LayerTree, slot: number): Program {
  if (tree.snapshot === undefined) return [];
  const mounts = core.snapshots.mounts(tree.snapshot);
  return tasks.openRoot(mounts.type === "overlay" ? { type: "overlay", lower: mounts.lower } : mounts, slot);
}

/** A path that leads nowhere, or through a link. */
const isNothing = (error: unknown): boolean => ["ENOENT", "ENOTDIR", "ELOOP"].includes(String((error as { code?: unknown } | undefined)?.code));

const HEAD = 72;

/** Whole records of what comes in pieces. */
async function* records(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let left: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = left.length === 0 ? piece : Buffer.concat([left, piece]);
    let at = 0;
    while (bytes.length - at >= 4 && bytes.length - at >= bytes.readUInt32LE(at)) {
      const length = bytes.readUInt32LE(at);
      yield bytes.subarray(at, at + length);
      at += length;
    }
    left = bytes.subarray(at);
  }
}

/** As native/copies.c writes it. Undefined for a socket: it belongs to a process that is not there. */
function readEntry(record: Buffer, listed: string): SourceEntry | undefined {
  const word = (at: number): number => record.readUInt32LE(at);
  const mode = word(4);
  const type = TYPES[mode & S_IFMT];
  if (type === undefined) return undefined;
  const [pathEnd, linkEnd] = [HEAD + word(56), HEAD + word(56) + word(60)];
  const path = decodeName(record.subarray(HEAD, pathEnd));
  const xattrs = readXattrs(record.subarray(linkEnd, linkEnd + word(64)));
  return {
    path, type,
    at: joinPath(listed, path),
    mode: mode & 0o7777,
    uid: word(8),
    gid: word(12),
    sec: Number(record.readBigInt64LE(48)),
    nsec: word(24),
    size: Number(record.readBigUInt64LE(40)),
    ...(type === "symlink" && { link: decodeName(record.subarray(pathEnd, linkEnd)) }),
    ...((type === "char" || type === "block") && { device: { major: word(16), minor: word(20) } }),
    ...(xattrs.length > 0 && { xattrs }),
    ...(type !== "directory" && word(28) > 1 && { inode: String(record.readBigUInt64LE(32)) }),
  };
}

function readXattrs(bytes: Buffer): [string, Uint8Array][] {
  const found: [string, Uint8Array][] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    const length = bytes.readUInt32LE(end + 1);
    found.push([bytes.toString("latin1", at, end), Buffer.from(bytes.subarray(end + 5, end + 5 + length))]);
    at = end + 5 + length;
  }
  return found;
}
