import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { confirm } from "../confirm.ts";
import { DRY_RUN, prune, showLines } from "../pruning.ts";

export const command = define({
  flags: {
    "dry-run": bool("", DRY_RUN),
    filter: filter("", "Only what fits a condition, such as until=24h"),
    force: bool("f", "Don't ask first"),
  },
  async run(cli, options) {
    const dryRun = options["dry-run"];
    if (!dryRun && !options.force && !confirm(cli, "WARNING! This will remove all custom networks not used by at least one container.")) return;
    showLines(cli, await prune(await cli.api(), "networks", { filter: options.filter, dryRun }), dryRun);
  },
});
