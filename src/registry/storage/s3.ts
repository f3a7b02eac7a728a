/**
 * The registry's objects in an S3 bucket, or in what speaks S3: several instances may serve the same one.
 *
 *     await using storage = await openS3Storage(await parseS3Address("s3://images/registry?endpoint=https://HOST:9000"));
 *
 * What it needs of the server: SigV4, strong consistency, conditional puts (If-None-Match: asked at the start, so that two
 * instances never overwrite each other unseen), multipart uploads, copies, ranges, listing version 2.
 */
import { fail } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import { openS3Client, type S3Client, type S3Response } from "./s3-client.ts";
import { listObjects } from "./s3-list.ts";
import { abandonable, readObject } from "./s3-read.ts";
import { deleteList, DYING, findList, finishDeletes, moveList, readSegments, releaseList, SEGMENTS, SIZE_HEADER, sizeOf } from "./s3-segments.ts";
import type { S3Settings } from "./s3-settings.ts";
import { dropUpload, listUploads, openUpload, type OpenUploads } from "./s3-upload.ts";
import type { Storage, StoredObject } from "./storage.ts";

export { parseS3Address, type S3Settings } from "./s3-settings.ts";

const ABANDONED_MS = 3_600_000;
const LARGEST_READ = 16 * 2 ** 20;

/** @throws unavailable when the bucket does not answer; invalid when it does not keep conditional puts. */
export async function openS3Storage(settings: S3Settings): Promise<Storage> {
  const client = openS3Client(settings);
  try {
    await probe(client);
    await finishDeletes(client, ABANDONED_MS);
  } catch (error) {
    client.close();
    throw error;
  }
  return storageOf(client);
}

function storageOf(client: S3Client): Storage {
  const open: OpenUploads = new Map();
  const get: Storage["get"] = (key, range) => getObject(client, key, range);
  return {
    trustMs: 1000,
    get,
    async stat(key) {
      const { status, headers } = await client.call({ method: "HEAD", key, expect: [404] });
      return status === 404 ? undefined : { size: sizeIn(headers), modified: modifiedIn(headers), version: headers.etag ?? "" };
    },
    async read(key) {
      const object = await get(key);
      return object === undefined ? undefined : await collect(object.stream, LARGEST_READ, key);
    },
    put: (key, bytes, options) => put(client, key, bytes, options?.ifAbsent === true),
    renew: (key) => renew(client, key),
    move: (key, to) => move(client, key, to),
    async delete(key) {
      const list = await findList(client, key);
      if (list !== undefined) await deleteList(client, list, key);
      else await client.call({ method: "DELETE", key, expect: [404] });
    },
    async *list(prefix, options) {
      for await (const { key } of listObjects(client, prefix, options?.after)) if (!key.startsWith(SEGMENTS) && !key.startsWith(DYING)) yield key;
    },
    upload: (key, options) => openUpload(client, open, key, options?.create === true),
    uploads: (prefix) => listUploads(client, prefix),
    async dropUpload(key) {
      const holder = open.get(key);
      if (holder !== undefined) holder.dropped = true;
      open.delete(key);
      await dropUpload(client, key);
    },
    [Symbol.asyncDispose]: async () => client.close(),
  };
}

async function probe(client: S3Client): Promise<void> {
  const key = "gantry-registry";
  const bytes = Buffer.from("The objects of a gantry-registry.\n");
  await put(client, key, bytes, true);
  if (await put(client, key, bytes, true)) throw fail("invalid", `S3 bucket ${client.bucket}: the server overwrites in spite of If-None-Match; a registry needs one that does not`);
}

async function put(client: S3Client, key: string, bytes: Uint8Array, ifAbsent: boolean): Promise<boolean> {
  const headers: Record<string, string> = ifAbsent ? { "if-none-match": "*" } : {};
  for (let attempt = 1; ; attempt++) {
    const { status, attempts } = await client.call({ method: "PUT", key, headers, body: [bytes], expect: ifAbsent ? [409, 412] : [] });
    if (status < 300) return true;
    // Two conditional puts at the same moment: neither is refused for good.
    if (status === 409 && attempt < 5) continue;
    return attempts > 1 && (await holds(client, key, bytes));
  }
}

/** Whether an attempt whose answer was lost has done it. */
async function holds(client: S3Client, key: string, bytes: Uint8Array): Promise<boolean> {
  const { body } = await client.call({ method: "GET", key });
  return Buffer.from(body).equals(bytes);
}

/** S3 copies an object onto itself only if something about it is said anew. */
async function renew(client: S3Client, key: string): Promise<boolean> {
  const { status, headers } = await client.call({ method: "HEAD", key, expect: [404] });
  if (status === 404) return false;
  const size = headers[SIZE_HEADER];
  return await client.copy(key, key, { "content-type": headers["content-type"] ?? "application/octet-stream", ...(typeof size === "string" ? { [SIZE_HEADER]: size } : {}) });
}

async function move(client: S3Client, key: string, to: string): Promise<boolean> {
  const [list, replaced] = await Promise.all([findList(client, key), findList(client, to)]);
  if (list === undefined && !(await client.copy(key, to))) return false;
  if (list === undefined) await client.call({ method: "DELETE", key, expect: [404] });
  else if (!(await moveList(client, list, key, to))) return false;
  if (replaced !== undefined && replaced.id !== list?.id) await releaseList(client, replaced);
  return true;
}

type Range = { readonly start: number; readonly end?: number };

/** Asked as if it were an object of its own: most are. A list is known by its header, and then its segments are asked. */
async function getObject(client: S3Client, key: string, range: Range = { start: 0 }): Promise<StoredObject | undefined> {
  const { start, end } = range;
  const headers: Record<string, string> = start === 0 && end === undefined ? {} : { range: `bytes=${start}-${end === undefined ? "" : end - 1}` };
  const response = await client.open({ method: "GET", key, headers, expect: [404, 416] });
  if (response.status < 300 && response.headers[SIZE_HEADER] === undefined) return whole(client, key, response);
  response.stream.resume();
  if (response.status === 404) return undefined;
  const list = await findList(client, key);
  if (list === undefined) return await empty(client, key);
  const size = sizeOf(list.segments);
  return { size, modified: modifiedIn(response.headers), stream: readSegments(client, list, start, Math.min(end ?? size, size)) };
}

function whole(client: S3Client, key: string, { headers, stream, status }: S3Response): StoredObject {
  const part = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(status === 206 ? (headers["content-range"] ?? "") : "");
  const length = Number(headers["content-length"] ?? 0);
  const extent = part === null ? { start: 0, end: length } : { start: Number(part[1]), end: Number(part[2]) + 1 };
  return { size: part === null ? length : Number(part[3]), modified: modifiedIn(headers), stream: abandonable(readObject(client, key, { ...extent, opened: stream }), stream) };
}

/** A range beyond the object's end: none of its bytes. */
async function empty(client: S3Client, key: string): Promise<StoredObject | undefined> {
  const { status, headers } = await client.call({ method: "HEAD", key, expect: [404] });
  return status === 404 ? undefined : { size: sizeIn(headers), modified: modifiedIn(headers), stream: none() };
}

async function* none(): AsyncGenerator<Buffer> {}

const sizeIn = (headers: S3Response["headers"]): number => Number(headers[SIZE_HEADER] ?? headers["content-length"] ?? 0);
const modifiedIn = (headers: S3Response["headers"]): Date => new Date(headers["last-modified"] ?? 0);
