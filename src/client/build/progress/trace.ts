/**
 * What is known of a build that goes on: its steps in the order in which they began, each with times, transfers, warnings
 * and the lines that it wrote. Fed by what the engine tells, read by the displays.
 */
import type { Of } from "#base/protobuf.ts";
import type { timestamp } from "#spec/buildkit/control.ts";
import type { Status } from "../solve.ts";

export type Step = {
  readonly key: string;
  name: string;
  /** Milliseconds since 1970; a step may run several times. */
  readonly runs: Map<number, Run>;
  cached: boolean;
  error: string;
  readonly transfers: Map<string, Transfer>;
  readonly warnings: string[];
  readonly output: Output;
  /** Nothing of it is to be shown yet. */
  hidden: boolean;
  /** Has news since a display last looked. */
  changed: boolean;
};

export type Run = { readonly start: number; stop: number | undefined };
export type Transfer = { readonly id: string; current: number; total: number; started: number | undefined; completed: number | undefined; seen: number };

/** What a step wrote: lines, each with the seconds since the step began. */
export type Output = {
  /** Not shown yet. */
  readonly fresh: string[];
  /** Of those that were: the newest, as many as the display wants to keep. */
  readonly kept: string[];
  /** About what those take, as far as the display counts it. */
  bytes: number;
  left: Buffer;
  leftAt: number;
};

export type Trace = {
  /** By their beginning. */
  readonly steps: Step[];
  readonly warnings: Warning[];
  /** When the first step began, by the engine's clock; and how far ours is ahead. */
  start: number | undefined;
  ahead: number;
  total(): number;
  feed(status: Status): void;
};

export type Warning = Status["warnings"][number];

/** A line that does not end is cut here. */
const MAX_LINE = 2 ** 16;

export function openTrace(): Trace {
  const steps: Step[] = [];
  const known = new Map<string, Step>();
  const groups = new Map<string, Map<string, Status["vertexes"][number]>>();
  const trace: Trace = { steps, warnings: [], start: undefined, ahead: 0, total: () => new Set(known.values()).size, feed };

  function feed(status: Status): void {
    for (const vertex of status.vertexes) {
      const { progressGroup: group } = vertex;
      if (group === undefined) update(stepOf(vertex.digest, vertex.name), [vertex]);
      else {
        const members = groups.get(group.id) ?? new Map<string, Status["vertexes"][number]>();
        groups.set(group.id, members.set(vertex.digest, vertex));
        const step = stepOf(group.id, group.name);
        known.set(vertex.digest, step);
        const strong = [...members.values()].some((each) => each.started !== undefined && !each.progressGroup?.weak);
        step.hidden = !strong;
        update(step, [...members.values()]);
      }
    }
    for (const told of status.statuses) transfer(told);
    for (const warning of status.warnings) {
      trace.warnings.push(warning);
      const step = known.get(warning.vertex);
      step?.warnings.push(warning.short.toString());
      if (step !== undefined) step.changed = true;
    }
    for (const log of status.logs) {
      const step = known.get(log.vertex);
      if (step === undefined) continue;
      write(step.output, log.msg, seconds(step, millis(log.timestamp) ?? 0));
      step.changed = true;
    }
    // A message that tells of a step's end has the last of its output, too.
    for (const { digest } of status.vertexes) {
      const step = known.get(digest);
      if (step !== undefined && isCompleted(step)) flush(step.output);
    }
  }

  function stepOf(key: string, name: string): Step {
    let step = known.get(key);
    if (step === undefined) {
      step = { key, name, runs: new Map(), cached: false, error: "", transfers: new Map(), warnings: [], output: { fresh: [], kept: [], bytes: 0, left: Buffer.alloc(0), leftAt: 0 }, hidden: false, changed: false };
      known.set(key, step);
    }
    return step;
  }

  function update(step: Step, vertexes: Status["vertexes"]): void {
    const started = vertexes.filter((each) => each.started !== undefined);
    // Told again before it begins: no news.
    if (started.length === 0) return;
    const isNew = step.runs.size === 0;
    for (const each of started) {
      const start = millis(each.started)!;
      step.runs.set(start, { start, stop: millis(each.completed) });
      if (trace.start === undefined) {
        trace.start = start;
        trace.ahead = Date.now() - start;
      }
    }
    if (vertexes.length === 1 && vertexes[0]!.name !== "") step.name = vertexes[0]!.name;
    step.cached = vertexes.every(({ cached }) => cached);
    step.error = vertexes.find(({ error }) => error !== "")?.error ?? "";
    step.changed = true;
    if (isNew) steps.push(step);
  }

  function transfer(told: Status["statuses"][number]): void {
    const step = known.get(told.vertex);
    if (step === undefined) return;
    const one = step.transfers.get(told.id) ?? { id: told.id, current: 0, total: 0, started: undefined, completed: undefined, seen: 0 };
    one.current = told.current;
    one.total = told.total;
    one.started ??= millis(told.started);
    one.completed = millis(told.completed);
    one.seen = millis(told.timestamp) ?? Date.now();
    step.transfers.set(told.id, one);
    step.changed = true;
  }
  return trace;
}

/** What is there of a line that goes on; bytes of half a letter are none yet. */
export const beginningOf = ({ output }: Step): string => (output.left.length === 0 ? "" : (stampOf(output.leftAt) + output.left.toString()).replace(/\ufffd+$/, ""));

export const isStarted = (step: Step): boolean => step.runs.size > 0;
export const isCompleted = (step: Step): boolean => step.runs.size > 0 && [...step.runs.values()].every(({ stop }) => stop !== undefined);
export const isCanceled = (step: Step): boolean => step.error.endsWith("context canceled");

/** When its last run ended, by the engine's clock. */
export const endOf = (step: Step): number => Math.max(...[...step.runs.values()].map(({ stop = Infinity }) => stop));

/** What it took, or has taken up to `now`: times in which two runs of it overlap count once. */
export function durationOf({ runs }: Pick<Step, "runs">, now: number): number {
  let total = 0;
  let until = -Infinity;
  for (const { start, stop = Math.max(now, start) } of [...runs.values()].sort((a, b) => a.start - b.start)) {
    total += Math.max(0, stop - Math.max(start, until));
    until = Math.max(until, stop);
  }
  return total;
}

export function millis(time: Of<typeof timestamp> | undefined): number | undefined {
  return time === undefined ? undefined : time.seconds * 1000 + time.nanos / 1e6;
}

const seconds = (step: Step, at: number): number => Math.max(0, (at - Math.max(...[...step.runs.keys()].filter((start) => start <= at), Math.min(at, ...step.runs.keys()))) / 1000);

function write(output: Output, bytes: Buffer, at: number): void {
  const stamp = stampOf(at);
  let from = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
    if (output.left.length > 0) {
      output.left = Buffer.concat([output.left, bytes.subarray(from, end)]);
      flush(output);
    } else output.fresh.push(stamp + bytes.toString("utf8", from, end));
    from = end + 1;
  }
  if (from === bytes.length) return;
  if (output.left.length === 0) output.leftAt = at;
  output.left = Buffer.concat([output.left, bytes.subarray(from)]);
  if (output.left.length > MAX_LINE) flush(output);
}

/** What has no end of its line is a line all the same. */
function flush(output: Output): void {
  if (output.left.length === 0) return;
  output.fresh.push(stampOf(output.leftAt) + output.left.toString());
  output.left = Buffer.alloc(0);
}

const stampOf = (at: number): string => `${at.toFixed(at < 10 ? 3 : at < 100 ? 2 : 1)} `;
