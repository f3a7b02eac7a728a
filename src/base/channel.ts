/** A queue of chunks between one who pushes and one who pulls. */

export type Channel = {
  /** Resolves when what waits is less than the limit, or the reader is gone. */
  push(chunk: Uint8Array): Promise<void>;
  /** No more; with an error, the reader gets it. */
  end(error?: Error): void;
  /** To be read once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Nobody reads, or will: what is pushed is dropped. Ending the iteration does the same. */
  close(): void;
};

export function openChannel(limit: number): Channel {
  const queue: Uint8Array[] = [];
  let size = 0;
  let ended: { error?: Error } | undefined;
  let readerGone = false;
  let wakeReader = Promise.withResolvers<void>();
  let wakeWriter = Promise.withResolvers<void>();

  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = queue.shift();
        if (chunk !== undefined) {
          size -= chunk.length;
          wakeWriter.resolve();
          yield chunk;
        } else if (ended === undefined) {
          wakeReader = Promise.withResolvers();
          await wakeReader.promise;
        } else if (ended.error !== undefined) throw ended.error;
        else return;
      }
    } finally {
      close();
    }
  }

  function close(): void {
    readerGone = true;
    queue.length = 0;
    wakeWriter.resolve();
  }

  return {
    chunks: read(),
    close,
    async push(chunk) {
      if (readerGone) return;
      queue.push(chunk);
      size += chunk.length;
      wakeReader.resolve();
      while (size >= limit && !readerGone) {
        wakeWriter = Promise.withResolvers();
        await wakeWriter.promise;
      }
    },
    end(error) {
      ended ??= error === undefined ? {} : { error };
      wakeReader.resolve();
    },
  };
}
