/** So many at a time, the others in the order in which they came. */
export type Slots = {
  /** @throws the signal's reason, when it fires before there is a place */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
};

export function openSlots(limit: number): Slots {
  let free = limit;
  const waiting = new Set<() => void>();
  return {
    async run(signal, work) {
      signal.throwIfAborted();
      if (free > 0) free--;
      else await turn(waiting, signal);
      try {
        return await work();
      } finally {
        next();
      }
    },
  };

  /** A place is handed on, not given back and taken again. */
  function next(): void {
    const [first] = waiting;
    if (first === undefined) free++;
    else first();
  }
}

function turn(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      waiting.delete(begin);
      reject(signal.reason as Error);
    };
    const begin = () => {
      waiting.delete(begin);
      signal.removeEventListener("abort", leave);
      resolve();
    };
    waiting.add(begin);
    signal.addEventListener("abort", leave, { once: true });
  });
}
