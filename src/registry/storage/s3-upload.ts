/**
 * An upload to S3: each `append` makes a segment (several beyond 512 MiB), by one PUT up to 8 MiB and by S3's multipart
 * upload above; the segments that are there are the upload, so that any instance can go on with it. Memory: one part that
 * fills and two on their way.
 *
 * The key of the upload holds its session: {"id", "commit"}. `commit` is written before the blob that it names, so that
 * whoever aborts a session that a crash left behind can tell segments in use from segments to delete.
 */
import { randomUUID } from "node:crypto";
import { fail } from "#base/errors.ts";
import { isObject, parseJson } from "#base/json.ts";
import type { S3Client } from "./s3-client.ts";
import { listKeys, listUploads } from "./s3-list.ts";
import { readParts, type Part } from "./s3-parts.ts";
import { decodeSegments, encodeSegments, readSegments, SEGMENTS, segmentKey, SIZE_HEADER, sizeOf, type Segment } from "./s3-segments.ts";
import { escapeXml, textIn } from "./s3-xml.ts";
import type { Storage, Upload } from "./storage.ts";

/** What is copied to its place, at the server, instead of being listed. */
export const LARGEST_COPY = 16 * 2 ** 20;
const PARTS_PER_SEGMENT = 64;
const AT_ONCE = 2;

type Session = { readonly id: string; readonly commit?: string };

export async function openUpload(client: S3Client, storage: Storage, key: string): Promise<Upload> {
  const { session, fresh } = await openSession(client, key);
  const { id } = session;
  const segments: Segment[] = fresh ? [] : await listSegments(client, id);
  const size = () => sizeOf(segments);

  const writeSegment = async (first: Part, parts: AsyncGenerator<Part>): Promise<void> => {
    const start = size();
    const written = await putSegment(client, segmentKey(id, start), first, parts);
    segments.push({ start, size: written });
  };

  const forget = async () => {
    if (!fresh) await abortMultiparts(client, id);
    await storage.delete(key);
  };

  return {
    get size() {
      return size();
    },
    async append(source) {
      const parts = readParts(source);
      for (let next = await parts.next(); next.done !== true; next = await parts.next()) await writeSegment(next.value, parts);
      if (next_failure(parts) !== undefined) throw next_failure(parts);
      return size();
    },
    read: () => readSegments(client, { id, segments }, 0, size()),
    async commit(to) {
      if ((await storage.stat(to)) !== undefined) await deleteSegments(client, id);
      else if (segments.length === 0) await storage.put(to, Buffer.alloc(0), { ifAbsent: true });
      else if (segments.length === 1 && size() <= LARGEST_COPY) await copyInPlace(client, segmentKey(id, 0), to);
      else await commitList(client, { key, id, to, segments });
      await forget();
    },
    async abort() {
      if (!(await isCommitted(client, session))) await deleteSegments(client, id);
      await abortMultiparts(client, id);
      await storage.delete(key);
    },
  };
}
