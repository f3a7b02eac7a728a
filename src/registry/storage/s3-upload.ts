/**
 * An upload to S3: each `append` makes a segment (several beyond 512 MiB), by one PUT up to 8 MiB and by S3's multipart
 * upload above; the segments that are there are the upload, so that any instance can go on with it. Memory: one part that
 * fills and two on their way.
 *
 * Of two instances that append at the same time one finds its segment taken, and fails. The key of the upload holds its
 * session: {"id", "commit"}. `commit` is written before the object that it names, so that whoever takes away a session
 * that a crash left can tell segments in use from segments to delete.
 */
import { randomUUID } from "node:crypto";
import { fail } from "#base/errors.ts";
import type { S3Client } from "./s3-client.ts";
import { listObjects } from "./s3-list.ts";
import { abortMultiparts, putSegment } from "./s3-multipart.ts";
import { PART_SIZE, readParts } from "./s3-parts.ts";
import { deleteSegments, findList, putList, readSegments, SEGMENTS, segmentKey, sizeOf, type Segment } from "./s3-segments.ts";
import type { Upload } from "./storage.ts";

/** What is copied to its place, by the server, instead of being listed. */
const LARGEST_COPY = 16 * 2 ** 20;

/** The uploads that this process has open, by key. */
export type OpenUploads = Map<string, { dropped: boolean }>;

type Session = { readonly id: string; readonly commit?: string };

export async function openUpload(client: S3Client, open: OpenUploads, key: string, create: boolean): Promise<Upload | undefined> {
  if (open.has(key)) throw fail("conflict", `open the upload ${key}: somebody is at it`);
  const holder = { dropped: false };
  open.set(key, holder);
  const release = () => void (open.get(key) === holder && open.delete(key));
  try {
    const session = create ? await newSession(client, key) : await findSession(client, key);
    if (session === undefined) {
      release();
      return undefined;
    }
    const segments = create ? [] : (await listSegments(client, session.id)).segments;
    return uploadOf(client, { key, id: session.id, segments, holder, fresh: create, release });
  } catch (error) {
    release();
    throw error;
  }
}

type Held = {
  readonly key: string;
  readonly id: string;
  readonly segments: Segment[];
  readonly holder: { readonly dropped: boolean };
  readonly fresh: boolean;
  readonly release: () => void;
};

function uploadOf(client: S3Client, upload: Held): Upload {
  const { key, id, segments, holder, release } = upload;
  const size = () => sizeOf(segments);
  const check = () => {
    if (holder.dropped) throw fail("not-found", `the upload ${key} has been taken away`);
  };
  return {
    get size() {
      return size();
    },
    async append(source) {
      check();
      const parts = readParts(source);
      try {
        for (let first = await parts.next(); first !== undefined; first = await parts.next()) {
          check();
          const start = size();
          segments.push({ start, size: await putSegment(client, segmentKey(id, start), first, parts) });
        }
      } finally {
        await parts.stop();
      }
      if (parts.failure() !== undefined) throw parts.failure();
      return size();
    },
    read: () => readSegments(client, { id, segments }, 0, size()),
    async commit(to) {
      check();
      if ((await findSession(client, key))?.id !== id) throw fail("not-found", `the upload ${key} has been taken away`);
      if (await place(client, upload, to)) await deleteSegments(client, { id, segments });
      // What a process that died had begun, or we had when the answer was lost.
      if (!upload.fresh || size() > PART_SIZE) await abortMultiparts(client, `${SEGMENTS}${id}/`);
      await client.call({ method: "DELETE", key, expect: [404] });
      release();
    },
    async abort() {
      release();
      await dropUpload(client, key);
    },
    async release() {
      release();
    },
  };
}

async function newSession(client: S3Client, key: string): Promise<Session> {
  const session: Session = { id: randomUUID() };
  const { status } = await client.call({ method: "PUT", key, headers: { "if-none-match": "*" }, body: [encodeSession(session)], expect: [409, 412] });
  // Of an attempt whose answer was lost it is ours; keys are not used twice.
  if (status >= 300 && (await findSession(client, key))?.id !== session.id) throw fail("conflict", `open the upload ${key}: there is one`);
  return session;
}

async function findSession(client: S3Client, key: string): Promise<Session | undefined> {
  const { status, body } = await client.call({ method: "GET", key, expect: [404] });
  return status === 404 ? undefined : (JSON.parse(body) as Session);
}

const encodeSession = (session: Session): Buffer => Buffer.from(JSON.stringify(session));

/** Without gaps from zero: what lies beyond one is of an append that failed. */
async function listSegments(client: S3Client, id: string): Promise<{ segments: Segment[]; modified: Date }> {
  const segments: Segment[] = [];
  let end = 0;
  let modified = new Date(0);
  for await (const found of listObjects(client, `${SEGMENTS}${id}/`)) {
    const start = Number(found.key.slice(found.key.lastIndexOf("/") + 1));
    if (start !== end) continue;
    segments.push({ start, size: found.size });
    end += found.size;
    modified = found.modified;
  }
  return { segments, modified };
}

/** Makes the object. True when the segments are no longer needed: copied, or there was an object. */
async function place(client: S3Client, { key, id, segments }: Held, to: string): Promise<boolean> {
  const there = await client.call({ method: "HEAD", key: to, expect: [404] });
  if (there.status !== 404) return (await findList(client, to))?.id !== id;
  if (segments.length === 0) {
    await client.call({ method: "PUT", key: to, headers: { "if-none-match": "*" }, body: [], expect: [409, 412] });
    return true;
  }
  if (segments.length === 1 && sizeOf(segments) <= LARGEST_COPY) {
    // Somebody who does the same at this moment writes the same bytes.
    await client.copy(segmentKey(id, 0), to);
    return true;
  }
  await client.call({ method: "PUT", key, body: [encodeSession({ id, commit: to })] });
  return !(await putList(client, to, { id, keys: [to], segments }, true)) && (await findList(client, to))?.id !== id;
}

/** Takes away session and segments, unless the segments have become an object's. */
export async function dropUpload(client: S3Client, key: string): Promise<void> {
  const session = await findSession(client, key);
  if (session === undefined) return;
  const { id, commit } = session;
  await abortMultiparts(client, `${SEGMENTS}${id}/`);
  const inUse = commit !== undefined && (await findList(client, commit))?.id === id;
  await client.call({ method: "DELETE", key, expect: [404] });
  if (!inUse) for await (const found of listObjects(client, `${SEGMENTS}${id}/`)) await client.call({ method: "DELETE", key: found.key, expect: [404] });
}

export async function* listUploads(client: S3Client, prefix: string): AsyncGenerator<{ key: string; size: number; modified: Date }> {
  for await (const { key, modified } of listObjects(client, prefix)) {
    const session = await findSession(client, key);
    if (session === undefined) continue;
    const found = await listSegments(client, session.id);
    yield { key, size: sizeOf(found.segments), modified: found.modified > modified ? found.modified : modified };
  }
}
