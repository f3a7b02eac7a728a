import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { findBuilder } from "./builders.ts";

type Row = { readonly name: string; readonly driver: string; readonly status: string; readonly version: string; readonly platforms: string };

export const command = define({
  flags: { format: text("", FORMAT.table.replace(".ID", ".Name")), "no-trunc": bool("", "Don't shorten what is shown") },
  async run(cli, { format }) {
    const { name, status, version, platforms, error } = await findBuilder(cli);
    const rows = [
      { name: `${name}*`, driver: "docker", status: "", version: "", platforms: "" },
      { name: ` \\_ ${name}`, driver: ` \\_ ${name}`, status, version, platforms: platforms.join(", ") },
    ];
    await printRows(cli.out, view, rows, { format });
    if (error !== "") cli.err.write(`\nCannot load builder ${name}: ${error}\n`);
  },
});

const view: View<Row> = {
  type: "*builder.lsContext",
  table: ["Name", "DriverEndpoint", "Status", "Buildkit", "Platforms"],
  quiet: "Name",
  fields: {
    Buildkit: ["BUILDKIT", ({ version }) => version],
    DriverEndpoint: ["DRIVER/ENDPOINT", ({ driver }) => driver],
    Name: ["NAME/NODE", ({ name }) => name],
    Platforms: ["PLATFORMS", ({ platforms }) => platforms],
    Status: ["STATUS", ({ status }) => status],
  },
};
