import type { Group } from "../client.ts";
import { groups, topLevel } from "./commands.ts";

/** Names close to a mistyped one, nearest first: at most two letters off (one in a short word), or begun with the same letters. */
export function suggest(word: string, group?: Group): string[] {
  const names = group?.entries ?? [...topLevel, ...groups];
  return names
    .filter((each) => !("hidden" in each && each.hidden))
    .map(({ name }) => ({ name, far: distance(word, name) }))
    .filter(({ name, far }) => word !== "" && (far <= (word.length > 3 ? 2 : 1) || name.startsWith(word)))
    .sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** Letters to add, drop, change or swap to make one word of the other (restricted Damerau–Levenshtein). */
function distance(one: string, other: string): number {
  let before: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      let best = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1]) best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[other.length]!;
}
