import { messageOf, fail } from "#base/errors.ts";
import { parseTime } from "#base/clock.ts";
import type { Filters } from "../engine.ts";
import { checkFilters, matchesLabels, untilFilter } from "../filters.ts";
import { isUp, type Context } from "./context.ts";
import { remove } from "./remove.ts";
import { size } from "./size.ts";

/** Removes what does not run. One prune at a time. */
export async function prune(ctx: Context, filters: Filters, { dryRun = false }: { dryRun?: boolean } = {}): Promise<{ deleted: string[]; reclaimed: number }> {
  checkFilters(filters, ["label", "label!", "until"]);
  const until = untilFilter(filters);
  if (ctx.pruning.busy) throw fail("conflict", "a prune operation is already running");
  ctx.pruning.busy = true;
  const deleted: string[] = [];
  let reclaimed = 0;
  try {
    for (const record of ctx.store.all()) {
      if (isUp(record) || !matchesLabels(filters, record.config.Labels)) continue;
      if (until !== undefined && (parseTime(record.created) ?? 0n) >= until) continue;
      try {
        const { rw } = await size(ctx, record);
        if (!dryRun) await remove(ctx, record.id, { force: false, volumes: false });
        deleted.push(record.id);
        reclaimed += rw;
      } catch (error) {
        ctx.log.warn("prune: a container was left", { container: record.id, error: messageOf(error) });
      }
    }
  } finally {
    ctx.pruning.busy = false;
  }
  if (!dryRun) ctx.events.publish({ Type: "container", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: String(reclaimed) } } });
  return { deleted, reclaimed };
}
