import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { confirm } from "../confirm.ts";
import { DRY_RUN, prune, showPruned } from "../pruning.ts";

export const command = define({
  flags: {
    all: bool("a", "Remove every image without a container, not just those without a name; pinned ones stay"),
    "dry-run": bool("", DRY_RUN),
    filter: filter("", "Only what fits a condition, such as until=24h or label=a=b"),
    force: bool("f", "Don't ask first"),
  },
  async run(cli, options) {
    const dryRun = options["dry-run"];
    const what = options.all ? "all images without at least one container associated to them." : "all dangling images.";
    if (!dryRun && !options.force && !confirm(cli, `WARNING! This will remove ${what}`)) return;
    const filters = { ...options.filter, dangling: [String(!options.all)] };
    showPruned(cli, [await prune(await cli.api(), "images", { filter: filters, dryRun })], dryRun);
  },
});
