import { HEADROOM, frame } from "#base/grpc/frames.ts";
import type { Of } from "#base/protobuf.ts";
import { CONTROL, diskUsageRequest, diskUsageResponse, type usageRecord } from "#spec/buildkit/control.ts";
import { millis } from "../../build/progress/trace.ts";
import { ask } from "../../build/rpc/call.ts";
import { type Cli, define } from "../../client.ts";
import { bool, filter, text } from "../../flags/kinds.ts";
import { buildCacheView, byLastUse, type CacheRecord } from "../../format/build-cache.ts";
import type { DiskUsage } from "../../format/disk-usage.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { goTimeOf } from "../../format/time.ts";
import { humanDuration, humanSize } from "../../format/units.ts";
import { withControl } from "../history/builds.ts";

type Filters = Readonly<Record<string, readonly string[]>>;
type Usage = CacheRecord & { readonly Mutable?: boolean; readonly Parents?: readonly string[] };

export const command = define({
  flags: {
    filter: filter("", "Only what fits a condition, such as type=regular"),
    format: text("", FORMAT.table),
    verbose: bool("", "Show all that is known of each"),
  },
  async run(cli, { filter: filters, format, verbose }) {
    const records = byLastUse(verbose || Object.keys(filters).length > 0 ? await askBuilder(cli, filters) : await askEngine(cli)) as Usage[];
    if (verbose && format === "") return cli.out.write(`${records.map(whole).join("")}${sums(records)}`);
    const isTable = format === "" || format === "table";
    await printRows(cli.out, isTable ? tableView() : buildCacheView({ full: true }), records, { format });
    if (isTable) cli.out.write(sums(records));
  },
});

async function askEngine(cli: Cli): Promise<readonly Usage[]> {
  const usage = await (await cli.api()).json<DiskUsage>("GET", "/system/df", { query: { type: "build-cache", verbose: true } });
  return usage.BuildCacheUsage?.Items ?? usage.BuildCache ?? [];
}

/** By BuildKit's service, which knows filters. */
async function askBuilder(cli: Cli, filters: Filters): Promise<readonly Usage[]> {
  const conditions = Object.entries(filters).flatMap(([name, values]) => values.map((value) => `${name}${name === "id" ? "~=" : /[!~]$/.test(name) ? "=" : "=="}${value}`));
  const answer = await withControl(cli, (control) => ask(control, `${CONTROL}/DiskUsage`, frame(diskUsageRequest.encode({ filter: conditions.length === 0 ? [] : [conditions.join(",")] }, HEADROOM))));
  return diskUsageResponse.decode(answer).record.map(usageOf);
}

function usageOf({ id, recordType, description, size, inUse, shared, mutable, parents, createdAt, lastUsedAt, usageCount }: Of<typeof usageRecord>): Usage {
  const time = (at: typeof createdAt) => (at === undefined ? undefined : new Date(millis(at)!).toISOString());
  return { ID: id, Type: recordType, Description: description, Size: size, InUse: inUse, Shared: shared, Mutable: mutable, Parents: parents, CreatedAt: time(createdAt) ?? "", LastUsedAt: time(lastUsedAt) ?? null, UsageCount: usageCount };
}

/** As buildx has it: whole identifiers, for those are what filters take. */
function tableView(): View<CacheRecord> {
  const { fields, ...view } = buildCacheView({ full: true });
  return {
    ...view,
    table: ["ID", "Reclaimable", "Size", "LastAccessed"],
    fields: {
      ...fields,
      ID: ["ID", fields["ID"]![1]],
      LastAccessed: ["LAST ACCESSED", fields["LastUsedSince"]![1]],
      Reclaimable: ["RECLAIMABLE", ({ InUse }) => String(!InUse)],
    },
  };
}

function whole({ ID, Type, Description = "", Size, InUse, Shared, Mutable = false, Parents = [], CreatedAt, LastUsedAt, UsageCount }: Usage): string {
  const rows: readonly (readonly [string, string])[] = [
    ["ID", ID],
    ["Parent", Parents.join(",")],
    ["Created at", goTimeOf(CreatedAt)],
    ["Mutable", String(Mutable)],
    ["Reclaimable", String(!InUse)],
    ["Shared", String(Shared)],
    ["Size", humanSize(Size)],
    ["Description", Description],
    ["Usage count", String(UsageCount)],
    ["Last used", LastUsedAt ? `${humanDuration((Date.now() - Date.parse(LastUsedAt)) / 1000)} ago` : ""],
    ["Type", Type],
  ];
  return `${rows.filter(([, value]) => value !== "").map(([key, value]) => `${`${key}:`.padEnd(14)}${value}\n`).join("")}\n`;
}

function sums(records: readonly CacheRecord[]): string {
  const of = (some: readonly CacheRecord[]) => humanSize(some.reduce((sum, { Size }) => sum + Size, 0), 4);
  const shared = records.filter(({ Shared }) => Shared);
  const parts = shared.length === 0 ? [] : [`Shared:       ${of(shared)}`, `Private:      ${of(records.filter(({ Shared }) => !Shared))}`];
  return `${[...parts, `Reclaimable:  ${of(records.filter(({ InUse }) => !InUse))}`, `Total:        ${of(records)}`].join("\n")}\n`;
}
