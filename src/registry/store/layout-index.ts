/**
 * `oci-layout` and `index.json`, so that other tools read the store as an OCI layout: each tag is an entry whose
 * `org.opencontainers.image.ref.name` is "REPOSITORY:TAG". It is derived from the tags, written some time after a change,
 * and never read by us. Instances that share a store may each write it: the last one wins, having looked at all tags.
 */
import type { Log } from "#base/log.ts";
import { MEDIA } from "#spec/image.ts";
import type { Storage } from "../storage/storage.ts";
import { openFresh, type Fresh } from "./fresh.ts";
import { catalogPrefix, lastOf, repositoryOf, tagsPrefix } from "./keys.ts";
import { readDescriptor } from "./records.ts";
import type { ManifestDescriptor } from "./store.ts";

export type LayoutIndex = AsyncDisposable & { changed(): void };

/** Changes come together; and looking at all tags may take at most a hundredth of the time. */
const SETTLE_MS = 500;
const SHARE = 100;

export type LayoutParts = { readonly storage: Storage; readonly records: Fresh<ManifestDescriptor>; readonly log: Log };

export function openLayoutIndex(parts: LayoutParts): LayoutIndex {
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let pause = SETTLE_MS;
  const write = async (): Promise<void> => {
    timer = undefined;
    const began = Date.now();
    await writeLayout(parts.storage, parts.records).catch((error: unknown) => parts.log.warn("index.json could not be written", { error }));
    pause = Math.max(SETTLE_MS, (Date.now() - began) * SHARE);
  };
  return {
    changed() {
      timer ??= setTimeout(() => (writing = writing.then(write)), pause).unref();
    },
    async [Symbol.asyncDispose]() {
      const due = timer !== undefined;
      clearTimeout(timer);
      await writing;
      if (due) await write();
    },
  };
}

/** `records`: where descriptors are remembered; without, they are read. */
export async function writeLayout(storage: Storage, records: Fresh<ManifestDescriptor> = openFresh(storage, readDescriptor)): Promise<void> {
  await storage.put("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'), { ifAbsent: true });
  const entries: string[] = [];
  for await (const key of storage.list(catalogPrefix)) {
    const repository = repositoryOf(key);
    for await (const tag of storage.list(tagsPrefix(repository))) {
      const found = await records.get(tag);
      if (found !== undefined) entries.push(entry(found, `${repository}:${lastOf(tag)}`));
    }
  }
  await storage.put("index.json", Buffer.from(`{"schemaVersion":2,"mediaType":"${MEDIA.ociIndex}","manifests":[${entries.join(",\n")}]}`));
}

function entry({ mediaType, digest, size }: ManifestDescriptor, name: string): string {
  return JSON.stringify({ mediaType, digest, size, annotations: { "org.opencontainers.image.ref.name": name } });
}
