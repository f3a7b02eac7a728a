/** The configuration document of a built image: times and history that agree with its layers. Pure. */
import { formatTime } from "#base/clock.ts";
import type { Digest } from "#spec/digest.ts";
import type { PlannedImage } from "../plan/plan.ts";

export type HistoryEntry = Readonly<Record<string, unknown>>;

export type Document = {
  readonly image: PlannedImage;
  readonly diffIds: readonly Digest[];
  /** Base's and own, with times. */
  readonly history: readonly HistoryEntry[];
  /** What else the document holds, by its name: the inline cache. */
  readonly extra?: Readonly<Record<string, unknown>>;
};

/** The same image is the same text: keys in the order of their names, as BuildKit writes them. */
export function configurationText({ image, diffIds, history, extra = {} }: Document): string {
  const { architecture, os, variant } = image.platform;
  const version = image.platform["os.version"];
  const created = history.findLast(({ created }) => typeof created === "string")?.["created"];
  const document: Record<string, unknown> = {
    architecture,
    ...(image.author !== "" && { author: image.author }),
    config: image.config,
    ...(created !== undefined && { created }),
    history,
    os,
    ...(version && { "os.version": version }),
    rootfs: { type: "layers", diff_ids: diffIds },
    ...(variant && { variant }),
    ...extra,
  };
  return JSON.stringify(Object.fromEntries(Object.entries(document).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

/** What became of a step that an entry tells of: how many layers it has added, and when it was made. */
export type Made = { readonly layers: number; readonly created: bigint };

/**
 * An entry without a layer has the time of what came before it; before the first new layer, of that one. Without any new
 * layer, of the base's last entry. With an epoch, what this build adds is of that second.
 */
export function historyOf(image: PlannedImage, made: (step: number) => Made, epoch: number | undefined): HistoryEntry[] {
  const own = image.history.map(({ createdBy, comment, step }) => {
    const { layers, created } = step === undefined ? { layers: 0, created: undefined } : made(step);
    return { createdBy, comment, empty: layers === 0, created: layers === 0 ? undefined : created };
  });
  const base = image.baseHistory.findLast((entry) => typeof entry["created"] === "string")?.["created"] as string | undefined;
  const first = own.find(({ created }) => created !== undefined)?.created;
  let time = first === undefined ? base : formatTime(first);
  const entries = own.map(({ createdBy, comment, empty, created }): HistoryEntry => {
    if (created !== undefined) time = formatTime(created);
    const at = epoch === undefined ? time : formatTime(BigInt(epoch) * 1_000_000_000n);
    return { ...(at !== undefined && { created: at }), created_by: createdBy, comment, ...(empty && { empty_layer: true }) };
  });
  return [...image.baseHistory, ...entries];
}
