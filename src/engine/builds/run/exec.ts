/** RUN, from the op to the layer. */
import { Failure, fail } from "#base/errors.ts";
import type { ExecOp } from "#builder/graph.ts";
import type { StepContext } from "#builder/solve/solve.ts";
import type { LayerTree, Tree } from "#builder/tree.ts";
import type { ContainerRecord } from "../../engine.ts";
import type { Caches } from "./caches.ts";
import { leaveStep } from "./debug.ts";
import { checkEntitled } from "./entitled.ts";
import { exitFailure, KILLED_FOR_MEMORY, notStarted, shortReason, unknownAccount } from "./failure.ts";
import { mountAll } from "./mounts.ts";
import { relayOutput } from "./output.ts";
import { checkPlatform } from "./platform.ts";
import type { RunParts } from "./run.ts";
import { newStepId, stepRecord } from "./step.ts";
import { removeFolder, runTask } from "./task.ts";
import type { Trees } from "./trees.ts";

export type ExecParts = RunParts & { readonly caches: Caches; readonly trees: Trees; readonly sockets: () => Promise<string> };

export async function exec(parts: ExecParts, op: ExecOp, inputs: readonly Tree[], context: StepContext): Promise<LayerTree> {
  checkEntitled(op, context, parts.allowed());
  if (context.platform !== undefined) await checkPlatform(context.platform);
  const base = layersOf(inputs[op.base]);
  const id = newStepId();
  await using held = new AsyncDisposableStack();
  held.defer(() => removeFolder(parts.containers, id));
  const draft = held.use(await parts.drafts.begin(base, { init: true }));
  const mounts = await mountAll(parts, { id, op, inputs, base, context, root: draft.mounts, held });
  const record = stepRecord(parts.containers, id, op, mounts, context);
  const { signal } = context;
  const wish = { record, root: mounts.root, base: base.snapshot, trees: mounts.trees, signal };
  try {
    const ended = await started(record, context, () => runTask(parts.containers, { ...wish, streams: (stream) => relayOutput(stream, context.log) }));
    if (ended.oom && ended.code !== 0) await context.log(2, Buffer.from(`${KILLED_FOR_MEMORY}\n`));
    if (ended.code !== 0) throw exitFailure(op.args, ended);
  } catch (error) {
    if (!signal.aborted) context.keepFailed?.(leaveStep(parts, wish, held.move()));
    throw error;
  }
  return await draft.commit(context.lease, { signal, placesFor: mounts.targets });
}

function layersOf(tree: Tree | undefined): LayerTree {
  if (tree?.kind === "layers") return tree;
  throw fail("invalid", "RUN: it is on top of files that are no root file system");
}

/** What went wrong before anything ran is told where the step's output goes. */
async function started<T>(record: ContainerRecord, { signal, log, run }: StepContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure && error.facts["unknownAccount"] === true) throw unknownAccount(error, record);
    if (error instanceof Failure && error.facts["exitCode"] === undefined) throw error;
    const failure = notStarted(error, record);
    if (run.quietStart !== true) await log(2, Buffer.from(`${shortReason(failure)}\n`));
    throw failure;
  }
}
