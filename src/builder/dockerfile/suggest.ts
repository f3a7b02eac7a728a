/** What somebody may have meant who wrote a word that is none. */

/** " (did you mean FROM?)", or "": an option at most two changes away, the nearest. Written in the case of the value. */
export function didYouMean(value: string, options: readonly string[], how: { readonly exactCase: boolean }): string {
  const match = nearest(value, options, how);
  return match === undefined ? "" : ` (did you mean ${match}?)`;
}

/** Nobody misspells a longer one; and the work grows with its square. */
const MAX_LENGTH = 64;

export function nearest(value: string, options: readonly string[], how: { readonly exactCase: boolean }): string | undefined {
  if (value.length > MAX_LENGTH) return undefined;
  const wanted = how.exactCase ? value : value.toLowerCase();
  let best: string | undefined;
  let least = 3;
  for (const written of options) {
    const option = how.exactCase ? written : written.toLowerCase();
    if (option === wanted) return undefined;
    if (Math.abs(option.length - wanted.length) >= least) continue;
    const changes = distance(wanted, option);
    if (changes >= least) continue;
    least = changes;
    best = how.exactCase ? option : inCaseOf(option, value);
  }
  return best;
}

function inCaseOf(option: string, value: string): string {
  return value === value.toLowerCase() ? option : value === value.toUpperCase() ? option.toUpperCase() : option;
}

/** Levenshtein's, a row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 0; i < a.length; i += 1) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j += 1) next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
