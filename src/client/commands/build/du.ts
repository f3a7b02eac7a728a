import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { buildCacheView, byLastUse, type CacheRecord } from "../../format/build-cache.ts";
import type { DiskUsage } from "../../format/disk-usage.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { humanSize } from "../../format/units.ts";

export const command = define({
  flags: { format: text("", FORMAT.table) },
  async run(cli, { format }) {
    const api = await cli.api();
    const usage = await api.json<DiskUsage>("GET", "/system/df", { query: { type: "build-cache", verbose: true } });
    const records = byLastUse(usage.BuildCacheUsage?.Items ?? usage.BuildCache ?? []);
    const isTable = format === "" || format === "table";
    await printRows(cli.out, isTable ? tableView() : buildCacheView({ full: true }), records, { format });
    if (isTable) cli.out.write(sums(records));
  },
});

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

function sums(records: readonly CacheRecord[]): string {
  const of = (some: readonly CacheRecord[]) => humanSize(some.reduce((sum, { Size }) => sum + Size, 0), 4);
  const shared = records.filter(({ Shared }) => Shared);
  const parts = shared.length === 0 ? [] : [`Shared:       ${of(shared)}`, `Private:      ${of(records.filter(({ Shared }) => !Shared))}`];
  return `${[...parts, `Reclaimable:  ${of(records.filter(({ InUse }) => !InUse))}`, `Total:        ${of(records)}`].join("\n")}\n`;
}
