/** Manifests and indexes: what a tag or a digest leads to. */
import { sha256 } from "#base/digest.ts";
import { fail, Failure } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import { type Digest, isDigest } from "#spec/digest.ts";
import { type Descriptor, MAX_DOCUMENT, MEDIA, parseTarget } from "#spec/image.ts";
import { nameOf } from "../http/exchange.ts";
import { openAttempts } from "../http/attempts.ts";
import type { Reply, Session } from "../session.ts";

const ACCEPT = [MEDIA.ociIndex, MEDIA.dockerIndex, MEDIA.ociManifest, MEDIA.dockerManifest].join(", ");
const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
const TAG = /^\w[\w.-]{0,127}$/;

export type Document = { readonly descriptor: Descriptor; readonly bytes: Buffer };

/** By HEAD, if the registry says all of it there. */
export async function resolve(session: Session, tagOrDigest: string, signal: AbortSignal): Promise<{ descriptor: Descriptor }> {
  const reply = await session.request({ method: "HEAD", at: pathOf(tagOrDigest), can: "resolve", expect: [200], headers: { accept: ACCEPT }, signal }).catch((error: unknown) => {
    if (error instanceof Failure && error.facts["status"] === 405) return undefined;
    throw withoutHead(error);
  });
  if (reply === undefined) return readDocument(session, tagOrDigest, signal);
  reply.drop();
  const mediaType = typeOf(reply);
  refuseSchema1(mediaType, session, tagOrDigest);
  const digest = reply.headers["docker-content-digest"];
  const size = Number(reply.headers["content-length"]);
  if (!isDigest(digest) || !(size > 0) || mediaType === "") return readDocument(session, tagOrDigest, signal);
  if (isDigest(tagOrDigest) && digest !== tagOrDigest) throw fail("invalid", `${nameOf("HEAD", reply.url)}: it answers with another digest: ${digest}`);
  if (size > MAX_DOCUMENT) throw tooLong(nameOf("HEAD", reply.url));
  return { descriptor: { mediaType, digest, size } };
}

/** A HEAD has no body to say why: the words of the status must do. */
function withoutHead(error: unknown): unknown {
  if (!(error instanceof Failure) || error.facts["status"] !== 404 || error.facts["code"]) return error;
  return fail(error.kind, `${error.message}: manifest unknown`, { cause: error, facts: { ...error.facts, code: "MANIFEST_UNKNOWN" } });
}

/** The bytes, compared with the digest if one was asked for; a connection that is cut is gone on from, where that is sure to be the same document. */
export async function readDocument(session: Session, tagOrDigest: string, signal: AbortSignal): Promise<Document> {
  const attempts = openAttempts({ most: session.settings.maxAttempts, limits: session.limits, signal, wasThere: session.wasThere });
  const state: Download = { parts: [], length: 0, etag: undefined };
  for (;;) {
    try {
      return await readOnce(session, tagOrDigest, state, signal);
    } catch (error) {
      if (state.length > state.before!) attempts.progressed();
      await attempts.next(error);
    }
  }
}

type Download = { parts: Buffer[]; length: number; etag: string | undefined; before?: number };

async function readOnce(session: Session, tagOrDigest: string, state: Download, signal: AbortSignal): Promise<Document> {
  const resumable = state.length > 0 && (isDigest(tagOrDigest) || state.etag !== undefined);
  if (!resumable) restart(state);
  state.before = state.length;
  const headers = { accept: ACCEPT, ...(resumable && { range: `bytes=${state.length}-` }), ...(resumable && state.etag !== undefined && { "if-range": state.etag }) };
  const reply = await session.request({ method: "GET", at: pathOf(tagOrDigest), can: "resolve", expect: [200, 206], headers, signal });
  if (reply.status === 200) restart(state);
  const what = nameOf("GET", reply.url);
  checkPlain(reply, what);
  const etag = reply.headers.etag;
  state.etag = etag !== undefined && !etag.startsWith("W/") ? etag : undefined;
  for await (const chunk of reply.read({ limit: MAX_DOCUMENT - state.length, own: true })) {
    state.parts.push(chunk);
    state.length += chunk.length;
  }
  const bytes = Buffer.concat(state.parts);
  restart(state);
  return judge(session, tagOrDigest, reply, bytes);
}

function restart(state: Download): void {
  state.parts = [];
  state.length = 0;
}

function judge(session: Session, tagOrDigest: string, reply: Reply, bytes: Buffer): Document {
  const what = nameOf("GET", reply.url);
  const digest = sha256(bytes);
  const said = reply.headers["docker-content-digest"];
  if (isDigest(tagOrDigest) && digest !== tagOrDigest) throw fail("invalid", `${what}: what came has the digest ${digest}`);
  if (said !== undefined && isDigest(said) && said !== digest) throw fail("invalid", `${what}: what came has the digest ${digest}, and is said to have ${said}`);
  const mediaType = mediaTypeOf(reply, bytes);
  refuseSchema1(mediaType, session, tagOrDigest);
  // Type and content must agree: what is a manifest to us must not be an index to others.
  parseTarget(bytes, mediaType);
  return { descriptor: { mediaType, digest, size: bytes.length }, bytes };
}

/** As the header says; of a server that says nothing useful, as the document says. */
function mediaTypeOf(reply: Reply, bytes: Buffer): string {
  const type = typeOf(reply);
  const json = /^(|application\/json|application\/octet-stream|text\/plain)$/.test(type) ? readJson(bytes) : undefined;
  if (json === undefined) return type;
  if (json["schemaVersion"] === 1) return "application/vnd.docker.distribution.manifest.v1+json";
  if (typeof json["mediaType"] === "string") return json["mediaType"];
  return json["manifests"] === undefined ? MEDIA.ociManifest : MEDIA.ociIndex;
}

function readJson(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    return parseJson(bytes.toString("utf8")) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const typeOf = (reply: Reply): string => (reply.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();

function refuseSchema1(mediaType: string, { repository }: Session, tagOrDigest: string): void {
  if (!SCHEMA_1.test(mediaType)) return;
  const name = `${repository.registry}/${repository.path}: ${tagOrDigest}`;
  throw fail("invalid", `${name} is an image of schema 1, which is not read any more: its owner must build or push it again with a current tool (or convert it with \`skopeo copy\`)`, { facts: { schema1: true } });
}

/** Bytes are asked for as they are: a coding would hide their size and digest. */
export function checkPlain(reply: Reply, what: string): void {
  const coding = reply.headers["content-encoding"];
  if (coding === undefined || coding === "" || coding.toLowerCase() === "identity") return;
  reply.drop();
  throw fail("invalid", `${what}: the answer is encoded with ${coding.slice(0, 20)}, which was not asked for`);
}

const tooLong = (what: string) => fail("invalid", `${what}: the manifest is longer than ${MAX_DOCUMENT} bytes`);

/** @throws invalid for what is neither a tag nor a digest: it becomes part of a path. */
export function pathOf(tagOrDigest: string): `manifests/${string}` {
  if (isDigest(tagOrDigest) || TAG.test(tagOrDigest)) return `manifests/${tagOrDigest as Digest}`;
  throw fail("invalid", `${JSON.stringify(tagOrDigest.slice(0, 140))} is neither a tag nor a digest`);
}
