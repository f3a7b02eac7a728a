import { fail, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool, filter, int, text } from "../../flags/kinds.ts";
import { type ContainerRow, containersView } from "../../format/containers.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, shapeOf } from "../../format/rows.ts";
import { encodeFilters } from "../each.ts";

export const command = define({
  flags: {
    all: bool("a", "Show stopped containers too"),
    filter: filter("f", "Show only what fits a condition, such as status=exited or label=a=b"),
    format: text("", FORMAT.table),
    last: int("n", "Show so many of the containers created last, whatever their state", -1),
    latest: bool("l", "Show the container created last, whatever its state"),
    "no-trunc": bool("", "Don't shorten what is shown"),
    quiet: bool("q", "Show ids only"),
    size: bool("s", "Show sizes too"),
  },
  async run(cli, options) {
    let { format } = options;
    if (format === "") format = options.quiet ? "" : cli.config().format("psFormat");
    else if (options.quiet) cli.err.write("WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    if (options.quiet) format = "";
    const limit = options.latest && options.last === -1 ? 1 : options.last;
    const size = options.size || (options.quiet ? false : await needsSize(format));
    const api = await cli.api();
    const rows = await api.json<ContainerRow[]>("GET", "/containers/json", {
      query: {
        all: options.all,
        limit: limit > 0 ? limit : undefined,
        size,
        filters: encodeFilters(options.filter),
      },
    });
    const view = containersView({ full: options["no-trunc"], size: options.size });
    await printRows(cli.out, view, rows, { format, quiet: options.quiet });
  },
});

/** The engine computes sizes only for a template that shows them: tried on a container of which nothing is known. */
async function needsSize(format: string): Promise<boolean> {
  if (!format.includes("{{")) return false;
  const [{ parseTemplate, executeTemplate }, { functions }] = await Promise.all([
    import("#spec/go-template.ts"),
    import("../../format/functions.ts"),
  ]);
  let template: ReturnType<typeof parseTemplate>;
  try {
    template = parseTemplate(format, functions);
  } catch (error) {
    throw fail("invalid", `failed to parse template: ${messageOf(error)}`);
  }
  let asked = false;
  const view = containersView({ full: false, size: true });
  const watched = { ...view, fields: { ...view.fields, Size: ["SIZE", () => ((asked = true), "")] as const } };
  const empty = { Id: "", Names: [], Image: "", ImageID: "", Command: "", Created: 0, Ports: [], Labels: {}, State: "", Status: "" };
  try {
    executeTemplate(template, shapeOf(watched, { fd: 1, isTerminal: false, columns: 0, write: () => {} })(empty));
  } catch (error) {
    throw fail("invalid", `failed to execute template: ${messageOf(error)}`);
  }
  return asked;
}
