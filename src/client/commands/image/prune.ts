import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { humanSize } from "../../format/units.ts";
import { confirm } from "../confirm.ts";
import { encodeFilters } from "../each.ts";

type Pruned = { readonly ImagesDeleted: { Untagged?: string; Deleted?: string }[] | null; readonly SpaceReclaimed: number };

export const command = define({
  flags: {
    all: bool("a", "Remove every image without a container, not just those without a name"),
    filter: filter("", "Only what fits a condition, such as until=24h or label=a=b"),
    force: bool("f", "Don't ask first"),
  },
  async run(cli, options) {
    const what = options.all ? "all images without at least one container associated to them." : "all dangling images.";
    if (!options.force && !confirm(cli, `WARNING! This will remove ${what}`)) return;
    const api = await cli.api();
    const filters = { ...options.filter, dangling: [String(!options.all)] };
    const result = await api.json<Pruned>("POST", "/images/prune", { query: { filters: encodeFilters(filters) } });
    const deleted = result.ImagesDeleted ?? [];
    if (deleted.length > 0) {
      const lines = deleted.map((each) => (each.Untagged ? `untagged: ${each.Untagged}` : `deleted: ${each.Deleted}`));
      cli.out.write(`Deleted Images:\n${lines.join("\n")}\n\n`);
    }
    cli.out.write(`Total reclaimed space: ${humanSize(result.SpaceReclaimed, 4)}\n`);
  },
});
