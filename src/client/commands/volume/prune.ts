import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { confirm } from "../confirm.ts";
import { DRY_RUN, prune, showPruned } from "../pruning.ts";

export const command = define({
  flags: {
    all: bool("a", "Remove named volumes too, not just anonymous ones"),
    "dry-run": bool("", DRY_RUN),
    filter: filter("", "Only what fits a condition, such as label=a"),
    force: bool("f", "Don't ask first"),
  },
  async run(cli, options) {
    const dryRun = options["dry-run"];
    const api = await cli.api();
    // Before 1.42 an engine knew only to remove all.
    if (options.all && !api.atLeast("1.42")) {
      throw fail("invalid", `"--all" requires API version 1.42, but the Docker daemon API version is ${api.version}`);
    }
    const kind = options.all || !api.atLeast("1.42") ? "all local" : "anonymous local";
    if (!dryRun && !options.force && !confirm(cli, `WARNING! This will remove ${kind} volumes not used by at least one container.`)) return;
    const filters = { ...options.filter, ...(options.all ? { all: ["true"] } : {}) };
    showPruned(cli, [await prune(api, "volumes", { filter: filters, dryRun })], dryRun);
  },
});
