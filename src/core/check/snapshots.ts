/** Step 3: each snapshot's folder and parent are there, a layer has as many files as it was made with, and no other folder is. */
import type { Snapshot } from "../snapshots/snapshots.ts";
import { BUSY, type Checking, type Findings, problem, type Repair } from "./open-check.ts";

export async function* checkSnapshots(checking: Checking): Findings {
  const { snapshots, counts, options } = checking;
  const all = snapshots.list();
  for (const snapshot of all) {
    options.signal.throwIfAborted();
    counts.snapshots++;
    const wrong = await wrongWith(checking, snapshot);
    if (wrong !== undefined) yield await problem(checking, "snapshots", snapshot.name, wrong, () => removeDamaged(checking, snapshot));
    yield { kind: "step", step: "snapshots", current: counts.snapshots, total: all.length };
  }
  yield* checkFolders(checking);
}

async function wrongWith({ snapshots }: Checking, { name, kind, parent, usage }: Snapshot): Promise<string | undefined> {
  const base = parent === undefined ? undefined : snapshots.stat(parent);
  if (parent !== undefined && base === undefined && snapshots.stat(name) !== undefined) return `its parent ${parent} is missing`;
  if (base !== undefined && base.kind !== "committed") return `its parent ${parent} is not committed`;
  if (kind === "view") return undefined;
  const found = await measure(snapshots, name);
  if (snapshots.stat(name) === undefined) return undefined;
  if (found === undefined) return "its folder is missing";
  // The number of bytes depends on how the file system keeps them; the number of files does not.
  if (kind === "committed" && found.inodes !== usage.inodes) return `its folder has ${found.inodes} files, it was made with ${usage.inodes}`;
  return undefined;
}

/** Gone between the list and now: nothing to measure. */
async function measure(snapshots: Checking["snapshots"], name: string) {
  return snapshots.stat(name) === undefined ? undefined : await snapshots.measure(name);
}

/** A layer is unpacked again when it is needed, with all on top of it; what is a container's own cannot be had again. */
async function removeDamaged({ db, snapshots, held }: Checking, snapshot: Snapshot): Promise<Repair> {
  const doomed = withChildren(snapshots.list(), snapshot);
  const own = doomed.find(({ kind }) => kind !== "committed");
  if (own !== undefined) return { left: `it is what ${own.name.slice(0, 12)} stands on; remove that first` };
  if (doomed.some(({ name }) => held(`snapshot/${name}`))) return BUSY;
  await db.write(() => doomed.forEach(({ name }) => snapshots.drop(name)));
  await snapshots.removeFolders(doomed.map(({ id }) => id));
  return { repaired: "removed: the layer is unpacked again when it is needed" };
}

function withChildren(all: readonly Snapshot[], root: Snapshot): Snapshot[] {
  const doomed = [root];
  for (const parent of doomed) doomed.push(...all.filter((one) => one.parent === parent.name));
  return doomed;
}

async function* checkFolders(checking: Checking): Findings {
  const { snapshots, collector } = checking;
  const stray = async (): Promise<number[]> => {
    const { all, underWay } = await snapshots.folders();
    const known = new Set(snapshots.list().map(({ id }) => id));
    return all.filter((id) => !known.has(id) && !underWay.has(id));
  };
  const suspects = await stray();
  if (suspects.length === 0) return;
  await collector.idle();
  const still = new Set(await stray());
  for (const id of suspects.filter((one) => still.has(one))) {
    yield await problem(checking, "snapshots", `snapshots/${id}`, "a folder that no row names", async () => {
      await snapshots.removeFolders([id]);
      return { repaired: "removed" };
    });
  }
}
