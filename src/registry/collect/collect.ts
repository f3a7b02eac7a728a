/**
 * Collection: takes away what nothing needs, while pushes and pulls go on, in any number of instances.
 *
 *     const report = await collect(storage, settings.collect, { dryRun: false, log });
 *
 * Mark: what tags (that retention keeps) lead to, over indexes, configurations, layers, and referrers to their subjects.
 * Sweep: what is not marked and older than the grace: first links within each repository, then bytes that no repository has.
 * What is taken is first put where it can be had back, then looked for once more: docs/design/registry.md says why no push
 * can lose anything to it.
 */
import { randomBytes } from "node:crypto";
import { fail } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { CollectSettings } from "../open-registry.ts";
import type { Storage } from "../storage/storage.ts";
import { catalogPrefix, repositoryOf, uploadsPrefix } from "../store/keys.ts";
import { collectBytes } from "./collect-bytes.ts";
import { collectRepository, makeGood } from "./collect-repository.ts";
import { compileRetention } from "./retention.ts";

export type Report = { tags: number; manifests: number; links: number; blobs: number; bytes: number; uploads: number };

export type CollectOptions = {
  readonly dryRun: boolean;
  readonly log: Log;
  readonly now?: () => number;
  /** Told of each thing that goes. */
  readonly say?: (text: string) => void;
};

/** What the parts of one collection share. */
export type Collection = Required<CollectOptions> & {
  readonly storage: Storage;
  readonly settings: CollectSettings;
  readonly report: Report;
  /** Links that a dry run left where they are. */
  readonly left: Set<string>;
  /** To be called from time to time, and before anything is taken. @throws conflict when another collection took over */
  hold(): Promise<void>;
};

/** Undefined: another instance collects. */
export async function collect(storage: Storage, settings: CollectSettings, options: CollectOptions): Promise<Report | undefined> {
  const report: Report = { tags: 0, manifests: 0, links: 0, blobs: 0, bytes: 0, uploads: 0 };
  const shared = { now: Date.now, say: () => {}, ...options, storage, settings, report, left: new Set<string>() };
  if (options.dryRun) return await perform({ ...shared, hold: async () => {} });
  const turn = await takeTurn(storage);
  if (turn === undefined) return undefined;
  try {
    const collection: Collection = { ...shared, hold: turn.hold };
    await makeGood(collection);
    return await perform(collection);
  } finally {
    await turn.end();
  }
}

async function perform(collection: Collection): Promise<Report> {
  const retention = compileRetention(collection.settings.retention);
  for await (const key of collection.storage.list(catalogPrefix)) {
    await collection.hold();
    await collectRepository(collection, repositoryOf(key), retention);
  }
  await collectUploads(collection);
  await collectBytes(collection);
  return collection.report;
}

async function collectUploads({ storage, settings, report, dryRun, now, say }: Collection): Promise<void> {
  for await (const { key, size, modified } of storage.uploads(uploadsPrefix)) {
    if (now() - modified.getTime() < settings.uploadsMs) continue;
    say(`upload of ${size} bytes, not continued since ${modified.toISOString()}`);
    report.uploads++;
    if (!dryRun) await storage.dropUpload(key);
  }
}

const TURN = "collect/running";
/** Whoever has not renewed it for so long is gone. */
const TURN_MS = 10 * 60_000;
const RENEW_MS = 30_000;

/** One collection at a time: each relies on its own notes. */
async function takeTurn(storage: Storage): Promise<{ hold(): Promise<void>; end(): Promise<void> } | undefined> {
  const name = randomBytes(8);
  if (!(await storage.put(TURN, name, { ifAbsent: true }))) {
    const other = await storage.stat(TURN);
    if (other !== undefined && Date.now() - other.modified.getTime() < TURN_MS) return undefined;
    await storage.put(TURN, name);
  }
  const isOurs = async (): Promise<boolean> => {
    const holder = await storage.read(TURN);
    return holder !== undefined && name.equals(holder);
  };
  let held = Date.now();
  return {
    async hold() {
      if (Date.now() - held < RENEW_MS) return;
      if (!(await isOurs())) throw fail("conflict", "collect: another collection has taken over");
      await storage.renew(TURN);
      held = Date.now();
    },
    async end() {
      if (await isOurs()) await storage.delete(TURN);
    },
  };
}
