/** `docker search`. */
import { fail } from "#base/errors.ts";
import { parseReference } from "#spec/reference.ts";
import { searchRegistry } from "#transfer/search.ts";
import type { Transfer } from "#transfer/transfer.ts";
import type { Filters } from "../engine.ts";
import { booleanFilter, checkFilters } from "../filters.ts";
import type { Found, SearchOptions } from "./registries.ts";

const DEFAULT_LIMIT = 25;
const MOST = 100;

/** `term`: what is looked for, on Docker Hub or on the registry that it begins with. */
export async function searchImages(transfer: Transfer, term: string, { auth, signal, limit, filters }: SearchOptions): Promise<Found[]> {
  checkFilters(filters, ["is-automated", "is-official", "stars"]);
  const matches = compileFilters(filters);
  const most = limit === 0 ? DEFAULT_LIMIT : limit;
  if (most < 1 || most > MOST) throw fail("invalid", `limit ${limit} is outside the range of [1, ${MOST}]`);
  const { registry, rest } = splitTerm(term);
  const remote = transfer.open({ registry, path: "search" }, { credentials: auth });
  const found = resultsOf(await searchRegistry(remote, rest, most, signal));
  return found.filter(matches).slice(0, most);
}

/** "localhost:5000/nginx" is looked for there; of Docker Hub's own, "library/" is not part of the name. */
function splitTerm(term: string): { registry: string; rest: string } {
  if (/^https?:\/\//.test(term)) throw fail("invalid", `invalid repository name (${term}): it must not begin with a scheme`);
  const slash = term.indexOf("/");
  const first = term.slice(0, Math.max(slash, 0));
  if (slash < 0 || !(/[.:]/.test(first) || first === "localhost")) return { registry: "docker.io", rest: term.replace(/^library\//, "") };
  const { domain } = parseReference(`${first}/x`);
  return { registry: domain, rest: domain === "docker.io" ? term.slice(slash + 1).replace(/^library\//, "") : term.slice(slash + 1) };
}

function compileFilters(filters: Filters): (found: Found) => boolean {
  const [automated, official] = [booleanFilter(filters, "is-automated"), booleanFilter(filters, "is-official")];
  const stars = (filters.get("stars") ?? []).map((text) => {
    if (!/^\d{1,9}$/.test(text)) throw fail("invalid", `invalid filter 'stars=${text}'`);
    return Number(text);
  });
  const least = Math.max(0, ...stars);
  return (found) => (automated ?? found.is_automated) === found.is_automated && (official ?? found.is_official) === found.is_official && found.star_count >= least;
}

/** What cannot be read of an answer is left out. */
function resultsOf(answer: unknown): Found[] {
  const results = (answer as { results?: unknown } | null)?.results;
  if (!Array.isArray(results)) throw fail("invalid", "search: the registry's answer holds no results");
  return results.flatMap((item: unknown) => {
    if (typeof item !== "object" || item === null) return [];
    const { name, description, star_count, is_official, is_automated } = item as Record<string, unknown>;
    if (typeof name !== "string") return [];
    return [{ name, description: typeof description === "string" ? description : "", star_count: Number.isSafeInteger(star_count) ? (star_count as number) : 0, is_official: is_official === true, is_automated: is_automated === true }];
  });
}
