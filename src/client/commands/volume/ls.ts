import { define } from "../../client.ts";
import { bool, filter, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows } from "../../format/rows.ts";
import { type Volume, volumesView } from "../../format/volumes.ts";
import { encodeFilters } from "../each.ts";

export const command = define({
  flags: {
    filter: filter("f", "Show only what fits a condition, such as dangling=true"),
    format: text("", FORMAT.table),
    quiet: bool("q", "Show names only"),
  },
  async run(cli, options) {
    const format = options.format || (options.quiet ? "" : cli.config().format("volumesFormat"));
    const api = await cli.api();
    const found = await api.json<{ Volumes: Volume[] | null }>("GET", "/volumes", { query: { filters: encodeFilters(options.filter) } });
    const volumes = [...(found.Volumes ?? [])].sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }));
    await printRows(cli.out, volumesView, volumes, { format, quiet: options.quiet });
  },
});
