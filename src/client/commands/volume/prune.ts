import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { humanSize } from "../../format/units.ts";
import { confirm } from "../confirm.ts";
import { encodeFilters } from "../each.ts";

export const command = define({
  flags: {
    all: bool("a", "Remove named volumes too, not just anonymous ones"),
    filter: filter("", "Only what fits a condition, such as label=a"),
    force: bool("f", "Don't ask first"),
  },
  async run(cli, options) {
    const api = await cli.api();
    // Before 1.42 an engine knew only to remove all.
    if (options.all && !api.atLeast("1.42")) {
      throw fail("invalid", `"--all" requires API version 1.42, but the Docker daemon API version is ${api.version}`);
    }
    const kind = options.all || !api.atLeast("1.42") ? "local" : "anonymous local";
    if (!options.force && !confirm(cli, `WARNING! This will remove ${kind === "local" ? "all local" : "anonymous local"} volumes not used by at least one container.`)) return;
    const filters = { ...options.filter, ...(options.all ? { all: ["true"] } : {}) };
    const result = await api.json<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }>("POST", "/volumes/prune", {
      query: { filters: encodeFilters(filters) },
    });
    const deleted = result.VolumesDeleted ?? [];
    if (deleted.length > 0) cli.out.write(`Deleted Volumes:\n${deleted.join("\n")}\n\n`);
    cli.out.write(`Total reclaimed space: ${humanSize(result.SpaceReclaimed, 4)}\n`);
  },
});
