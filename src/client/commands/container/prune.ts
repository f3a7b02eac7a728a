import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { confirm } from "../confirm.ts";
import { DRY_RUN, prune, showPruned } from "../pruning.ts";

export const command = define({
  flags: {
    "dry-run": bool("", DRY_RUN),
    filter: filter("", "Only what fits a condition, such as until=24h or label=a=b"),
    force: bool("f", "Don't ask first"),
  },
  async run(cli, options) {
    const dryRun = options["dry-run"];
    if (!dryRun && !options.force && !confirm(cli, "WARNING! This will remove all stopped containers.")) return;
    showPruned(cli, [await prune(await cli.api(), "containers", { filter: options.filter, dryRun })], dryRun);
  },
});
