import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { humanSize } from "../../format/units.ts";

type Usage = { readonly Name: string; readonly Driver: string; readonly Size: number; readonly Inodes: number; readonly RefCount: number };

const view: View<Usage> = {
  type: "*formatter.volumeUsageContext",
  table: ["Name", "Driver", "Containers", "Files", "Size"],
  quiet: "Name",
  fields: {
    Name: ["VOLUME NAME", (row) => row.Name],
    Driver: ["DRIVER", (row) => row.Driver],
    Containers: ["CONTAINERS", (row) => String(row.RefCount)],
    Files: ["FILES", (row) => String(row.Inodes)],
    Size: ["SIZE", (row) => humanSize(row.Size)],
    Bytes: ["BYTES", (row) => String(row.Size)],
  },
};

/** Largest first. */
export const command = define({
  flags: { format: text("", FORMAT.table), quiet: bool("q", "Show names only") },
  async run(cli, options, names) {
    const api = await cli.api();
    const rows = await api.json<Usage[]>("GET", "/gantry/volumes/usage", { query: { name: [...names] } });
    await printRows(cli.out, view, rows.toSorted((a, b) => b.Size - a.Size || (a.Name < b.Name ? -1 : 1)), { format: options.format, quiet: options.quiet });
  },
});
