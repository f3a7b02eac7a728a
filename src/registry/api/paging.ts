/** `n` and `last` (RS-01): whatever is asked for, a page is bounded. */
import type { Call } from "#base/http.ts";
import type { Page } from "../store/store.ts";

export const MAX_PAGE = 1000;

/** `valid`: whether `last` may be used as a name. */
export function readPage({ query }: Call, valid: (last: string) => boolean): Page {
  const last = query.get("last");
  return { limit: readLimit(query.get("n")), after: last !== null && valid(last) ? last : undefined };
}

function readLimit(text: string | null): number {
  if (text === null || !/^\d{1,9}$/.test(text)) return MAX_PAGE;
  return Math.min(Number(text), MAX_PAGE);
}

/** The header that leads to the next page, if there is one. */
export function linkTo(path: string, query: Readonly<Record<string, string | undefined>>, more: boolean): string[] {
  if (!more) return [];
  const parameters = new URLSearchParams(Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined));
  return ["Link", `<${path}?${parameters}>; rel="next"`];
}
