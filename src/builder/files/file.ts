/** Performers.file: actions, one after another, in a draft that becomes one layer. */
import { fail } from "#base/errors.ts";
import { takeTurns } from "#base/turns.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Program } from "#linux/ops.ts";
import type { CopyAction, FileAction, FileOp } from "../graph.ts";
import type { StepContext } from "../solve/solve.ts";
import type { LayerTree, Tree } from "../tree.ts";
import { compileMode } from "./chmod.ts";
import type { OpenDraft, OpenDrafts } from "./drafts.ts";
import type { FilesParts } from "./files.ts";
import { fillDraft } from "./fill.ts";
import { type Ground, openGround } from "./ground.ts";
import { describeFile, FEWEST, type MadeBefore } from "./made-before.ts";
import { baseOf, cleanPath, decodeName, encodeName, joinPath, parentOf } from "./names.ts";
import { type Owner, resolveOwner } from "./owner.ts";
import { type CopyPlan, type CopyRules, type CopyStep, emptyPlan, makeDirectories, planMatch, prepareDestination } from "./plan-copy.ts";
import { type Match, select } from "./select.ts";
import { openSource, type Source } from "./source.ts";
import { findArchive, unpack } from "./unpack.ts";

type Parts = FilesParts & { readonly drafts: OpenDrafts; readonly before: MadeBefore };

type Acting = { readonly parts: Parts; readonly base: LayerTree; readonly draft: OpenDraft; readonly inputs: readonly Tree[]; readonly made: Map<string, string>; readonly lease: Lease; readonly signal: AbortSignal };

const DIRECTORY = 0o755;

export async function performFile(parts: Parts, op: FileOp, inputs: readonly Tree[], { lease, signal }: StepContext): Promise<LayerTree> {
  const base = baseOfStep(inputs[op.base]);
  await using draft = await parts.drafts.begin(base);
  const made = new Map<string, string>();
  for (const action of op.actions) {
    signal.throwIfAborted();
    await perform({ parts, base, draft, inputs, made, lease, signal }, action);
  }
  const tree = await draft.commit(lease, { signal });
  parts.before.remember(tree.snapshot!, made);
  return tree;
}

function baseOfStep(tree: Tree | undefined): LayerTree {
  if (tree?.kind === "layers") return tree;
  throw fail("internal", "change files: the base of a step is no file system");
}

async function perform(acting: Acting, action: FileAction): Promise<void> {
  if (action.action === "mkdir") return await mkdir(acting, action);
  if (action.action === "mkfile") return await mkfile(acting, action);
  await copy(acting, action);
}

/** The draft as it is now, to be read. */
function openDraft({ parts, draft }: Acting): (slot: number) => Program {
  const { mounts } = draft;
  const lower = mounts.type === "overlay" ? [draft.tree, ...mounts.lower] : [draft.tree];
  return (slot) => parts.tasks.openRoot(lower.length === 1 ? { type: "bind", source: draft.tree, readOnly: true } : { type: "overlay", lower }, slot);
}

const groundOf = (acting: Acting): Ground => openGround(acting.parts.kernel, openDraft(acting));
const ownerOf = async (acting: Acting, owner: string | undefined): Promise<Owner | undefined> =>
  owner === undefined ? undefined : await resolveOwner(owner, acting.parts.kernel, openDraft(acting));

async function mkdir(acting: Acting, { path, mode, owner, parents }: Extract<FileAction, { action: "mkdir" }>): Promise<void> {
  const ground = groundOf(acting);
  const plan = emptyPlan();
  const target = await ground.resolve(path);
  const parent = parentOf(target);
  if (!parents) await ground.learn([parent]);
  if (!parents && ground.kind(parent) === "nothing") throw fail("invalid", `mkdir ${path}: no such file or directory`);
  await makeDirectories(plan, ground, target, { owner: await ownerOf(acting, owner), mode: undefined, parentMode: mode });
  await fill(acting, plan, undefined);
}

async function mkfile(acting: Acting, { path, name, data, mode, owner }: Extract<FileAction, { action: "mkfile" }>): Promise<void> {
  const ground = groundOf(acting);
  const plan = emptyPlan();
  const user = (await ownerOf(acting, owner)) ?? { uid: 0, gid: 0 };
  const rules: CopyRules = { owner: user, mode: undefined, parentMode: DIRECTORY };
  const target = await prepareDestination(plan, ground, path, rules);
  await ground.learn([target]);
  const file = ground.kind(target) === "directory" ? joinPath(target, baseOf(cleanPath(name))) : target;
  await makeDirectories(plan, ground, parentOf(file), rules);
  await ground.learn([file]);
  if (ground.kind(file) === "directory") throw fail("invalid", `cannot replace to directory /${file} with file`);
  if (ground.isOld(parentOf(file)) && parentOf(file) !== "") plan.steps.push({ kind: "like", path: parentOf(file) });
  const now = Date.now();
  const time = { sec: Math.floor(now / 1000), nsec: (now % 1000) * 1_000_000 };
  plan.steps.push({ kind: "op", op: { op: "putFile", path: encodeName(file), data, mode: compileMode(mode)(0o644, false), ...user, ...time } });
  await fill(acting, plan, undefined);
}

