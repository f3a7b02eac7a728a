/** Which images go, and why. Pure. */
import type { Mark, GcSettings } from "./settings.ts";

export type Candidate = {
  readonly id: string;
  readonly names: readonly string[];
  /** Unix nanoseconds. */
  readonly usedAt: bigint;
  /** Pinned, or in use. */
  readonly kept: boolean;
};

export type Space = {
  /** Of the file system. */
  readonly total: number;
  readonly used: number;
  /** Of images alone. */
  readonly images: number;
};

export type Doomed = { readonly id: string; readonly names: readonly string[]; readonly bytes: number; readonly reason: string };

/** `free` says what removing an image frees after those before it; it is asked in the order in which images go. */
export function planCollection(candidates: readonly Candidate[], space: Space, settings: GcSettings, now: bigint, free: (id: string) => number): Doomed[] {
  const idle = ({ usedAt }: Candidate) => now - usedAt;
  const longestFirst = candidates.filter((one) => !one.kept && idle(one) >= settings.grace).toSorted((a, b) => (a.usedAt < b.usedAt ? -1 : a.usedAt > b.usedAt ? 1 : 0));
  const doomed: Doomed[] = [];
  let freed = 0;
  const take = ({ id, names }: Candidate, reason: string) => {
    const bytes = free(id);
    freed += bytes;
    doomed.push({ id, names, bytes, reason });
  };
  const { age, high, low } = settings;
  const old = longestFirst.filter((one) => age !== undefined && idle(one) >= age);
  for (const one of old) take(one, `not used for ${spanText(idle(one))}`);
  if (high === undefined || low === undefined) return doomed;
  if (!isAbove(high, space, freed)) return doomed;
  const reason = high.kind === "percent" ? `the disk is ${Math.round((space.used / space.total) * 100)}% full` : `images take more than ${high.value} bytes`;
  for (const one of longestFirst.filter((candidate) => !old.includes(candidate))) {
    if (!isAbove(low, space, freed)) break;
    take(one, reason);
  }
  return doomed;
}

function isAbove(mark: Mark, { total, used, images }: Space, freed: number): boolean {
  if (mark.kind === "bytes") return images - freed > mark.value;
  return (used - freed) * 100 > total * mark.value;
}

function spanText(nanos: bigint): string {
  const hours = Number(nanos / 3_600_000_000_000n);
  return hours >= 48 ? `${Math.floor(hours / 24)} days` : hours >= 1 ? `${hours} hours` : `${Number(nanos / 60_000_000_000n)} minutes`;
}
