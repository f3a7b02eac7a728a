/**
 * `npm run bench`: Gantry beside each peer on this machine. The same work, in turn, in one run, through the official
 * client for both engines; medians. Prints ratios; writes bench/results.json and bench/chart.svg.
 * Arguments choose rows by id: `npm run bench -- exec load`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";
import { onPath } from "../test/packages.ts";
import { bestOf, chart } from "./chart.ts";
import { openBuildah, openBuildKit, openDockerd, openGantry, openPodman, openRunc, type Contestant } from "./contestants.ts";
import { makeFixtures, type Fixtures } from "./fixtures.ts";
import { rows, type Row } from "./rows.ts";

export type Measured = { row: Pick<Row, "id" | "title" | "unit" | "must" | "goal" | "absolute" | "moreIsBetter" | "best">; values: Record<string, number>; missing: Record<string, string> };

if (process.getuid?.() !== 0 || !onPath("docker")) {
  process.stderr.write("bench: root and the official docker client are needed: both engines are measured through it\n");
  process.exit(1);
}
const chosen = process.argv.slice(2);
const folder = mkdtempSync("/tmp/bench-");
try {
  await bench(rows.filter(({ id }) => chosen.length === 0 || chosen.includes(id)));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bench(wanted: readonly Row[]): Promise<void> {
  const fixtures = makeFixtures(folder);
  await using stack = new AsyncDisposableStack();
  const all: Contestant[] = [];
  const needed = new Set(["gantry", "dockerd", ...wanted.flatMap(({ also = [] }) => also)]);
  const openers: Record<string, () => Promise<Contestant | undefined>> = {
    gantry: openGantry,
    dockerd: openDockerd,
    podman: openPodman,
    runc: () => openRunc(fixtures.rootfs),
    buildkit: () => openBuildKit(all.find(({ name }) => name === "dockerd")),
    buildah: openBuildah,
  };
  for (const [name, open] of Object.entries(openers)) {
    const who = needed.has(name) ? await open() : undefined;
    if (who !== undefined) all.push(stack.use(who));
  }
  for (const who of all) if (!["runc", "buildkit"].includes(who.name)) await who.run("load", "-q", "-i", fixtures.busybox);
  process.stdout.write(`${all.map(({ name, version }) => `${name} ${version}`).join(", ")}\n\n`);
  const measured: Measured[] = [];
  for (const row of wanted) {
    const result = await measureRow(row, all, fixtures);
    measured.push(result);
    process.stdout.write(`${line(result)}\n`);
  }
  const machine = { cpus: cpus().length, model: cpus()[0]?.model, memory: `${Math.round(totalmem() / 1024 ** 3)} GB`, kernel: release() };
  const versions = Object.fromEntries(all.map(({ name, version }) => [name, version]));
  if (chosen.length > 0) return;
  writeFileSync(join(import.meta.dirname, "results.json"), `${JSON.stringify({ date: new Date().toISOString().slice(0, 10), machine, versions, rows: measured }, undefined, 2)}\n`);
  writeFileSync(join(import.meta.dirname, "chart.svg"), chart(measured));
}

/** Rounds alternate between contestants, so that what else the machine does falls on all of them. */
async function measureRow(row: Row, all: readonly Contestant[], fixtures: Fixtures): Promise<Measured> {
  const values: Record<string, number> = {};
  const missing: Record<string, string> = {};
  const samples = new Map<Contestant, number[]>();
  for (const who of all.filter(({ name }) => ["gantry", "dockerd", ...(row.also ?? [])].includes(name))) {
    const why = row.missing?.(fixtures) ?? (await attempt(() => row.prepare?.(who, fixtures)));
    if (why === undefined) samples.set(who, []);
    else missing[who.name] = why;
  }
  for (let round = -1; round < row.rounds; round++) {
    for (const [who, times] of samples) {
      const why = await attempt(async () => {
        const value = await row.measure(who, fixtures);
        // The round before the first warms up; a row that is measured once needs none.
        if (round >= 0 || row.rounds === 1) times.push(value);
      });
      if (why !== undefined) {
        missing[who.name] = why;
        samples.delete(who);
      }
    }
    if (row.rounds === 1) break;
  }
  for (const [who, times] of samples) {
    values[who.name] = median(times);
    await attempt(() => row.finish?.(who));
  }
  const { id, title, unit, must, goal } = row;
  return { row: { id, title, unit, must, goal, ...(row.absolute && { absolute: true }), ...(row.moreIsBetter && { moreIsBetter: true }), ...(row.best && { best: true }) }, values, missing };
}

async function attempt(work: () => Promise<void> | undefined): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split("\n")[0]?.slice(0, 200) : String(error);
  }
}

function line({ row, values, missing }: Measured): string {
  const shown = Object.entries(values).map(([name, value]) => `${name} ${format(value)} ${row.unit}`);
  const absent = Object.entries(missing).map(([name, why]) => `${name}: ${why}`);
  return `${row.title}\n  ${[...shown, ...absent].join("   ")}\n  ${verdict({ row, values, missing })}`;
}

function verdict({ row, values }: Measured): string {
  const ours = values["gantry"];
  const theirs = row.best ? bestOf(values) : values["dockerd"];
  if (ours === undefined) return "not measured";
  if (theirs === undefined && !row.absolute) return "no dockerd to compare with";
  const ratio = row.absolute ? ours : ours / (theirs as number);
  const meets = (limit: number): boolean => (row.moreIsBetter ? ratio >= limit : ratio <= limit);
  const sign = row.moreIsBetter ? "≥" : "≤";
  const value = row.absolute ? `${format(ours)} ${row.unit}` : `ratio ${ratio.toFixed(3)}`;
  return `${value}: must ${sign} ${row.must} (${meets(row.must) ? "yes" : "NO"}), goal ${sign} ${row.goal} (${meets(row.goal) ? "yes" : "no"})`;
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
