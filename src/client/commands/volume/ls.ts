import { define } from "../../client.ts";
import { bool, filter, text } from "../../flags/kinds.ts";
import { joinLabels } from "../../format/containers.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { humanSize } from "../../format/units.ts";
import { encodeFilters } from "../each.ts";

type Volume = {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  readonly Scope: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly UsageData?: { readonly RefCount: number; readonly Size: number } | null;
};

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
    await printRows(cli.out, view, volumes, { format, quiet: options.quiet });
  },
});

const view: View<Volume> = {
  type: "*formatter.volumeContext",
  table: ["Driver", "Name"],
  raw: [
    ["name", "Name"],
    ["driver", "Driver"],
  ],
  quiet: "Name",
  labels: (volume) => volume.Labels,
  fields: {
    Availability: ["AVAILABILITY", () => "N/A"],
    Driver: ["DRIVER", (volume) => volume.Driver],
    Group: ["GROUP", () => "N/A"],
    Labels: ["LABELS", (volume) => joinLabels(volume.Labels)],
    Links: ["LINKS", (volume) => (volume.UsageData ? String(volume.UsageData.RefCount) : "N/A")],
    Mountpoint: ["MOUNTPOINT", (volume) => volume.Mountpoint],
    Name: ["VOLUME NAME", (volume) => volume.Name],
    Scope: ["SCOPE", (volume) => volume.Scope],
    Size: ["SIZE", (volume) => (volume.UsageData ? humanSize(volume.UsageData.Size) : "N/A")],
    Status: ["STATUS", () => "N/A"],
  },
};
