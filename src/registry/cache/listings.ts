import { messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Digest } from "#spec/digest.ts";
import type { Listing, ManifestDescriptor, Page } from "../store/store.ts";
import { openFlights } from "./flights.ts";
import { isRefusal } from "./manifests.ts";
import type { Copy } from "./upstreams.ts";

/** Undefined: the upstream does not say, what is here must do. */
export type TagLists = { page(copy: Copy, repository: string, page: Page, log: Log): Promise<Listing<string> | undefined> };

const MOST_TAGS = 20_000;
const MOST_LISTS = 64;
const TTL_MS = 60_000;
const LIMIT_MS = 15_000;

/** The upstream's tags: a list is read once a minute, however many pages are asked for. */
export function openTagLists(ended: AbortSignal): TagLists {
  const lists = new Map<string, { tags: readonly string[]; at: number }>();
  const flights = openFlights<readonly string[]>();
  const read = async ({ remote }: Copy, repository: string) => {
    const tags: string[] = [];
    for await (const tag of remote.tags(AbortSignal.any([ended, AbortSignal.timeout(LIMIT_MS)]))) if (tags.push(tag) === MOST_TAGS) break;
    tags.sort();
    lists.delete(repository);
    lists.set(repository, { tags, at: performance.now() });
    if (lists.size > MOST_LISTS) lists.delete(lists.keys().next().value as string);
    return tags;
  };
  return {
    async page(copy, repository, { limit, after }, log) {
      const known = lists.get(repository);
      try {
        const isFresh = known !== undefined && performance.now() - known.at < TTL_MS;
        const tags = isFresh ? known.tags : await flights(repository, () => read(copy, repository));
        const rest = after === undefined ? tags : tags.filter((tag) => tag > after);
        return { items: rest.slice(0, limit), more: rest.length > limit };
      } catch (error) {
        log.debug("upstream's tags cannot be had", { repository, error: messageOf(error) });
        return undefined;
      }
    },
  };
}

export async function listCopiedReferrers({ remote }: Copy, subject: Digest, { limit, after }: Page, ended: AbortSignal): Promise<Listing<ManifestDescriptor> | undefined> {
  try {
    const all = await remote.referrers(subject, AbortSignal.any([ended, AbortSignal.timeout(LIMIT_MS)]));
    const digits = ({ digest }: { digest: Digest }) => digest.slice(digest.indexOf(":") + 1);
    const rest = all.toSorted((a, b) => (digits(a) < digits(b) ? -1 : 1)).filter((one) => after === undefined || digits(one) > after);
    return { items: rest.slice(0, limit), more: rest.length > limit };
  } catch (error) {
    if (isRefusal(error)) return { items: [], more: false };
    return undefined;
  }
}
