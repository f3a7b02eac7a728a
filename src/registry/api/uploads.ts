/** Uploads of blobs: in one request, in one piece, or in chunks that follow each other without a gap. */
import { fail, Failure } from "#base/errors.ts";
import { isDigest, type Digest } from "../store/digest.ts";
import { answer, refuse } from "./answer.ts";
import { emit, type Asked, type RouteOf } from "./api.ts";
import { bodyOf } from "./body.ts";
import { isName } from "./path.ts";
import { parseContentRange } from "./range.ts";

type AskedUploads = Asked<RouteOf<"uploads">>;
type AskedUpload = Asked<RouteOf<"upload">>;

export async function startUpload(asked: AskedUploads): Promise<void> {
  const { call, route, identity, api } = asked;
  const mount = call.query.get("mount");
  if (mount !== null && (await mounted(asked, mount))) return;
  const digest = mount === null ? call.query.get("digest") : null;
  const id = api.uploadIds.make(route.name, identity.name);
  if (digest !== null && !isDigest(digest)) throw invalidDigest(digest);
  await api.store.uploads.start(route.name, id);
  if (digest === null) return answer(call, 202, sessionHeaders(route.name, id, 0));
  try {
    await finish(asked, id, digest);
  } catch (error) {
    // Nobody was told its name.
    await api.store.uploads.cancel(id).catch(() => {});
    throw error;
  }
}

/** What may not be mounted is uploaded: the client hears of no difference between "may not" and "is not there" (RS-03). */
async function mounted(asked: AskedUploads, digest: string): Promise<boolean> {
  const { call, route, identity, api } = asked;
  if (!isDigest(digest)) throw invalidDigest(digest);
  const from = call.query.get("from") ?? route.name;
  if (!isName(from)) throw fail("invalid", `mount ${digest}: ${JSON.stringify(from.slice(0, 100))} is no name of a repository`, { facts: { code: "NAME_INVALID" } });
  if (from !== route.name && !(await api.access.may(call, identity, from, "read"))) return false;
  if (!(await api.store.mountBlob(route.name, digest, from))) return false;
  answer(call, 201, blobHeaders(route.name, digest));
  emit(asked, { kind: "mount", target: "blob", repository: route.name, digest, from });
  return true;
}

export async function patchUpload(asked: AskedUpload): Promise<void> {
  const { call, route, api } = asked;
  checkOwner(asked);
  const start = startOf(asked);
  if (start === "bad") return refuse(call, 416, "BLOB_UPLOAD_INVALID", "the Content-Range is no range of that length");
  try {
    const size = await api.store.uploads.append(route.id, route.name, bodyOf(call), { start, consume: true });
    answer(call, 202, sessionHeaders(route.name, route.id, size));
  } catch (error) {
    refuseGap(asked, error);
  }
}

export async function finishUpload(asked: AskedUpload): Promise<void> {
  checkOwner(asked);
  const digest = asked.call.query.get("digest");
  if (digest === null || !isDigest(digest)) throw invalidDigest(digest ?? "");
  const start = startOf(asked);
  if (start === "bad") return refuse(asked.call, 416, "BLOB_UPLOAD_INVALID", "the Content-Range is no range of that length");
  try {
    await finish(asked, asked.route.id, digest, start);
  } catch (error) {
    refuseGap(asked, error);
  }
}

async function finish(asked: Asked<RouteOf<"uploads"> | RouteOf<"upload">>, id: string, digest: Digest, start?: number): Promise<void> {
  const { call, route, api } = asked;
  const { size } = await api.store.uploads.finish(id, route.name, digest, bodyOf(call), { start, consume: true });
  answer(call, 201, blobHeaders(route.name, digest));
  emit(asked, { kind: "push", target: "blob", repository: route.name, digest, size });
}

export async function uploadStatus(asked: AskedUpload): Promise<void> {
  const { call, route, api } = asked;
  checkOwner(asked);
  const size = await api.store.uploads.status(route.id);
  if (size === undefined) throw unknown();
  answer(call, 204, sessionHeaders(route.name, route.id, size).slice(0, -2));
}

export async function cancelUpload(asked: AskedUpload): Promise<void> {
  const { call, route, api } = asked;
  checkOwner(asked);
  if (!(await api.store.uploads.cancel(route.id))) throw unknown();
  answer(call, 204, []);
}

/** An upload of another repository or user is none (RS-06). */
function checkOwner({ route, identity, api }: AskedUpload): void {
  if (!api.uploadIds.belongs(route.id, route.name, identity.name)) throw unknown();
}

const unknown = () => fail("not-found", "go on with an upload: there is none of that name", { facts: { code: "BLOB_UPLOAD_UNKNOWN" } });
const invalidDigest = (text: string) => fail("invalid", `take a blob: ${JSON.stringify(text.slice(0, 100))} is no sha256 or sha512 digest`, { facts: { code: "DIGEST_INVALID" } });

/** Where the chunk says it belongs. */
function startOf({ call }: AskedUpload): number | "bad" | undefined {
  const range = parseContentRange(call.headers["content-range"]);
  if (range === undefined || range === "bad") return range;
  const length = call.headers["content-length"];
  return length !== undefined && Number(length) !== range.end - range.start ? "bad" : range.start;
}

/** A chunk out of order: the client learns where to go on. */
function refuseGap({ call, route }: AskedUpload, error: unknown): void {
  if (!(error instanceof Failure) || error.facts["code"] !== "RANGE_INVALID") throw error;
  const size = Number(error.facts["size"]);
  refuse(call, 416, "BLOB_UPLOAD_INVALID", error.message, sessionHeaders(route.name, route.id, size).slice(0, -2));
}

/** The last pair is the body's length. */
function sessionHeaders(name: string, id: string, size: number): (string | number)[] {
  return ["Location", `/v2/${name}/blobs/uploads/${id}`, "Range", `0-${Math.max(0, size - 1)}`, "Docker-Upload-Uuid", id, "Content-Length", 0];
}

function blobHeaders(name: string, digest: Digest): (string | number)[] {
  return ["Location", `/v2/${name}/blobs/${digest}`, "Docker-Content-Digest", digest, "Content-Length", 0];
}
