/**
 * Files that earlier steps made of contexts: by what they are, at the same path. A layer never changes, so a file that is the
 * same again is another name of it: making 5,000 files costs as much as all the rest of a COPY, linking them a tenth.
 *
 * A container sees that (st_nlink), and cron reads no table that has a second name. So where only few are copied, or where
 * such programs look, each has one name.
 */
import type { Lease } from "#core/leases/leases.ts";
import type { Snapshots } from "#core/snapshots/snapshots.ts";
import type { CopyStep } from "./plan-copy.ts";

export type MadeFiles = ReadonlyMap<string, string>;

export type MadeBefore = {
  /** The layer that has most of these, held by the lease. */
  find(files: MadeFiles, lease: Lease): { readonly tree: string; readonly files: MadeFiles } | undefined;
  remember(snapshot: string, files: MadeFiles): void;
};

/** Steps of which the files are remembered, and files of all. */
const STEPS = 64;
const FILES = 200_000;
/** Fewer files are made as quickly as they are linked. */
export const FEWEST = 200;
const HAVE_ONE_NAME = /^(?:etc|var\/spool)\//;
/** Files that are looked at to tell which layer has most. */
const SAMPLE = 64;

export function openMadeBefore(snapshots: Snapshots): MadeBefore {
  /** By their snapshots, the newest last. */
  const steps = new Map<string, MadeFiles>();
  let total = 0;
  const forget = (snapshot: string) => {
    total -= steps.get(snapshot)?.size ?? 0;
    steps.delete(snapshot);
  };
  return {
    find(files, lease) {
      const paths = [...files.keys()];
      const stride = Math.ceil(paths.length / SAMPLE);
      const sample = Array.from({ length: Math.ceil(paths.length / stride) }, (_, index) => paths[index * stride]!);
      let best: { readonly snapshot: string; readonly files: MadeFiles; readonly count: number } | undefined;
      for (const [snapshot, made] of [...steps].reverse()) {
        const count = sample.filter((path) => made.get(path) === files.get(path)).length;
        if (count > (best?.count ?? 0)) best = { snapshot, files: made, count };
      }
      if (best === undefined) return undefined;
      lease.hold(`snapshot/${best.snapshot}`);
      if (snapshots.stat(best.snapshot) !== undefined) return { tree: snapshots.tree(best.snapshot), files: best.files };
      forget(best.snapshot);
      return undefined;
    },
    remember(snapshot, files) {
      forget(snapshot);
      if (files.size === 0 || files.size > FILES) return;
      steps.set(snapshot, files);
      total += files.size;
      for (const oldest of steps.keys()) if (steps.size > STEPS || total > FILES) forget(oldest);
    },
  };
}

/** What a file of a context will be, without its bytes; undefined for what is not remembered. */
export function describeFile({ entry, mode, owner, path }: Extract<CopyStep, { kind: "file" }>): string | undefined {
  if (entry.digest === undefined || entry.xattrs !== undefined || HAVE_ONE_NAME.test(path)) return undefined;
  return `${entry.digest} ${mode} ${owner.uid}:${owner.gid} ${entry.sec}.${entry.nsec}`;
}
