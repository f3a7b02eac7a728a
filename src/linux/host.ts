/** The kernel's implementation: a pool of `cell` hosts. */
import { onAbort } from "#base/abort.ts";
import { fail } from "#base/errors.ts";
import { encodeParts, encodeProgram, flatten } from "./encode.ts";
import { END, FORKED, startHost, STREAM, type Host, type HostOptions } from "./host-process.ts";
import { openReader } from "./host-reader.ts";
import type { Kernel, Outputs, PerformOptions, ProgramStream } from "./linux.ts";
import type { OpName, Program } from "./ops.ts";
import { remember, type Sent } from "./program-error.ts";

export { errnoName } from "./program-error.ts";
export type { HostOptions as KernelOptions } from "./host-process.ts";

/** Kept ready; more are started when all are busy. */
const IDLE_HOSTS = 2;
const MOST_HOSTS = 8;
/** Beside those: whose pace a client sets. */
const MOST_LONG = 64;

const STOPPING = "perform a program: the engine is stopping";

/** Ops that change a process for good: their program must be performed in a forked child. */
const LASTING = new Set<OpName>([
  "unshare", "setns", "pivot", "chdir", "fchdir", "umask", "setsid", "setuser", "setgroups",
  "capBounding", "capSet", "capAmbient", "seccomp", "prctl", "rlimit", "pty", "exec", "fork", "sethostname",
]);

/** Starts the hosts. Rejects with a sentence when `cell` cannot be run. */
export async function openKernel(options: HostOptions): Promise<Kernel> {
  const pool = openPool(options);
  await pool.prepare();
  return {
    perform: async (program, { forked = false, long = false, signal } = {}) => {
      if (!forked) refuseLasting(program);
      const fork = forked === "if needed" ? lastingOp(program) !== undefined : forked;
      const host = await pool.take(signal, long);
      const done = host.run({ ops: flatten(program), before: 0 }, encodeProgram(program), fork ? FORKED : 0);
      // It may have been aborted while it waited for a host.
      const aborting = onAbort(long ? signal : undefined, () => host.kill());
      return done.finally(() => {
        aborting[Symbol.dispose]();
        pool.give(host, long);
      });
    },
    stream: async ({ signal, long = false }: PerformOptions = {}) => openStream(pool, await pool.take(signal, long), { long, signal }),
    read: async (program, { signal } = {}) => openReader(pool, await pool.take(signal, true), program, signal),
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

function refuseLasting(program: Program): void {
  const op = lastingOp(program);
  if (op !== undefined) throw new TypeError(`perform ${op.op}: it changes the process for good, so the program must be forked`);
}

const lastingOp = (program: Program) => program.find((op) => LASTING.has(op.op));

/** Hosts that are free, and those who wait for one. */
export type Pool = {
  prepare(): Promise<void>;
  take(signal?: AbortSignal, long?: boolean): Promise<Host>;
  /** `long`: as it was taken. */
  give(host: Host, long?: boolean): void;
  close(): Promise<void>;
};

function openPool(options: HostOptions): Pool {
  const free: Host[] = [];
  const waiting = new Set<PromiseWithResolvers<Host>>();
  const all = new Set<Host>();
  let longs = 0;
  let closed = false;
  const start = (): Host => {
    const host = startHost(options);
    all.add(host);
    return host;
  };
  /** One may have died of its own, or been killed, while nobody used it. */
  const idle = (): Host | undefined => {
    for (let host; (host = free.pop()) !== undefined; all.delete(host)) if (!host.lost()) return host;
    return undefined;
  };
  const turn = async (signal: AbortSignal | undefined): Promise<Host> => {
    const place = Promise.withResolvers<Host>();
    waiting.add(place);
    using _ = onAbort(signal, () => waiting.delete(place) && place.reject(signal!.reason));
    return await place.promise;
  };
  return {
    async prepare() {
      for (let i = 0; i < IDLE_HOSTS; i++) free.push(start());
      await free[0]!.run({ ops: [], before: 0 }, encodeProgram([]), 0);
    },
    async take(signal, long = false) {
      signal?.throwIfAborted();
      if (closed) throw fail("unavailable", STOPPING);
      const room = long ? longs < MOST_LONG : all.size - longs < MOST_HOSTS;
      if (long) longs++;
      try {
        return idle() ?? (room ? start() : await turn(signal));
      } catch (error) {
        if (long) longs--;
        throw error;
      }
    },
    give(host, long = false) {
      if (long) longs--;
      if (host.lost()) all.delete(host);
      const [next] = waiting;
      if (next !== undefined) {
        waiting.delete(next);
        return next.resolve(host.lost() ? start() : host);
      }
      if (host.lost()) return;
      if (free.length < IDLE_HOSTS || all.size <= MOST_HOSTS) return void free.push(host);
      all.delete(host);
      void host.close();
    },
    async close() {
      closed = true;
      for (const { reject } of waiting) reject(fail("unavailable", STOPPING));
      waiting.clear();
      await Promise.all([...all].map((host) => host.close()));
    },
  };
}

function openStream(pool: Pool, host: Host, { long, signal }: { long: boolean; signal: AbortSignal | undefined }): ProgramStream {
  const sent: Sent = { ops: [], before: 0 };
  let failure: unknown;
  let open = true;
  let asked: PromiseWithResolvers<Buffer> | undefined;
  const hear = (output: Buffer): boolean => {
    const taken = asked;
    asked = undefined;
    taken?.resolve(output);
    return taken !== undefined;
  };
  const outputs = host.run(sent, encodeProgram([]), STREAM | FORKED, { hear });
  outputs.catch((error: unknown) => {
    failure = error;
    asked?.reject(error);
  });
  const finish = (): void => {
    if (!open) return;
    open = false;
    void host.send(Buffer.alloc(0), STREAM | END);
  };
  const aborting = onAbort(long ? signal : undefined, () => host.kill());
  const settle = () =>
    outputs.finally(() => {
      aborting[Symbol.dispose]();
      pool.give(host, long);
    });
  let settled: Promise<Outputs> | undefined;
  return {
    push: async (more) => {
      if (failure !== undefined) throw failure;
      remember(sent, more);
      await host.send(encodeProgram(more), STREAM);
      if (failure !== undefined) throw failure;
    },
    ask: async (more) => {
      if (failure !== undefined) throw failure;
      const { promise } = (asked = Promise.withResolvers<Buffer>());
      // Only once it is waited for does anybody hear that it failed.
      promise.catch(() => undefined);
      remember(sent, more);
      await host.send(encodeProgram(more), STREAM);
      return await promise;
    },
    pass: async (more) => {
      if (failure !== undefined) throw failure;
      remember(sent, more);
      const { parts, length } = encodeParts(more);
      await host.sendParts(parts, length, STREAM);
      if (failure !== undefined) throw failure;
    },
    end: () => {
      finish();
      return (settled ??= settle());
    },
    [Symbol.asyncDispose]: async () => {
      finish();
      await (settled ??= settle()).catch(() => undefined);
    },
  };
}
