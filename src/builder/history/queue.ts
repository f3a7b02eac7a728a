/** Values from one who tells to one who listens: never waits for the listener, who is left behind when it is too slow. */
export type Queue<T> = { push(value: T): void; end(): void; readonly values: AsyncIterable<T> };

const LONGEST = 100_000;
const HEAVIEST = 32 * 2 ** 20;

/** `weigh`: bytes of a value, where it may have many. */
export function openQueue<T>(weigh: (value: T) => number = () => 0): Queue<T> {
  const waiting: T[] = [];
  let weight = 0;
  let ended = false;
  let wake = Promise.withResolvers<void>();
  const taken = (): T[] => {
    weight = 0;
    return waiting.splice(0);
  };
  async function* read(): AsyncGenerator<T> {
    for (;;) {
      // No turn passes between looking and waiting: what came in it would be seen by nobody.
      if (waiting.length > 0) yield* taken();
      else if (ended) return;
      else {
        wake = Promise.withResolvers();
        await wake.promise;
      }
    }
  }
  return {
    push(value) {
      if (waiting.length < LONGEST && weight <= HEAVIEST) {
        waiting.push(value);
        weight += weigh(value);
      }
      wake.resolve();
    },
    end() {
      ended = true;
      wake.resolve();
    },
    values: read(),
  };
}
