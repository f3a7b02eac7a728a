import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { inspectAll } from "../../format/inspect.ts";

export const command = define({
  flags: { format: text("f", FORMAT.object) },
  async run(cli, options, names) {
    const api = await cli.api();
    await inspectAll(cli.out, names, { format: options.format, typed: true, type: "volume.Volume" }, (name) =>
      api.text("GET", `/volumes/${encodeURIComponent(name)}`),
    );
  },
});
