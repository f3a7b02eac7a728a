/** The table of options in a help page, laid out and wrapped as docker's (pflag's) is. */
import type { Flag, Flags } from "./flags.ts";

/** `width`: columns of the terminal; lines stay below it where words allow. */
export function renderFlags(flags: Flags, width: number): string {
  const rows = Object.keys(flags)
    .filter((name) => !flags[name]!.hidden)
    .sort()
    .map((name) => ({ title: title(name, flags[name]!), text: describe(flags[name]!) }));
  const longest = Math.max(0, ...rows.map((row) => row.title.length));
  return rows.map((row) => `${row.title.padEnd(longest)}   ${wrap(row.text, longest + 3, width)}\n`).join("");
}

function title(name: string, flag: Flag): string {
  const start = flag.short === undefined ? `      --${name}` : `  -${flag.short}, --${name}`;
  return flag.kind === "" ? start : `${start} ${flag.kind}`;
}

function describe(flag: Flag): string {
  return flag.shown === undefined ? flag.text : `${flag.text} (default ${flag.shown})`;
}

/** A last line may run this much over, so that no single short word is left alone on a line. */
const SLOP = 5;

/** Less than this is no room for words: they go below the option's name, nearer to the margin. */
const LEAST = 24;
const NEAR = 16;

function wrap(text: string, indent: number, width: number): string {
  if (width - 1 - indent >= LEAST) return wrapInto(text, indent, width - 1 - indent);
  const room = width - 1 - NEAR;
  if (room < LEAST) return text.replaceAll("\n", `\n${" ".repeat(NEAR)}`);
  return `\n${" ".repeat(NEAR)}${wrapInto(text, NEAR, room)}`;
}

function wrapInto(text: string, indent: number, room: number): string {
  const margin = `\n${" ".repeat(indent)}`;
  const lines: string[] = [];
  let rest = text;
  while (rest !== "" || lines.length === 0) {
    const [line, after] = cut(rest, room - SLOP);
    lines.push(line.replaceAll("\n", margin));
    rest = after;
    if (after === "") break;
  }
  return lines.join(margin);
}

/** The first line of a text, and what is left of it. */
function cut(text: string, room: number): [string, string] {
  if (room + SLOP > text.length) return [text, ""];
  const head = text.slice(0, room);
  const space = Math.max(head.lastIndexOf(" "), head.lastIndexOf("\t"), head.lastIndexOf("\n"));
  if (space <= 0) return [text, ""];
  const newline = head.lastIndexOf("\n");
  const at = newline > 0 && newline < space ? newline : space;
  return [text.slice(0, at), text.slice(at + 1)];
}
