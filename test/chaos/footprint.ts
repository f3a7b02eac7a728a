/** All that an engine has of the machine, in a network namespace where nobody else is: to say that nothing was left. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { holdings } from "../e2e/harness/leaks.ts";
import type { Engine } from "../e2e/harness/engine.ts";

export type Footprint = Readonly<Record<string, readonly string[]>>;

export function footprint(engine: Engine): Footprint {
  const { descriptors: _, ...held } = holdings(engine);
  return {
    ...held,
    // Not from /sys, which shows the namespace in which it was mounted.
    interfaces: (JSON.parse(execFileSync("ip", ["-j", "link"], { encoding: "utf8" })) as { ifname: string }[]).map(({ ifname }) => ifname),
    // Counters and handles change; what matters is which rules and elements there are.
    rules: execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }).split("\n").map((line) => line.replace(/packets \d+ bytes \d+/, "").trim()),
    routes: execFileSync("ip", ["route", "show", "table", "all"], { encoding: "utf8" }).trim().split("\n"),
    rows: rows(join(engine.place.dataRoot, "gantry.db")),
  };
}

function rows(file: string): string[] {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return ["networks", "endpoints", "containers"].map((table) => `${(db.prepare(`SELECT count(*) AS many FROM ${table}`).get() as { many: number }).many} of ${table}`);
  } finally {
    db.close();
  }
}

/** What stands in one and not in the other. */
export function differences(before: Footprint, after: Footprint): string[] {
  return Object.entries(after).flatMap(([kind, list]) => {
    const left = [...(before[kind] ?? [])];
    return list.flatMap((entry) => {
      const at = left.indexOf(entry);
      if (at >= 0) left.splice(at, 1);
      return at >= 0 ? [] : [`${kind}: ${entry}`];
    });
  });
}
