/** A mutex for asynchronous work: first come, first served. */
export type Lock = {
  /** Runs work when all that came before has ended. An abort gives up waiting; work under way is not touched. */
  run<T>(work: () => Promise<T>, options?: { signal?: AbortSignal }): Promise<T>;
  /** Somebody is at work. */
  readonly held: boolean;
};

export function openLock(): Lock {
  let last: Promise<unknown> | undefined;
  return {
    get held() {
      return last !== undefined;
    },
    run(work, { signal } = {}) {
      signal?.throwIfAborted();
      const turn = last === undefined ? work() : last.then(() => (signal?.throwIfAborted(), work()));
      const settled = turn.then(ignore, ignore).then(() => {
        if (last === settled) last = undefined;
      });
      last = settled;
      return signal === undefined ? turn : abortable(turn, signal);
    },
  };
}

const ignore = () => {};

function abortable<T>(turn: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  turn.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  return promise;
}
