/** Progress on a terminal, drawn over and over: steps with timers, and the last lines of those that run. */
import type { Colors } from "./colors.ts";
import type { Display } from "./display.ts";
import { type Step, type Trace, durationOf, isCanceled, isCompleted, openTrace } from "./trace.ts";
import { amountText } from "./units.ts";
import { cut, widthOf } from "./width.ts";

export type Screen = { write(text: string): void; size(): { readonly rows: number; readonly columns: number } };

/** Lines of a running step that are shown, if there is room: at most these, at least those. */
const MOST_LINES = 6;
const FEWEST_LINES = 3;
/** Of a step's output so much is kept, in case it fails. */
const KEPT_BYTES = 32 * 2 ** 20;
/** What a line takes besides its letters. */
const PER_LINE = 32;

export function openTty(screen: Screen, colors: Colors, title: string): Display {
  const trace = openTrace();
  let drawn = 0;
  let last = 0;
  const draw = (final: boolean): void => {
    const { rows, columns } = screen.size();
    const lines = render(trace, { rows, columns, colors, title, final });
    last = Date.now();
    // One write: a frame is never seen half.
    const up = drawn > 0 ? `\x1b[${drawn}A\r` : "\r";
    screen.write(`${HIDE}${up}${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J${SHOW}`);
    drawn = final ? 0 : lines.length;
  };
  return {
    warnings: trace.warnings,
    update(status) {
      trace.feed(status);
      for (const step of trace.steps) keep(step);
      if (Date.now() - last >= FRAME_MS) draw(false);
    },
    refresh: () => draw(false),
    end() {
      draw(true);
      for (const step of trace.steps) {
        if (step.error === "" || isCanceled(step)) continue;
        screen.write(`------\n > ${step.name}:\n${step.output.kept.map((line) => `${line}\n`).join("")}------\n`);
      }
    },
  };
}

const FRAME_MS = 100;
const HIDE = "\x1b[?25l";
const SHOW = "\x1b[?25h";

/** What a step wrote is kept while it runs, and if it failed: all of it, up to a limit no terminal scrolls back to. */
function keep(step: Step): void {
  const { output } = step;
  for (const line of output.fresh.splice(0)) {
    output.kept.push(line);
    output.bytes += line.length + PER_LINE;
  }
  if (isCompleted(step) && step.error === "") output.kept.length = output.bytes = 0;
  if (output.bytes <= KEPT_BYTES) return;
  const dropped = output.kept.splice(0, Math.ceil(output.kept.length / 2));
  output.bytes -= dropped.reduce((sum, line) => sum + line.length + PER_LINE, 0);
  output.kept.unshift("… (what it wrote before is in `gantry build logs`)");
}

type Frame = { readonly rows: number; readonly columns: number; readonly colors: Colors; readonly title: string; readonly final: boolean };
type Line = { readonly text: string; readonly right: string; readonly color: string; readonly isOpen: boolean; readonly step?: Step };

export function render(trace: Trace, { rows, columns, colors, title, final }: Frame): string[] {
  const now = Date.now() - trace.ahead;
  const shown = trace.steps.filter((step) => !step.hidden);
  const done = shown.filter(isCompleted).length;
  const total = Math.max(trace.total(), shown.length);
  const state = final && done > 0 && done === total ? "FINISHED" : "";
  const elapsed = trace.start === undefined ? 0 : (now - trace.start) / 1000;
  const told = `[+] Building ${elapsed.toFixed(1)}s (${done}/${total}) ${state}`;
  const head = aligned(told, widthOf(told) + widthOf(title) < columns - 1 ? title : "", columns - 1);
  const all = shown.flatMap((step) => linesOf(step, now, columns, colors));
  // The last row is the cursor's.
  const room = Math.max(1, rows - 2);
  const lines = final ? all : fit(all, room);
  const free = room - lines.length;
  return [head, ...lines.flatMap((line) => [painted(line, columns, colors), ...(final ? [] : logLines(line, lines, free, columns, colors))])];
}

function linesOf(step: Step, now: number, columns: number, colors: Colors): Line[] {
  const completed = isCompleted(step);
  const state = step.error !== "" ? (isCanceled(step) ? "CANCELED " : "ERROR ") : step.cached ? "CACHED " : "";
  const color = !completed ? "" : step.error === "" ? colors.run : isCanceled(step) ? colors.cancel : colors.error;
  const time = (ms: number) => `${(ms < 50 ? 0 : ms / 1000).toFixed(1)}s`;
  const transfers = [...step.transfers.values()].filter(({ started }) => started !== undefined).map((one): Line => ({
    text: ` => => ${printable(one.id)} ${amountText(one)}`.trimEnd(),
    right: time((one.completed ?? Math.max(now, one.started!)) - one.started!),
    color: one.completed === undefined ? "" : colors.run,
    isOpen: one.completed === undefined && !completed,
  }));
  const warnings = step.warnings.map((text): Line => ({ text: ` WARN: ${printable(text)}`, right: time(durationOf(step, now)), color: colors.cancel, isOpen: false }));
  return [{ text: ` => ${state}${printable(step.name)}`, right: time(durationOf(step, now)), color, isOpen: !completed, step }, ...transfers, ...warnings];
}

/** Not all fit: those that run, and the newest of the others. */
function fit(lines: readonly Line[], room: number): readonly Line[] {
  if (lines.length <= room) return lines;
  const open = lines.filter(({ isOpen }) => isOpen).slice(-room);
  const rest = lines.filter((line) => !open.includes(line)).slice(-Math.max(0, room - open.length) || lines.length);
  const kept = new Set([...open, ...(open.length < room ? rest : [])]);
  return lines.filter((line) => kept.has(line));
}

/** The last lines of a step that runs, where the screen has room for those of all that do. */
function logLines({ step, isOpen }: Line, lines: readonly Line[], free: number, columns: number, colors: Colors): string[] {
  if (step === undefined || !isOpen || step.output.kept.length + step.output.left.length === 0) return [];
  const talking = lines.filter((line) => line.isOpen && line.step !== undefined && line.step.output.kept.length > 0).length;
  const most = Math.min(MOST_LINES, Math.floor(free / Math.max(1, talking)));
  if (most < FEWEST_LINES) return [];
  const partial = step.output.left.length === 0 ? [] : [`${step.output.leftAt.toFixed(1)} ${step.output.left.toString()}`];
  const texts = [...step.output.kept.slice(-most), ...partial].slice(-most);
  return texts.map((text) => colors.faint(cut(` => => # ${printable(text.slice(text.lastIndexOf("\r") + 1))}`, columns - 1)));
}

function painted({ text, right, color }: Line, columns: number, colors: Colors): string {
  return colors.paint(aligned(text, right, columns - 1), color);
}

/** Never wider than that: on a terminal with little room the left is what counts. */
function aligned(left: string, right: string, width: number): string {
  const room = width - widthOf(right) - 1;
  if (room < LEAST_LEFT) return cut(left, width);
  const text = cut(left, room);
  return `${text}${" ".repeat(room - widthOf(text))} ${right}`.trimEnd();
}

const LEAST_LEFT = 10;

/** Programs move the cursor and ring the bell: here they only leave their text. */
function printable(text: string): string {
  return text.replace(/\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)/g, "").replaceAll("\t", " ").replace(/[\0-\x1f\x7f-\x9f]/g, "");
}

