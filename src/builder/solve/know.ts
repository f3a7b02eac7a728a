/** What a step results in: from its key, if anything knows it; else it is made. */
import { nowNanos } from "#base/clock.ts";
import { sha256 } from "#base/digest.ts";
import type { Digest } from "#spec/digest.ts";
import type { GitOp, HttpOp, ImageOp, LocalOp, StepOp } from "../graph.ts";
import type { FileTree } from "../tree.ts";
import type { Explained } from "./explain.ts";
import { find, here } from "./find.ts";
import { have, make } from "./have.ts";
import { definitionParts, identityOf, keyOf, type Need, needsOf, type Parts, selectionKey, sourceKey } from "./keys.ts";
import type { Known } from "./known.ts";
import { contextOf, inputsOf, keep, type Run, stepOf, waiterOf } from "./run.ts";

export function know(run: Run, index: number): Promise<Known> {
  const known = run.tell.step(index, run.signal, async () => {
    const result = run.settled.get(index) ?? (await knowNew(run, index));
    run.options.known?.(index, result);
    return result;
  });
  known.catch(() => undefined);
  return known;
}

async function knowNew(run: Run, index: number): Promise<Known> {
  const { op } = stepOf(run, index);
  switch (op.kind) {
    case "scratch":
      return here(sha256("scratch"), { kind: "layers", snapshot: undefined, layers: [] }, true);
    case "image":
      return knowImage(run, index, op);
    case "local":
      return await settle(run, index, await readLocal(run, index, op));
    case "git":
    case "http":
      return await settle(run, index, await knowSource(run, index, op));
    default:
      return await knowKept(run, index);
  }
}

function settle(run: Run, index: number, known: Known): Known {
  run.settled.set(index, known);
  return known;
}

/** By the chain of its layers, which are verified when they are unpacked; its name and its configuration are no part of it. */
function knowImage(run: Run, index: number, { chain, layers }: ImageOp): Known {
  if (chain === "" || run.snapshots.stat(chain) !== undefined) run.tell.completed(index, true);
  return { ...here(sha256(`image ${chain}`), { kind: "layers", snapshot: chain === "" ? undefined : chain, layers }, true), at: "image" };
}

async function readLocal(run: Run, index: number, { name, include, exclude }: LocalOp): Promise<Known> {
  run.tell.started(index);
  const progress = run.tell.progress(index);
  const id = `transferring ${name}:`;
  const tree = await run.options.client.files(name, { include, exclude, signal: run.signal, told: (bytes, done) => progress({ id, name: id, current: bytes, total: 0, done }) });
  keep(run, { tree, created: 0n });
  run.tell.completed(index, false);
  return here(sha256(`local ${tree.digest}`), tree, false);
}

async function knowSource(run: Run, index: number, op: GitOp | HttpOp): Promise<Known> {
  run.tell.started(index);
  const { performers, cache, contexts, slots } = run;
  const lookup = await (op.kind === "git" ? performers.gitKey(op, contextOf(run, index)) : performers.httpKey(op, contextOf(run, index)));
  const key = sourceKey(op, lookup);
  const remembered = stepOf(run, index).noCache === true ? undefined : await recall(run, cache.fact(key));
  if (remembered !== undefined) {
    keep(run, { tree: remembered, created: 0n });
    run.tell.completed(index, true);
    return here(key, remembered, true);
  }
  const { made, recorded } = await run.works.join(key, waiterOf(run, index), {
    perform: (context) => slots.source.run(context.signal, async () => ({ tree: await (op.kind === "git" ? performers.git(op, context, lookup) : performers.http(op, context, lookup)), created: nowNanos() })),
    async record({ tree }) {
      await contexts.keep(tree as FileTree);
      cache.learn(key, identityOf(tree));
    },
  });
  run.recorded.push(recorded);
  run.tell.completed(index, false);
  return here(key, made.tree, false);
}

const recall = async ({ contexts }: Run, digest: string | undefined): Promise<FileTree | undefined> => (digest === undefined ? undefined : await contexts.recall(digest as Digest));

async function knowKept(run: Run, index: number): Promise<Known> {
  const inputs = await inputsOf(run, index);
  const { op, platform, noCache = false } = stepOf(run, index);
  const needs = await Promise.all(needsOf(op).map(async (need) => [need.part, await needed(run, index, need, inputs)] as const));
  const parts: Parts = { ...definitionParts(op, platform, run.options.run), ...Object.fromEntries(needs) };
  const key = keyOf(parts);
  const found = noCache ? undefined : find(run, key, parts);
  if (found === undefined) return await make(run, index, { key, parts, files: filesOf(run, op, inputs) });
  run.tell.completed(index, true, found.identity);
  return found;
}

function filesOf({ cache }: Run, op: StepOp, inputs: readonly Known[]): Explained["files"] {
  return new Map(needsOf(op).flatMap(({ part, input, select }) => {
    const { tree } = inputs[input]!;
    const digestOf = ({ digest }: FileTree) => (select === undefined ? digest : cache.fact(selectionKey(digest, select)));
    return tree.kind !== "files" ? [] : [[part, { tree, sources: select?.sources ?? [""], digestOf }] as const];
  }));
}

async function needed(run: Run, index: number, { input, select }: Need, inputs: readonly Known[]): Promise<string> {
  const { identity } = inputs[input]!;
  if (select === undefined) return identity;
  const key = selectionKey(identity, select);
  const known = run.cache.fact(key);
  const digest = known ?? importedFact(run, key) ?? (await selectionOf(run, index, input, select));
  if (known === undefined) run.cache.learn(key, digest);
  run.facts.set(key, digest);
  return digest;
}

async function selectionOf(run: Run, index: number, input: number, { sources, exclude, parents }: NonNullable<Need["select"]>): Promise<string> {
  const tree = await have(run, run.vertices.same[stepOf(run, index).inputs[input]!]!);
  return await run.performers.selection(tree, sources, { exclude, parents, signal: run.signal });
}

function importedFact({ options }: Run, key: Digest): string | undefined {
  for (const one of options.imports ?? []) {
    const known = one.fact(key);
    if (known !== undefined) return known;
  }
  return undefined;
}
