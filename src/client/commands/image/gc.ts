import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { humanSize, shortId } from "../../format/units.ts";

type Collected = {
  readonly Images: readonly Removed[];
  readonly SpaceReclaimed: number;
  readonly Disk: { readonly Total: number; readonly Used: number };
};
type Removed = { readonly Id: string; readonly Names: readonly string[]; readonly Size: number; readonly Reason: string };

export const command = define({
  flags: {
    age: text("", 'Remove images that were not used for so long ("30d")'),
    "dry-run": bool("", "Remove nothing: say what would be removed"),
    format: text("", FORMAT.table),
    grace: text("", 'Keep what was used less long ago ("10m")'),
    high: text("", 'Remove the longest unused images when the disk is fuller ("85%"), or images take more ("200GB")'),
    low: text("", "Stop when the disk, or images, are at this"),
  },
  async run(cli, { "dry-run": dryRun, format, age, grace, high, low }) {
    const api = await cli.api();
    const query = { "dry-run": dryRun, age, grace, high, low };
    const { Images: images, SpaceReclaimed: bytes, Disk: disk } = await api.json<Collected>("POST", "/gantry/images/gc", { query });
    if (format !== "" || images.length > 0) await printRows(cli.out, view, images, { format });
    if (format !== "") return;
    const used = `the disk is ${Math.round((disk.Used / disk.Total) * 100)}% full`;
    cli.out.write(`${images.length > 0 ? "\n" : ""}${dryRun ? "Would reclaim" : "Total reclaimed space"}: ${humanSize(bytes, 4)}; ${used}\n`);
  },
});

const view: View<Removed> = {
  type: "image",
  table: ["Names", "ID", "Size", "Reason"],
  quiet: "ID",
  fields: {
    ID: ["IMAGE ID", ({ Id }) => shortId(Id)],
    Names: ["IMAGE", ({ Names }) => (Names.length === 0 ? "<none>" : Names.join(","))],
    Reason: ["REASON", ({ Reason }) => Reason],
    Size: ["SIZE", ({ Size }) => humanSize(Size)],
  },
};
