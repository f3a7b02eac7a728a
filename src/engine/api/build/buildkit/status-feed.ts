/**
 * A build's events as BuildKit's status messages: kept until they are read, and for readers that come later. Bounded: of one
 * progress only the last state waits; of output at most MAX_LOGS bytes are kept, of everything MAX_ENTRIES; a reader who missed
 * something is told so.
 */
import { nowNanos } from "#base/clock.ts";
import type { In } from "#base/protobuf.ts";
import type { BuildEvent, BuildWarning, Vertex } from "#builder/events.ts";
import type { statusResponse, timestamp, vertex, vertexLog, vertexStatus, vertexWarning } from "#spec/buildkit/control.ts";

export type StatusFeed = {
  /** A promise: of output there is more than its readers have had; whoever tells it waits for them, a while. */
  report(event: BuildEvent): void | Promise<void>;
  /** Nothing more will be told. */
  end(): void;
  read(signal: AbortSignal): AsyncIterable<In<typeof statusResponse>>;
  /** Somebody reads it, or has. */
  wasRead(): boolean;
};

const MAX_LOGS = 4 * 2 ** 20;
/** Of states, steps and pieces of output together: a build of hours tells of its progress many times a second. */
const MAX_ENTRIES = 50_000;
/** Of output that no reader has had, before whoever tells it waits; and how long: others may wait for the same step. */
const MAX_UNREAD = 2 * 2 ** 20;
const LONGEST_MS = 10_000;
/** Of one message: clients take 4 MiB. */
const MAX_BATCH = 2 ** 20;
const MAX_BATCH_ENTRIES = 500;
const MAX_WARNINGS = 1000;
const LEFT_OUT = Buffer.from("[output is left out here: it came faster than it was read]\n");

type Entry =
  | { readonly kind: "vertex"; readonly value: In<typeof vertex> }
  | { readonly kind: "status"; value: In<typeof vertexStatus>; readonly key: string }
  | { readonly kind: "log"; readonly value: In<typeof vertexLog> };

/** `at` and `warned`: how much of the entries (ever) and of the warnings it has had. */
type Reader = { at: number; warned: number; /** Bytes of output, of all that was ever told. */ had: number };

