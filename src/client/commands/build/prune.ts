import { define } from "../../client.ts";
import { bool, bytes, filter, oldName } from "../../flags/kinds.ts";
import { confirm } from "../confirm.ts";
import { encodeFilters } from "../each.ts";
import { foretell, showPruned } from "../pruning.ts";

type Answer = { readonly CachesDeleted?: readonly string[] | null; readonly SpaceReclaimed?: number };

const SPACE = bytes("", "Keep so much of what was used last");

export const command = define({
  flags: {
    all: bool("a", "Remove all that is not in use, not only what no image or build needs"),
    "dry-run": bool("", "Say what would be removed, and remove nothing"),
    filter: filter("", "Only what fits a condition, such as until=24h"),
    force: bool("f", "Don't ask first"),
    "keep-storage": oldName("reserved-space", SPACE),
    "max-used-space": bytes("", "Remove until the cache has at most so much"),
    "min-free-space": bytes("", "Remove until the disk has so much free"),
    "reserved-space": SPACE,
  },
  async run(cli, options) {
    const what = options.all ? "all build cache." : "all dangling build cache.";
    const dryRun = options["dry-run"];
    if (!dryRun && !options.force && !confirm(cli, `WARNING! This will remove ${what}`)) return;
    const api = await cli.api();
    const number = (value: number) => (value === 0 ? undefined : String(value));
    const query = {
      all: options.all,
      filters: encodeFilters(options.filter),
      "keep-storage": number(options["reserved-space"]),
      "reserved-space": number(options["reserved-space"]),
      "max-used-space": number(options["max-used-space"]),
      "min-free-space": number(options["min-free-space"]),
    };
    const { CachesDeleted, SpaceReclaimed = 0 }: Answer = dryRun ? await foretell(api, "build", query) : await api.json<Answer>("POST", "/build/prune", { query });
    showPruned(cli, [{ title: "build cache objects", lines: CachesDeleted ?? [], bytes: SpaceReclaimed }], dryRun);
  },
});
