/** `--dry-run` as a picture: steps as boxes from left to right, one after what it needs; a colour a stage. Pure. */
import { formatPlatform } from "#spec/platform.ts";
import type { Plan } from "./plan.ts";
import { depthsOf, factsOf, neededSteps, numbersOf } from "./show-text.ts";

const WIDTH = 260;
const HEIGHT = 58;
const GAP = { x: 70, y: 22 };
const MARGIN = 24;
const CHARACTERS = 38;
const COLOURS = ["#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#72b7b2", "#eeca3b", "#9d755d"];
const NEUTRAL = "#888888";

type Box = { readonly index: number; readonly x: number; readonly y: number };

export function showSvg(plan: Plan): string {
  const { steps } = plan.graph;
  const needed = neededSteps(plan.graph, plan.images.map(({ step }) => step));
  const number = numbersOf(needed);
  const boxes = place(plan, needed);
  const colours = stageColours(plan, needed);
  const width = boxes.values().reduce((most, { x }) => Math.max(most, x), 0) + WIDTH + MARGIN;
  const height = boxes.values().reduce((most, { y }) => Math.max(most, y), 0) + HEIGHT + MARGIN;
  const lines = needed.flatMap((index) => steps[index]!.inputs.map((input, at) => line(boxes.get(input)!, boxes.get(index)!, at === 0)));
  const targets = new Map(plan.images.map(({ step, platform }) => [step, formatPlatform(platform)]));
  const shapes = needed.map((index) => {
    const step = steps[index]!;
    const detail = targets.has(index) ? `image ${targets.get(index)}` : factsOf(step).join("; ");
    return shape(boxes.get(index)!, { colour: colours.get(step.stage ?? "") ?? NEUTRAL, title: `#${number.get(index)} ${step.name}`, detail, isTarget: targets.has(index) });
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="11">`,
    `<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="${NEUTRAL}"/></marker></defs>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    ...lines,
    ...shapes,
    "</svg>",
    "",
  ].join("\n");
}

/** A column for each depth; a row for each step that has its row free, the first input's if it can be. */
function place({ graph: { steps } }: Plan, needed: readonly number[]): ReadonlyMap<number, Box> {
  const depths = depthsOf(steps, needed);
  const taken = new Map<number, Map<number, number>>();
  const rows = new Map<number, number>();
  for (const index of needed) {
    const column = taken.get(depths.get(index)!) ?? new Map<number, number>();
    taken.set(depths.get(index)!, column);
    const first = steps[index]!.inputs[0];
    rows.set(index, takeRow(column, first === undefined ? 0 : rows.get(first)!));
  }
  return new Map(needed.map((index) => [index, { index, x: MARGIN + depths.get(index)! * (WIDTH + GAP.x), y: MARGIN + rows.get(index)! * (HEIGHT + GAP.y) }]));
}

/** The first free row from `wanted` on. Of a taken one is noted where to look next, so that a full column is not walked again. */
function takeRow(taken: Map<number, number>, wanted: number): number {
  let row = wanted;
  for (let next; (next = taken.get(row)) !== undefined; ) row = next;
  for (let at = wanted; at !== row; ) {
    const next = taken.get(at)!;
    taken.set(at, row + 1);
    at = next;
  }
  taken.set(row, row + 1);
  return row;
}

function stageColours({ graph: { steps } }: Plan, needed: readonly number[]): ReadonlyMap<string, string> {
  const stages = [...new Set(needed.flatMap((index) => steps[index]!.stage ?? []))];
  return new Map(stages.map((stage, place) => [stage, COLOURS[place % COLOURS.length]!]));
}

/** What a step goes on from is a whole line, what it only takes from a dashed one. */
function line(from: Box, to: Box, isBase: boolean): string {
  const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
  const middle = (x1 + x2) / 2;
  return `<path d="M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}" fill="none" stroke="${NEUTRAL}"${isBase ? "" : ' stroke-dasharray="4 3"'} marker-end="url(#to)"/>`;
}

type Shape = { readonly colour: string; readonly title: string; readonly detail: string; readonly isTarget: boolean };

function shape({ x, y }: Box, { colour, title, detail, isTarget }: Shape): string {
  const short = withoutMounts(title);
  const [first, second] = [short.slice(0, CHARACTERS), short.slice(CHARACTERS)];
  const rows = [first, clipped(second), clipped(detail)];
  const texts = rows.map((text, at) => `<text x="${x + 10}" y="${y + 17 + at * 15}"${at === 2 ? ' fill="#666666"' : ""}>${escape(text)}</text>`);
  const whole = escape(detail === "" ? title : `${title}\n${detail}`);
  const box = `<rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="6" fill="${colour}22" stroke="${colour}" stroke-width="${isTarget ? 3 : 1.2}"/>`;
  return `<g><title>${whole}</title>${box}${texts.join("")}</g>`;
}

/** What a step runs says more than what it mounts, which is in the tip. */
const withoutMounts = (title: string): string => title.split(" ").filter((word) => word !== "" && !word.startsWith("--mount=")).join(" ");

const clipped = (text: string): string => (text.length > CHARACTERS ? `${text.slice(0, CHARACTERS - 1)}…` : text);

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** XML holds no control characters but these three. */
const escape = (text: string): string => text.toWellFormed().replaceAll(/[&<>"]/g, (sign) => ENTITIES[sign]!).replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd");
