import type { IncomingMessage } from "node:http";
import { fail } from "#base/errors.ts";
import type { S3Client } from "./s3-client.ts";

/** `end` is exclusive. `opened`: the answer to the request for just these bytes, when it is there already. */
export type Extent = { readonly start: number; readonly end: number; readonly opened?: IncomingMessage };

/** Part of an object. A connection that breaks is taken up where it broke, if it is the same object still. */
export async function* readObject(client: S3Client, key: string, { start, end, opened }: Extent): AsyncGenerator<Buffer> {
  let at = start;
  let stream = opened;
  let etag = opened?.headers.etag;
  for (let broken = 0; ; broken++) {
    stream ??= (await client.open({ method: "GET", key, headers: rangeHeaders(at, end, etag) })).stream;
    etag ??= stream.headers.etag;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        at += chunk.length;
        yield chunk;
      }
      if (at >= end) return;
      throw fail("unavailable", `S3 GET ${key}: the answer ended ${end - at} bytes early`);
    } catch (error) {
      if (broken === 4 || at >= end) throw error;
    } finally {
      stream.destroy();
    }
    stream = undefined;
  }
}

const rangeHeaders = (start: number, end: number, etag: string | undefined): Record<string, string> => ({
  range: `bytes=${start}-${end - 1}`,
  ...(etag === undefined ? {} : { "if-match": etag }),
});

/** Frees the connection also when the stream is given up before it was begun: a generator alone does not. */
export function abandonable(chunks: AsyncGenerator<Buffer>, opened: IncomingMessage): AsyncGenerator<Buffer> {
  // Until somebody reads, a connection that breaks is nobody's failure.
  opened.on("error", () => {});
  const giveUp = chunks.return.bind(chunks);
  chunks.return = (value) => {
    opened.destroy();
    return giveUp(value);
  };
  return chunks;
}
