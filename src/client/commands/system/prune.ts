import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool, filter } from "../../flags/kinds.ts";
import { ask } from "../confirm.ts";
import { encodeFilters } from "../each.ts";
import { DRY_RUN, type Filter, foretell, prune, type Pruned, showForetold, showPruned } from "../pruning.ts";

export const command = define({
  flags: {
    all: bool("a", "Remove every image without a container, not just those without a name; pinned ones stay"),
    "dry-run": bool("", DRY_RUN),
    filter: filter("", "Only what fits a condition, such as until=24h or label=a=b"),
    force: bool("f", "Don't ask first"),
    volumes: bool("", "Remove anonymous volumes that no container uses, too"),
  },
  async run(cli, { all, force, volumes, filter: given, "dry-run": dryRun }) {
    if (volumes && "until" in given) throw fail("invalid", 'ERROR: The "until" filter is not supported with "--volumes"');
    if (!dryRun && !force && !ask(cli, question({ all, volumes, filter: given }))) return;
    const api = await cli.api();
    if (dryRun) return showForetold(cli, await foretell(api, "system", { all, volumes, filters: encodeFilters(given) }));
    const done: Pruned[] = [await prune(api, "containers", { filter: given }), await prune(api, "networks", { filter: given })];
    if (volumes) done.push(await prune(api, "volumes", { filter: given }));
    done.push(await prune(api, "images", { filter: { ...given, dangling: [String(!all)] } }));
    done.push(await prune(api, "build", { filter: given, all }));
    showPruned(cli, done, false);
  },
});

function question({ all, volumes, filter: given }: { all: boolean; volumes: boolean; filter: Filter }): string {
  const warnings = [
    "all stopped containers",
    "all networks not used by at least one container",
    ...(volumes ? ["all anonymous volumes not used by at least one container"] : []),
    all ? "all images without at least one container associated to them" : "all dangling images",
    all ? "all build cache" : "unused build cache",
  ];
  const filters = ["label", "label!", "until"].flatMap((name) => (given[name] ?? []).map((value) => `${name}=${value}`)).toSorted();
  const list = (items: readonly string[]) => items.map((item) => `\n  - ${item}`).join("");
  return `WARNING! This will remove:${list(warnings)}\n${filters.length > 0 ? `\n  Items to be pruned will be filtered with:${list(filters)}\n` : ""}`;
}
