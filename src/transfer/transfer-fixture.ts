/** For tests: a registry client over a content store of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import type { TestContext } from "node:test";
import { Failure, type Kind } from "#base/errors.ts";
import { openLog } from "#base/log.ts";
import { openDatabase } from "#base/sqlite.ts";
import { openContent, type ContentStore } from "#core/content/store.ts";
import { openLeases, type Lease, type Leases } from "#core/leases/leases.ts";
import { openTransfer } from "./open-transfer.ts";
import type { Credentials, FetchEvent, FetchOptions, Limits, Remote, Transfer, TransferSettings } from "./transfer.ts";

export const SETTINGS: TransferSettings = {
  insecureRegistries: [], mirrors: [], hostFolders: [], proxies: { http: "", https: "", no: "" }, maxDownloads: 3, maxUploads: 5, maxAttempts: 5,
};

/** Waits of a test: short, and long enough for a machine with other work. */
export const QUICK: Partial<Limits> = { connectMs: 5000, idleMs: 5000, backoffMs: 5 };

/** All that a content store needs of the database. */
const BLOBS = "CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, created INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

export type TestTransfer = {
  readonly transfer: Transfer;
  readonly content: ContentStore;
  readonly leases: Leases;
  readonly folder: string;
  /** What was logged, at every level. */
  readonly logged: string[];
  open(host: string, path: string, credentials?: Credentials): Remote;
  /** Resolves and fetches; the digests that the lease holds stay until the test ends. */
  pull(remote: Remote, tag: string, options?: Partial<FetchOptions>): Promise<{ events: FetchEvent[]; lease: Lease; digest: string }>;
};

export async function testTransfer(t: TestContext, settings: Partial<TransferSettings> = {}, limits: Partial<Limits> = {}): Promise<TestTransfer> {
  const folder = await mkdtemp("/tmp/gantry-transfer-");
  const db = openDatabase(`${folder}/db`, { migrations: [BLOBS] });
  const content = await openContent(db, `${folder}/content`);
  const logged: string[] = [];
  const log = openLog({ level: "debug", write: (line) => void logged.push(line) });
  const transfer = openTransfer({ settings: () => ({ ...SETTINGS, ...settings }), content, log, limits: { ...QUICK, ...limits } });
  const leases = openLeases();
  t.after(async () => {
    await transfer[Symbol.asyncDispose]();
    db.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    transfer, content, leases, folder, logged,
    open: (registry, path, credentials) => transfer.open({ registry, path }, { credentials }),
    async pull(remote, tag, options = {}) {
      const signal = options.signal ?? new AbortController().signal;
      const events: FetchEvent[] = [];
      const lease = options.lease ?? leases.open();
      const { descriptor } = await remote.resolve(tag, signal);
      await transfer.fetch(remote, descriptor, { platforms: [{ os: "linux", architecture: "amd64" }], progress: (event) => void events.push(event), ...options, lease, signal });
      return { events, lease, digest: descriptor.digest };
    },
  };
}

export const failure = (kind: Kind, message: RegExp) => (error: unknown): boolean => {
  if (error instanceof Failure && error.kind === kind && message.test(error.message)) return true;
  throw error;
};

export const password = (username: string, secret: string): Credentials => ({ kind: "password", username, password: secret });
export const never = (): AbortSignal => new AbortController().signal;
