/**
 * One blob to a registry: asked for, mounted from another repository, or sent. In one request where the registry takes it
 * so; an upload that was cut goes on at the byte that the registry names; one that is too long for whatever stands before
 * the registry is sent in pieces.
 */
import { fail, Failure, kindOf } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Descriptor } from "#spec/image.ts";
import { openAttempts } from "../http/attempts.ts";
import { nameOf } from "../http/exchange.ts";
import type { Reply, Session } from "../session.ts";
import type { PushEvent } from "../transfer.ts";

/** Where the bytes are from. */
export type BlobBytes = (from: number) => AsyncIterable<Uint8Array>;

export type UploadOptions = {
  readonly session: Session;
  readonly bytes: BlobBytes;
  /** Repositories of the same registry that may have it. */
  readonly sources: readonly string[];
  readonly signal: AbortSignal;
  readonly tell: (event: PushEvent) => void;
};

const MOST_SOURCES = 3;
const SMALLER = 32 * 2 ** 20;
const SMALLEST = 2 ** 20;
/** A registry may copy the whole blob before it answers. */
const FINISH_MS = 10 * 60_000;

type Upload = { at: Parameters<Session["request"]>[0]["at"] & object; sent: number; piece: number; /** Parts of it came in several requests. */ patched: boolean };

export async function uploadBlob(descriptor: Descriptor, options: UploadOptions): Promise<void> {
  const { session, signal, tell } = options;
  if (await isThere(session, descriptor, signal)) return tell({ kind: "exists", digest: descriptor.digest });
  const begun = await begin(descriptor, options);
  if (begun === undefined) return;
  let upload: Upload | undefined = begun;
  let piece = Infinity;
  let again = true;
  let wasCut = false;
  const attempts = openAttempts({ most: session.settings.maxAttempts, limits: session.limits, signal, retry: (seconds, reason) => tell({ kind: "retry", digest: descriptor.digest, seconds, reason }), wasThere: session.wasThere });
  for (;;) {
    if (upload === undefined) {
      // The answer may be all that was lost.
      if (wasCut && (await isThere(session, descriptor, signal))) return tell({ kind: "pushed", digest: descriptor.digest });
      upload = await start(session, signal);
    }
    upload.piece = piece;
    const before = upload.sent;
    try {
      await send(descriptor, upload, options);
      return tell({ kind: "pushed", digest: descriptor.digest });
    } catch (error) {
      if (signal.aborted) {
        await cancel(session, upload);
        throw signal.reason;
      }
      if (isTooLarge(error) && piece > SMALLEST) {
        piece = piece === Infinity ? Math.min(SMALLER, descriptor.size / 2) : piece / 2;
        upload = undefined;
        continue;
      }
      // Pieces that did not fit together: once more, as a whole.
      if (upload.patched && again && kindOf(error) === "invalid") {
        again = false;
        upload = undefined;
        continue;
      }
      wasCut = isCut(error);
      const found: Upload | undefined = wasCut ? await wherever(session, upload, descriptor.size, attempts, error) : await attempts.next(error).then(() => undefined);
      if (found !== undefined && found.sent > before) attempts.progressed();
      upload = found;
    }
  }
}

async function isThere(session: Session, { digest, size }: Descriptor, signal: AbortSignal): Promise<boolean> {
  const reply = await session.request({ method: "HEAD", at: `blobs/${digest}`, can: "push", expect: [200, 404], signal });
  reply.drop();
  const length = reply.headers["content-length"];
  return reply.status === 200 && (length === undefined || Number(length) === size);
}

/** Undefined: it was mounted. */
async function begin({ digest }: Descriptor, { session, sources, signal, tell }: UploadOptions): Promise<Upload | undefined> {
  const { path } = session.repository;
  for (const from of sources.filter((source) => source !== path).slice(0, MOST_SOURCES)) {
    const scopes = [`repository:${path}:pull,push`, `repository:${from}:pull`];
    const reply = await session.request({ method: "POST", at: "blobs/uploads/", query: new URLSearchParams({ mount: digest, from }), can: "push", expect: [201, 202], scopes, signal }).catch((error: unknown) => {
      // No access there, or a registry that mounts nothing: it is sent.
      if (signal.aborted || !(error instanceof Failure) || error.facts["status"] === undefined) throw error;
      return undefined;
    });
    reply?.drop();
    if (reply?.status === 201) return void tell({ kind: "mounted", digest, from });
    if (reply?.status === 202) return uploadOf(reply);
  }
  return start(session, signal);
}

