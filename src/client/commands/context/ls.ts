import { messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { DEFAULT_CONTEXT, listContexts, readContext } from "../../connect/contexts.ts";
import { chooseContext, defaultHost } from "../../connect/endpoint.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { ellipsis } from "../../format/units.ts";

type Row = { readonly name: string; readonly description: string; readonly host: string; readonly current: boolean; readonly error: string };

export const command = define({
  flags: { format: text("", FORMAT.table), quiet: bool("q", "Show names only") },
  async run(cli, options) {
    const { folder } = cli.config();
    const current = chooseContext(cli.globals, cli.env, cli.config);
    const rows: Row[] = listContexts(folder).map((context) => ({
      name: context.name,
      description: context.description,
      host: context.host,
      current: context.name === current,
      error: "",
    }));
    rows.push({
      name: DEFAULT_CONTEXT,
      description: "Current DOCKER_HOST based configuration",
      host: defaultHost({ ...cli.globals, host: [] }, cli.env),
      current: current === DEFAULT_CONTEXT,
      error: "",
    });
    if (!rows.some((row) => row.current)) rows.push({ name: current, description: "", host: "", current: true, error: errorOf(folder, current) });
    rows.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
    await printRows(cli.out, view, rows, { format: options.format, quiet: options.quiet });
    if (cli.env["DOCKER_HOST"] && cli.globals.context === "") {
      cli.err.write(
        "Warning: DOCKER_HOST environment variable overrides the active context. To use a context, either set the global --context flag, or unset DOCKER_HOST environment variable.\n",
      );
    }
  },
});

function errorOf(folder: string, name: string): string {
  try {
    readContext(folder, name);
    return "";
  } catch (error) {
    return messageOf(error);
  }
}

const view: View<Row> = {
  type: "*formatter.clientContextContext",
  table: ["NameAndMark", "Description", "DockerEndpoint", "Error"],
  quiet: "Name",
  hidden: ["NameAndMark"],
  fields: {
    Current: ["CURRENT", (row) => row.current],
    Description: ["DESCRIPTION", (row) => ellipsis(row.description, 60)],
    DockerEndpoint: ["DOCKER ENDPOINT", (row) => row.host],
    Error: ["ERROR", (row) => row.error],
    Name: ["NAME", (row) => row.name],
    NameAndMark: ["NAME", (row) => (row.current ? `${row.name} *` : row.name)],
  },
};
