/** attach: the streams of a container, after what its log has if that is asked for. */
import type { Duplex } from "node:stream";
import { fail } from "#base/errors.ts";
import { CONTAINER, type Task } from "#core/tasks/tasks.ts";
import type { AttachOptions, ContainerRecord } from "../../engine.ts";
import { readLog, type ReadOptions } from "../../logs/logs.ts";
import { openLatch, type Latch } from "./attach-latch.ts";
import { isRunning, publish, type Context } from "../context.ts";
import { parseDetachKeys } from "./detach-keys.ts";

/** A client that attached to a container which does not run yet. */
export type Waiting = { readonly latch: Latch; readonly options: AttachOptions };

export async function attach(ctx: Context, ref: string, options: AttachOptions): Promise<Duplex> {
  const record = ctx.store.find(ref);
  const { status } = record.state;
  if (status === "paused") throw fail("conflict", `container ${record.id} is paused, unpause the container before attach`);
  if (status === "restarting") throw fail("conflict", `container ${record.id} is restarting, wait until the container is running`);
  wishOf(record, options);
  publish(ctx, record, "attach");
  const live = ctx.lives.of(record.id);
  if (!options.stream) return logsOnly(record, options);
  if (live.task !== undefined && isRunning(record)) return await joinNow(record, live.task, options);
  const latch = openLatch();
  const waiting: Waiting = { latch, options };
  live.waiting.add(waiting);
  const forget = () => void live.waiting.delete(waiting);
  latch.stream.once("close", forget);
  return latch.stream;
}

/** `drop`: the start has failed. */
export type Connected = { join(): void; drop(): void };

/**
 * Connects those who wait: when the shim is there, before the container runs, so that they miss nothing. They get the
 * streams by `join`, once it runs; a start that fails and is tried again finds them waiting still.
 */
export async function connectWaiting(record: ContainerRecord, waiting: Set<Waiting>, task: Task): Promise<Connected> {
  const connected = await Promise.all(
    [...waiting].map(async (one) => {
      const { stream } = await task.shim.attach(CONTAINER, wishOf(record, one.options));
      stream.on("error", () => stream.destroy());
      return { one, stream };
    }),
  );
  return {
    drop: () => connected.forEach(({ stream }) => stream.destroy()),
    join() {
      for (const { one, stream } of connected) {
        waiting.delete(one);
        if (one.options.logs) void replay(one.latch, record, one.options).then(() => one.latch.join(stream));
        else one.latch.join(stream);
      }
    },
  };
}

async function joinNow(record: ContainerRecord, task: Task, options: AttachOptions): Promise<Duplex> {
  const { stream, logOffset } = await task.shim.attach(CONTAINER, wishOf(record, options), options.signal === undefined ? {} : { signal: options.signal });
  if (!options.logs) return stream;
  // The container cannot get further ahead than the shim's queue while the log is read: nothing is lost, or comes twice.
  const latch = openLatch();
  void replay(latch, record, options, Number(logOffset)).then(() => latch.join(stream));
  return latch.stream;
}

function logsOnly(record: ContainerRecord, options: AttachOptions): Duplex {
  const latch = openLatch();
  if (options.logs) void replay(latch, record, options).then(() => latch.end());
  else latch.end();
  return latch.stream;
}

async function replay(latch: Latch, record: ContainerRecord, options: AttachOptions, upTo?: number): Promise<void> {
  if (record.hostConfig.LogConfig.Type !== "json-file") return;
  const wish: ReadOptions = {
    stdout: options.stdout, stderr: options.stderr, raw: record.config.Tty, timestamps: false, details: false, follow: false,
    ...(upTo === undefined ? {} : { upTo }),
    signal: options.signal ?? new AbortController().signal,
  };
  try {
    for await (const chunk of readLog({ path: record.logPath }, wish)) await latch.feed(chunk);
  } catch {
    // A log that cannot be read is no reason to keep what comes live from the client.
  }
}

function wishOf({ config }: ContainerRecord, options: AttachOptions) {
  const stdin = options.stdin && config.OpenStdin;
  return {
    stdin,
    stdout: options.stdout,
    stderr: options.stderr,
    unfinished: options.logs,
    ...(stdin && config.Tty ? { detachKeys: parseDetachKeys(options.detachKeys ?? "") } : {}),
  };
}
