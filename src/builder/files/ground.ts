/** What is at the destination while an action is planned: the draft as it was, and what is planned to be made in it. */
import { takeTurns } from "#base/turns.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Program } from "#linux/ops.ts";
import { decodeName, encodeName, parentOf } from "./names.ts";

export type Kind = "directory" | "other" | "nothing";

export type Ground = {
  /** Where a path leads, links followed inside the root: below the root, without a slash in front. */
  resolve(path: string): Promise<string>;
  /** Finds out what is at these paths, which no link leads through: at once what would be asked for one by one. */
  learn(paths: readonly string[]): Promise<void>;
  /** Of a path that was learned, or made, or lies in what is not there. */
  kind(path: string): Kind;
  /** True for what was there before, and is a directory that the draft may not have of its own yet. */
  isOld(path: string): boolean;
  /** It will be there. True if it would have been already, of what was planned before. */
  make(path: string, kind: "directory" | "other"): boolean;
};

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
/** Paths that one program asks for: with the longest names it is still one. */
const BATCH = 2000;
const ROOT = 42;

/** `open`: ops that put the draft, to be read, into a slot. */
export function openGround(kernel: Kernel, open: (slot: number) => Program): Ground {
  const kinds = new Map<string, Kind>([["", "directory"]]);
  const made = new Set<string>();
  /** It is always asked of the draft as it was. */
  const resolved = new Map<string, string>();
  const unknown = (path: string): boolean => !kinds.has(path) && kindAbove(path) === undefined;

  /** Nothing is in what is not there, or was only made now. */
  function kindAbove(path: string): Kind | undefined {
    const parent = parentOf(path);
    if (path === "") return "directory";
    const above = kinds.get(parent) ?? kindAbove(parent);
    return above === "nothing" || above === "other" || made.has(parent) ? "nothing" : undefined;
  }

  return {
    async resolve(path) {
      const known = resolved.get(path);
      if (known !== undefined) return known;
      const program: Program = [...open(ROOT), { op: "resolve", dir: ROOT, path: encodeName(path) }];
      const output = [...(await kernel.perform(program, { forked: "if needed" })).values()].at(-1)!;
      const found = decodeName(output.subarray(4));
      if (!kinds.has(found)) kinds.set(found, kindOf(output.readUInt32LE(0)));
      resolved.set(path, found);
      return found;
    },
    async learn(paths) {
      const wanted = new Set<string>();
      const turns = takeTurns();
      for (const path of paths) {
        const wait = turns();
        if (wait !== undefined) await wait;
        if (unknown(path)) wanted.add(path);
      }
      const asked = [...wanted];
      for (let at = 0; at < asked.length; at += BATCH) {
        const batch = asked.slice(at, at + BATCH);
        const outputs = await kernel.perform([...open(ROOT), { op: "modes", dir: ROOT, paths: encodeName(batch.map((path) => `${path}\0`).join("")) }], { forked: "if needed" });
        const modes = [...outputs.values()].at(-1)!;
        batch.forEach((path, index) => kinds.set(path, kindOf(modes.readUInt32LE(index * 4))));
      }
    },
    kind: (path) => kinds.get(path) ?? kindAbove(path) ?? "nothing",
    isOld: (path) => kinds.get(path) === "directory" && !made.has(path),
    make(path, kind) {
      const again = made.has(path);
      if (kinds.get(path) !== "directory" || kind !== "directory") made.add(path);
      kinds.set(path, kind);
      return again;
    },
  };
}

const kindOf = (mode: number): Kind => (mode === 0 ? "nothing" : (mode & S_IFMT) === S_IFDIR ? "directory" : "other");
