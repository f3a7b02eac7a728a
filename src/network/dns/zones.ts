/**
 * Zones on the disk, a file a network. A new one takes the old one's name; the old one, which shims have mapped, is marked
 * before that: who sees the mark opens the name anew. An engine that dies in between leaves a marked file under the name,
 * which costs those who ask an open each, until the next engine writes it.
 */
import { readdir } from "node:fs/promises";
import { ERRNO, O } from "#linux/constants.ts";
import type { Op } from "#linux/ops.ts";
import { hasNames, type NamesOptions } from "./dns.ts";
import { buildZone, SUPERSEDED } from "./zone.ts";

export type Zones = {
  path(networkId: string): string;
  publish(networkId: string): Promise<void>;
  restore(): Promise<void>;
};

type Parts = Pick<NamesOptions, "kernel" | "folder" | "attachments">;

export function openZones({ kernel, folder, attachments }: Parts): Zones {
  const path = (networkId: string) => `${folder}/${networkId}`;
  const write = async (networkId: string) => {
    const endpoints = attachments(networkId).filter(hasNames);
    await kernel.perform([
      { op: "mkdir", path: folder, mode: 0o700, tolerate: ERRNO["EEXIST"]! },
      ...(endpoints.length === 0 ? removeOps(path(networkId)) : replaceOps(path(networkId), buildZone(endpoints))),
    ]);
  };

  let changed = new Set<string>();
  let batch: Promise<void> | undefined;
  let last: Promise<void> = Promise.resolve();
  const writeChanged = async () => {
    const networks = changed;
    changed = new Set();
    batch = undefined;
    await Promise.all([...networks].map(write));
  };
  /** Whoever comes before the write begins is in it. */
  const publish = (networkId: string): Promise<void> => {
    changed.add(networkId);
    batch ??= last.then(writeChanged);
    last = batch.catch(() => {});
    return batch;
  };
  return {
    path,
    publish,
    async restore() {
      const written = await readdir(folder).catch(() => []);
      const wanted = new Set(attachments().filter(hasNames).map(({ networkId }) => networkId));
      await kernel.perform(written.filter((name) => !wanted.has(name)).flatMap((name) => removeOps(path(name))));
      await Promise.all([...wanted].map(publish));
    },
  };
}

function replaceOps(path: string, zone: Buffer): Op[] {
  return [
    { op: "writeFile", path: `${path}.new`, flags: O.CREAT | O.TRUNC | O.NOFOLLOW, mode: 0o600, data: zone },
    markOp(path),
    { op: "rename", fromPath: `${path}.new`, path },
  ];
}

const removeOps = (path: string): Op[] => [markOp(path), { op: "unlink", path, tolerate: ERRNO["ENOENT"]! }];

const markOp = (path: string): Op => ({ op: "writeFile", path, flags: O.NOFOLLOW, data: SUPERSEDED, tolerate: ERRNO["ENOENT"]!, note: "superseded" });
