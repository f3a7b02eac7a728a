import { fail } from "#base/errors.ts";

/** Ctrl-P Ctrl-Q. */
export const DEFAULT_KEYS: readonly number[] = [16, 17];

/** "ctrl-p,ctrl-q", "a", "ctrl-@": the bytes a terminal sends for them. */
export function parseDetachKeys(text: string): number[] {
  return text.split(",").map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const control = /^ctrl-([a-zA-Z@[\]\\^_])$/.exec(key);
    if (control === null) throw fail("invalid", `Unknown character: '${key}'`);
    return control[1]!.toLowerCase().charCodeAt(0) & 0x1f;
  });
}

/**
 * Watches input for the keys that detach. Keys that begin the sequence are held back until it is clear whether they
 * complete it; `push` gives what is to be sent, and whether the user detached.
 */
export function createDetacher(keys: readonly number[]): { push(input: Buffer): { data: Buffer; detached: boolean } } {
  let matched = 0;
  return {
    push(input) {
      const data: number[] = [];
      for (const byte of input) {
        if (byte === keys[matched]) {
          matched++;
          if (matched === keys.length) return { data: Buffer.from(data), detached: true };
          continue;
        }
        data.push(...keys.slice(0, matched));
        matched = byte === keys[0] ? 1 : 0;
        if (matched === 0) data.push(byte);
      }
      return { data: Buffer.from(data), detached: false };
    },
  };
}
