/** Performs a plan in a draft's folder: one stream of ops, whatever the number of files. */
import { enterFolder } from "#core/inside.ts";
import { diskFailure } from "#core/disk.ts";
import type { Op, Program } from "#linux/ops.ts";
import type { LayerTree, Tree } from "../tree.ts";
import type { FilesParts } from "./files.ts";
import { openLayers, SOURCE } from "./layer-source.ts";
import { encodeName } from "./names.ts";
import type { CopyPlan, CopyStep } from "./plan-copy.ts";

export type Filling = { readonly tree: string; readonly base: LayerTree; readonly from: Tree | undefined; readonly signal: AbortSignal };

const BASE = 42;
/** Files of the pool that one program has open. */
const FIRST = 4;
const MOST = 36;
/** Ops that are sent at once. */
const FRAME = 512;

export async function fillDraft(parts: FilesParts, { steps, times }: CopyPlan, filling: Filling): Promise<void> {
  const ends = [...times].map(([path, { sec, nsec }]): CopyStep => ({ kind: "op", op: { op: "utimes", path: encodeName(path), sec, nsec } }));
  for (const portion of portions(parts, [...steps, ...ends])) await diskFailure("copy files", perform(parts, portion, filling));
}

type Portion = { readonly files: ReadonlyMap<string, number>; readonly ops: readonly Op[] };

/** What the pool holds lies in few files; if not, it is more programs. */
function* portions({ pool }: Pick<FilesParts, "pool">, steps: readonly CopyStep[]): Generator<Portion> {
  let files = new Map<string, number>();
  let ops: Op[] = [];
  const held = new Set<string>();
  for (const step of steps) {
    if (step.kind === "op") ops.push(step.op);
    else if (step.kind === "like") {
      if (held.has(step.path)) continue;
      held.add(step.path);
      ops.push({ op: "likeDir", from: BASE, path: encodeName(step.path) });
    } else {
      const place = step.entry.digest === undefined ? undefined : pool.place(step.entry.digest);
      if (place !== undefined && !files.has(place.path) && files.size === MOST) {
        yield { files, ops };
        [files, ops] = [new Map(), []];
      }
      ops.push(rangeOp(step, place, files));
    }
  }
  yield { files, ops };
}

type FileStep = Extract<CopyStep, { kind: "file" }>;

function rangeOp({ path, entry, mode, owner }: FileStep, place: ReturnType<FilesParts["pool"]["place"]> | undefined, files: Map<string, number>): Op {
  const { sec, nsec } = entry;
  const own = { path: encodeName(path), mode, ...owner, sec, nsec };
  if (place === undefined) return { op: "putRange", ...own, from: SOURCE, fromPath: encodeName(entry.at), length: -1 };
  const slot = files.get(place.path) ?? FIRST + files.size;
  files.set(place.path, slot);
  return { op: "putRange", ...own, from: slot, offset: place.offset, length: place.length };
}

async function perform({ kernel, core, tasks }: FilesParts, { files, ops }: Portion, { tree, base, from, signal }: Filling): Promise<void> {
  if (ops.length === 0) return;
  const needsBase = ops.some(({ op }) => op === "likeDir");
  const head: Program = [
    ...(needsBase ? openLayers({ core, tasks }, base, BASE) : []),
    ...(from?.kind === "layers" ? openLayers({ core, tasks }, from, SOURCE) : []),
    ...[...files].map(([path, slot]): Op => ({ op: "open", slot, path })),
    ...enterFolder(tree),
  ];
  await using program = await kernel.stream({ signal });
  await program.push(head);
  for (let at = 0; at < ops.length; at += FRAME) {
    signal.throwIfAborted();
    await program.push(ops.slice(at, at + FRAME));
  }
  await program.end();
}
