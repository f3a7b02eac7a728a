/** What `system prune` would remove: its parts one after another, each as if those before it were done. */
import type { Node } from "#core/leases/leases.ts";
import { snapshotsOf } from "../../images/prune.ts";
import { type Answer, type ApiCall, ok } from "../answer.ts";
import type { ApiParts, RemovedImage } from "../api.ts";
import { pruneOptions } from "../build/cache.ts";
import { filters, flag } from "../query.ts";

type Parts = Pick<ApiParts, "containers" | "networks" | "volumes" | "images" | "builds">;

/** `all`: every unused image, and all of the cache; `volumes`: anonymous ones, too. */
export async function foretellSystemPrune(parts: Parts, { query, version }: ApiCall): Promise<Answer> {
  const given = filters(query, ["until", "label", "label!"]);
  const all = flag(query, "all");
  const stopped = await parts.containers.prune(given, { dryRun: true });
  const containers = new Set(stopped.deleted);
  const then = { dryRun: true, without: containers };
  const networks = await parts.networks.prune(given, then);
  const volumes = flag(query, "volumes") ? await parts.volumes.prune(given, then) : { deleted: [], reclaimed: 0 };
  const images = await parts.images.prune(new Map([...given, ["dangling", [String(!all)]]]), then);
  const gone = new Set([...snapshotsOf(containers), ...contentOf(images.deleted)]);
  const cached = await (await parts.builds()).cache.prune({ ...pruneOptions(query, version), dryRun: true, without: gone });
  return ok({
    ContainersDeleted: stopped.deleted,
    NetworksDeleted: networks.deleted,
    VolumesDeleted: volumes.deleted,
    ImagesDeleted: images.deleted,
    CachesDeleted: cached.removed.map(({ id }) => id),
    SpaceReclaimed: stopped.reclaimed + volumes.reclaimed + images.reclaimed + cached.bytes,
  });
}

const contentOf = (removed: readonly RemovedImage[]): Node[] => removed.flatMap((one): Node[] => ("Deleted" in one ? [`content/${one.Deleted}` as Node] : []));
