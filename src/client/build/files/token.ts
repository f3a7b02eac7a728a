/**
 * A short name for what a walk has found: 128 bits of its names and numbers (MurmurHash3's mixing). It is no signature:
 * both sides of it are the same user's; and loading one takes longer than the walk.
 */
export function mixWords(parts: readonly Uint32Array[]): string {
  let [a, b, c, d] = SEEDS;
  let total = 0;
  for (const words of parts) {
    total += words.length;
    const whole = words.length & ~3;
    for (let at = 0; at < whole; at += 4) {
      a = Math.imul(turn(a ^ mix(words[at]!, M0, 15, M1), 19) + b, 5) + 0x561ccd1b;
      b = Math.imul(turn(b ^ mix(words[at + 1]!, M1, 16, M2), 17) + c, 5) + 0x0bcaa747;
      c = Math.imul(turn(c ^ mix(words[at + 2]!, M2, 17, M3), 15) + d, 5) + 0x96cd1c35;
      d = Math.imul(turn(d ^ mix(words[at + 3]!, M3, 18, M0), 13) + a, 5) + 0x32ac3b17;
    }
    for (let at = whole; at < words.length; at++) {
      a = Math.imul(turn(a ^ mix(words[at]!, M0, 15, M1), 19) + b, 5) + 0x561ccd1b;
      [a, b, c, d] = [b, c, d, a];
    }
  }
  return finish([a ^ total, b ^ total, c ^ total, d ^ total]);
}

const SEEDS: readonly [number, number, number, number] = [0x9747b28c, 0x2f0b4c47, 0x7a646e4d, 0x5bd1e995];
const M0 = 0x239b961b;
const M1 = 0xab0e9789;
const M2 = 0x38b34ae5;
const M3 = 0xa1e38b93;

const turn = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

const mix = (word: number, first: number, bits: number, second: number): number => Math.imul(turn(Math.imul(word, first), bits), second);

/** Every bit of the four has its part in each. */
function finish([a, b, c, d]: readonly [number, number, number, number]): string {
  let words = [a, b, c, d];
  for (let round = 0; round < 2; round++) {
    const sum = words.reduce((one, other) => (one + other) | 0, 0);
    words = words.map((word, place) => avalanche(place === 0 ? sum : word + sum));
  }
  return words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

function avalanche(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
