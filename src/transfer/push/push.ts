/** Sends an image: its blobs side by side, then its manifests, its index last. See transfer.ts. */
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Content } from "#core/content/content.ts";
import type { Descriptor } from "#spec/image.ts";
import { readDocument } from "../fetch/documents.ts";
import type { Limit } from "../fetch/limit.ts";
import { readBlob } from "../fetch/read-blob.ts";
import { nameOf } from "../http/exchange.ts";
import type { Session } from "../session.ts";
import type { CopyOptions, PushEvent, PushOptions, Remote } from "../transfer.ts";
import { chooseTree } from "./choose.ts";
import { blobsOf, documentsOf, readTree, type Tree } from "./graph.ts";
import { listReferrer } from "./list-referrer.ts";
import { type BlobBytes, uploadBlob } from "./upload.ts";

export type PushParts = { readonly content: Content; readonly uploads: Limit };

export async function pushImage({ content, uploads }: PushParts, remote: Remote, target: Descriptor, options: PushOptions): Promise<Descriptor> {
  const tree = await readTree({
    has: ({ digest }) => content.stat(digest) !== undefined,
    read: async ({ digest }) => (content.stat(digest) === undefined ? undefined : content.read(digest)),
  }, target);
  if (tree === undefined) throw fail("not-found", `push ${target.digest}: it is not here`);
  return sendTree(uploads, remote.session, chooseTree(tree, options.platforms), { ...options, bytes: ({ digest }) => (from) => content.stream(digest, from) });
}

export async function copyImage(uploads: Limit, from: Remote, target: Descriptor, to: Remote, options: CopyOptions): Promise<Descriptor> {
  const { signal } = options;
  const tree = await readTree({
    has: () => true,
    read: async ({ digest }) => (await readDocument(from.session, digest, signal)).bytes,
  }, target);
  if (tree === undefined) throw fail("not-found", `copy ${target.digest}: it is not there`);
  const sources = () => (from.repository.registry === to.repository.registry ? [from.repository.path] : []);
  return sendTree(uploads, to.session, chooseTree(tree, options.platforms), { ...options, sources, bytes: (blob) => (at) => readBlob(from.session, blob, { signal, from: at, own: true }) });
}

type SendOptions = PushOptions & { readonly bytes: (blob: Descriptor) => BlobBytes };

async function sendTree(uploads: Limit, session: Session, tree: Tree, options: SendOptions): Promise<Descriptor> {
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const tell = (event: PushEvent) => options.progress?.(event);
  const blobs = blobsOf(tree);
  for (const descriptor of blobs) tell({ kind: "blob", descriptor });
  const work = blobs.map((blob) => uploads.run(session.settings.maxUploads, signal, () => {
    return uploadBlob(blob, { session, bytes: options.bytes(blob), sources: options.sources?.(blob.digest) ?? [], signal, tell });
  }).catch((error: unknown) => {
    stop.abort(error);
    throw error;
  }));
  const ends = await Promise.allSettled(work);
  options.signal.throwIfAborted();
  if (ends.some(({ status }) => status === "rejected")) throw stop.signal.reason;
  await failpoint("push.manifests");
  for (const document of documentsOf(tree)) await putDocument(session, document, document === tree ? options.tag : undefined, options);
  return tree.descriptor;
}

export async function putDocument(session: Session, { descriptor, bytes }: Pick<Tree, "descriptor" | "bytes">, tag: string | undefined, { signal, progress }: Pick<PushOptions, "signal" | "progress">): Promise<void> {
  const body = { length: bytes.length, bytes: () => [Buffer.from(bytes)] };
  const headers = { "content-type": descriptor.mediaType };
  const reply = await session.request({ method: "PUT", at: `manifests/${tag ?? descriptor.digest}`, can: "push", expect: [201, 200, 202, 204], headers, body, signal });
  reply.drop();
  const stored = reply.headers["docker-content-digest"];
  if (stored !== undefined && stored !== descriptor.digest) throw fail("invalid", `${nameOf("PUT", reply.url)}: the registry stored it as ${String(stored).slice(0, 100)}, not as ${descriptor.digest}`);
  await listReferrer(session, { descriptor, bytes }, reply.headers["oci-subject"] !== undefined, signal);
  progress?.({ kind: "manifest", descriptor, tag });
}

