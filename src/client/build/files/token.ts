/**
 * A short name for all that was found in a folder: 128 bits of the bytes that tell it (MurmurHash3's mixing). Whoever
 * remembers the name needs not be told again. It is no signature: both sides of it are the same user's, and it saves
 * loading one.
 */
export type Token = { add(bytes: Buffer): void; text(): string };

const M = [0x239b961b, 0xab0e9789, 0x38b34ae5, 0xa1e38b93] as const;

export function openToken(): Token {
  let a = 0x9747b28c;
  let b = 0x2f0b4c47;
  let c = 0x7a646e4d;
  let d = 0x5bd1e995;
  let total = 0;
  return {
    add(bytes) {
      total += bytes.length;
      const words = bytes.length >>> 2;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      let at = 0;
      for (; at + 4 <= words; at += 4) {
        a = Math.imul(turn(a ^ mix(view.getUint32(at * 4, true), M[0], 15, M[1]), 19) + b, 5) + 0x561ccd1b;
        b = Math.imul(turn(b ^ mix(view.getUint32(at * 4 + 4, true), M[1], 16, M[2]), 17) + c, 5) + 0x0bcaa747;
        c = Math.imul(turn(c ^ mix(view.getUint32(at * 4 + 8, true), M[2], 17, M[3]), 15) + d, 5) + 0x96cd1c35;
        d = Math.imul(turn(d ^ mix(view.getUint32(at * 4 + 12, true), M[3], 18, M[0]), 13) + a, 5) + 0x32ac3b17;
      }
      for (let rest = at * 4; rest < bytes.length; rest++) {
        a = Math.imul(turn(a ^ mix(view.getUint8(rest) + 1, M[0], 15, M[1]), 19) + b, 5) + 0x561ccd1b;
        [a, b, c, d] = [b, c, d, a];
      }
    },
    text() {
      let [w, x, y, z] = [a ^ total, b ^ total, c ^ total, d ^ total];
      for (let round = 0; round < 2; round++) {
        w = finish(w + x + y + z);
        x = finish(x + w);
        y = finish(y + w);
        z = finish(z + w);
      }
      return [w, x, y, z].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
    },
  };
}

const turn = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));

const mix = (word: number, first: number, bits: number, second: number): number => Math.imul(turn(Math.imul(word, first), bits), second);

function finish(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
