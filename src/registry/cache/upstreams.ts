import { fail } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import { compilePatterns } from "../store/patterns.ts";
import type { UpstreamRepository, Upstreams, UpstreamSettings } from "./cache.ts";
import { openCopies } from "./copies.ts";

export type UpstreamParts = {
  /** The registry client's door. */
  open(upstream: UpstreamSettings, path: string): UpstreamRepository;
  readonly log: Log;
};

/** One of our repositories, and what it is a copy of. */
export type Copy = { readonly upstream: UpstreamSettings; readonly path: string; readonly remote: UpstreamRepository };

const MOST_OPEN = 1000;

/** @throws invalid for prefixes that repeat */
export function openUpstreams(settings: readonly UpstreamSettings[], { open, log }: UpstreamParts): Upstreams {
  const rules = settings.map((upstream) => ({ upstream, has: upstream.only === undefined ? () => true : compilePatterns(upstream.only) })).toSorted((a, b) => b.upstream.prefix.length - a.upstream.prefix.length);
  const twice = rules.find(({ upstream }, index) => rules[index + 1]?.upstream.prefix === upstream.prefix);
  if (twice !== undefined) throw fail("invalid", `upstreams: two have the prefix ${JSON.stringify(twice.upstream.prefix)}`);
  const ended = new AbortController();
  const opened = new Map<string, Copy>();

  const find = (repository: string) => {
    const rule = rules.find(({ upstream: { prefix } }) => prefix === "" || repository.startsWith(`${prefix}/`));
    const path = rule === undefined ? "" : pathOf(repository, rule.upstream);
    return rule?.has(path) === true ? { upstream: rule.upstream, path } : undefined;
  };

  const copyOf = (repository: string): Copy | undefined => {
    const known = opened.get(repository);
    if (known !== undefined) return known;
    const found = find(repository);
    if (found === undefined) return undefined;
    const copy = { ...found, remote: open(found.upstream, found.path) };
    opened.set(repository, copy);
    if (opened.size > MOST_OPEN) opened.delete(opened.keys().next().value as string);
    return copy;
  };

  return {
    around: (store) => openCopies(store, { copyOf, ended: ended.signal, log }),
    isCopy: (repository) => find(repository) !== undefined,
    async [Symbol.asyncDispose]() {
      ended.abort();
    },
  };
}

/** Docker Hub's own images are known by one word. */
function pathOf(repository: string, { prefix, registry }: UpstreamSettings): string {
  const path = prefix === "" ? repository : repository.slice(prefix.length + 1);
  return registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
}
