/** Filters of cache records, as Docker's and BuildKit's clients write them. Pure. */
import { fail } from "#base/errors.ts";
import type { CacheFilters, CacheUsage } from "./cache.ts";

type Match = (usage: CacheUsage, values: readonly string[]) => boolean;

const truth = (values: readonly string[]): boolean => !values.some((value) => value === "0" || value.toLowerCase() === "false");
const flag = (of: (usage: CacheUsage) => boolean): Match => (usage, values) => of(usage) === truth(values);

/** `until` is no property of a record but a duration: PruneOptions.keepDuration. */
const MATCHES: Readonly<Record<string, Match>> = {
  id: ({ id }, values) => values.some((value) => id.startsWith(value)),
  parent: ({ parents }, values) => values.some((value) => parents.some((parent) => parent.startsWith(value))),
  parents: ({ parents }, values) => values.some((value) => parents.some((parent) => parent.startsWith(value))),
  type: ({ kind }, values) => values.includes(kind),
  "type~": ({ kind }, values) => values.some((value) => kind.includes(value)),
  description: ({ description }, values) => values.some((value) => description.includes(value)),
  inuse: flag(({ inUse }) => inUse),
  mutable: flag(({ mutable }) => mutable),
  immutable: flag(({ mutable }) => !mutable),
  shared: flag(({ shared }) => shared),
  private: flag(({ shared }) => !shared),
  // Records have none; `system prune --filter label=…` asks the cache, too.
  label: () => false,
  "label!": () => true,
};

export function matches(usage: CacheUsage, filters: CacheFilters): boolean {
  return [...filters].every(([name, values]) => matcher(name)(usage, values));
}

/** @throws invalid, with Docker's text */
export function checkFilters(filters: CacheFilters): void {
  for (const name of filters.keys()) matcher(name);
}

function matcher(name: string): Match {
  if (Object.hasOwn(MATCHES, name)) return MATCHES[name]!;
  const [, positive = "", sign] = /^(.*)([!~])$/s.exec(name) ?? [];
  if (!Object.hasOwn(MATCHES, positive)) throw fail("invalid", `invalid filter '${name}'`);
  return sign === "!" ? (usage, values) => !MATCHES[positive]!(usage, values) : MATCHES[positive]!;
}

/** BuildKit's: "type==regular,shared", all of which hold; of one name given twice, one, or with "!=" none. "name~=value" is for parts of it. @throws invalid */
export function parseFilters(texts: readonly string[]): CacheFilters {
  const found = new Map<string, string[]>();
  for (const text of texts) {
    for (const condition of text.split(",").filter((part) => part !== "")) {
      const [, name, sign, value = ""] = /^([a-z]+)(?:(==?|!=|~=)(.*))?$/s.exec(condition) ?? [];
      if (name === undefined) throw fail("invalid", `failed to parse filter: ${JSON.stringify(condition)}`);
      const key = sign === "!=" ? `${name}!` : sign === "~=" ? `${name}~` : name;
      found.set(key, [...(found.get(key) ?? []), value]);
    }
  }
  return found;
}
