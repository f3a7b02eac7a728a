/** `docker history`: newest first; sizes are those of the unpacked layers. */
import { parseTime } from "#base/clock.ts";
import type { Snapshots } from "#core/snapshots/snapshots.ts";
import { chainIds, type ImageConfig } from "#spec/image.ts";
import type { HistoryEntry } from "../api/api.ts";

export function imageHistory(snapshots: Snapshots, id: string, tags: readonly string[], config: ImageConfig): HistoryEntry[] {
  const chain = chainIds(config.diffIds);
  let layer = 0;
  const entries = config.history.map(({ created, createdBy, comment, emptyLayer }) => ({
    id: "<missing>",
    created: Number((created === undefined ? 0n : (parseTime(created) ?? 0n)) / 1_000_000_000n),
    createdBy,
    comment,
    tags: [] as readonly string[],
    size: emptyLayer ? 0 : (snapshots.stat(chain[layer++] ?? "")?.usage.bytes ?? 0),
  }));
  const newest = entries.at(-1);
  if (newest !== undefined) Object.assign(newest, { id, tags });
  return entries.toReversed();
}
