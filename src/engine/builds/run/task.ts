/** A step's task: joined to its network, started, followed to its end. What it had is given back, however it ends. */
import type { Duplex } from "node:stream";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import { type BindTree, CONTAINER, removeFolderProgram, shortTaskId, type Task } from "#core/tasks/tasks.ts";
import type { ShimEvent } from "#linux/shim.ts";
import type { Attachment } from "#network/network.ts";
import type { Accounts, Context } from "../../containers/context.ts";
import { foldersRoot } from "../../containers/folders.ts";
import { joinNetworks, type Joined } from "../../containers/networking/endpoints.ts";
import { serveNames } from "../../containers/networking/names.ts";
import { nameFiles, planProgram, withNamesOfOther } from "../../containers/run/plan-start.ts";
import { programsOf } from "../../containers/run/start.ts";
import { ofImage } from "../../containers/spec/accounts.ts";
import type { ContainerRecord } from "../../engine.ts";
import type { Ended } from "./failure.ts";

export type TaskWish = {
  readonly record: ContainerRecord;
  readonly root: Mounts;
  /** The committed snapshot below; undefined: there is nothing. */
  readonly base: string | undefined;
  readonly trees: Readonly<Record<string, BindTree>>;
  readonly signal: AbortSignal;
  /** Given the streams before anything runs; its end is waited for. */
  readonly streams: (stream: Duplex, task: Task) => Promise<void>;
};

const SIGKILL = 9;
const NETWORK_TRIES = 5;

/** @throws what the start throws; cancelled, when nothing of it runs any more */
export async function runTask(ctx: Context, wish: TaskWish): Promise<Ended> {
  const { id } = wish.record;
  try {
    for (let attempt = 1; ; attempt++) {
      wish.signal.throwIfAborted();
      const joined = joinNetworks(ctx, wish.record);
      try {
        return await runJoined(ctx, wish, joined);
      } catch (error) {
        if (joined.attachments.length === 0 || wish.signal.aborted) throw error;
        const meaning = await ctx.network.explain(error, joined.attachments);
        await ctx.network.leave(id);
        if (meaning?.retry === true && attempt < NETWORK_TRIES) continue;
        throw meaning?.retry === false ? meaning.failure : error;
      }
    }
  } finally {
    await giveBack(ctx, id);
  }
}

async function giveBack(ctx: Context, id: string): Promise<void> {
  const results = await Promise.allSettled([ctx.network.leave(id), ctx.tasks.forget(id)]);
  for (const result of results) if (result.status === "rejected") ctx.log.error("a build step has ended, but not all it had is given back", { step: id, error: result.reason });
}

/** Files that tell of names, and layers that are not the step's result. */
export async function removeFolder(ctx: Context, id: string): Promise<void> {
  await ctx.kernel.perform(removeFolderProgram(foldersRoot(ctx), id)).catch((error: unknown) => ctx.log.error("remove what a build step had", { step: id, error }));
}

async function runJoined(ctx: Context, wish: TaskWish, joined: Joined): Promise<Ended> {
  const { record, signal } = wish;
  const attachments = joined.asked === undefined ? joined.attachments : await joined.asked;
  const program = await plan(ctx, wish, attachments);
  const ended = follow(ctx, record.id);
  const task = await ctx.tasks.create(record.id, program, ended.on);
  let started = false;
  try {
    await Promise.all([joined.saved, serveNames(ctx, record, task.shim)]);
    const tty = record.config.Tty;
    const { stream } = await task.shim.attach(CONTAINER, { stdin: tty, stdout: true, stderr: !tty });
    const streaming = wish.streams(stream, task);
    streaming.catch(() => {});
    try {
      signal.throwIfAborted();
      await failpoint("step.ready");
      await task.shim.start(programsOf(program));
      started = true;
      await failpoint("step.started");
      return await untilEnd(ctx, { task, record, signal, streaming, stream, ended: ended.end });
    } finally {
      stream.destroy();
    }
  } finally {
    await task[Symbol.asyncDispose]();
    // A shim that lost its only connection before the start ends by itself.
    if (!started) await ctx.tasks.gone(record.id);
  }
}

async function plan(ctx: Context, { record: given, root, base, trees }: TaskWish, attachments: readonly Attachment[]) {
  const record = withNamesOfOther(ctx, given);
  const [accounts, files] = await Promise.all([accountsOf(ctx, base), nameFiles(ctx, record, attachments)]);
  return await planProgram(ctx, record, { accounts, files, attachments, root, trees, tied: true });
}

const accountsOf = async (ctx: Context, base: string | undefined): Promise<Accounts> =>
  base === undefined ? { passwd: "", group: "" } : await ofImage(ctx, base, ctx.snapshots.mounts(base));

type Following = { readonly on: (event: ShimEvent) => void; readonly end: Promise<Ended> };

function follow(ctx: Context, id: string): Following {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  promise.catch(() => {});
  const on = (event: ShimEvent) => {
    if (event.type === "exited") resolve({ code: event.code, oom: event.oom });
    else if (event.type === "lost") reject(fail("unavailable", "the step's process was lost: the one who watches it was killed"));
    else if (event.type === "query") ctx.network.names.query(id, event);
  };
  return { on, end: promise };
}

type Running = { readonly task: Task; readonly record: ContainerRecord; readonly signal: AbortSignal; readonly streaming: Promise<void>; readonly stream: Duplex; readonly ended: Promise<Ended> };

/** A step that is cancelled has ended when this rejects; so has one whose output nobody can take. */
async function untilEnd(ctx: Context, { task, record, signal, streaming, stream, ended }: Running): Promise<Ended> {
  const aborted = Promise.withResolvers<undefined>();
  const kill = () => {
    task.shim.signal(CONTAINER, SIGKILL).catch(() => {});
    stream.destroy();
  };
  const abort = () => (kill(), aborted.resolve(undefined));
  const abandoned = streaming.then(() => undefined, (error: unknown) => (kill(), error));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    const end = await ended;
    // Nobody may ever take the last of its output: who has given it up does not wait for that.
    const problem = await Promise.race([abandoned, aborted.promise]);
    signal.throwIfAborted();
    if (problem !== undefined) throw problem;
    return end;
  } catch (error) {
    await endRest(ctx, record).catch((problem: unknown) => ctx.log.error("end what is left of a build step", { step: record.id, error: problem }));
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Its processes, and the name of the socket of a shim that was killed. */
async function endRest(ctx: Context, record: ContainerRecord): Promise<void> {
  await ctx.tasks.reap(ctx.cgroupOf(record));
  await ctx.tasks.clear(shortTaskId(record.id));
}
