/** A bounded queue between one who pushes and one who iterates. */
import { fail } from "#base/errors.ts";

export type Queue<T> = {
  /** False: the queue is full or has ended; the item is dropped, and a full one ends with an error. */
  push(item: T): boolean;
  /** What is queued is still drained. */
  end(): void;
  /** The items, once; `close` is called when the reader stops or the queue has ended. */
  drain(close: () => void): AsyncIterable<T>;
};

export function openQueue<T>(limit: number): Queue<T> {
  let items: T[] = [];
  let ended = false;
  let overrun = false;
  let wake: (() => void) | undefined;
  const end = () => {
    ended = true;
    wake?.();
  };
  return {
    push(item) {
      if (ended) return false;
      if (items.length >= limit) {
        overrun = true;
        end();
        return false;
      }
      items.push(item);
      wake?.();
      return true;
    },
    end,
    async *drain(close) {
      try {
        for (;;) {
          const batch = items;
          items = [];
          yield* batch;
          if (items.length > 0) continue;
          if (overrun) throw fail("exhausted", "send events: the listener is too slow");
          if (ended) return;
          await new Promise<void>((resolve) => (wake = resolve));
          wake = undefined;
        }
      } finally {
        end();
        close();
      }
    },
  };
}
