/**
 * Where the bytes of a large object are. S3 cannot rename, and what an upload will be called is known only when it ends.
 * So a blob above 16 MiB is not copied to its place: its bytes stay where they were uploaded, in a few segments of up to
 * 512 MiB, and its key holds a list of them (a document with `x-amz-meta-gantry-size`, by which it is known). To move or
 * to renew such an object is to write a line.
 *
 *     blobs/sha256/ab…                {"id":"7d…","keys":["blobs/sha256/ab…"],"segments":[{"start":0,"size":536870912},…]}
 *     segments/7d…/0000000000000000   bytes
 *     segments/7d…/0000000536870912   bytes
 *     dying/7d…                       somebody deletes the object (below): the same list
 *
 * An object that is moved has two lists for a moment, or after a crash for ever. Whoever deletes one says so first
 * (`dying`), takes the list away, then looks whether another of its keys has the list still; whoever moves writes the new
 * list, then looks whether the object is dying. Of the two at least one sees the other: segments go only when no list is
 * left (docs/design/registry-s3.md).
 */
import { fail } from "#base/errors.ts";
import type { S3Client } from "./s3-client.ts";
import { listObjects } from "./s3-list.ts";
import { readObject } from "./s3-read.ts";

export type Segment = { readonly start: number; readonly size: number };

/** `keys`: where the list is, or has been. */
export type SegmentList = { readonly id: string; readonly keys: readonly string[]; readonly segments: readonly Segment[] };

/** Folders that are the driver's own, and none of the registry's keys. */
export const SEGMENTS = "segments/";
export const DYING = "dying/";
export const SIZE_HEADER = "x-amz-meta-gantry-size";

export const segmentKey = (id: string, start: number): string => `${SEGMENTS}${id}/${String(start).padStart(16, "0")}`;

const dyingKey = (id: string): string => `${DYING}${id}`;

export const sizeOf = (segments: readonly Segment[]): number => segments.reduce((sum, { size }) => sum + size, 0);

/** The list at a key; undefined when there is nothing, or an object that is not segmented. */
export async function findList(client: S3Client, key: string): Promise<SegmentList | undefined> {
  const { status, headers, stream } = await client.open({ method: "GET", key, expect: [404] });
  if (status !== 404 && headers[SIZE_HEADER] !== undefined) return decodeList((await stream.setEncoding("utf8").toArray()).join(""), key);
  stream.resume();
  return undefined;
}

const encodeList = ({ id, keys, segments }: SegmentList): Buffer => Buffer.from(JSON.stringify({ id, keys, segments }));

function decodeList(text: string, key: string): SegmentList {
  const { id, keys, segments } = JSON.parse(text) as Partial<SegmentList>;
  if (typeof id !== "string" || !Array.isArray(keys) || !Array.isArray(segments)) throw fail("internal", `S3 ${key}: its list of segments cannot be read`);
  return { id, keys: keys as string[], segments: segments as Segment[] };
}

/** False, and nothing changed, when `ifAbsent` and there is an object. */
export async function putList(client: S3Client, key: string, list: SegmentList, ifAbsent: boolean): Promise<boolean> {
  const headers = { "content-type": "application/json", [SIZE_HEADER]: String(sizeOf(list.segments)), ...(ifAbsent ? { "if-none-match": "*" } : {}) };
  const { status } = await client.call({ method: "PUT", key, headers, body: [encodeList(list)], expect: ifAbsent ? [409, 412] : [] });
  return status < 300;
}

/** False when the object is being deleted. */
export async function moveList(client: S3Client, list: SegmentList, key: string, to: string): Promise<boolean> {
  await putList(client, to, { ...list, keys: [...new Set([...list.keys, to])] }, false);
  const dying = await client.call({ method: "HEAD", key: dyingKey(list.id), expect: [404] });
  await client.call({ method: "DELETE", key: dying.status === 404 ? key : to, expect: [404] });
  return dying.status === 404;
}

export async function deleteList(client: S3Client, list: SegmentList, key: string): Promise<void> {
  await client.call({ method: "PUT", key: dyingKey(list.id), body: [encodeList(list)] });
  await client.call({ method: "DELETE", key, expect: [404] });
  await releaseList(client, list);
}

/** Deletes that were begun so long ago that whoever began them has died. */
export async function finishDeletes(client: S3Client, olderThanMs: number): Promise<void> {
  for await (const { key, modified } of listObjects(client, DYING)) {
    if (modified.getTime() > Date.now() - olderThanMs) continue;
    const { status, body } = await client.call({ method: "GET", key, expect: [404] });
    if (status !== 404) await releaseList(client, decodeList(body, key));
  }
}

/** After a list was taken away, or replaced: the bytes go with the last one. */
export async function releaseList(client: S3Client, list: SegmentList): Promise<void> {
  if (!(await isListed(client, list))) await deleteSegments(client, list);
  await client.call({ method: "DELETE", key: dyingKey(list.id), expect: [404] });
}

async function isListed(client: S3Client, { id, keys }: SegmentList): Promise<boolean> {
  for (const key of keys) if ((await findList(client, key))?.id === id) return true;
  return false;
}

export async function deleteSegments(client: S3Client, { id, segments }: Pick<SegmentList, "id" | "segments">): Promise<void> {
  for (const { start } of segments) await client.call({ method: "DELETE", key: segmentKey(id, start), expect: [404] });
}

/** The bytes from start to end (exclusive) of a segmented object. */
export async function* readSegments(client: S3Client, { id, segments }: Pick<SegmentList, "id" | "segments">, start: number, end: number): AsyncGenerator<Buffer> {
  for (const segment of segments) {
    const [from, to] = [Math.max(start - segment.start, 0), Math.min(end - segment.start, segment.size)];
    if (from < to) yield* readObject(client, segmentKey(id, segment.start), { start: from, end: to });
  }
}
