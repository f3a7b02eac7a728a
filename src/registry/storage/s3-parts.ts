/** Chunks as they come, gathered to parts that a request can carry: chunks are kept, not copied. */
export type Part = { readonly chunks: readonly Uint8Array[]; readonly size: number };

export type PartReader = {
  /** Undefined at the end, also when the end was a failure: what came before it is given first. */
  next(): Promise<Part | undefined>;
  /** What the source threw. */
  failure(): unknown;
  /** Ends the source. */
  stop(): Promise<void>;
};

export const PART_SIZE = 8 * 2 ** 20;

export function readParts(source: AsyncIterable<Uint8Array>, size = PART_SIZE): PartReader {
  const iterator = source[Symbol.asyncIterator]();
  let failed: { error: unknown } | undefined;
  let ended = false;
  const nextChunk = async (): Promise<Uint8Array | undefined> => {
    try {
      const { done, value } = await iterator.next();
      ended = done === true;
      return ended ? undefined : value;
    } catch (error) {
      failed = { error };
      ended = true;
      return undefined;
    }
  };
  return {
    async next() {
      const chunks: Uint8Array[] = [];
      let total = 0;
      while (total < size && !ended) {
        const chunk = await nextChunk();
        if (chunk === undefined) break;
        chunks.push(chunk);
        total += chunk.length;
      }
      return total === 0 ? undefined : { chunks, size: total };
    },
    failure: () => failed?.error,
    async stop() {
      if (!ended) await iterator.return?.(undefined);
    },
  };
}
