/** "ctrl-p,ctrl-q" → the bytes that end an attachment. */
import { fail } from "#base/errors.ts";

export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

const CTRL: Readonly<Record<string, number>> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };

/** @throws invalid */
export function parseDetachKeys(text: string): Uint8Array {
  const keys = (text === "" ? DEFAULT_DETACH_KEYS : text).split(",");
  return Uint8Array.from(keys, (key) => {
    if (key === "DEL") return 127;
    const code = key.length === 1 ? key.charCodeAt(0) : controlCode(key);
    if (code === undefined || code > 127) throw fail("invalid", `Invalid detach keys (${text}): Unknown character: '${key}'`);
    return code;
  });
}

function controlCode(key: string): number | undefined {
  const match = /^ctrl-(.)$/i.exec(key);
  if (match === null) return undefined;
  const letter = match[1]!.toLowerCase();
  return letter >= "a" && letter <= "z" ? letter.charCodeAt(0) - 96 : CTRL[letter];
}