async function start(session: Session, signal: AbortSignal): Promise<Upload> {
  const reply = await session.request({ method: "POST", at: "blobs/uploads/", can: "push", expect: [202], signal });
  reply.drop();
  return uploadOf(reply);
}

function uploadOf(reply: Reply): Upload {
  const least = Number(reply.headers["oci-chunk-min-length"] ?? 0) || 0;
  return { at: locationOf(reply), sent: 0, piece: Math.max(Infinity, least), patched: false };
}

/** @throws invalid without one */
function locationOf(reply: Reply): Upload["at"] {
  const { location } = reply.headers;
  const url = location === undefined || location.length > 8192 ? null : URL.parse(location, reply.url);
  if (url === null) throw fail("invalid", `${nameOf("POST", reply.url)}: the answer does not say where the upload goes on`);
  return { url, endpoint: reply.endpoint };
}

async function send(descriptor: Descriptor, upload: Upload, options: UploadOptions): Promise<void> {
  const { session, signal } = options;
  const { digest, size } = descriptor;
  while (size - upload.sent > upload.piece || (upload.sent > 0 && upload.sent < size)) {
    const from = upload.sent;
    const end = Math.min(from + upload.piece, size);
    const headers = { "content-type": "application/octet-stream", "content-range": `${from}-${end - 1}` };
    const reply = await session.request({ method: "PATCH", at: upload.at, can: "push", expect: [202], headers, body: part(descriptor, from, end, options), attempts: 1, answerMs: FINISH_MS, signal });
    reply.drop();
    upload.at = locationOf(reply);
    upload.patched ||= from > 0;
    upload.sent = rangeEnd(reply) ?? end;
    await failpoint("push.chunk");
  }
  const url = new URL(upload.at.url);
  url.searchParams.set("digest", digest);
  const body = part(descriptor, upload.sent, size, options);
  const headers = { "content-type": "application/octet-stream" };
  const reply = await session.request({ method: "PUT", at: { ...upload.at, url }, can: "push", expect: [201, 204], headers, body, attempts: 1, answerMs: FINISH_MS, signal });
  reply.drop();
}

function part({ digest, size }: Descriptor, from: number, end: number, { bytes, tell }: UploadOptions) {
  return {
    length: end - from,
    async *bytes() {
      let at = from;
      if (at === end) return;
      for await (const chunk of bytes(from)) {
        const piece = chunk.length > end - at ? chunk.subarray(0, end - at) : chunk;
        at += piece.length;
        yield piece;
        tell({ kind: "progress", digest, current: at, total: size });
        if (at === end) return;
      }
      throw fail("invalid", `send ${digest}: it ends after ${at} bytes, and has ${size}`);
    },
  };
}

const isCut = (error: unknown): boolean => error instanceof Failure && error.facts["again"] === true;
const isTooLarge = (error: unknown): boolean => error instanceof Failure && error.facts["status"] === 413;

/** How much of a cut upload the registry has; undefined when it knows nothing of it any more. @throws when another attempt would not help */
async function wherever(session: Session, upload: Upload, size: number, attempts: ReturnType<typeof openAttempts>, error: unknown): Promise<Upload | undefined> {
  await attempts.next(error);
  const signal = AbortSignal.timeout(session.limits.idleMs);
  const reply = await session.request({ method: "GET", at: upload.at, can: "push", expect: [204, 200, 202], attempts: 1, signal }).catch(() => undefined);
  if (reply === undefined) return undefined;
  reply.drop();
  const sent = rangeEnd(reply) ?? 0;
  if (sent > size || reply.headers.location === undefined) return undefined;
  if (sent === 0) {
    // Bytes of the cut request may be on their way to the disk yet, and a PUT says not where it belongs: it begins anew.
    await cancel(session, upload);
    return undefined;
  }
  return { at: locationOf(reply), sent, piece: upload.piece, patched: upload.patched || sent > 0 };
}

/** "0-99": a hundred bytes are there. */
function rangeEnd(reply: Reply): number | undefined {
  const match = /^(?:bytes[= ])?0-(\d+)$/.exec(String(reply.headers["range"] ?? ""));
  if (match === null) return undefined;
  const last = Number(match[1]);
  // Of an empty upload a registry says "0-0", as of one byte.
  return last === 0 ? 0 : last + 1;
}

/** So that the registry does not keep what will never be whole. */
async function cancel(session: Session, upload: Upload): Promise<void> {
  const signal = AbortSignal.timeout(Math.min(2000, session.limits.idleMs));
  await session.request({ method: "DELETE", at: upload.at, can: "push", expect: [204, 200, 202], attempts: 1, signal }).then((reply) => reply.drop(), () => undefined);
}
