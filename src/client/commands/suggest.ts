import type { Group } from "../client.ts";
import { groups, topLevel } from "./commands.ts";

const MOST = 3;

/** Names a mistyped one may stand for: those it begins, else the nearest, at most two letters off (one in a short word). */
export function suggest(word: string, group?: Group): string[] {
  const known: readonly { readonly name: string; readonly hidden?: boolean }[] = group?.entries ?? [...topLevel, ...groups];
  const names = known.filter((each) => !each.hidden && word !== "").map((each) => each.name);
  const begun = names.filter((name) => name.startsWith(word));
  if (begun.length > 0) return begun.sort().slice(0, MOST);
  const far = new Map(names.map((name) => [name, distance(word, name)]));
  const nearest = Math.min(...far.values());
  if (nearest > (word.length > 3 ? 2 : 1)) return [];
  return names.filter((name) => far.get(name) === nearest).sort().slice(0, MOST);
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
