/** For tests: a core over a folder of its own, and what is needed to look at it. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { sha256 } from "#base/digest.ts";
import { tarArchive } from "#base/tar-write.ts";
import { openKernel } from "#linux/host.ts";
import type { Kernel } from "#linux/linux.ts";
import { MEDIA } from "#spec/image.ts";
import { type Core, openCore } from "./core.ts";
import type { Layer } from "./layers/layers.ts";
import type { Lease } from "./leases/leases.ts";

export const cell = fileURLToPath(new URL("../../build/cell", import.meta.url));

/** What is acquired last goes first; `t.after` has it the other way round. */
export function cleanup(t: TestContext): AsyncDisposableStack {
  const known = stacks.get(t);
  if (known !== undefined) return known;
  const stack = new AsyncDisposableStack();
  stacks.set(t, stack);
  t.after(() => stack.disposeAsync());
  return stack;
}

const stacks = new WeakMap<TestContext, AsyncDisposableStack>();

export const openTestKernel = (): Promise<Kernel> => openKernel({ cell });

export async function testKernel(t: TestContext): Promise<Kernel> {
  return cleanup(t).use(await openTestKernel());
}

export async function testFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp("/tmp/gantry-core-");
  cleanup(t).defer(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function testCore(t: TestContext, driver: "overlay" | "vfs" = "overlay"): Promise<Core & { kernel: Kernel }> {
  const root = await testFolder(t);
  const kernel = await testKernel(t);
  const core = cleanup(t).use(await openCore({ root, kernel, driver }));
  return { ...core, kernel };
}

type Entries = Parameters<typeof tarArchive>[0];

/** Stores an archive of these entries as a layer. */
export async function storeLayer(core: Core, lease: Lease, entries: Entries, compress = true): Promise<Layer> {
  const archive = tarArchive(entries);
  const bytes = compress ? gzipSync(archive) : archive;
  const { digest, size } = await core.content.ingest(lease, [bytes]);
  return { descriptor: { mediaType: compress ? MEDIA.ociLayerGzip : MEDIA.ociLayer, digest, size }, diffId: sha256(archive) };
}

/** What a data root holds besides the database: to see that nothing is left. */
export async function leftOvers(root: string): Promise<{ blobs: string[]; ingests: string[]; snapshots: string[] }> {
  const list = async (...path: string[]) => (await readdir(join(root, ...path))).toSorted();
  return { blobs: await list("content", "blobs", "sha256"), ingests: await list("content", "ingest"), snapshots: (await list("snapshots")).filter((name) => name !== "init") };
}

export const randomText = (size: number): string => randomBytes(size / 2).toString("hex");
