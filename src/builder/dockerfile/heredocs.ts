/** Which heredocs an instruction's line opens, and their words. */
import type { Heredoc } from "./dockerfile.ts";
import { splitWords } from "./expand.ts";
import { withoutTabs } from "./lines.ts";

export type HeredocWord = Omit<Heredoc, "content">;

const unset = (): undefined => undefined;

/** The heredocs of a line, in their order. A line that is no shell's opens none: the instruction says itself what is wrong. */
export function heredocWords(line: string): HeredocWord[] {
  if (!line.includes("<<")) return [];
  return words(line, true).flatMap((word) => heredocWord(word) ?? []);
}

/** Without the tabs that do not count. */
export function textOf({ content, stripTabs }: Pick<Heredoc, "content" | "stripTabs">): string {
  return stripTabs ? content.split("\n").map(withoutTabs).join("\n") : content;
}

/** "3<<-EOF" as what it says; undefined for what is no heredoc, like "<<<x". */
export function heredocWord(word: string): HeredocWord | undefined {
  const sign = word.indexOf("<<");
  if (sign === -1 || sign > 10 || !isNumber(word.slice(0, sign))) return undefined;
  const stripTabs = word[sign + 2] === "-";
  const rest = word.slice(sign + (stripTabs ? 3 : 2)).trimStart();
  if (rest === "" || rest.includes("<")) return undefined;
  const [name, ...more] = words(rest, false);
  if (name === undefined || more.length > 0) return undefined;
  const raw = words(rest, "quotes")[0] ?? "";
  return { name, quoted: quotes(name) !== quotes(raw), stripTabs, descriptor: Number(word.slice(0, sign)) };
}

function words(text: string, keep: boolean | "quotes"): string[] {
  try {
    return splitWords(text, { lookup: unset, escape: "\\", keepUnset: true, quotes: keep === false ? "remove" : "keep", keepEscapes: keep === true });
  } catch {
    return [];
  }
}

function quotes(word: string): number {
  return word.split(/['"]/).length;
}

function isNumber(text: string): boolean {
  return /^[0-9]*$/.test(text);
}
