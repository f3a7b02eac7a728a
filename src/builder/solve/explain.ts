/** Why a step was not found: what its key is made of now, beside the newest results that are most like it. Pure. */
import { sha256 } from "#base/digest.ts";
import type { FileTree } from "../tree.ts";
import type { RecentTrees } from "../contexts/recent-trees.ts";
import { changedFiles } from "./changed-files.ts";
import type { Parts } from "./keys.ts";

/** `files`: of parts that are a selection of a context's files. */
export type Explained = { readonly parts: Parts; readonly files: ReadonlyMap<string, Selected> };
export type Selected = { readonly tree: FileTree; readonly sources: readonly string[]; /** What the part is of another tree, if that is known. */ readonly digestOf: (tree: FileTree) => string | undefined };
export type Earlier = { readonly parts: Parts; readonly trees: Readonly<Record<string, string>> };

export const REMOVED = "it was made before, but its result is not kept any more";

const MOST = 8;

/** Both as keptParts has them; `earlier` newest first. */
export function explainMiss(now: Explained, earlier: readonly Earlier[], recent: RecentTrees): string[] {
  const compared = earlier.map((one) => ({ one, changes: changedParts(one.parts, now.parts) }));
  const best = compared.reduce<(typeof compared)[number] | undefined>((least, next) => (least === undefined || next.changes.length < least.changes.length ? next : least), undefined);
  if (best === undefined) return ["it is not known to have been made before"];
  if (best.changes.length === 0) return [inOrder(best.one.parts) === inOrder(now.parts) ? REMOVED : "its variables are in another order"];
  const texts = best.changes.slice(0, MOST).map((name) => whichFiles(name, best.one, now, recent) ?? changeText(name, best.one.parts[name], now.parts[name]));
  return best.changes.length <= MOST ? texts : [...texts, `and ${best.changes.length - MOST} more`];
}

const MOST_TREES = 30;

const inOrder = (parts: Parts): string => JSON.stringify(Object.keys(parts));

const changedParts = (before: Parts, now: Parts): string[] => [...new Set([...Object.keys(now), ...Object.keys(before)])].filter((name) => before[name] !== now[name]);

function whichFiles(name: string, { trees, parts }: Earlier, { files }: Explained, recent: RecentTrees): string | undefined {
  const given = files.get(name);
  const made = trees[name] === undefined ? undefined : recent.get(trees[name]);
  // Not the tree that it was made of, but one in which the same was selected.
  const before = made ?? (given && recent.list().slice(0, MOST_TREES).find((tree) => given.digestOf(tree) === parts[name]));
  const text = given === undefined || before === undefined ? undefined : changedFiles(before, given.tree, given.sources);
  return text === undefined ? undefined : `${name}: ${text}`;
}

function changeText(name: string, before: string | undefined, now: string | undefined): string {
  if (name === "base") return "what it is made on changed";
  if (/^files (?:\d+ )?of /.test(name)) return before === undefined || now === undefined ? `${name}: new` : `${name}: changed`;
  if (name === "command" && before !== undefined && now !== undefined) return `command: was ${commandText(before)}, is ${commandText(now)}`;
  if (before === undefined) return `${name}: new${now === undefined || isLong(now) ? "" : `, ${JSON.stringify(now)}`}`;
  if (now === undefined) return `${name}: gone`;
  return isLong(before) || isLong(now) ? `${name}: changed` : `${name}: was ${JSON.stringify(before)}, is ${JSON.stringify(now)}`;
}

/** Of a shell what it is told. */
function commandText(json: string): string {
  if (!json.startsWith("[")) return json;
  const words = JSON.parse(json) as string[];
  return JSON.stringify(words.length === 3 && words[1] === "-c" ? words[2] : words.join(" "));
}

const isLong = (value: string): boolean => value.length > 200 || value.startsWith("{");

const LONGEST = 400;

/** Parts as a record has them: long values by their digest. */
export const keptParts = (parts: Parts): Parts => Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, value.length > LONGEST ? sha256(value) : value]));
