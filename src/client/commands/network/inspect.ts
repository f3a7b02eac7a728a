import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { inspectAll } from "../../format/inspect.ts";
import { networkPath } from "./path.ts";

export const command = define({
  flags: { format: text("f", FORMAT.object), verbose: bool("v", "Show what helps to find faults") },
  async run(cli, options, names) {
    const api = await cli.api();
    const query = options.verbose ? { verbose: "true" } : {};
    await inspectAll(cli.out, names, { format: options.format, typed: true }, (name) => api.text("GET", networkPath(name), { query }));
  },
});
