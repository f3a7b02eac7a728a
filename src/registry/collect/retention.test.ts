import assert from "node:assert/strict";
import { test } from "node:test";
import type { Retention } from "../open-registry.ts";
import { compilePattern } from "../store/patterns.ts";
import { compileRetention } from "./retention.ts";

const DAY = 86_400_000;
const NOW = 100 * DAY;
const tag = (name: string, pushedDays: number, pulledDays?: number) => ({ tag: name, pushed: NOW - pushedDays * DAY, pulled: pulledDays === undefined ? undefined : NOW - pulledDays * DAY });
const TAGS = [tag("pr-1", 50), tag("pr-2", 40, 1), tag("pr-3", 30), tag("pr-4", 3), tag("latest", 60), tag("v1", 70, 2)];

const cases: [string, Partial<Retention>[], string[]][] = [
  ["no rule: all stay", [], []],
  ["the last two", [{ tags: "pr-*", keepLast: 2 }], ["pr-1", "pr-2"]],
  ["pushed within a time", [{ tags: "pr-*", keepPushedMs: 35 * DAY }], ["pr-1", "pr-2"]],
  ["pulled within a time, or pushed", [{ tags: "pr-*", keepPulledMs: 7 * DAY }], ["pr-1", "pr-3"]],
  ["any measure of a rule keeps", [{ tags: "pr-*", keepLast: 1, keepPulledMs: 7 * DAY }], ["pr-1", "pr-3"]],
  ["none of them", [{ tags: "pr-*", keepLast: 0 }], ["pr-1", "pr-2", "pr-3", "pr-4"]],
  ["another rule that has the tag keeps it", [{ tags: "**", keepLast: 0 }, { tags: "latest", keepLast: 1 }, { tags: "v*", keepLast: 10 }], ["pr-1", "pr-2", "pr-3", "pr-4"]],
  ["of other repositories", [{ repositories: "other/**", tags: "**", keepLast: 0 }], []],
];

for (const [what, rules, gone] of cases) {
  test(`retention: ${what}`, () => {
    const compiled = compileRetention(rules.map((rule) => ({ repositories: "team/*", tags: "**", ...rule })));
    assert.deepEqual([...compiled.goes("team/app", TAGS, NOW)].toSorted(), gone);
  });
}

test("patterns: a star is within a component, two are anything, and no pattern takes long", () => {
  for (const [pattern, yes, no] of [
    ["a", ["a"], ["", "b", "aa", "a/b"]],
    ["*", ["", "abc"], ["a/b"]],
    ["**", ["", "a", "a/b/c"], []],
    ["team/*", ["team/", "team/a"], ["team", "team/a/b", "xteam/a"]],
    ["team/**", ["team/a", "team/a/b"], ["team", "teams/a"]],
    ["**/app", ["x/app", "x/y/app"], ["app", "x/apps"]],
    ["pr-*-x", ["pr-1-x", "pr--x", "pr-x-x"], ["pr-x", "pr-1-y"]],
    ["a.c", ["a.c"], ["abc"]],
  ] as const) {
    for (const text of yes) assert.ok(compilePattern(pattern)(text), `${pattern} has ${text}`);
    for (const text of no) assert.ok(!compilePattern(pattern)(text), `${pattern} has not ${text}`);
  }
  const began = performance.now();
  compilePattern("*a".repeat(100))("a".repeat(5000) + "b");
  assert.ok(performance.now() - began < 2000);
});