export function openStatusFeed(): StatusFeed {
  let entries: Entry[] = [];
  /** How many entries were dropped from the front. */
  let base = 0;
  let logged = 0;
  /** Bytes of output that were ever told. */
  let told = 0;
  let ended = false;
  let read = false;
  const readers = new Set<Reader>();
  const waiting = new Set<() => void>();
  const vertices = new Map<string, In<typeof vertex>>();
  const warnings: In<typeof vertexWarning>[] = [];
  /** What no reader has seen yet, by vertex and id. */
  const unread = new Map<string, Entry & { kind: "status" }>();
  const sleepers = new Set<() => void>();

  function wake(): void {
    for (const rise of sleepers) rise();
    sleepers.clear();
  }

  function addVertex(value: In<typeof vertex>): void {
    vertices.set(value.digest ?? "", value);
    entries.push({ kind: "vertex", value });
  }

  function addStatus(event: BuildEvent & { kind: "status" }): void {
    const key = `${event.vertex} ${event.id}`;
    const waiting = unread.get(key);
    const value = statusOf(event);
    if (waiting !== undefined) return void (waiting.value = value);
    const entry = { kind: "status", value, key } as const;
    unread.set(key, entry);
    entries.push(entry);
  }

  function addLog(event: BuildEvent & { kind: "log" }): void {
    entries.push({ kind: "log", value: { vertex: event.vertex, stream: event.stream, msg: Buffer.from(event.data), timestamp: timeOf(event.time) } });
    logged += event.data.length;
    told += event.data.length;
  }

  function addWarning(event: BuildEvent & { kind: "warning" }): void {
    if (warnings.length < MAX_WARNINGS) warnings.push(warningOf(event.vertex, event.warning));
  }

  /** Makes room at once for a while. */
  function trim(): void {
    if (logged <= MAX_LOGS && entries.length <= MAX_ENTRIES) return;
    let gone = 0;
    for (; logged > MAX_LOGS / 2 || entries.length - gone > MAX_ENTRIES / 2; gone++) {
      const entry = entries[gone]!;
      if (entry.kind === "log") logged -= entry.value.msg?.length ?? 0;
      else if (entry.kind === "status") unread.delete(entry.key);
    }
    entries = entries.slice(gone);
    base += gone;
  }

  function isBehind(): boolean {
    return readers.size > 0 && told - Math.min(...[...readers].map(({ had }) => had)) > MAX_UNREAD;
  }

  /** Until readers have had what was told, or went away, or it took too long. */
  async function caughtUp(): Promise<void> {
    const gone = Promise.withResolvers<void>();
    const timer = setTimeout(gone.resolve, LONGEST_MS);
    const look = () => void (isBehind() || gone.resolve());
    waiting.add(look);
    await gone.promise;
    waiting.delete(look);
    clearTimeout(timer);
  }

  function report(event: BuildEvent): void | Promise<void> {
    if (event.kind === "plan") for (const { id, name, group } of event.vertices) addVertex({ digest: id, name, progressGroup: group });
    else if (event.kind === "vertex") addVertex(vertexOf(event));
    // Of a pull, that it begins is no progress of anything.
    else if (event.kind === "status" && !event.name.startsWith("Pulling from ")) addStatus(event);
    else if (event.kind === "log") addLog(event);
    else if (event.kind === "warning") addWarning(event);
    trim();
    wake();
    if (event.kind === "log" && isBehind()) return caughtUp();
  }

  /** As much as fits into one message; undefined: there is nothing now. */
  function take(reader: Reader): In<typeof statusResponse> | undefined {
    const some = warnings.slice(reader.warned, reader.warned + 10);
    reader.warned += some.length;
    if (reader.at < base) {
      const missed = reader.had < told - logged;
      reader.at = base;
      reader.had = told - logged;
      const last = [...vertices.keys()].at(-1) ?? "";
      return { vertexes: [...vertices.values()], warnings: some, logs: missed ? [{ vertex: last, stream: 2, msg: LEFT_OUT, timestamp: timeOf(nowNanos()) }] : [] };
    }
    const from = reader.at - base;
    let size = 0;
    let to = from;
    while (to < entries.length && to - from < MAX_BATCH_ENTRIES && size < MAX_BATCH) {
      const entry = entries[to++]!;
      if (entry.kind === "log") size += entry.value.msg?.length ?? 0;
      else if (entry.kind === "status") unread.delete(entry.key);
    }
    if (to === from && some.length === 0) return undefined;
    reader.at = base + to;
    reader.had += size;
    for (const look of waiting) look();
    return { ...messageOf(entries.slice(from, to)), warnings: some };
  }

  return {
    report,
    wasRead: () => read,
    end() {
      ended = true;
      wake();
    },
    async *read(signal) {
      const reader = { at: 0, warned: 0, had: 0 };
      readers.add(reader);
      signal.addEventListener("abort", wake);
      try {
        while (!signal.aborted) {
          const message = take(reader);
          if (message !== undefined) yield message;
          else if (ended) return;
          else await asleep(sleepers);
        }
      } finally {
        signal.removeEventListener("abort", wake);
        readers.delete(reader);
        for (const look of waiting) look();
      }
    },
  };
}

/** Until something is told. What comes in the same turn of the event loop goes into one message. */
async function asleep(sleepers: Set<() => void>): Promise<void> {
  await new Promise<void>((rise) => sleepers.add(rise));
  await new Promise((next) => setImmediate(next));
}

function messageOf(entries: readonly Entry[]): In<typeof statusResponse> {
  const of = <K extends Entry["kind"]>(kind: K) => entries.filter((entry) => entry.kind === kind).map(({ value }) => value as (Entry & { kind: K })["value"]);
  return { vertexes: of("vertex"), statuses: of("status"), logs: of("log") };
}

function vertexOf({ id, name, group, inputs, started, completed, cached = false, error = "" }: Vertex): In<typeof vertex> {
  return { digest: id, name, progressGroup: group, inputs, cached, error, started: started === undefined ? undefined : timeOf(started), completed: completed === undefined ? undefined : timeOf(completed) };
}

function statusOf(event: BuildEvent & { kind: "status" }): In<typeof vertexStatus> {
  const { id, vertex: of, name, current, total, started, completed } = event;
  return { id, vertex: of, name, current, total, started: timeOf(started), timestamp: timeOf(nowNanos()), completed: completed === undefined ? undefined : timeOf(completed) };
}

function warningOf(of: string, warning: BuildWarning): In<typeof vertexWarning> {
  const { rule, detail, description, url, file, ranges } = warning;
  const line = ranges.length === 0 ? "" : ` (line ${ranges[0]!.start})`;
  return {
    vertex: of,
    level: 1,
    short: Buffer.from(`${rule}: ${detail}${line}`),
    detail: [Buffer.from(description)],
    url,
    info: { filename: file, language: "Dockerfile" },
    ranges: ranges.map(({ start, end }) => ({ start: { line: start }, end: { line: end } })),
  };
}

export function timeOf(nanoseconds: bigint): In<typeof timestamp> {
  return { seconds: Number(nanoseconds / 1_000_000_000n), nanos: Number(nanoseconds % 1_000_000_000n) };
}
