/**
 * Progress as lines: `#5 [2/3] RUN make`, `#5 0.312 text`, `#5 DONE 0.4s`. Steps that run at once take turns: what the one
 * whose turn it is writes is shown at once, what others write when they end or it has been quiet.
 */
import type { Display } from "./display.ts";
import { beginningOf, type Step, durationOf, endOf, isCanceled, isCompleted, isStarted, openTrace, type Transfer } from "./trace.ts";
import { amountText } from "./units.ts";

/** The turn goes on after so many milliseconds of silence, or when another step has waited for so long. */
const QUIET_MS = 1000;
const PATIENCE_MS = 5000;
/** A transfer is told again after that, or when that much of it has come since. */
const AGAIN_MS = 5000;
const AGAIN_SHARE = 0.05;
const EVERY_MS = 100;
/** Lines of a failed step that are shown again at the end. */
const KEPT = 10;

/**
 * `every`: news is gathered for so long, so that what belongs together stands together. `beginnings`: of a line whose end
 * is to come (a question, dots) what there is.
 */
export function openPlain(write: (text: string) => void, { every = EVERY_MS, beginnings = true } = {}): Display {
  const trace = openTrace();
  const numbers = new Map<Step, number>();
  const said = new Map<Transfer, { at: number; current: number; done: boolean }>();
  let current: Step | undefined;
  let spoke = 0;
  let began = false;
  let looked = -Infinity;
  /** What the last line says so far. */
  let begun = "";

  const numberOf = (step: Step): number => {
    if (!numbers.has(step)) numbers.set(step, numbers.size + 1);
    return numbers.get(step)!;
  };
  const breakLine = (): void => {
    if (begun !== "") write("\n");
    begun = "";
  };
  /** The rest of the line, if it is that which is begun. */
  const goOn = (number: number, line: string): void => {
    if (begun !== "" && line.startsWith(begun)) return write(line.slice(begun.length));
    breakLine();
    write(`#${number} ${line}`);
  };
  const writeLines = (number: number, [first, ...others]: readonly string[]): void => {
    if (first === undefined) return;
    goOn(number, first);
    begun = "";
    write(`\n${others.map((line) => `#${number} ${line}\n`).join("")}`);
  };
  const tell = (line: string): void => {
    breakLine();
    write(line);
  };
  const turnTo = (step: Step): void => {
    const number = numberOf(step);
    if (step === current) return;
    breakLine();
    if (current !== undefined) write(`#${numberOf(current)} ...\n`);
    write(`${began ? "\n" : ""}#${number} ${step.name}\n`);
    began = true;
    current = step;
  };
  const show = (step: Step): void => {
    turnTo(step);
    spoke = Date.now();
    step.changed = false;
    const number = numberOf(step);
    for (const transfer of step.transfers.values()) {
      const line = transferLine(said, transfer);
      if (line !== undefined) tell(`#${number} ${line}\n`);
    }
    for (const warning of step.warnings.splice(0)) tell(`#${number} WARN: ${warning}\n`);
    const lines = step.output.fresh.splice(0);
    writeLines(number, lines);
    step.output.kept.push(...lines.slice(-KEPT));
    step.output.kept.splice(0, step.output.kept.length - KEPT);
    const beginning = beginnings && !isCompleted(step) ? beginningOf(step) : "";
    if (beginning !== "") {
      goOn(number, beginning);
      begun = beginning;
    }
    if (!isCompleted(step)) return;
    tell(`#${number} ${endLine(step)}\n`);
    current = undefined;
  };
  const turns = (): void => {
    looked = performance.now();
    const news = trace.steps.filter((step) => step.changed && isStarted(step) && !step.hidden);
    if (current?.changed && !isCompleted(current)) show(current);
    for (const step of news.filter(isCompleted).sort((a, b) => Number(b === current) - Number(a === current) || endOf(a) - endOf(b))) show(step);
    const waiting = news.find((step) => step.changed);
    const now = Date.now();
    if (waiting !== undefined && (current === undefined || now - spoke > QUIET_MS || now - startOf(waiting) > PATIENCE_MS)) show(waiting);
  };
  return {
    warnings: trace.warnings,
    update(status) {
      trace.feed(status);
      if (performance.now() - looked >= every) turns();
    },
    refresh: turns,
    end() {
      turns();
      for (const step of trace.steps) if (step.changed && !step.hidden) show(step);
      breakLine();
      for (const step of trace.steps) if (step.error !== "" && !isCanceled(step)) write(`------\n > ${step.name}:\n${step.output.kept.map((line) => `${line}\n`).join("")}------\n`);
    },
  };
}

function endLine(step: Step): string {
  if (step.error !== "") return isCanceled(step) ? "CANCELED" : `ERROR: ${step.error}`;
  return step.cached ? "CACHED" : `DONE ${(durationOf(step, endOf(step)) / 1000).toFixed(1)}s`;
}

/** By our clock, as far as that matters for patience. */
const startOf = (step: Step): number => Math.min(...step.runs.keys());

function transferLine(said: Map<Transfer, { at: number; current: number; done: boolean }>, transfer: Transfer): string | undefined {
  const last = said.get(transfer);
  const done = transfer.completed !== undefined;
  if (last?.done) return undefined;
  if (last !== undefined && !done && transfer.current === last.current) return undefined;
  const share = last === undefined || transfer.total === 0 ? 0 : (transfer.current - last.current) / transfer.total;
  if (last !== undefined && !done && share < AGAIN_SHARE && transfer.seen - last.at < AGAIN_MS) return undefined;
  said.set(transfer, { at: transfer.seen, current: transfer.current, done });
  const took = transfer.started === undefined ? 0 : ((transfer.completed ?? transfer.seen) - transfer.started) / 1000;
  return [transfer.id, amountText(transfer), took > 0.01 ? `${took.toFixed(1)}s` : "", done ? "done" : ""].filter((part) => part !== "").join(" ");
}
