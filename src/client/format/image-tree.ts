/** `images --tree`: each image with the platforms its index lists, here or not, and a mark for what containers use. */
import type { Output } from "../client.ts";
import { escapeControls } from "./escape.ts";
import type { ImageSummary } from "./images.ts";
import { humanSize, shortId } from "./units.ts";

/** Of GET /images/json?manifests=1. */
export type TreeImage = ImageSummary & { readonly Manifests?: readonly TreeManifest[] | null };

type TreeManifest = {
  readonly ID: string;
  readonly Available: boolean;
  readonly Kind: string;
  readonly Size: { readonly Content: number; readonly Total: number };
  readonly ImageData?: { readonly Platform: { readonly os: string; readonly architecture: string; readonly variant?: string }; readonly Containers: readonly string[] | null };
};

type Details = { readonly id: string; readonly diskUsage: string; readonly contentSize: string; readonly used: boolean };
type Branch = Details & { readonly platform: string; readonly available: boolean };
type Tree = Details & { readonly names: readonly string[]; readonly branches: readonly Branch[] };

type Column = { readonly title: string; readonly width: number; readonly align: "left" | "right"; readonly value: (details: Details) => string };

const COLUMNS: readonly Column[] = [
  { title: "ID", width: 12, align: "left", value: ({ id }) => shortId(id) },
  { title: "DISK USAGE", width: 10, align: "right", value: ({ diskUsage }) => diskUsage },
  { title: "CONTENT SIZE", width: 12, align: "right", value: ({ contentSize }) => contentSize },
  { title: "EXTRA", width: 5, align: "left", value: ({ used }) => (used ? "U" : "") },
];
const SPACING = 3;
const LEAST = 12;
const UNTAGGED = "<untagged>";
const WARNING = "WARNING: This is an experimental feature. The output may change and shouldn't be depended on.";

export function printTree(out: Output, images: readonly TreeImage[], options: { readonly all: boolean }): void {
  const shown = images.filter((image) => options.all || (image.RepoTags ?? []).length + (image.RepoDigests ?? []).length > 0);
  const trees = shown.toSorted((a, b) => b.Created - a.Created).map(treeOf);
  const style = out.isTerminal ? COLOURS : PLAIN;
  const width = Math.max(out.columns || 80, 20);
  const { columns, first } = layout(trees, width);
  out.write(`${style.warning(WARNING)}\n${" ".repeat(Math.max(0, width - style.legendWidth))}${style.legend}\n\n`);
  out.write(`${[style.header("IMAGE") + " ".repeat(first - 5), ...columns.map((column) => headerOf(column, style))].join(" ".repeat(SPACING))}\n`);
  for (const tree of trees) out.write(`${linesOf(tree, columns, first, style).join("\n")}\n\n`);
}

function treeOf(image: TreeImage): Tree {
  const manifests = (image.Manifests ?? []).filter(({ Kind, ImageData }) => Kind === "image" && ImageData !== undefined);
  const branches = manifests.map(({ ID, Available, Size, ImageData }): Branch => ({
    id: ID,
    platform: [ImageData!.Platform.os, ImageData!.Platform.architecture, ImageData!.Platform.variant].filter((part) => part).join("/"),
    available: Available,
    diskUsage: humanSize(Size.Total),
    contentSize: humanSize(Size.Content),
    used: (ImageData!.Containers ?? []).length > 0,
  }));
  return {
    id: image.Id,
    // The longest first: the line with the figures begins with the shortest.
    names: [...(image.RepoTags ?? [])].toSorted((a, b) => b.length - a.length),
    diskUsage: humanSize(image.Size),
    contentSize: humanSize(manifests.reduce((sum, { Size }) => sum + Size.Content, 0)),
    used: (image.Containers ?? 0) > 0 || branches.some(({ used }) => used),
    branches,
  };
}

/** As many columns as leave the names room, and the names' column as narrow as they are. */
function layout(trees: readonly Tree[], width: number): { columns: readonly Column[]; first: number } {
  let left = width;
  let count = 0;
  for (const column of COLUMNS) {
    if (left - column.width - SPACING < LEAST) break;
    left -= column.width + SPACING;
    count++;
  }
  const widest = Math.max(UNTAGGED.length, ...trees.flatMap(({ names, branches }) => [...names.map((name) => name.length), ...branches.map(({ platform }) => platform.length + 7)]));
  return { columns: COLUMNS.slice(0, count), first: Math.min(left, widest) };
}

function headerOf({ title, width, align }: Column, style: Style): string {
  const space = " ".repeat(Math.max(0, width - title.length));
  return align === "left" ? style.header(title) + space : space + style.header(title);
}

function linesOf(tree: Tree, columns: readonly Column[], first: number, style: Style): string[] {
  const name = (text: string) => style.name(style.safe(text));
  const names = tree.names.length === 0 ? [] : tree.names.slice(0, -1).map(name);
  const last = tree.names.at(-1);
  const head = last === undefined ? pad(UNTAGGED, first, style.faint) : pad(last, first, name);
  const branches = tree.branches.map((branch, at) => {
    const text = `${at === tree.branches.length - 1 ? "└─" : "├─"} ${branch.platform}`;
    const paint = branch.available ? style.normal : style.faint;
    return pad(text, first, paint) + figures(branch, columns, style, paint);
  });
  return [...names, head + figures(tree, columns, style, style.normal), ...branches];
}

function figures(details: Details, columns: readonly Column[], style: Style, paint: Paint): string {
  return columns.map((column) => {
    const value = column.value(details);
    const own = column.title === "EXTRA" ? style.used : { paint, width: value.length };
    const space = " ".repeat(Math.max(0, column.width - (value === "" ? 0 : own.width)));
    const text = value === "" ? "" : own.paint(value);
    return " ".repeat(SPACING) + (column.align === "left" ? text + space : space + text);
  }).join("");
}

function pad(text: string, width: number, paint: Paint): string {
  const characters = [...text];
  if (characters.length > width) return paint(`${characters.slice(0, width - 3).join("")}...`);
  return paint(text) + " ".repeat(width - characters.length);
}

type Paint = (text: string) => string;
type Style = {
  readonly warning: Paint;
  readonly header: Paint;
  readonly name: Paint;
  readonly normal: Paint;
  readonly faint: Paint;
  readonly safe: Paint;
  readonly used: { readonly paint: Paint; readonly width: number };
  readonly legend: string;
  readonly legendWidth: number;
};

const same: Paint = (text) => text;
const sgr = (...codes: string[]): Paint => (text) => `${codes.map((code) => `\x1b[${code}m`).join("")}${text}\x1b[0m`;

const PLAIN: Style = {
  warning: same,
  header: same,
  name: same,
  normal: same,
  faint: same,
  safe: same,
  used: { paint: same, width: 1 },
  legend: "Info ->  U In Use ",
  legendWidth: 18,
};

const chip = sgr("38;5;0", "48;5;14");
const COLOURS: Style = {
  warning: sgr("93"),
  header: sgr("39", "1"),
  name: sgr("34", "1"),
  normal: sgr("39"),
  faint: sgr("39", "2"),
  safe: (text) => escapeControls(text, true),
  used: { paint: (text) => chip(` ${text} `), width: 3 },
  legend: `\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m ${chip(" U ")} In Use `,
  legendWidth: 21,
};
