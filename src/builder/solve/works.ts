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

export type Waiter = Pick<StepContext, "client" | "log" | "progress" | "run" | "entitlements" | "keepFailed"> & {
  readonly signal: AbortSignal;
  /** Called in the turn in which the work ends: the result is this waiter's to keep from then on. */
  readonly keep: (made: Made) => void;
};

/** `created`: Unix nanoseconds; the same for all who waited. */
export type Made = { readonly tree: Tree; readonly created: bigint };

/**
 * What is to be done; `record`: what makes it last, while those who wait go on already. `lent`: what it is done with is
 * its own client's (blobs of a folder); when that fails, whoever else waits has his own way tried.
 */
export type Task = {
  readonly lent?: boolean;
  perform(context: StepContext): Promise<Made>;
  record?(made: Made): Promise<void>;
};

export type Result = { readonly made: Made; readonly recorded: Promise<void> };

export type Works = {
  has(key: string): boolean;
  /** `key` undefined: shared with nobody. */
  join(key: string | undefined, waiter: Waiter, task: Task): Promise<Result>;
};

/** In the order in which they came. */
type Waiters = Map<Waiter, Task>;

type Work = {
  readonly waiters: Waiters;
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
      if (known !== undefined) welcome(work, waiter, task);
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
    const work: Work = { waiters: new Map([[first, task]]), stop, told: openTold(), result: undefined as never, recorded: undefined as never };
    const forget = () => void (key !== undefined && works.get(key) === work && works.delete(key));
    stop.signal.addEventListener("abort", forget);
    if (key !== undefined) works.set(key, work);
    work.result = perform(work, first, lease);
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

async function perform(work: Work, { run, entitlements, keepFailed }: Waiter, lease: Lease): Promise<Made> {
  const { waiters, told, stop } = work;
  const context: StepContext = {
    lease,
    run,
    entitlements,
    ...(keepFailed !== undefined && { keepFailed }),
    client: clientOf(waiters),
    signal: stop.signal,
    log: (stream, data) => {
      told.log(stream, data);
      const waits = [...waiters.keys()].flatMap((waiter) => waiter.log(stream, data) ?? []);
      return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
    },
    progress: (status) => {
      told.progress(status);
      for (const waiter of waiters.keys()) waiter.progress(status);
    },
  };
  const made = await inTurn(waiters, ([, task]) => task.lent === true, ([, task]) => task.perform(context));
  for (const waiter of waiters.keys()) waiter.keep(made);
  return made;
}

/** One that came later: what was told so far, and what is there already. */
function welcome(work: Work, waiter: Waiter, task: Task): void {
  work.waiters.set(waiter, task);
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

/** Answers are one client's of those who wait: when it cannot answer, as when it goes away, another one is asked. */
function clientOf(waiters: Waiters): BuildClient {
  const one = (): BuildClient => {
    const [first] = waiters.keys();
    if (first === undefined) throw nobody();
    return first.client;
  };
  const ask = <T>(question: (client: BuildClient) => Promise<T>): Promise<T> => inTurn(waiters, () => true, ([{ client }]) => question(client));
  return {
    files: (...args) => ask((client) => client.files(...args)),
    secret: (...args) => ask((client) => client.secret(...args)),
    ssh: (...args) => ask((client) => client.ssh(...args)),
    credentials: (...args) => ask((client) => client.credentials(...args)),
    // Streams, which are there once.
    receive: async (...args) => await one().receive(...args),
  };
}

const nobody = () => fail("cancelled", "nobody waits for this step any more");

/** The first who waits; where `others` may, one after another until one has done it. That a client is gone is often told by a failure first. */
async function inTurn<T>(waiters: Waiters, others: (one: [Waiter, Task]) => boolean, work: (one: [Waiter, Task]) => Promise<T>): Promise<T> {
  const asked = new Set<Waiter>();
  let failure: unknown;
  for (;;) {
    const next = [...waiters].find(([waiter]) => !asked.has(waiter));
    if (next === undefined) throw failure ?? nobody();
    asked.add(next[0]);
    try {
      return await work(next);
    } catch (error) {
      if (!others(next)) throw error;
      failure = error;
    }
  }
}