async function copy(acting: Acting, action: CopyAction): Promise<void> {
  const { parts, inputs, signal } = acting;
  const from = inputs[action.from];
  if (from === undefined) throw fail("internal", "copy files: an input that is not there");
  const source = openSource({ ...parts, signal }, from);
  const owner = await ownerOf(acting, action.owner);
  const rules: CopyRules = {
    owner,
    mode: action.mode === undefined ? undefined : compileMode(action.mode),
    parentMode: typeof action.mode === "number" ? action.mode & 0o7777 : DIRECTORY,
  };
  for (const words of action.sources) {
    const matches = await select(source, words, action);
    await copyMatches(acting, action, { source, from, matches, rules });
  }
}

type Copying = { readonly source: Source; readonly from: Tree; readonly matches: readonly Match[]; readonly rules: CopyRules };

async function copyMatches(acting: Acting, action: CopyAction, { source, from, matches, rules }: Copying): Promise<void> {
  let plan = emptyPlan();
  let ground = groundOf(acting);
  if (matches.length > 1 && !action.unpack) await learnTargets(plan, ground, action.destination, matches, rules);
  for (const match of matches) {
    const archive = action.unpack ? await findArchive(source, match) : undefined;
    if (archive === undefined) {
      const target = await prepareDestination(plan, ground, action.destination, rules);
      await planMatch(plan, ground, match, target, rules);
      continue;
    }
    const target = await ground.resolve(action.destination);
    await makeDirectories(plan, ground, target, { ...rules, parentMode: DIRECTORY });
    await fill(acting, plan, from);
    const { mounts } = acting.draft;
    await unpack(acting.parts, source.read(archive), { mounts, destination: target, owner: rules.owner, what: `/${match.name}`, signal: acting.signal });
    // It may have replaced anything.
    acting.made.clear();
    [plan, ground] = [emptyPlan(), groundOf(acting)];
  }
  await fill(acting, plan, from);
}

/** What wildcards found is asked for at once. */
async function learnTargets(plan: CopyPlan, ground: Ground, destination: string, matches: readonly Match[], rules: CopyRules): Promise<void> {
  const target = await prepareDestination(plan, ground, destination, rules);
  await ground.learn([target]);
  if (ground.kind(target) === "directory") await ground.learn(matches.filter(({ entries }) => entries[0]?.type !== "directory").map(({ name }) => joinPath(target, baseOf(name))));
}

async function fill({ parts, base, draft, made, lease, signal }: Acting, plan: CopyPlan, from: Tree | undefined): Promise<void> {
  if (plan.steps.length === 0 && plan.times.size === 0) return;
  const files = from?.kind === "files" && plan.steps.length >= FEWEST && parts.core.snapshots.whiteouts === "marks" ? await filesOf(plan) : new Map<string, string>();
  const same = files.size === 0 ? undefined : parts.before.find(files, lease);
  await fillDraft(parts, plan, { tree: draft.tree, base, from, signal, ...(same && { same }) });
  await remember(made, plan, files);
}

/** Whatever else was made at a path is not what was remembered of it. */
async function remember(made: Map<string, string>, { steps }: CopyPlan, files: ReadonlyMap<string, string>): Promise<void> {
  const turns = takeTurns();
  for (const step of made.size === 0 ? [] : steps) {
    const wait = turns();
    if (wait !== undefined) await wait;
    const path = pathOf(step);
    if (path !== undefined) made.delete(path);
  }
  for (const [path, file] of files) {
    const wait = turns();
    if (wait !== undefined) await wait;
    made.set(path, file);
  }
}

function pathOf(step: CopyStep): string | undefined {
  if (step.kind !== "op") return step.path;
  return "path" in step.op && step.op.path instanceof Uint8Array ? decodeName(Buffer.from(step.op.path)) : undefined;
}

async function filesOf({ steps }: CopyPlan): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const turns = takeTurns();
  for (const step of steps) {
    const wait = turns();
    if (wait !== undefined) await wait;
    const file = step.kind === "file" ? describeFile(step) : undefined;
    if (step.kind === "file" && file !== undefined) files.set(step.path, file);
  }
  return files;
}
