/** Builds that were, as rows and files. See history.ts. */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { nowNanos } from "#base/clock.ts";
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import type { Database } from "#base/sqlite.ts";
import type { Provenance } from "../builder.ts";
import type { BuildEvent } from "../events.ts";
import { type EventFile, openEventFile, readEventFile } from "./event-file.ts";
import { type BuildRecord, type History, type HistoryChange, type HistoryLimits, MAX_BUILDS, MAX_BYTES } from "./history.ts";
import { openQueue, type Queue } from "./queue.ts";
import { beginRecord, endRecord, interrupted, newTally, type Tally, tallyEvent, withTally } from "./record.ts";
import { openRows } from "./rows.ts";

export type HistoryParts = { readonly db: Database; /** Of their files: its own. */ readonly folder: string; readonly limits?: () => HistoryLimits };

type Running = { readonly begun: BuildRecord; readonly tally: Tally; readonly file: EventFile; readonly followers: Set<Queue<BuildEvent>> };

export async function openHistory({ db, folder, limits = () => ({}) }: HistoryParts): Promise<History> {
  const rows = openRows(db);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const builds = new Map(rows.list().map((build) => [build.ref, build]));
  const running = new Map<string, Running>();
  /** Of the files. */
  const sizes = new Map<string, number>();
  /** Ended, and being written. */
  const ending = new Map<string, Promise<unknown>>();
  const watchers = new Set<Queue<HistoryChange>>();
  /** Of builds that ended a moment ago. */
  const unmade = new Map<string, () => readonly Provenance[]>();
  const pathOf = (ref: string) => join(folder, `${fileName(ref)}.zst`);
  const tell = (change: HistoryChange) => watchers.forEach((watcher) => watcher.push(change));
  await putRight();

  const now = (build: BuildRecord): BuildRecord => {
    const { tally } = running.get(build.ref) ?? {};
    return tally === undefined ? complete(build) : withTally(build, tally);
  };

  const history: History = {
    begin(request) {
      const begun = beginRecord(request, nowNanos());
      const file = openEventFile(pathOf(begun.ref), MAX_BYTES / 4, released(begun.ref));
      const one: Running = { begun, tally: newTally(), file, followers: new Set() };
      builds.delete(begun.ref);
      unmade.delete(begun.ref);
      builds.set(begun.ref, begun);
      running.set(begun.ref, one);
      rows.set(begun.ref, begun);
      tell({ kind: "started", build: begun });
      return {
        report(event) {
          tallyEvent(one.tally, event);
          for (const follower of one.followers) follower.push(event);
          return one.file.append(event);
        },
        end: async (outcome) => end(one, outcome),
      };
    },
    list: () => [...builds.values()].reverse().map(now),
    get(ref) {
      const exact = builds.get(ref);
      if (exact !== undefined) return now(exact);
      const found = [...builds.values()].filter((build) => ref !== "" && build.ref.startsWith(ref));
      if (found.length > 1) throw fail("conflict", `build ${ref}: ${found.length} builds begin so`);
      if (found.length === 0) throw fail("not-found", `no record found for ${JSON.stringify(ref)}`);
      return now(found[0]!);
    },
    async *events(given, { follow = false, signal } = {}) {
      const { ref } = history.get(given);
      while (!running.has(ref) && ending.has(ref)) await ending.get(ref);
      // From here to where it is followed no turn passes, in which it could end.
      const one = running.get(ref);
      if (one === undefined) return yield* readEventFile(pathOf(ref));
      const queue = openQueue<BuildEvent>((event) => (event.kind === "log" ? event.data.length : 0));
      using _ = follows(one.followers, queue, signal);
      if (!follow) queue.end();
      yield* readEventFile(pathOf(ref), await one.file.flush());
      yield* queue.values;
    },
    async remove(refs) {
      const going = refs.map((ref) => history.get(ref)).filter(({ ref }) => !running.has(ref));
      await drop(going);
    },
    async flush() {
      await Promise.all(ending.values());
      builds.forEach(complete);
      await rows.flush();
    },
    async *watch(signal) {
      const queue = openQueue<HistoryChange>();
      using _ = follows(watchers, queue, signal);
      yield* queue.values;
    },
  };
  return history;

  /** A client may choose the ref of another build: the later one has it, and its file. Resolves when the file is nobody else's. */
  async function released(ref: string): Promise<void> {
    const before = running.get(ref);
    const written = Promise.all([before?.file.flush(), ending.get(ref)]);
    before?.file.close();
    await written;
  }

  function end(one: Running, outcome: Parameters<typeof endRecord>[2]): void {
    for (const follower of one.followers) follower.end();
    if (running.get(one.begun.ref) !== one) return;
    const build = endRecord(withTally(one.begun, one.tally), nowNanos(), outcome);
    builds.set(build.ref, build);
    running.delete(build.ref);
    rows.set(build.ref, build);
    const provenance = outcome.result?.provenance;
    if (provenance !== undefined) unmade.set(build.ref, provenance);
    setImmediate(() => void complete(build));
    const written: Promise<void> = one.file.flush().then((bytes) => {
      if (ending.get(build.ref) !== written) return;
      sizes.set(build.ref, bytes);
      ending.delete(build.ref);
    });
    ending.set(build.ref, written);
    void written.then(prune).catch(() => undefined);
    tell({ kind: "completed", build });
  }

  /** With its provenance: after its client has heard of its end, unless somebody asks before. */
  function complete(build: BuildRecord): BuildRecord {
    const make = unmade.get(build.ref);
    if (make === undefined || builds.get(build.ref) !== build) return build;
    unmade.delete(build.ref);
    const whole = { ...build, provenance: tried(make) };
    builds.set(build.ref, whole);
    rows.set(build.ref, whole);
    return whole;
  }

  async function drop(going: readonly BuildRecord[]): Promise<void> {
    await Promise.all(going.map(({ ref }) => ending.get(ref)));
    // One of the same ref may have begun meanwhile, or it went by another way.
    const gone = going.filter((build) => builds.get(build.ref) === build);
    for (const build of gone) {
      builds.delete(build.ref);
      sizes.delete(build.ref);
      rows.set(build.ref, undefined);
      tell({ kind: "deleted", build });
    }
    await Promise.all(gone.map(({ ref }) => rm(pathOf(ref), { force: true })));
  }

  /** The oldest go when there are too many, or when their files are too large together. */
  async function prune(): Promise<void> {
    const { maxEntries = MAX_BUILDS, maxAge } = limits();
    const oldest = maxAge === undefined ? 0n : nowNanos() - maxAge;
    let bytes = 0;
    const going: BuildRecord[] = [];
    for (const [place, build] of [...builds.values()].reverse().entries()) {
      bytes += sizes.get(build.ref) ?? 0;
      if (!running.has(build.ref) && (place >= maxEntries || build.created < oldest || bytes > MAX_BYTES)) going.push(complete(build));
    }
    if (going.length > 0) await drop(going);
  }

  /** What was under way when the engine died ended with it; files without a row are nobody's. */
  async function putRight(): Promise<void> {
    for (const build of builds.values()) {
      if (build.status !== "running") continue;
      const lastHeard = await stat(pathOf(build.ref), { bigint: true }).then(({ mtimeNs }) => mtimeNs, () => build.created);
      builds.set(build.ref, interrupted(build, lastHeard));
      rows.set(build.ref, builds.get(build.ref));
    }
    const known = new Set([...builds.keys()].map((ref) => `${fileName(ref)}.zst`));
    const stray = (await readdir(folder)).filter((name) => !known.has(name));
    await Promise.all(stray.map((name) => rm(join(folder, name), { force: true })));
    await Promise.all([...builds.keys()].map(async (ref) => sizes.set(ref, await stat(pathOf(ref)).then(({ size }) => size, () => 0))));
  }
}

/** A ref is a client's word. */
const fileName = (ref: string): string => (/^[a-zA-Z0-9_-]{1,64}$/.test(ref) ? ref : sha256(ref).slice(7));

function follows<T>(all: Set<Queue<T>>, queue: Queue<T>, signal: AbortSignal | undefined): Disposable {
  const end = () => queue.end();
  all.add(queue);
  signal?.addEventListener("abort", end, { once: true });
  if (signal?.aborted === true) end();
  return {
    [Symbol.dispose]() {
      all.delete(queue);
      signal?.removeEventListener("abort", end);
    },
  };
}

/** What cannot be described is a build all the same. */
function tried(make: () => readonly Provenance[]): readonly Provenance[] {
  try {
    return make();
  } catch {
    return [];
  }
}
