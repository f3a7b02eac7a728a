/**
 * Blobs of copies. One that is not here is fetched once, however many ask; whoever asks gets its bytes as they come, and it
 * is kept when it is whole. That all who asked have gone away does not end it: somebody will ask again.
 */
import { randomBytes } from "node:crypto";
import { fail, messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Digest } from "#spec/digest.ts";
import type { Store, StoredBlob } from "../store/store.ts";
import { openBroadcast, type Broadcast } from "./broadcast.ts";
import { openFlights } from "./flights.ts";
import { isRefusal } from "./manifests.ts";
import type { Copy } from "./upstreams.ts";

export type CopiedBlobs = { get(copy: Copy, repository: string, digest: Digest): Promise<StoredBlob | undefined> };

const ASK_MS = 30_000;
const MOST_NOTED = 50_000;

export function openBlobs(inner: Store, { ended, log }: { ended: AbortSignal; log: Log }): CopiedBlobs {
  const running = new Map<string, Broadcast>();
  /** Of blobs that are asked for twice, by HEAD and by GET. */
  const sizes = new Map<string, number>();
  /** A copy that has the blob: another one whose upstream has it, too, need not fetch it again. */
  const homes = new Map<Digest, string>();

  const asking = openFlights<number | undefined>();
  const sizeOf = async ({ remote }: Copy, key: string, digest: Digest): Promise<number | undefined> => {
    const size = sizes.get(key) ?? (await asking(key, () => remote.blobSize(digest, AbortSignal.any([ended, AbortSignal.timeout(ASK_MS)]))));
    if (size === undefined) return undefined;
    note(sizes, key, size);
    return size;
  };

  const start = (copy: Copy, repository: string, digest: Digest, size: number): Broadcast => {
    const key = `${repository}@${digest}`;
    const broadcast = openBroadcast();
    running.set(key, broadcast);
    const source = copy.remote.blob({ mediaType: "application/octet-stream", digest, size }, ended);
    void keep(inner, repository, digest, source, broadcast)
      .then(() => note(homes, digest, repository))
      .catch((error: unknown) => {
        log.warn("upstream: a blob could not be had", { repository, digest, error: messageOf(error) });
        broadcast.fail(error);
      })
      .finally(() => {
        running.delete(key);
        sizes.delete(key);
      });
    return broadcast;
  };

  return {
    async get(copy, repository, digest) {
      const have = await inner.blob(repository, digest);
      if (have !== undefined) {
        note(homes, digest, repository);
        return have;
      }
      const key = `${repository}@${digest}`;
      const size = await sizeOf(copy, key, digest).catch((error: unknown) => {
        if (isRefusal(error)) return undefined;
        throw error;
      });
      if (size === undefined) return undefined;
      const home = homes.get(digest);
      if (home !== undefined && home !== repository && (await inner.mountBlob(repository, digest, home))) return await inner.blob(repository, digest);
      return {
        size,
        async open(range = { start: 0, end: size }) {
          const stored = async function* (rest: { start: number; end: number }) {
            const found = await inner.blob(repository, digest);
            if (found === undefined) throw fail("unavailable", `read ${digest}: it was taken away while it was read`);
            yield* await found.open(rest);
          };
          const broadcast = running.get(key) ?? ((await inner.blob(repository, digest)) === undefined ? (running.get(key) ?? start(copy, repository, digest, size)) : undefined);
          return broadcast === undefined ? stored(range) : broadcast.read(range, stored);
        },
      };
    },
  };
}

function note<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_NOTED) map.delete(map.keys().next().value as K);
}

/** The last chunk is told only when everything is verified and stored: nobody gets the whole of what is wrong. */
async function keep(inner: Store, repository: string, digest: Digest, source: AsyncIterable<Buffer>, broadcast: Broadcast): Promise<void> {
  const id = randomBytes(32).toString("hex");
  let held: Buffer | undefined;
  await inner.uploads.start(repository, id);
  const told = async function* () {
    for await (const chunk of source) {
      if (held !== undefined) await broadcast.publish(held);
      held = chunk;
      yield chunk;
    }
  };
  try {
    await inner.uploads.finish(id, repository, digest, told());
  } catch (error) {
    await inner.uploads.cancel(id).catch(() => {});
    throw error;
  }
  broadcast.end();
  if (held !== undefined) await broadcast.publish(held);
}
