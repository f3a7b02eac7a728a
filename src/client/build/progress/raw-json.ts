/** Progress as JSON, an object a line: BuildKit's client.SolveStatus. */
import type { Of } from "#base/protobuf.ts";
import type { timestamp } from "#spec/buildkit/control.ts";
import type { Status } from "../solve.ts";
import type { Display } from "./display.ts";

export function openRawJson(write: (text: string) => void): Display {
  return {
    warnings: [],
    update: (status) => write(`${JSON.stringify(solveStatus(status))}\n`),
    refresh: () => {},
    end: () => {},
  };
}

export function solveStatus({ vertexes, statuses, logs, warnings }: Status): object {
  const base64 = (bytes: Buffer) => bytes.toString("base64");
  return {
    ...list("vertexes", vertexes.map(({ started, completed, ...vertex }) => filled({ ...vertex, started: time(started), completed: time(completed) }))),
    ...list("statuses", statuses.map(({ id, current, timestamp, started, completed, ...told }) => ({
      ...filled({ id, ...told }), current, ...filled({ timestamp: time(timestamp), started: time(started), completed: time(completed) }),
    }))),
    ...list("logs", logs.map(({ msg, timestamp, ...log }) => ({ ...filled(log), data: base64(msg), timestamp: time(timestamp) }))),
    ...list("warnings", warnings.map(({ short, detail, info, ranges, ...warning }) => filled({
      ...warning, short: base64(short), detail: detail.map(base64), sourceInfo: info && filled({ ...info, data: base64(info.data) }),
      range: ranges.map(({ start, end }) => filled({ start: start && filled(start), end: end && filled(end) })),
    }))),
  };
}

const list = (name: string, items: readonly unknown[]): object => (items.length === 0 ? {} : { [name]: items });

/** Go's "omitempty". */
function filled(value: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined && each !== "" && each !== 0 && each !== false && !(Array.isArray(each) && each.length === 0)));
}

/** RFC 3339, to the nanosecond, without zeros at the end. */
function time(at: Of<typeof timestamp> | undefined): string | undefined {
  if (at === undefined) return undefined;
  const fraction = String(at.nanos).padStart(9, "0").replace(/0+$/, "");
  return `${new Date(at.seconds * 1000).toISOString().slice(0, 19)}${fraction === "" ? "" : `.${fraction}`}Z`;
}
