import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { inspectAll } from "../../format/inspect.ts";
import { containerPath } from "../each.ts";

export const command = define({
  flags: { format: text("f", FORMAT.object), size: bool("s", "Show sizes too") },
  async run(cli, options, names) {
    const api = await cli.api();
    await inspectAll(cli.out, names, { format: options.format, typed: true }, (name) =>
      api.text("GET", containerPath(name, "/json"), { query: { size: options.size } }),
    );
  },
});
