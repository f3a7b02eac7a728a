/**
 * A short name for what a walk has found: 64 bits of its names and numbers, mixed word by word. It is no signature: both
 * sides of it are the same user's; and loading one takes longer than the walk.
 */
export function mixWords(parts: readonly Uint32Array[]): string {
  let a = 0x9747b28c;
  let b = 0x2f0b4c47;
  for (const words of parts) {
    // Written out: this runs once, and before it is compiled a call costs more than what is in it.
    for (let at = 0; at < words.length; at++) {
      const word = words[at]!;
      a = Math.imul(a ^ word, 0x9e3779b1);
      a ^= a >>> 15;
      b = Math.imul(((b << 13) | (b >>> 19)) + word, 0x85ebca6b);
    }
    a ^= words.length;
  }
  return [avalanche(a ^ avalanche(b)), avalanche(b ^ avalanche(a))].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Every bit has its part in all of them. */
function avalanche(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
