/** Which tags go. Pure: times and rules in, names out. */
import type { Retention } from "../open-registry.ts";
import { compilePattern, type Matcher } from "../store/patterns.ts";

export type TagTimes = { readonly tag: string; readonly pushed: number; readonly pulled: number | undefined };
export type RetentionRules = { goes(repository: string, tags: readonly TagTimes[], now: number): ReadonlySet<string>; concerns(repository: string): boolean };

type Compiled = { readonly rule: Retention; readonly repository: Matcher; readonly tag: Matcher };

/** A tag goes when a rule has it and no rule that has it keeps it. */
export function compileRetention(rules: readonly Retention[]): RetentionRules {
  const compiled: Compiled[] = rules.map((rule) => ({ rule, repository: compilePattern(rule.repositories), tag: compilePattern(rule.tags) }));
  return {
    concerns: (repository) => compiled.some((one) => one.repository(repository)),
    goes(repository, tags, now) {
      const going = new Set<string>();
      const kept = new Set<string>();
      for (const { rule, repository: concerns, tag: has } of compiled) {
        if (!concerns(repository)) continue;
        const mine = tags.filter(({ tag }) => has(tag));
        const stay = keptBy(rule, mine, now);
        for (const { tag } of mine) (stay.has(tag) ? kept : going).add(tag);
      }
      return going.difference(kept);
    },
  };
}

/** By any of the rule's measures. A tag that was never pulled counts from when it was pushed. */
function keptBy({ keepLast, keepPushedMs, keepPulledMs }: Retention, tags: readonly TagTimes[], now: number): Set<string> {
  const youngest = tags.toSorted((a, b) => b.pushed - a.pushed || (a.tag < b.tag ? 1 : -1)).slice(0, keepLast ?? 0);
  const used = ({ pushed, pulled = 0 }: TagTimes): number => Math.max(pushed, pulled);
  const kept = tags.filter((one) => (keepPushedMs !== undefined && now - one.pushed < keepPushedMs) || (keepPulledMs !== undefined && now - used(one) < keepPulledMs));
  return new Set([...youngest, ...kept].map(({ tag }) => tag));
}
