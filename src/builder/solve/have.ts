/** A step's result, here and held: it is, or it is brought, or made. */
import { nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import type { ImageOp, Step } from "../graph.ts";
import type { LayerTree, Tree } from "../tree.ts";
import { Changed } from "./changed.ts";
import { type Explained, explainMiss, keptParts, REMOVED } from "./explain.ts";
import { find } from "./find.ts";
import { identityOf, type Parts } from "./keys.ts";
import type { Known } from "./known.ts";
import { type Run, stepOf, waiterOf } from "./run.ts";
import type { StepContext } from "./solve.ts";
import type { Made } from "./works.ts";

/** A step by its key, and what that was made of. */
export type Keyed = { readonly key: Digest; readonly parts: Parts; readonly files?: Explained["files"] };

const NO_FILES: Explained["files"] = new Map();

export function have(run: Run, index: number): Promise<Tree> {
  const had = run.had.get(index);
  if (had !== undefined) return had;
  const tree = run.tell.step(index, run.signal, async () => await haveNew(run, index, await run.known.get(index)!));
  tree.catch(() => undefined);
  run.had.set(index, tree);
  return tree;
}

async function haveNew(run: Run, index: number, known: Known): Promise<Tree> {
  switch (known.at) {
    case "here":
      return known.tree;
    case "image":
      return await unpack(run, index, stepOf(run, index).op as ImageOp, known);
    case "elsewhere":
      return await bring(run, index, known);
    case "gone": {
      const made = await make(run, index, { key: known.key, parts: known.parts! });
      if (made.identity !== known.identity) throw new Changed();
      return made.tree;
    }
  }
}

async function unpack(run: Run, index: number, op: ImageOp, known: Known): Promise<Tree> {
  if (op.chain === "") return known.tree;
  const isNew = run.snapshots.stat(op.chain) === undefined;
  if (isNew) run.tell.started(index);
  const { made } = await run.works.join(`image ${op.manifest} ${op.chain}`, waiterOf(run, index), {
    perform: async (context) => ({ tree: await run.performers.image(op, context), created: known.created }),
  });
  if (isNew) run.tell.completed(index, false);
  return made.tree;
}

async function bring(run: Run, index: number, { key, identity, tree, parts, created, from }: Known): Promise<Tree> {
  const { name } = stepOf(run, index);
  const { made, recorded } = await run.works.join(`${key} elsewhere`, waiterOf(run, index), {
    lent: true,
    async perform(context) {
      const brought = await from!.fetch((tree as LayerTree).layers, context);
      if (identityOf(brought) !== identity) throw fail("invalid", `import the cache of ${name}: its layers are not what it says`);
      return { tree: brought, created };
    },
    record: (result) => record(run, index, { key, parts: parts! }, result),
  });
  run.recorded.push(recorded);
  return made.tree;
}

/** Makes what the step results in, or waits for who does. */
export async function make(run: Run, index: number, keyed: Keyed): Promise<Known> {
  const { key, parts } = keyed;
  const { graph, vertices, works, options, tell } = run;
  const step = stepOf(run, index);
  const inputs = await Promise.all(graph.steps[index]!.inputs.map((input) => have(run, vertices.same[input]!)));
  const isOwn = step.noCache === true || options.keepFailed !== undefined;
  // It may have been made while the inputs were.
  const found = isOwn || works.has(key) ? undefined : find(run, key, parts);
  if (found?.at === "here") {
    tell.completed(index, true, found.identity);
    return found;
  }
  tell.started(index, whyMade(run, step, keyed));
  const { made, recorded } = await works.join(isOwn ? undefined : key, waiterOf(run, index), {
    perform: (context) => perform(run, step, inputs, context),
    record: (result) => record(run, index, keyed, result),
  });
  const durable = recorded.then(() => tell.completed(index, false, identityOf(made.tree)));
  durable.catch(() => undefined);
  run.recorded.push(durable);
  const known: Known = { key, identity: identityOf(made.tree), cached: false, created: made.created, tree: made.tree, at: "here", parts };
  run.settled.set(index, known);
  return known;
}

/** The work may outlive the build that began it: it holds what it works with itself. */
async function perform(run: Run, { op, platform }: Step, inputs: readonly Tree[], context: StepContext): Promise<Made> {
  const { slots, performers } = run;
  using _ = holdAll(run, inputs, context.lease);
  const tree = await (op.kind === "exec"
    ? slots.exec.run(context.signal, () => performers.exec(op, inputs, { ...context, platform }))
    : slots.file.run(context.signal, () => (op.kind === "file" ? performers.file(op, inputs, context) : performers.merge(inputs[0] as LayerTree, inputs[1] as LayerTree, context))));
  return { tree, created: nowNanos() };
}

function holdAll({ contexts }: Run, trees: readonly Tree[], lease: Lease): Disposable {
  const stack = new DisposableStack();
  for (const tree of trees) {
    if (tree.kind === "files") stack.use(contexts.hold(tree));
    else if (tree.snapshot !== undefined) lease.hold(`snapshot/${tree.snapshot}`);
  }
  return stack;
}

async function record(run: Run, index: number, { key, parts, files = NO_FILES }: Keyed, { tree, created }: Made): Promise<void> {
  const trees = Object.fromEntries([...files].map(([part, selected]) => [part, selected.tree.digest]));
  await run.cache.put({ key, tree: tree as LayerTree, parts: keptParts(parts), trees, ...labelsOf(stepOf(run, index)), created });
}

function whyMade({ cache, contexts: { recent } }: Run, step: Step, { key, parts, files = NO_FILES }: Keyed): string[] {
  const explained = () => (cache.wasRemoved(key) ? [REMOVED] : explainMiss({ parts: keptParts(parts), files }, cache.previous(labelsOf(step)), recent));
  const why = step.noCache === true ? ["the cache was not to be used"] : explained();
  for (const { tree } of files.values()) recent.remember(tree);
  return why;
}

/** "RUN npm ci", and where that is: "build 2" of "[build 2/5] RUN npm ci". The title is BuildKit's. */
function labelsOf({ op, name, instruction, stage }: Step): { description: string; place: string; title: string } {
  const [, where, rest] = /^\[([^\]]*?)(?:\/\d+)?\] (.*)$/s.exec(name) ?? [];
  return { description: instruction ?? rest ?? name, place: where ?? stage ?? "", title: op.kind === "exec" ? `mount / from exec ${op.args.join(" ")}` : name };
}
