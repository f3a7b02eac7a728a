/**
 * Work that is under way, by its key: whoever needs the same result joins it. Each who waits hears all of its log from the
 * start, and may go away; when the last one goes, the work is ended.
 */
import { fail } from "#base/errors.ts";
import type { Lease, Leases } from "#core/leases/leases.ts";
import type { BuildClient } from "../builder.ts";
import type { Tree } from "../tree.ts";
import type { StepContext } from "./solve.ts";
import { openTold, type Told } from "./told-so-far.ts";

export type Waiter = Pick<StepContext, "client" | "log" | "progress" | "run" | "entitlements" | "debugOnFail"> & {
  readonly signal: AbortSignal;
  /** Called in the turn in which the work ends: the result is this waiter's to keep from then on. */
  readonly keep: (made: Made) => void;
};

/** `created`: Unix nanoseconds; the same for all who waited. */
export type Made = { readonly tree: Tree; readonly created: bigint };

/** What is to be done; `record`: what makes it last, while those who wait go on already. */
export type Task = {
  perform(context: StepContext): Promise<Made>;
  record?(made: Made): Promise<void>;
};

export type Result = { readonly made: Made; readonly recorded: Promise<void> };

export type Works = {
  has(key: string): boolean;
  /** `key` undefined: shared with nobody. */
  join(key: string | undefined, waiter: Waiter, task: Task): Promise<Result>;
};

type Work = {
  readonly waiters: Set<Waiter>;
  readonly stop: AbortController;
  readonly told: Told;
  result: Promise<Made>;
  recorded: Promise<void>;
};

export function openWorks(leases: Leases): Works {
  const works = new Map<string, Work>();
  return {
    has: (key) => works.has(key),
    async join(key, waiter, task) {
      waiter.signal.throwIfAborted();
      const known = key === undefined ? undefined : works.get(key);
      const work = known ?? begin(key, waiter, task);
      if (known !== undefined) welcome(work, waiter);
      const leave = waitFor(work, waiter);
      try {
        return { made: await leave.result, recorded: work.recorded };
      } finally {
        leave[Symbol.dispose]();
      }
    },
  };

  function begin(key: string | undefined, first: Waiter, task: Task): Work {
    const stop = new AbortController();
    const lease = leases.open();
    const work: Work = { waiters: new Set([first]), stop, told: openTold(), result: undefined as never, recorded: undefined as never };
    const forget = () => void (key !== undefined && works.get(key) === work && works.delete(key));
    stop.signal.addEventListener("abort", forget);
    if (key !== undefined) works.set(key, work);
    work.result = perform(work, first, lease, task);
    work.recorded = work.result
      .then((made) => task.record?.(made))
      .finally(() => {
        forget();
        lease[Symbol.dispose]();
      });
    work.recorded.catch(() => undefined);
    return work;
  }
}

async function perform(work: Work, { run, entitlements, debugOnFail }: Waiter, lease: Lease, task: Task): Promise<Made> {
  const made = await task.perform({
    lease,
    run,
    entitlements,
    ...(debugOnFail !== undefined && { debugOnFail }),
    client: clientOf(work.waiters),
    signal: work.stop.signal,
    log: (stream, data) => {
      work.told.log(stream, data);
      const waits = [...work.waiters].flatMap((waiter) => waiter.log(stream, data) ?? []);
      return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
    },
    progress: (status) => {
      work.told.progress(status);
      for (const waiter of work.waiters) waiter.progress(status);
    },
  });
  for (const waiter of work.waiters) waiter.keep(made);
  return made;
}

/** One that came later: what was told so far, and what is there already. */
function welcome(work: Work, waiter: Waiter): void {
  work.waiters.add(waiter);
  work.told.replay(waiter);
  // Done, and being recorded: nobody will tell this one.
  void work.result.then((made) => work.waiters.has(waiter) && waiter.keep(made)).catch(() => undefined);
}

/** The result, unless the waiter's signal fires first: then the work is left to the others, or ended and its end waited for. */
function waitFor(work: Work, waiter: Waiter): Disposable & { readonly result: Promise<Made> } {
  const left = Promise.withResolvers<never>();
  const leave = () => {
    work.waiters.delete(waiter);
    const reason = waiter.signal.reason as Error;
    if (work.waiters.size > 0) return left.reject(reason);
    work.stop.abort(reason);
    void work.result.then(() => undefined, () => undefined).then(() => left.reject(reason));
  };
  left.promise.catch(() => undefined);
  waiter.signal.addEventListener("abort", leave, { once: true });
  return {
    result: Promise.race([work.result, left.promise]),
    [Symbol.dispose]() {
      waiter.signal.removeEventListener("abort", leave);
      work.waiters.delete(waiter);
    },
  };
}

/** Answers are one client's of those who wait: when it goes away before it has answered, another one is asked. */
function clientOf(waiters: ReadonlySet<Waiter>): BuildClient {
  const one = (): Waiter => {
    const [first] = waiters;
    if (first === undefined) throw fail("cancelled", "nobody waits for this step any more");
    return first;
  };
  const ask = async <T>(question: (client: BuildClient) => Promise<T>): Promise<T> => {
    for (;;) {
      const first = one();
      try {
        return await question(first.client);
      } catch (error) {
        if (waiters.has(first)) throw error;
      }
    }
  };
  return {
    files: (...args) => ask((client) => client.files(...args)),
    secret: (...args) => ask((client) => client.secret(...args)),
    ssh: (...args) => ask((client) => client.ssh(...args)),
    credentials: (...args) => ask((client) => client.credentials(...args)),
    // Streams, which are there once.
    receive: async (...args) => await one().client.receive(...args),
    debug: async (shell) => await one().client.debug?.(shell),
  };
}
