/** One blob into the content store: where it was cut it goes on, also in another life of the engine. */
import { failpoint } from "#base/failpoint.ts";
import { kindOf } from "#base/errors.ts";
import { release } from "#base/memory.ts";
import type { Content, ResumableWriter } from "#core/content/content.ts";
import type { Descriptor } from "#spec/image.ts";
import type { Endpoint } from "../hosts/endpoints.ts";
import type { Session } from "../session.ts";
import type { FetchEvent, FetchOptions, LayerSink } from "../transfer.ts";
import { isWrong, readBlob } from "./read-blob.ts";

export type BlobFetch = Pick<FetchOptions, "lease" | "signal"> & {
  readonly content: Content;
  readonly session: Session;
  readonly sink: LayerSink | undefined;
  readonly tell: (event: FetchEvent) => void;
};

/**
 * What was wrong is thrown away; if part of it was older, or came of a mirror, it is fetched once more, from the first byte.
 * What is only not whole yet stays for the next attempt.
 */
export async function fetchBlob(descriptor: Descriptor, fetch: BlobFetch): Promise<void> {
  for (let again = true; ; again = false) {
    const writer = await fetch.content.resume(fetch.lease, { digest: descriptor.digest, size: descriptor.size });
    const attempt = { isPatched: writer.offset > 0, host: undefined as Endpoint | undefined };
    try {
      return await fill(descriptor, writer, { ...fetch, sink: again ? fetch.sink : undefined }, attempt);
    } catch (error) {
      if (again) fetch.sink?.abort();
      if (!isWrong(error)) {
        // A full disk is not helped by what could not be stored.
        await (kindOf(error) === "exhausted" ? writer.abort() : writer.suspend());
        throw error;
      }
      await writer.abort();
      const other = attempt.host !== undefined && fetch.session.distrust(attempt.host);
      if (!again || !(attempt.isPatched || other)) throw error;
      fetch.tell({ kind: "retry", digest: descriptor.digest, seconds: 0, reason: error.message });
    }
  }
}

async function fill(descriptor: Descriptor, writer: ResumableWriter, { session, sink, tell, signal }: BlobFetch, attempt: { isPatched: boolean; host: Endpoint | undefined }): Promise<void> {
  const { digest, size } = descriptor;
  const resumedAt = writer.offset;
  let current = resumedAt;
  const report = pace(() => tell({ kind: "progress", digest, current, total: size, resumedAt }));
  for await (const chunk of writer.replay()) {
    signal.throwIfAborted();
    await sink?.write(chunk);
    release(chunk);
  }
  const blob = readBlob(session, descriptor, {
    signal,
    from: resumedAt,
    arrived(bytes) {
      current += bytes;
      report();
    },
    retry: (seconds, reason) => tell({ kind: "retry", digest, seconds, reason }),
    host(endpoint) {
      attempt.isPatched ||= attempt.host !== undefined;
      attempt.host = endpoint;
    },
  });
  for await (const chunk of blob) await Promise.all([writer.write(chunk), sink?.write(chunk)]);
  current = size;
  tell({ kind: "progress", digest, current, total: size, resumedAt });
  tell({ kind: "verifying", digest });
  await failpoint("fetch.commit");
  // Whoever unpacks need not wait for the disk.
  await writer.commit(() => sink?.end(digest));
}

/** At most ten a second. */
function pace(tell: () => void): () => void {
  let last = 0;
  return () => {
    const now = performance.now();
    if (now - last < 100) return;
    last = now;
    tell();
  };
}
