/**
 * What is kept of builds that were: a record each, and the whole of what they told, in a file each.
 *
 *     const recording = history.begin(request);            // as build.ts's `record`
 *     recording.report(event); await recording.end({ result });
 *     for (const build of history.list()) …
 *     for await (const event of history.events(ref)) …     // from its first one
 *
 * Kept are the newest MAX_BUILDS builds, and at most MAX_BYTES of logs.
 */
import type { BuildRecorder } from "../build.ts";
import type { BuildRequest, Provenance } from "../builder.ts";
import type { BuildEvent } from "../events.ts";

export { openHistory } from "./open-history.ts";

export const MAX_BUILDS = 100;
export const MAX_BYTES = 256 * 2 ** 20;

export type History = {
  begin(request: BuildRequest): BuildRecorder;
  /** Newest first; those under way too. */
  list(): BuildRecord[];
  /** By its ref, or the beginning of one that no other has. @throws not-found, conflict */
  get(ref: string): BuildRecord;
  /** What it told, from the beginning; of a build under way until it ends, if `follow`. @throws not-found */
  events(ref: string, options?: { readonly follow?: boolean; readonly signal?: AbortSignal }): AsyncIterable<BuildEvent>;
  /** Those under way stay. @throws not-found */
  remove(refs: readonly string[]): Promise<void>;
  /** Each change from now on, until the signal. */
  watch(signal: AbortSignal): AsyncIterable<HistoryChange>;
  /** Resolves when what ended is written. */
  flush(): Promise<void>;
};

/** daemon.json's builder.history. */
export type HistoryLimits = {
  readonly maxEntries?: number;
  /** Nanoseconds. */
  readonly maxAge?: bigint;
};

export type HistoryChange = { readonly kind: "started" | "completed" | "deleted"; readonly build: BuildRecord };

export type BuildRecord = {
  readonly ref: string;
  readonly dockerfile: string;
  readonly context: string;
  readonly target: string;
  /** Names that the image got. */
  readonly names: readonly string[];
  readonly platforms: readonly string[];
  readonly status: "running" | "completed" | "error" | "canceled";
  readonly error?: string;
  /** What the error is about: a vertex, lines of the Dockerfile, of which those around are kept. */
  readonly failed?: { readonly vertex?: string; readonly lines?: readonly [number, number]; readonly source?: { readonly name: string; readonly text: string } };
  /** Unix nanoseconds. */
  readonly created: bigint;
  readonly completed?: bigint;
  /** Of the Dockerfile's steps: all, done, of these found in the cache; and warnings of lint. */
  readonly steps: { readonly total: number; readonly completed: number; readonly cached: number };
  readonly warnings: number;
  readonly image?: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Why each step was made or not. */
  readonly explained: readonly StepExplanation[];
  /** BuildRequest's. */
  readonly said?: Readonly<Record<string, string>>;
  readonly provenance?: readonly Provenance[];
};

/** `gantry build --explain`. */
export type StepExplanation = {
  readonly vertex: string;
  readonly name: string;
  readonly cached: boolean;
  /** "files of .: changed", "env NODE_ENV: was \"a\", is \"b\"", "made for the first time". Empty for a hit. */
  readonly why: readonly string[];
};
