import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { humanSize } from "../../format/units.ts";
import { confirm } from "../confirm.ts";
import { encodeFilters } from "../each.ts";

export const command = define({
  flags: {
    filter: filter("", "Only what fits a condition, such as until=24h or label=a=b"),
    force: bool("f", "Don't ask first"),
  },
  async run(cli, options) {
    if (!options.force && !confirm(cli, "WARNING! This will remove all stopped containers.")) return;
    const api = await cli.api();
    const result = await api.json<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }>("POST", "/containers/prune", {
      query: { filters: encodeFilters(options.filter) },
    });
    const deleted = result.ContainersDeleted ?? [];
    if (deleted.length > 0) cli.out.write(`Deleted Containers:\n${deleted.join("\n")}\n\n`);
    cli.out.write(`Total reclaimed space: ${humanSize(result.SpaceReclaimed, 4)}\n`);
  },
});
