import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { type DiskUsage, printObjects, printSums } from "../../format/disk-usage.ts";
import { FORMAT } from "../../format/format-flag.ts";

export const command = define({
  flags: {
    format: text("", FORMAT.table),
    verbose: bool("v", "Show each object"),
  },
  async run(cli, { format, verbose }) {
    const api = await cli.api();
    const usage = await api.json<DiskUsage>("GET", "/system/df", { query: { verbose } });
    await (verbose ? printObjects : printSums)(cli.out, usage, format);
  },
});
