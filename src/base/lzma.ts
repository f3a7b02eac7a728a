/**
 * LZMA's decoder (as LZMA2 uses it): a range coder over adaptive bits, and a dictionary that what was decoded is copied from.
 * One call decodes one chunk, of at most 2 MiB.
 */
export type LzmaDecoder = {
  /** Forgets what was learned; with `props`, how contexts are made, too. False for impossible ones. */
  reset(props?: number): boolean;
  /** What was decoded has been taken. */
  forgetDictionary(): void;
  /** Decodes `size` bytes of the packed ones. False when these are corrupt. */
  decode(packed: Uint8Array, size: number): boolean;
  /** Bytes as they are. */
  copy(bytes: Uint8Array): void;
  /** What was decoded since the last call. */
  take(): Buffer;
};

const STATES = 12;
const TOP = 2 ** 24;
const HALF = 1024;
const MATCH_MIN = 2;
const CHUNK = 2 ** 21;
/** Places in one array of probabilities. */
const AT = { match: 0, rep: 192, rep0: 204, rep1: 216, rep2: 228, rep0Long: 240, slot: 432, special: 688, align: 804, length: 820, repLength: 1334, literal: 1848 } as const;

export function openLzma(dictionarySize: number): LzmaDecoder {
  // A little more than is looked back to: what is decoded is handed out before it is written over.
  const size = Math.max(dictionarySize, 4096) + CHUNK;
  const dictionary = Buffer.allocUnsafeSlow(size);
  let [position, full, taken] = [0, 0, 0];
  let [lc, lp, pb] = [3, 0, 2];
  let probs = new Uint16Array(AT.literal + (0x300 << 4)).fill(HALF);
  let [state, rep0, rep1, rep2, rep3] = [0, 0, 0, 0, 0];
  let input: Uint8Array = new Uint8Array(0);
  let [at, range, code] = [0, 0, 0];

  return {
    reset(props) {
      if (props !== undefined) {
        if (props >= 9 * 5 * 5) return false;
        [lc, lp, pb] = [props % 9, Math.floor(props / 9) % 5, Math.floor(props / 45)];
        if (lc + lp > 4) return false;
      }
      probs = new Uint16Array(AT.literal + (0x300 << (lc + lp))).fill(HALF);
      [state, rep0, rep1, rep2, rep3] = [0, 0, 0, 0, 0];
      return true;
    },
    forgetDictionary: () => void (position = taken = full = 0),
    decode,
    copy(bytes) {
      for (const byte of bytes) put(byte);
    },
    take() {
      const part = position >= taken ? Buffer.from(dictionary.subarray(taken, position)) : Buffer.concat([dictionary.subarray(taken), dictionary.subarray(0, position)]);
      taken = position;
      return part;
    },
  };

  function put(byte: number): void {
    dictionary[position] = byte;
    if (++position === size) position = 0;
    if (full < size) full++;
  }

  function decode(packed: Uint8Array, count: number): boolean {
    if (packed.length < 5 || packed[0] !== 0) return false;
    input = packed;
    range = -1;
    code = (packed[1]! << 24) | (packed[2]! << 16) | (packed[3]! << 8) | packed[4]!;
    at = 5;
    let left = count;
    while (left > 0) {
      const context = position & ((1 << pb) - 1);
      if (bit(AT.match + state * 16 + context) === 0) {
        put(literal());
        state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        left--;
        continue;
      }
      const length = match(context);
      if (length < 0 || length > left || rep0 >= full || rep0 >= dictionarySize) return false;
      let from = position - rep0 - 1;
      if (from < 0) from += size;
      for (let one = 0; one < length; one++) {
        put(dictionary[from]!);
        if (++from === size) from = 0;
      }
      left -= length;
    }
    if (range >>> 0 < TOP) normalize();
    return code === 0 && at === input.length;
  }

  function normalize(): void {
    range <<= 8;
    code = (code << 8) | input[at++]!;
  }

  /** `range` and `code` are unsigned numbers of 32 bits, kept as signed ones: those are no objects to V8. */
  function bit(place: number): number {
    const probability = probs[place]!;
    const bound = Math.imul(range >>> 11, probability);
    if (code >>> 0 < bound >>> 0) {
      range = bound;
      probs[place] = probability + ((2048 - probability) >>> 5);
      if (range >>> 0 < TOP) normalize();
      return 0;
    }
    range = (range - bound) | 0;
    code = (code - bound) | 0;
    probs[place] = probability - (probability >>> 5);
    if (range >>> 0 < TOP) normalize();
    return 1;
  }

  function direct(count: number): number {
    let value = 0;
    for (let one = 0; one < count; one++) {
      range >>>= 1;
      const set = code >>> 0 >= range ? 1 : 0;
      if (set === 1) code = (code - range) | 0;
      value = (value << 1) | set;
      if (range < TOP) normalize();
    }
    return value >>> 0;
  }

  function tree(place: number, bits: number): number {
    return descend(place, 1, 1 << bits) - (1 << bits);
  }

  /** As many times `bit` as it takes, which is most of the work there is: with what it needs at hand. */
  function descend(place: number, from: number, end: number): number {
    let [symbol, r, c] = [from, range, code];
    const table = probs;
    while (symbol < end) {
      const probability = table[place + symbol]!;
      const bound = Math.imul(r >>> 11, probability);
      if (c >>> 0 < bound >>> 0) {
        r = bound;
        table[place + symbol] = probability + ((2048 - probability) >>> 5);
        symbol <<= 1;
      } else {
        r = (r - bound) | 0;
        c = (c - bound) | 0;
        table[place + symbol] = probability - (probability >>> 5);
        symbol = (symbol << 1) | 1;
      }
      if (r >>> 0 >= TOP) continue;
      r <<= 8;
      c = (c << 8) | input[at++]!;
    }
    range = r;
    code = c;
    return symbol;
  }

  function reverseTree(place: number, bits: number): number {
    let [symbol, value] = [1, 0];
    for (let one = 0; one < bits; one++) {
      const set = bit(place + symbol);
      symbol = (symbol << 1) | set;
      value |= set << one;
    }
    return value;
  }

  function literal(): number {
    const before = full === 0 ? 0 : dictionary[position === 0 ? size - 1 : position - 1]!;
    const place = AT.literal + 0x300 * (((position & ((1 << lp) - 1)) << lc) + (before >>> (8 - lc)));
    let symbol = 1;
    if (state >= 7) {
      let from = position - rep0 - 1;
      if (from < 0) from += size;
      let matched = dictionary[from]!;
      do {
        const expected = (matched >>> 7) & 1;
        matched <<= 1;
        const set = bit(place + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | set;
        if (expected !== set) break;
      } while (symbol < 0x100);
    }
    return descend(place, symbol, 0x100) & 0xff;
  }

  /** Its length; where it is, is rep0. -1: none that is possible. */
  function match(context: number): number {
    if (bit(AT.rep + state) === 0) {
      [rep3, rep2, rep1] = [rep2, rep1, rep0];
      const length = matchLength(AT.length, context);
      state = state < 7 ? 7 : 10;
      rep0 = distance(length);
      return rep0 === 0xffffffff ? -1 : length + MATCH_MIN;
    }
    if (full === 0) return -1;
    if (bit(AT.rep0 + state) === 0) {
      if (bit(AT.rep0Long + state * 16 + context) === 0) {
        state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let chosen = rep1;
      if (bit(AT.rep1 + state) === 1) {
        if (bit(AT.rep2 + state) === 0) chosen = rep2;
        else {
          chosen = rep3;
          rep3 = rep2;
        }
        rep2 = rep1;
      }
      rep1 = rep0;
      rep0 = chosen;
    }
    const length = matchLength(AT.repLength, context);
    state = state < 7 ? 8 : 11;
    return length + MATCH_MIN;
  }

  /** Two choices, sixteen low and sixteen middle trees of 8, one high tree of 256. */
  function matchLength(place: number, context: number): number {
    if (bit(place) === 0) return tree(place + 2 + context * 8, 3);
    if (bit(place + 1) === 0) return 8 + tree(place + 130 + context * 8, 3);
    return 16 + tree(place + 258, 8);
  }

  function distance(length: number): number {
    const slot = tree(AT.slot + Math.min(length, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >>> 1) - 1;
    const base = ((2 | (slot & 1)) << bits) >>> 0;
    if (slot < 14) return base + reverseTree(AT.special + base - slot, bits);
    return (base + direct(bits - 4) * 16 + reverseTree(AT.align, 4)) >>> 0;
  }
}
