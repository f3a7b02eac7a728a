/** Values from one who tells to one who listens: never waits for the listener, who is left behind when it is too slow. */
export type Queue<T> = { push(value: T): void; end(): void; readonly values: AsyncIterable<T> };

const LONGEST = 100_000;

export function openQueue<T>(): Queue<T> {
  const waiting: T[] = [];
  let ended = false;
  let wake = Promise.withResolvers<void>();
  async function* read(): AsyncGenerator<T> {
    for (;;) {
      // No turn passes between looking and waiting: what came in it would be seen by nobody.
      if (waiting.length > 0) yield* waiting.splice(0);
      else if (ended) return;
      else {
        wake = Promise.withResolvers();
        await wake.promise;
      }
    }
  }
  return {
    push(value) {
      if (waiting.length < LONGEST) waiting.push(value);
      wake.resolve();
    },
    end() {
      ended = true;
      wake.resolve();
    },
    values: read(),
  };
}
