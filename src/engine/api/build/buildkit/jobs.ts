/** Builds under way, by the reference that the client chose; those that ended and that nobody has asked about are remembered a little. */
import { fail, kindOf } from "#base/errors.ts";
import type { Failure } from "#base/errors.ts";
import type { Bridge } from "./bridge.ts";
import { openStatusFeed, type StatusFeed } from "./status-feed.ts";

export type Job = {
  readonly ref: string;
  readonly feed: StatusFeed;
  /** What drives the build from the client's side, if anything does. */
  bridge: Bridge | undefined;
  readonly abort: AbortController;
  /** What is to be done when it is over. */
  readonly after: AsyncDisposableStack;
};

export type Jobs = {
  /** @throws conflict when a build of this reference is under way */
  begin(ref: string, signal: AbortSignal): Job;
  end(job: Job): void;
  find(ref: string): Job | undefined;
  /** Waits a little: a client asks for a build and for its status at the same time. @throws not-found */
  get(ref: string, signal: AbortSignal, isReady?: (job: Job) => boolean): Promise<Job>;
};

const PATIENCE_MS = 5000;
const REMEMBERED_MS = 30_000;
const MAX_REMEMBERED = 64;
const MAX_JOBS = 500;

export function openJobs(): Jobs {
  const jobs = new Map<string, Job>();
  const ended = new Map<Job, NodeJS.Timeout>();
  const waiters = new Set<() => void>();

  function forget(job: Job): void {
    clearTimeout(ended.get(job));
    ended.delete(job);
    if (jobs.get(job.ref) === job) jobs.delete(job.ref);
  }

  return {
    begin(ref, signal) {
      const before = jobs.get(ref);
      if (before !== undefined && !ended.has(before)) throw fail("conflict", `build ID ${ref} exists`);
      if (jobs.size - ended.size >= MAX_JOBS) throw fail("exhausted", `there are ${MAX_JOBS} builds under way already`);
      if (before !== undefined) forget(before);
      const job: Job = { ref, feed: openStatusFeed(), bridge: undefined, abort: new AbortController(), after: new AsyncDisposableStack() };
      const abort = () => job.abort.abort(signal.reason);
      // Who has gone already builds nothing.
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      jobs.set(ref, job);
      for (const tell of waiters) tell();
      return job;
    },
    end(job) {
      job.feed.end();
      // Who asks again is told from the history.
      if (job.feed.wasRead()) return forget(job);
      ended.set(job, setTimeout(() => forget(job), REMEMBERED_MS).unref());
      if (ended.size > MAX_REMEMBERED) forget(ended.keys().next().value!);
    },
    find: (ref) => jobs.get(ref),
    async get(ref, signal, isReady = () => true) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
      for (;;) {
        const job = jobs.get(ref);
        if (job !== undefined && isReady(job)) return job;
        if (deadline.aborted) throw unknown(ref, signal);
        await new Promise<void>((resolve) => {
          const rise = () => (waiters.delete(rise), deadline.removeEventListener("abort", rise), resolve());
          waiters.add(rise);
          deadline.addEventListener("abort", rise);
        });
      }
    },
  };
}

function unknown(ref: string, signal: AbortSignal): Failure {
  return signal.aborted ? fail("cancelled", "context canceled", { cause: kindOf(signal.reason) }) : fail("not-found", `no such job ${ref}`);
}
