/**
 * For races.test.ts: lanes that load, tag, remove, prune, save and run images side by side, over the same few layers, while
 * a collection is always under way. What a lane has named, and what its containers stand on, must be whole at any time.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { messageOf } from "#base/errors.ts";
import { openLog } from "#base/log.ts";
import { openTestKernel } from "#core/core-fixture.ts";
import { type Core, openCore } from "#core/core.ts";
import type { Digest } from "#spec/digest.ts";
import { openTrust } from "#transfer/trust/trust.ts";
import { dockerArchive, load, plainLayer, save } from "./images-fixture.ts";
import { type EngineImages, openImages } from "./images.ts";

export type Race = { readonly seed: number; readonly lanes: number; readonly steps: number };

type Ground = { readonly core: Core; readonly images: EngineImages; readonly used: Map<string, { running: boolean; ids: string[] }> };

/** Archives that share layers, so that one's garbage is another's need. */
const ARCHIVES = Array.from({ length: 6 }, (_, at) => [plainLayer("base"), plainLayer(`middle ${at % 3}`), ...(at < 3 ? [] : [plainLayer(`top ${at}`)])]);

/** Steps that were done, by kind. @throws the first thing that was not as it must be */
export async function race({ seed, lanes, steps }: Race): Promise<Record<string, number>> {
  const root = mkdtempSync("/dev/shm/gantry-race-");
  try {
    await using kernel = await openTestKernel();
    await using core = await openCore({ root, kernel, driver: "overlay" });
    const used: Ground["used"] = new Map();
    const trust = await openTrust({ path: undefined, log: openLog({ level: "fatal", format: "text" }), refused: () => undefined });
    const images = openImages({ core, trust, users: { usedImages: () => used, usedManifests: () => new Map() }, publish: () => undefined });
    const ground = { core, images, used };
    const counts: Record<string, number> = {};
    let on = true;
    const collecting = (async () => {
      for (; on; counts["collect"] = (counts["collect"] ?? 0) + 1) {
        await core.collect();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const ends = await Promise.allSettled(Array.from({ length: lanes }, (_, at) => lane(ground, `l${at}`, randomOf(seed * 1000 + at), steps, counts)));
    on = false;
    await collecting;
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    // Forced removals left images without a name, for containers that are gone now.
    await images.prune(new Map());
    await assertWhole(core);
    assert.deepEqual([core.images.list(), core.content.list(), core.snapshots.list()], [[], [], []], "all was removed, nothing is left");
    return counts;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** What one lane has: names, and containers with the image they were made of. */
type Own = { readonly names: Map<string, number>; readonly containers: Map<string, string>; next: number };

async function lane(ground: Ground, name: string, random: (below: number) => number, steps: number, counts: Record<string, number>): Promise<void> {
  const own: Own = { names: new Map(), containers: new Map(), next: 0 };
  const kinds = Object.entries(STEPS);
  for (let step = 0; step < steps; step++) {
    const [kind, act] = kinds[random(kinds.length)]!;
    try {
      await act(ground, own, name, random);
      await look(ground, own, random);
    } catch (error) {
      throw new Error(`${name}, step ${step} (${kind}): ${messageOf(error)}`, { cause: error });
    }
    counts[kind] = (counts[kind] ?? 0) + 1;
  }
  for (const id of own.containers.keys()) await removeContainer(ground, own, id);
  for (const tag of own.names.keys()) await removeName(ground, own, tag);
}

type Step = (ground: Ground, own: Own, lane: string, random: (below: number) => number) => Promise<void>;

const pick = <T>(items: readonly T[], random: (below: number) => number): T | undefined => items[random(items.length)];

const STEPS: Readonly<Record<string, Step>> = {
  async load({ images }, own, lane, random) {
    const which = random(ARCHIVES.length);
    const tag = `${lane}:${random(4)}`;
    await load(images, dockerArchive([{ tags: [tag], layers: ARCHIVES[which]!, compress: which % 2 === 0 }]));
    own.names.set(tag, which);
  },
  async tag({ images }, own, lane, random) {
    const from = pick([...own.names.keys()], random);
    if (from === undefined) return;
    const to = `${lane}:${random(4)}`;
    await images.tag(from, to);
    own.names.set(to, own.names.get(from)!);
  },
  async remove(ground, own, _lane, random) {
    const tag = pick([...own.names.keys()], random);
    if (tag !== undefined) await removeName(ground, own, tag);
  },
  async prune({ images }) {
    // One at a time, as Docker has it.
    await images.prune(new Map()).catch((error: unknown) => assert.equal(messageOf(error), "a prune operation is already running"));
  },
  list: async ({ images }) => void (await images.list({ all: true, filters: new Map(), sharedSize: true, manifests: true })),
  /** As containers/create.ts does it; of any lane's image, which that lane may remove just now. */
  async run({ core, images, used }, own, lane, random) {
    const tag = random(2) === 0 ? pick([...own.names.keys()], random) : `l${random(8)}:${random(4)}`;
    if (tag === undefined) return;
    using lease = core.leases.open();
    const image = await images.resolve(tag, { lease }).catch((error: unknown) => {
      // The one answer that there may be beside the image.
      if (messageOf(error) === `No such image: ${tag}`) return undefined;
      throw error;
    });
    if (image === undefined) return;
    const id = `${lane}-c${own.next++}`;
    await core.snapshots.prepare(id, image.snapshot, { init: true });
    own.containers.set(id, image.id);
    const before = used.get(image.id)?.ids ?? [];
    used.set(image.id, { running: false, ids: [...before, id] });
  },
  async rm(ground, own, _lane, random) {
    const id = pick([...own.containers.keys()], random);
    if (id !== undefined) await removeContainer(ground, own, id);
  },
  async save({ images }, own, _lane, random) {
    const tag = pick([...own.names.keys()], random);
    if (tag !== undefined) assert.ok((await save(images, [tag])).length > 1000);
  },
};

async function removeName({ images }: Ground, own: Own, tag: string): Promise<void> {
  own.names.delete(tag);
  await images.remove(tag, { force: true, noprune: false });
}

async function removeContainer({ core, used }: Ground, own: Own, id: string): Promise<void> {
  const image = own.containers.get(id)!;
  own.containers.delete(id);
  await core.snapshots.remove(id);
  const left = (used.get(image)?.ids ?? []).filter((one) => one !== id);
  if (left.length === 0) used.delete(image);
  else used.set(image, { running: false, ids: left });
}

/** One thing that the lane has is there to the last byte and folder; over many steps, all of it. */
async function look({ core, images }: Ground, own: Own, random: (below: number) => number): Promise<void> {
  const tag = pick([...own.names.keys()], random);
  if (tag !== undefined) {
    const record = await images.get(tag);
    const manifest = JSON.parse((await core.content.read(record.id as Digest)).toString()) as { config: { digest: Digest }; layers: { digest: Digest }[] };
    for (const { digest } of [manifest.config, ...manifest.layers]) await core.content.read(digest);
  }
  const id = pick([...own.containers.keys()], random);
  if (id !== undefined) {
    const mounts = core.snapshots.mounts(id);
    assert.ok(mounts.type === "overlay" && mounts.lower.length >= 3);
    for (const folder of mounts.lower) assert.ok(existsSync(folder), `${id}: ${folder} is gone`);
  }
}

async function assertWhole(core: Core): Promise<void> {
  const signal = new AbortController().signal;
  for await (const finding of core.check({ repair: false, signal })) {
    if (finding.kind === "problem") assert.fail(`${finding.problem.subject}: ${finding.problem.text}`);
  }
}

/** A number below, the same for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed % 2 ** 31;
  return (below) => Math.floor(((state = (state * 1103515245 + 12345) % 2 ** 31) / 2 ** 31) * below);
}
