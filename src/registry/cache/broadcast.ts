/**
 * One stream of bytes for many readers, who need not have come together. The last few MiB are in memory. Who reads ahead of
 * the others sets the pace; whoever falls out of the window, or comes too late for it, waits for the end and reads the rest
 * from where it is stored by then.
 */
export type Broadcast = {
  /** Resolves when the next chunk may come. */
  publish(chunk: Buffer): Promise<void>;
  /** All of it is stored and verified. */
  end(): void;
  fail(error: unknown): void;
  /** Bytes from start to end. `stored` reads the rest of a reader who is behind. */
  read(range: { readonly start: number; readonly end: number }, stored: (range: { start: number; end: number }) => AsyncIterable<Buffer>): AsyncGenerator<Buffer>;
};

type Chunk = { readonly start: number; readonly bytes: Buffer };

const WINDOW = 8 * 2 ** 20;
/** How far ahead of its first reader the source may be, and how long it waits for one that does not read. */
const AHEAD = 4 * 2 ** 20;
const PATIENCE_MS = 10_000;

export function openBroadcast(): Broadcast {
  const chunks: Chunk[] = [];
  let length = 0;
  let paced = true;
  let outcome: { readonly error?: unknown } | undefined;
  const positions = new Set<{ at: number }>();
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  const windowStart = () => chunks[0]?.start ?? length;
  /** Readers out of the window set no pace. */
  const isAhead = () => {
    const live = [...positions].filter(({ at }) => at >= windowStart());
    return live.length > 0 && live.every(({ at }) => length - at > AHEAD);
  };

  const caughtUp = async () => {
    const deadline = performance.now() + PATIENCE_MS;
    while (paced && isAhead()) {
      const left = deadline - performance.now();
      if (left <= 0) paced = false;
      else await either(changed.promise, left);
    }
  };

  return {
    async publish(bytes) {
      chunks.push({ start: length, bytes });
      length += bytes.length;
      while (length - chunks[0]!.start - chunks[0]!.bytes.length > WINDOW) chunks.shift();
      wake();
      await caughtUp();
    },
    end() {
      outcome = {};
      wake();
    },
    fail(error) {
      outcome = { error };
      wake();
    },
    async *read({ start, end }, stored) {
      const position = { at: start };
      positions.add(position);
      try {
        while (position.at < end) {
          const chunk = chunks.find((one) => one.start <= position.at && position.at < one.start + one.bytes.length);
          if (chunk !== undefined) {
            const part = chunk.bytes.subarray(position.at - chunk.start, end - chunk.start);
            position.at += part.length;
            wake();
            yield part;
          } else if (outcome === undefined) {
            await changed.promise;
          } else if ("error" in outcome) {
            throw outcome.error;
          } else {
            return yield* stored({ start: position.at, end });
          }
        }
      } finally {
        positions.delete(position);
        wake();
      }
    },
  };
}

async function either(event: Promise<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([event, promise]);
  clearTimeout(timer);
}
