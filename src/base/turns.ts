/**
 * Work that takes long on the event loop, in slices, so that whoever else waits has his turn every few milliseconds.
 *
 *     const turns = takeTurns();
 *     for (const one of many) {
 *       const wait = turns();
 *       if (wait !== undefined) await wait;
 *       …
 *     }
 *
 * Work that is done sooner never waits.
 */
const SLICE_MS = 6;
/** Calls between two looks at the clock. */
const CALLS = 64;

/** `weight`: for how many a call counts. Undefined: go on at once. */
export function takeTurns(): (weight?: number) => Promise<void> | undefined {
  let since = performance.now();
  let calls = 0;
  return (weight = 1) => {
    if ((calls += weight) < CALLS) return undefined;
    calls = 0;
    if (performance.now() - since < SLICE_MS) return undefined;
    return new Promise((resolve) => setImmediate(() => ((since = performance.now()), resolve())));
  };
}

/** One after another; a module brings what of its own is not there yet. A large graph, loaded at once, holds the loop for as long as that takes. */
export async function loadInTurns(modules: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const load of modules) {
    await load();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Items in slices. */
export const SLICE = 2000;

/** As Array.sort, which cannot be interrupted. What is in order already is the very same array. */
export async function sortInTurns<T>(items: readonly T[], compare: (a: T, b: T) => number): Promise<readonly T[]> {
  const turns = takeTurns();
  let ordered = true;
  for (let at = 1; ordered && at < items.length; at++) {
    const wait = turns();
    if (wait !== undefined) await wait;
    ordered = compare(items[at - 1]!, items[at]!) <= 0;
  }
  if (ordered) return items;
  let runs: T[][] = [];
  for (let at = 0; at < items.length; at += SLICE) {
    await turns(CALLS);
    runs.push(items.slice(at, at + SLICE).sort(compare));
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let at = 0; at < runs.length; at += 2) merged.push(await merge(runs[at]!, runs[at + 1] ?? [], { compare, turns }));
    runs = merged;
  }
  return runs[0] ?? [];
}

type Merging<T> = { readonly compare: (a: T, b: T) => number; readonly turns: ReturnType<typeof takeTurns> };

/** Of two that are the same, the one of the first comes first. */
async function merge<T>(first: readonly T[], second: readonly T[], { compare, turns }: Merging<T>): Promise<T[]> {
  const merged: T[] = [];
  for (let [a, b] = [0, 0]; a < first.length || b < second.length; ) {
    const wait = turns();
    if (wait !== undefined) await wait;
    const next = b >= second.length || (a < first.length && compare(first[a]!, second[b]!) <= 0) ? first[a++]! : second[b++]!;
    merged.push(next);
  }
  return merged;
}
