import { fail } from "#base/errors.ts";
import type { Of } from "#base/protobuf.ts";
import type { gcPolicy } from "#spec/buildkit/workers.ts";
import { define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { binarySize } from "../../format/units.ts";
import { findBuilder } from "./builders.ts";

export const command = define({
  flags: { bootstrap: bool("", "Nothing: the engine runs already") },
  async run(cli, _options, [wanted = ""]) {
    const { name, status, version, platforms, worker, error } = await findBuilder(cli);
    if (wanted !== "" && wanted !== name) throw fail("not-found", `no builder ${JSON.stringify(wanted)} found: the engine is the one there is, ${JSON.stringify(name)}`);
    const rows = [["Name:", name], ["Endpoint:", name], ["Status:", status], ...(error === "" ? [["BuildKit version:", version], ["Platforms:", platforms.join(", ")]] : [["Error:", error]])];
    cli.out.write(`${pairs([["Name:", name], ["Driver:", "docker"]])}\nNodes:\n${pairs(rows)}`);
    const labels = Object.entries(worker?.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    const policies = worker?.gcPolicy ?? [];
    if (labels.length > 0) cli.out.write(`Labels:\n${pairs(labels.map(([key, value]) => [` ${key}:`, value]))}`);
    for (const [index, policy] of policies.entries()) cli.out.write(`GC Policy rule#${index}:\n${pairs(rowsOf(policy))}`);
  },
});

function rowsOf({ all, filters, keepDuration, reservedSpace, maxUsedSpace, minFreeSpace }: Of<typeof gcPolicy>): (readonly string[])[] {
  const sizes = [["Reserved Space", reservedSpace], ["Max Used Space", maxUsedSpace], ["Min Free Space", minFreeSpace]] as const;
  return [
    [" All:", String(all)],
    ...(filters.length > 0 ? [[" Filters:", filters.join(",")]] : []),
    ...(keepDuration > 0 ? [[" Keep Duration:", `${keepDuration / HOUR}h0m0s`]] : []),
    ...sizes.flatMap(([name, bytes]) => (bytes > 0 ? [[` ${name}:`, binarySize(bytes)]] : [])),
  ];
}

const HOUR = 3_600_000_000_000;

function pairs(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([key = ""]) => key.length));
  return rows.map(([key = "", value = ""]) => `${key.padEnd(width)} ${value}\n`).join("");
}
