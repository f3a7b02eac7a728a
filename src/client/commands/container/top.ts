import { define } from "../../client.ts";
import { alignColumns } from "../../format/columns.ts";
import { escapeControls } from "../../format/escape.ts";
import { containerPath } from "../each.ts";

export const command = define({
  flags: {},
  interspersed: false,
  async run(cli, _options, [name = "", ...psArguments]) {
    const api = await cli.api();
    const found = await api.json<{ Titles: string[] | null; Processes: string[][] | null }>("GET", containerPath(name, "/top"), {
      query: { ps_args: psArguments.join(" ") },
    });
    const show = (cells: readonly string[]) => cells.map((cell) => escapeControls(cell, cli.out.isTerminal)).join("\t");
    const lines = [show(found.Titles ?? []), ...(found.Processes ?? []).map(show)];
    cli.out.write(`${alignColumns(lines, { min: 20, padding: 3 }).join("\n")}\n`);
  },
});
