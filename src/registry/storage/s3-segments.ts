/**
 * Where the bytes of a large object are. S3 cannot rename, and what an upload will be called is known only when it ends.
 * So a blob above 16 MiB is not copied to its place: its bytes stay where they were uploaded, in a few segments of up to
 * 512 MiB, and its key holds a list of them (a document with `x-amz-meta-gantry-size`, by which it is known).
 *
 *     blobs/sha256/ab…                {"id":"7d…","segments":[{"start":0,"size":536870912},{"start":536870912,"size":77}]}
 *     segments/7d…/0000000000000000   bytes
 *     segments/7d…/0000000536870912   bytes
 *
 * docs/design/registry-s3.md has the reasons and what a crash leaves.
 */
import type { IncomingMessage } from "node:http";
import { fail } from "#base/errors.ts";
import { isObject, parseJson } from "#base/json.ts";
import type { S3Client, S3Response } from "./s3-client.ts";

export type Segment = { readonly start: number; readonly size: number };
export type Segments = { readonly id: string; readonly segments: readonly Segment[] };

/** The folder of the segments, which is none of the registry's keys. */
export const SEGMENTS = "segments/";
export const SIZE_HEADER = "x-amz-meta-gantry-size";

export const segmentKey = (id: string, start: number): string => `${SEGMENTS}${id}/${String(start).padStart(16, "0")}`;

export const sizeOf = (segments: readonly Segment[]): number => segments.reduce((sum, { size }) => sum + size, 0);

export const encodeSegments = ({ id, segments }: Segments): Buffer => Buffer.from(JSON.stringify({ id, segments }));

/** @throws internal for what we did not write */
export function decodeSegments(text: string, key: string): Segments {
  const value = parseJson(text);
  const list = isObject(value) && Array.isArray(value["segments"]) ? value["segments"] : [];
  const segments = list.flatMap((one) => (isObject(one) && isLength(one["start"]) && isLength(one["size"]) ? [{ start: one["start"], size: one["size"] }] : []));
  const id = isObject(value) ? value["id"] : undefined;
  if (typeof id !== "string" || !/^[0-9a-f-]{36}$/.test(id) || segments.length === 0 || segments.length !== list.length) throw fail("internal", `S3 ${key}: its list of segments cannot be read`);
  return { id, segments };
}

const isLength = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** The bytes from start to end (exclusive) of a segmented object. */
export async function* readSegments(client: S3Client, { id, segments }: Segments, start: number, end: number): AsyncGenerator<Buffer> {
  for (const segment of segments) {
    const [from, to] = [Math.max(start - segment.start, 0), Math.min(end - segment.start, segment.size)];
    if (from < to) yield* readObject(client, segmentKey(id, segment.start), from, to);
  }
}

/** The bytes from start to end of an object. A connection that breaks is taken up where it broke, if it is the same object still. */
export async function* readObject(client: S3Client, key: string, start: number, end: number, opened?: S3Response): AsyncGenerator<Buffer> {
  let at = start;
  let etag: string | undefined;
  let response = opened;
  for (let broken = 0; ; broken++) {
    response ??= await client.open({ method: "GET", key, headers: { range: `bytes=${at}-${end - 1}`, ...(etag === undefined ? {} : { "if-match": etag }) } });
    etag ??= response.headers.etag;
    try {
      for await (const chunk of response.stream as AsyncIterable<Buffer>) {
        at += chunk.length;
        yield chunk;
      }
      if (at >= end) return;
      throw fail("unavailable", `S3 GET ${key}: the answer ended ${end - at} bytes early`);
    } catch (error) {
      if (broken === 4 || at >= end) throw error;
    } finally {
      response.stream.destroy();
    }
    response = undefined;
  }
}

/** A stream that frees its connection also when it is given up before it was begun: a generator does not. */
export function abandonable(chunks: AsyncGenerator<Buffer>, opened: IncomingMessage | undefined): AsyncGenerator<Buffer> {
  // Until it is read, a broken connection is nobody's error.
  opened?.on("error", () => {});
  const giveUp = chunks.return.bind(chunks);
  chunks.return = (value) => {
    opened?.destroy();
    return giveUp(value);
  };
  return chunks;
}
