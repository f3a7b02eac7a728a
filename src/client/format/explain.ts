/**
 * The page `gantry explain` prints: a section for each part of the answer. It knows how to lay data out, not what the
 * engine has to say: an object is a list of names and values, a list of objects with the same keys is a table (and so is
 * an object of titles and rows), a list of texts is a line each.
 */
import { alignColumns } from "./columns.ts";
import { escapeControls } from "./escape.ts";

export function explainPage(data: unknown, isTerminal: boolean): string {
  const page = section(data, "", isTerminal).join("\n").replace(/^\n+/, "");
  return `${withShortId(page, isObject(data) ? (data["Id"] ?? data["id"]) : undefined)}\n`;
}

/** A container's id stands in many paths: after its first, full mention, its first digits do. */
function withShortId(page: string, id: unknown): string {
  if (typeof id !== "string" || !/^[0-9a-f]{64}$/.test(id)) return page;
  const at = page.indexOf(id) + id.length;
  return page.slice(0, at) + page.slice(at).replaceAll(id, `${id.slice(0, 12)}…`);
}

function section(data: unknown, margin: string, isTerminal: boolean): string[] {
  if (!isObject(data)) return block(data, margin, isTerminal);
  const entries = Object.entries(data).filter(([, value]) => !isEmpty(value));
  const plain = entries.filter(([, value]) => !isBig(value));
  // What is longest comes last: the rest would be lost above it.
  const big = entries.filter(([, value]) => isBig(value)).sort(([, a], [, b]) => Number(isLong(a)) - Number(isLong(b)));
  const lines = alignColumns(plain.map(([name, value]) => `${margin}${title(name)}\t${one(value, isTerminal)}`), { min: 0, padding: 2 });
  for (const [name, value] of big) {
    if (margin === "") lines.push("");
    lines.push(`${margin}${margin === "" ? title(name).toUpperCase() : title(name)}`, ...block(value, `${margin}  `, isTerminal));
  }
  return lines;
}

function block(value: unknown, margin: string, isTerminal: boolean): string[] {
  if (isObject(value)) {
    const table = titledTable(value);
    if (table !== undefined) return layTable(table, margin, isTerminal);
    const rows = Object.entries(value).map(([name, each]) => (isObject(each) ? { "": title(name), ...each } : each));
    return tableColumns(rows) === undefined ? section(value, margin, isTerminal) : block(rows, margin, isTerminal);
  }
  if (!Array.isArray(value)) return [`${margin}${one(value, isTerminal)}`];
  const columns = tableColumns(value);
  if (columns === undefined) {
    return value.flatMap((each) => (isBig(each) ? [...block(each, margin, isTerminal), ""] : [`${margin}${one(each, isTerminal)}`]));
  }
  const rows = value.map((each) => columns.map((name) => (each as Record<string, unknown>)[name]));
  return layTable([columns.map((name) => title(name).toUpperCase()), ...rows], margin, isTerminal);
}

const layTable = (rows: readonly (readonly unknown[])[], margin: string, isTerminal: boolean): string[] =>
  alignColumns(rows.map((row) => margin + row.map((cell) => one(cell, isTerminal)).join("\t")), { min: 0, padding: 3 });

/** As `docker top` answers. */
function titledTable(value: Record<string, unknown>): unknown[][] | undefined {
  const { titles, rows } = Object.fromEntries(Object.entries(value).map(([name, each]) => [name.toLowerCase(), each]));
  const isTable = Object.keys(value).length === 2 && Array.isArray(titles) && Array.isArray(rows) && rows.every(Array.isArray);
  return isTable ? [titles, ...(rows as unknown[][])] : undefined;
}

/** The columns of a list of flat objects. */
function tableColumns(list: readonly unknown[]): string[] | undefined {
  if (list.length === 0 || !list.every((each) => isObject(each) && Object.values(each).every((value) => !isBig(value)))) return undefined;
  const names = new Set(list.flatMap((each) => Object.keys(each as object)));
  return [...names].filter((name) => list.some((each) => !isEmpty((each as Record<string, unknown>)[name])));
}

/** Too much for one line beside its name. */
function isBig(value: unknown): boolean {
  if (isObject(value)) return true;
  return Array.isArray(value) && (value.length > 8 || value.some((each) => typeof each === "object" || String(each).length > 60));
}

function isLong(value: unknown): boolean {
  return Array.isArray(value) && value.length > 40;
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

function one(value: unknown, isTerminal: boolean): string {
  if (value === undefined || value === null) return "";
  const text = Array.isArray(value) ? value.map(String).join(" ") : isObject(value) ? JSON.stringify(value) : String(value);
  return escapeControls(text.replace(/[\t\n]/g, " "), isTerminal);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** "cgroupFiles" → "Cgroup files"; what is not a word of ours (a path, a number) stays. */
function title(name: string): string {
  if (!/^[A-Za-z][A-Za-z0-9]*$/.test(name)) return name;
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2").split(" ");
  return words.map((word, at) => (/^[A-Z]{2,}$/.test(word) ? word : at === 0 ? word[0]!.toUpperCase() + word.slice(1) : word.toLowerCase())).join(" ");
}
