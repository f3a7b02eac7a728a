/** A build's record: how it begins, what its events make of it, how it ends. Pure. */
import { Failure, kindOf, messageOf } from "#base/errors.ts";
import { formatPlatform } from "#spec/platform.ts";
import type { BuildRequest, BuildResult } from "../builder.ts";
import { redacted } from "../plan/scene.ts";
import type { BuildEvent } from "../events.ts";
import type { BuildRecord, StepExplanation } from "./history.ts";

export function beginRecord({ ref, dockerfile, context, target, platforms, exports, said }: BuildRequest, now: bigint): BuildRecord {
  return {
    ref,
    dockerfile: dockerfile.path,
    context: redacted(context),
    target,
    platforms: platforms.map(formatPlatform),
    names: exports.flatMap(({ attributes }) => (attributes["name"] ?? "").split(",").filter((name) => name !== "")),
    status: "running",
    created: now,
    steps: { total: 0, completed: 0, cached: 0 },
    warnings: 0,
    metadata: {},
    explained: [],
    ...(said !== undefined && { said }),
  };
}

export function endRecord(record: BuildRecord, now: bigint, { result, error }: { readonly result?: BuildResult; readonly error?: unknown }): BuildRecord {
  if (error === undefined) return { ...record, status: "completed", completed: now, metadata: result?.metadata ?? {}, ...(result?.image !== undefined && { image: result.image }) };
  const status = kindOf(error) === "cancelled" ? "canceled" : "error";
  return { ...record, status, completed: now, error: messageOf(error), ...failedAt(error) };
}

const AROUND = 10;

function failedAt(error: unknown): Pick<BuildRecord, "failed"> {
  const { vertex, lines, source } = (error instanceof Failure ? error.facts : {}) as NonNullable<BuildRecord["failed"]>;
  if (vertex === undefined && lines === undefined) return {};
  const text = lines === undefined || source === undefined ? undefined : linesAround(redacted(source.text), lines);
  return { failed: { ...(vertex !== undefined && { vertex }), ...(lines !== undefined && { lines }), ...(text !== undefined && { source: { name: source!.name, text } }) } };
}

/** The others are left empty, so that numbers are what they were. */
function linesAround(text: string, [start, end]: readonly [number, number]): string {
  return text.split("\n").slice(0, end + AROUND).map((line, at) => (at + 1 < start - AROUND ? "" : line.slice(0, 500))).join("\n");
}

/** Found under way when the engine starts. `lastHeard`: when something of it was written last. */
export const interrupted = (record: BuildRecord, lastHeard: bigint): BuildRecord => ({ ...record, status: "error", completed: lastHeard > record.created ? lastHeard : record.created, error: "the engine ended while it was built" });

/** Counts of a build under way. */
export type Tally = { readonly planned: Set<string>; readonly done: Set<string>; readonly cached: Set<string>; readonly explained: Map<string, StepExplanation>; warnings: number };

export const newTally = (): Tally => ({ planned: new Set(), done: new Set(), cached: new Set(), explained: new Map(), warnings: 0 });

export function tallyEvent(tally: Tally, event: BuildEvent): void {
  if (event.kind === "plan") for (const { id } of event.vertices) tally.planned.add(id);
  if (event.kind === "warning") tally.warnings++;
  if (event.kind !== "vertex") return;
  const { id, name, completed, cached = false, error, why } = event;
  if (why !== undefined) tally.explained.set(id, { vertex: id, name, cached, why });
  if (completed === undefined) return;
  tally.planned.add(id);
  tally.done.add(id);
  if (error !== undefined) return;
  if (cached) tally.cached.add(id);
  else tally.cached.delete(id);
}

export function withTally(record: BuildRecord, { planned, done, cached, explained, warnings }: Tally): BuildRecord {
  return { ...record, steps: { total: planned.size, completed: done.size, cached: cached.size }, warnings, explained: [...explained.values()] };
}

/** The row's text. */
export const toText = (record: BuildRecord): string => JSON.stringify(record, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));

export function fromText(text: string): BuildRecord {
  const { created, completed, ...rest } = JSON.parse(text) as Omit<BuildRecord, "created" | "completed"> & { created: string; completed?: string };
  return { ...rest, created: BigInt(created), ...(completed !== undefined && { completed: BigInt(completed) }) };
}
