/** Performs a plan in a draft's folder: a few streams of ops, whatever the number of files. */
import { takeTurns } from "#base/turns.ts";
import { diskFailure } from "#core/disk.ts";
import { enterFolder } from "#core/inside.ts";
import type { Op, Program } from "#linux/ops.ts";
import type { FilePlace, LayerTree, Tree } from "../tree.ts";
import type { FilesParts } from "./files.ts";
import { openLayers, SOURCE } from "./layer-source.ts";
import { describeFile, type MadeFiles } from "./made-before.ts";
import { encodeName } from "./names.ts";
import type { CopyPlan, CopyStep } from "./plan-copy.ts";

export type Filling = {
  readonly tree: string;
  readonly base: LayerTree;
  readonly from: Tree | undefined;
  /** An older layer of which files may be taken as they are. */
  readonly same?: { readonly tree: string; readonly files: MadeFiles };
  readonly signal: AbortSignal;
};

const BASE = 42;
const OLD = 43;
const OWN = 44;
/** Files of the pool that one program has open. */
const FIRST = 4;
const MOST = 36;
const O_PATH_DIRECTORY = 0o10000000 | (process.arch === "arm64" ? 0o40000 : 0o200000);
/** Ops, and bytes of names, that are sent at once. */
const FRAME = 512;
const NAMES = 2 ** 20;

type FileStep = Extract<CopyStep, { kind: "file" }>;

export async function fillDraft(parts: FilesParts, plan: CopyPlan, filling: Filling): Promise<void> {
  const { same } = filling;
  if (same === undefined || plan.remade) return await fillWith(parts, plan, filling, new Set());
  const linked = await linkable(plan, same.files);
  try {
    await fillWith(parts, plan, filling, linked);
  } catch (error) {
    // A file has no more than 65,000 names on ext4, none but one elsewhere. All can be done again.
    if (filling.signal.aborted || linked.size === 0 || opOf(error) !== "linkFiles") throw error;
    await fillWith(parts, plan, filling, new Set());
  }
}

async function linkable({ steps }: CopyPlan, files: MadeFiles): Promise<Set<FileStep>> {
  const found = new Set<FileStep>();
  const turns = takeTurns();
  for (const step of steps) {
    const wait = turns();
    if (wait !== undefined) await wait;
    if (step.kind === "file" && files.has(step.path) && files.get(step.path) === describeFile(step)) found.add(step);
  }
  return found;
}

const opOf = (error: unknown): unknown => (error as { op?: { op?: string } } | undefined)?.op?.op;

/** Directories come first, so that files can be linked into them; the times of directories last. */
async function fillWith(parts: FilesParts, { steps, times }: CopyPlan, filling: Filling, linked: ReadonlySet<CopyStep>): Promise<void> {
  const directories = steps.filter(isDirectory);
  const rest = steps.filter((step) => !isDirectory(step) && !linked.has(step));
  const ends = [...times].map(([path, { sec, nsec }]): CopyStep => ({ kind: "op", op: { op: "utimes", path: encodeName(path), sec, nsec } }));
  const links = linkOps([...linked]);
  const { signal } = filling;
  for await (const portion of portions(parts, [...directories, ...links, ...rest, ...ends])) {
    await diskFailure("copy files", perform(parts, portion, filling)).catch((error: unknown) => {
      throw signal.aborted ? signal.reason : error;
    });
  }
}

const isDirectory = (step: CopyStep): boolean => step.kind === "like" || (step.kind === "op" && step.op.op === "putDir");

function linkOps(linked: readonly CopyStep[]): CopyStep[] {
  const steps: CopyStep[] = [];
  let names: string[] = [];
  let length = 0;
  for (const step of linked) {
    if (step.kind !== "file") continue;
    names.push(step.path);
    length += step.path.length + 1;
    if (length >= NAMES) flush();
  }
  flush();
  return steps;

  function flush(): void {
    if (names.length > 0) steps.push({ kind: "op", op: { op: "linkFiles", from: OLD, slot: OWN, paths: encodeName(names.map((name) => `${name}\0`).join("")) } });
    [names, length] = [[], 0];
  }
}

type Portion = { readonly files: ReadonlyMap<string, number>; readonly ops: readonly Op[] };

/** What the pool holds lies in few files; if not, it is more programs. */
async function* portions({ pool }: Pick<FilesParts, "pool">, steps: readonly CopyStep[]): AsyncGenerator<Portion> {
  let files = new Map<string, number>();
  let ops: Op[] = [];
  const held = new Set<string>();
  const turns = takeTurns();
  for (const step of steps) {
    const wait = turns();
    if (wait !== undefined) await wait;
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

function rangeOp({ path, entry, mode, owner }: FileStep, place: FilePlace | undefined, files: Map<string, number>): Op {
  const { sec, nsec } = entry;
  const own = { path: encodeName(path), mode, ...owner, sec, nsec };
  if (place === undefined) return { op: "putRange", ...own, from: SOURCE, fromPath: encodeName(entry.at), length: -1 };
  const slot = files.get(place.path) ?? FIRST + files.size;
  files.set(place.path, slot);
  return { op: "putRange", ...own, from: slot, offset: place.offset, length: place.length };
}

async function perform({ kernel, core, tasks }: FilesParts, { files, ops }: Portion, { tree, base, from, same, signal }: Filling): Promise<void> {
  if (ops.length === 0) return;
  const has = (name: Op["op"]): boolean => ops.some(({ op }) => op === name);
  const directory = (slot: number, path: string): Op => ({ op: "open", slot, path, flags: O_PATH_DIRECTORY });
  const head: Program = [
    // In the mount that both are in, before a namespace has its own.
    ...(same !== undefined && has("linkFiles") ? [directory(OLD, same.tree), directory(OWN, tree)] : []),
    ...(has("likeDir") ? openLayers({ core, tasks }, base, BASE) : []),
    ...(from?.kind === "layers" ? openLayers({ core, tasks }, from, SOURCE) : []),
    ...[...files].map(([path, slot]): Op => ({ op: "open", slot, path })),
    ...enterFolder(tree),
  ];
  await using program = await kernel.stream({ signal, long: true });
  await program.push(head);
  for (let at = 0; at < ops.length; at += FRAME) {
    signal.throwIfAborted();
    await program.push(ops.slice(at, at + FRAME));
  }
  await program.end();
}
