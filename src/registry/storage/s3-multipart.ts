/** One segment to its key: by one PUT if it is one part, else by a multipart upload. */
import { fail } from "#base/errors.ts";
import type { S3Client } from "./s3-client.ts";
import type { Part, PartReader } from "./s3-parts.ts";
import { elementsIn, escapeXml, textIn } from "./s3-xml.ts";

const PARTS_PER_SEGMENT = 64;
const AT_ONCE = 2;
const ABSENT = { "if-none-match": "*" };

const taken = (key: string) => fail("conflict", `S3 PUT ${key}: somebody else goes on with the same upload`);

/** Takes the first part and up to 63 more from the reader; resolves to how many bytes that were. */
export async function putSegment(client: S3Client, key: string, first: Part, parts: PartReader): Promise<number> {
  const second = await parts.next();
  if (second !== undefined) return await putMany(client, key, [first, second], parts);
  const { status, attempts } = await client.call({ method: "PUT", key, headers: ABSENT, body: first.chunks, expect: [409, 412] });
  if (status >= 300 && !(attempts > 1 && (await hasSize(client, key, first.size)))) throw taken(key);
  return first.size;
}

async function putMany(client: S3Client, key: string, begun: Part[], parts: PartReader): Promise<number> {
  const created = await client.call({ method: "POST", key, query: { uploads: "" } });
  const uploadId = textIn(created.body, "UploadId");
  if (uploadId === undefined) throw fail("unavailable", `S3 POST ${key}: the answer has no UploadId`);
  try {
    const { etags, size } = await putParts({ client, key, uploadId }, begun, parts);
    await complete({ client, key, uploadId }, etags, size);
    return size;
  } catch (error) {
    await client.call({ method: "DELETE", key, query: { uploadId }, expect: [404] }).catch(() => {});
    throw error;
  }
}

type Multipart = { readonly client: S3Client; readonly key: string; readonly uploadId: string };

/** Two parts are on their way while the next one fills. */
async function putParts(upload: Multipart, begun: Part[], parts: PartReader): Promise<{ etags: string[]; size: number }> {
  const sent: Promise<string>[] = [];
  let size = 0;
  for (let number = 1; number <= PARTS_PER_SEGMENT; number++) {
    const part = begun.shift() ?? (await parts.next());
    if (part === undefined) break;
    if (number > AT_ONCE) await sent[number - 1 - AT_ONCE];
    const sending = putPart(upload, number, part);
    // Waited for below; until then a failure is nobody's.
    sending.catch(() => {});
    sent.push(sending);
    size += part.size;
  }
  return { etags: await Promise.all(sent), size };
}

async function putPart({ client, key, uploadId }: Multipart, number: number, part: Part): Promise<string> {
  const { headers } = await client.call({ method: "PUT", key, query: { partNumber: String(number), uploadId }, body: part.chunks });
  if (headers.etag === undefined) throw fail("unavailable", `S3 PUT ${key}: the answer to part ${number} has no ETag`);
  return headers.etag;
}

async function complete({ client, key, uploadId }: Multipart, etags: readonly string[], size: number): Promise<void> {
  const list = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`).join("");
  const body = [Buffer.from(`<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${list}</CompleteMultipartUpload>`)];
  const { status, attempts } = await client.call({ method: "POST", key, query: { uploadId }, headers: ABSENT, body, expect: [404, 409, 412] });
  if (status < 300 || (attempts > 1 && (await hasSize(client, key, size)))) return;
  throw status === 404 ? fail("unavailable", `S3 POST ${key}: the multipart upload is gone`) : taken(key);
}

/** Whether an attempt whose answer was lost has done it. */
async function hasSize(client: S3Client, key: string, size: number): Promise<boolean> {
  const { status, headers } = await client.call({ method: "HEAD", key, expect: [404] });
  return status !== 404 && Number(headers["content-length"]) === size;
}

/** Ends the multipart uploads below a prefix that nobody will complete: they cost as much as what is stored. */
export async function abortMultiparts(client: S3Client, prefix: string): Promise<void> {
  const { body } = await client.call({ method: "GET", query: { uploads: "", prefix: client.full(prefix) } });
  for (const one of elementsIn(body, "Upload")) {
    const [key, uploadId] = [textIn(one, "Key"), textIn(one, "UploadId")];
    if (key === undefined || uploadId === undefined || !key.startsWith(client.full(prefix))) continue;
    await client.call({ method: "DELETE", key: key.slice(client.full("").length), query: { uploadId }, expect: [404] });
  }
}
