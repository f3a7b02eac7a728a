/** The graph while it is written: equal steps become one, whoever asks for them. */
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import type { LocalOp, Step } from "../graph.ts";
import { MAX_PLAN } from "./plan.ts";

export type Steps = {
  readonly list: readonly Step[];
  /** The step's index: a new one's, or that of its equal. What is only for people is the first one's. */
  add(step: Step): number;
  /** Counts what is not in a step but grows with it: history. @throws invalid */
  spend(bytes: number): void;
  /** The step of a folder of the client, of which paths are asked for bit by bit. */
  folder(step: Omit<Step, "op" | "inputs">, name: string): Folder;
  /** That a path of a step is needed; of a folder nothing else is sent. */
  want(step: number, path: string): void;
  /** Every folder's step with all paths that were asked for. */
  finish(): Step[];
};

export type Folder = {
  readonly index: number;
  want(path: string): void;
  exclude(patterns: readonly string[]): void;
};

type OpenFolder = { readonly index: number; readonly wanted: Set<string>; excluded: readonly string[] };

export function openSteps(): Steps {
  const list: Step[] = [];
  const known = new Map<string, number>();
  const folders = new Map<string, OpenFolder>();
  let spent = 0;
  const spend = (bytes: number): void => {
    spent += bytes;
    if (spent > MAX_PLAN) throw fail("invalid", `the build is too large: its operations and its history take more than ${MAX_PLAN} bytes`);
  };
  const add = (step: Step): number => {
    const text = JSON.stringify([step.op, step.inputs, step.platform, step.noCache === true]);
    spend(text.length + step.name.length);
    const identity = text.length < 200 ? text : sha256(text);
    const there = known.get(identity);
    if (there !== undefined) return there;
    known.set(identity, list.push(step) - 1);
    return list.length - 1;
  };
  return {
    list,
    add,
    spend,
    folder(step, name) {
      const folder = folders.get(name) ?? { index: add({ ...step, op: { kind: "local", name, include: [], exclude: [] }, inputs: [] }), wanted: new Set<string>(), excluded: [] };
      folders.set(name, folder);
      return { index: folder.index, want: (path) => void folder.wanted.add(path), exclude: (patterns) => void (folder.excluded = patterns) };
    },
    want(step, path) {
      const { op } = list[step]!;
      if (op.kind === "local") folders.get(op.name)?.wanted.add(path);
    },
    finish() {
      const steps = [...list];
      for (const { index, wanted, excluded } of folders.values()) {
        const step = steps[index]!;
        steps[index] = { ...step, op: { ...(step.op as LocalOp), include: topmost(wanted), exclude: excluded } };
      }
      return steps;
    },
  };
}

/** Without what lies in others of them; none of them, if the folder itself is one. */
function topmost(paths: ReadonlySet<string>): string[] {
  if (paths.has(".")) return [];
  return [...paths].filter((path) => !parents(path).some((parent) => paths.has(parent))).toSorted();
}

function parents(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}
