/** So many at once, of all who ask. */

export type Limit = { run<T>(most: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> };

export function openLimit(): Limit {
  const waiting: (() => void)[] = [];
  let running = 0;
  return {
    async run(most, signal, work) {
      while (running >= Math.max(1, most)) await turn(signal);
      running += 1;
      try {
        return await work();
      } finally {
        running -= 1;
        waiting.shift()?.();
      }
    },
  };

  function turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const go = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      const stop = () => {
        waiting.splice(waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", stop, { once: true });
      waiting.push(go);
    });
  }
}
