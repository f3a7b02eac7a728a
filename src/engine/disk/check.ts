/** The whole check: the core's, then what stands on it: containers and volumes. */
import { lstat } from "node:fs/promises";
import type { Counts, Finding, Problem } from "#core/check/check.ts";
import type { DiskParts } from "./disk.ts";

type Options = { readonly repair: boolean; readonly signal: AbortSignal };

export async function* checkAll(parts: DiskParts, options: Options): AsyncGenerator<Finding> {
  let counts: Counts | undefined;
  for await (const finding of parts.core.check(options)) {
    if (finding.kind === "end") counts = finding.counts;
    else yield finding;
  }
  let problems = 0;
  for await (const problem of problemsAbove(parts)) {
    problems++;
    yield { kind: "problem", problem: options.repair ? { ...problem, left: "remove it: what it held is lost" } : problem };
  }
  yield { kind: "end", counts: { ...counts!, problems: counts!.problems + problems } };
}

async function* problemsAbove({ core, containers, volumes }: DiskParts): AsyncGenerator<Problem> {
  const trees = new Set(core.snapshots.list().filter(({ kind }) => kind === "active").map(({ name }) => name));
  const records = await containers.list({ all: true, filters: new Map() });
  for (const { id, name, snapshotKey } of records) {
    // Made or removed since the list: asked again.
    if (!trees.has(snapshotKey) && core.snapshots.stat(snapshotKey) === undefined && (await isThere(containers, id))) {
      yield { step: "snapshots", subject: `container ${name} (${id.slice(0, 12)})`, text: "it has no tree of its own" };
    }
  }
  for (const { name, mountpoint, driver } of volumes.list(new Map())) {
    if (driver !== "local") continue;
    const found = await lstat(mountpoint).catch(() => undefined);
    if (found?.isDirectory() === true || !volumes.list(new Map()).some((one) => one.name === name)) continue;
    yield { step: "snapshots", subject: `volume ${name}`, text: "its folder is missing" };
  }
}

async function isThere(containers: DiskParts["containers"], id: string): Promise<boolean> {
  return (await containers.list({ all: true, filters: new Map([["id", [id]]]) })).length > 0;
}
