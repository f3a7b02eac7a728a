/** Bytes that come in pieces, for decoders that take a bounded amount of them at once. */
export type ByteInput = {
  /** True when at least n bytes are in `bytes` from `at` on; false when the source ended before. */
  need(n: number): Promise<boolean>;
  bytes: Uint8Array;
  at: number;
};

export function openInput(source: AsyncIterable<Uint8Array>): ByteInput & { end(): Promise<void> } {
  const iterator = source[Symbol.asyncIterator]();
  let ended = false;
  const input = {
    bytes: new Uint8Array(0) as Uint8Array,
    at: 0,
    async need(n: number): Promise<boolean> {
      if (input.bytes.length - input.at >= n) return true;
      const parts = [input.bytes.subarray(input.at)];
      let length = parts[0]!.length;
      while (!ended && length < n) {
        const next = await iterator.next();
        ended = next.done === true;
        if (next.done === true) break;
        parts.push(next.value);
        length += next.value.length;
      }
      input.bytes = Buffer.concat(parts);
      input.at = 0;
      return length >= n;
    },
    end: async () => void (await iterator.return?.()),
  };
  return input;
}
