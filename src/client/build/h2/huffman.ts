/** The Huffman code of HTTP/2's headers (RFC 7541, appendix B), for reading: what we write goes without it. */
import { fail } from "#base/errors.ts";

/**
 * Bits of each byte's code, in base 36. The code is canonical: shorter ones first, and of one length in the order of the
 * bytes; so the lengths are all there is to know. Code 30 bits, all ones: the end of a string, which may only be cut off.
 */
const LENGTHS = [
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca",
  "d67777777777777777777777878djde6f56565666577666567655677777fbeds",
  "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn",
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq",
].join("");

const LONGEST = 30;

/** Of each length: its first code, and where its bytes begin in `bytes`. */
type Table = { readonly first: Uint32Array; readonly count: Uint32Array; readonly offset: Uint32Array; readonly bytes: Uint8Array };

let table: Table | undefined;

/** @throws invalid for what no encoder writes */
export function decodeHuffman(input: Uint8Array): string {
  const { first, count, offset, bytes } = (table ??= makeTable());
  const output = Buffer.alloc(Math.ceil((input.length * 8) / 5));
  let written = 0;
  let code = 0;
  let length = 0;
  for (const byte of input) {
    for (let bit = 7; bit >= 0; bit--) {
      code = ((code << 1) | ((byte >> bit) & 1)) >>> 0;
      if (++length > LONGEST) throw fail("invalid", "http2: a header's Huffman code is none");
      const place = code - first[length]!;
      if (place < 0 || place >= count[length]!) continue;
      output[written++] = bytes[offset[length]! + place]!;
      code = 0;
      length = 0;
    }
  }
  // What is left are the first bits of the end's code.
  if (length > 7 || code !== 2 ** length - 1) throw fail("invalid", "http2: a header's Huffman code is cut short");
  return output.toString("latin1", 0, written);
}

function makeTable(): Table {
  const lengths = [...LENGTHS].map((digit) => Number.parseInt(digit, 36));
  const bytes = Uint8Array.from([...lengths.keys()].sort((a, b) => lengths[a]! - lengths[b]! || a - b));
  const first = new Uint32Array(LONGEST + 1);
  const count = new Uint32Array(LONGEST + 1);
  const offset = new Uint32Array(LONGEST + 1);
  for (const length of lengths) count[length]!++;
  for (let length = 1; length <= LONGEST; length++) {
    first[length] = (first[length - 1]! + count[length - 1]!) * 2;
    offset[length] = offset[length - 1]! + count[length - 1]!;
  }
  return { first, count, offset, bytes };
}
