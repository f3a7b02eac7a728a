/**
 * Log records to frames, in place: what a record becomes is never longer than the record, so that the frames of a
 * buffer are written over the records they come from, and no line costs an object. A record is
 *
 *     {"log":"text\n","stream":"stdout","attrs":{…},"time":"2026-01-01T00:00:00.123456789Z"}
 *
 * with `attrs` present or not, and the decimals of the time trimmed or not. What is not a record is left out.
 */
import { formatTimeFixed } from "#base/clock.ts";
import { unescape } from "./unescape.ts";

export type RecordFilter = {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Without frames: the container has a terminal. */
  readonly raw: boolean;
  readonly timestamps: boolean;
  /** Neighbours of one stream share a frame: for clients that make a system call of each. Without timestamps only. */
  readonly joined?: boolean;
  /** Print attributes before each line. */
  readonly details: boolean;
  /** Unix nanoseconds, both inclusive. */
  readonly since?: bigint | undefined;
  readonly until?: bigint | undefined;
};

export type Pass = {
  /** In the given buffer, at its head. */
  readonly frames: Buffer;
  /** Where the first incomplete record begins. */
  readonly rest: number;
  /** A record later than `until` was met: nothing more is wanted. */
  readonly past: boolean;
};

const PREFIX = '{"log":"'.length;
const STREAM = ',"stream":"std'.length;
/** The most that is put into a frame that is shared: what the official client copies at once. */
const JOINED = 32 << 10;
const STAMP = 31;
const NEWLINE = 10;
const QUOTE = 34;
const BACKSLASH = 92;
const stamp = Buffer.from(`${formatTimeFixed(0n)} `);

export function frameRecords(buffer: Buffer, filled: number, filter: RecordFilter): Pass {
  const since = fixed(filter.since);
  const until = fixed(filter.until);
  const header = filter.raw ? 0 : 8;
  const lead = header + (filter.timestamps ? STAMP : 0);
  const joins = filter.joined === true && header !== 0 && !filter.timestamps;
  const spot = newSpot();
  let out = 0;
  let open = -1;
  let at = 0;
  while (at < filled) {
    if (!locate(buffer, at, filled, spot)) {
      const newline = buffer.indexOf(NEWLINE, at);
      if (newline === -1 || newline >= filled) break;
      at = newline + 1;
      continue;
    }
    at = spot.next;
    if (spot.error ? !filter.stderr : !filter.stdout) continue;
    if (since !== undefined && compareTime(buffer, spot.time, since) < 0) continue;
    if (until !== undefined && compareTime(buffer, spot.time, until) > 0) return { frames: buffer.subarray(0, out), rest: at, past: true };
    if (filter.timestamps) readStamp(buffer, spot.time);
    if (joins && open !== -1 && buffer[open] === streamOf(spot) && out - open < JOINED) {
      out = moveText(buffer, out, spot);
      writeLength(buffer, open, out - open - header);
      continue;
    }
    open = out;
    const end = moveText(buffer, out + lead, spot);
    if (filter.timestamps) for (let i = 0; i < STAMP; i++) buffer[out + header + i] = stamp[i]!;
    if (header !== 0) writeHeader(buffer, out, streamOf(spot), end - out - header);
    out = end;
  }
  return { frames: buffer.subarray(0, out), rest: at, past: false };
}

/** Where the parts of one record are. Reused from record to record. */
type Spot = {
  text: number;
  /** The quote that ends the text. */
  quote: number;
  /** The text has no escape but a closing \n. */
  plain: boolean;
  error: boolean;
  /** First byte of the time. */
  time: number;
  /** Behind the record's newline. */
  next: number;
  /** The last backslash that was looked for: -1 none from `text` on. */
  slash: number;
};

const newSpot = (): Spot => ({ text: 0, quote: 0, plain: false, error: false, time: 0, next: 0, slash: 0 });

/** Finds the parts of the record at `at`. False: there is no whole record there. */
function locate(buffer: Buffer, at: number, filled: number, spot: Spot): boolean {
  spot.text = at + PREFIX;
  if (!beginsRecord(buffer, at)) return false;
  // Nearly every text holds one backslash, that of its closing \n, and no quote: two native searches find its end.
  if (spot.slash !== -1 && spot.slash < spot.text) spot.slash = buffer.indexOf(BACKSLASH, spot.text);
  const quote = buffer.indexOf(QUOTE, spot.text);
  spot.plain = spot.slash === quote - 2 && buffer[quote - 1] === 110;
  spot.quote = spot.plain || spot.slash > quote ? quote : closingQuote(buffer, spot.text, filled);
  if (spot.quote === -1 || !namesStream(buffer, spot.quote + 1)) return false;
  const kind = spot.quote + 1 + STREAM; // out" or err"
  spot.error = buffer[kind] === 101;
  // ,"time":" follows; attributes in between end where the last string of the line begins.
  spot.time = buffer[kind + 6] === 116 ? kind + 13 : lastString(buffer, kind, filled);
  spot.next = endOfRecord(buffer, spot.time);
  return spot.next !== -1 && spot.next <= filled;
}

/** Moves the text to `to`, its escapes decoded; returns where it ends there. */
function moveText(buffer: Buffer, to: number, spot: Spot): number {
  const from = spot.text;
  const end = spot.plain ? spot.slash : unescape(buffer, from, spot.quote);
  const length = end - from;
  // A native call takes longer than a few bytes.
  if (to < from && length < 200) for (let i = 0; i < length; i++) buffer[to + i] = buffer[from + i]!;
  else buffer.copyWithin(to, from, end);
  if (!spot.plain) return to + length;
  buffer[to + length] = NEWLINE;
  return to + length + 1;
}

const fixed = (nanos: bigint | undefined) => (nanos === undefined ? undefined : Buffer.from(formatTimeFixed(nanos)));

// Some bytes of each are enough to tell records from the rests of torn ones, and every line passes here.
const beginsRecord = (buffer: Buffer, at: number) =>
  buffer[at] === 123 && buffer[at + 1] === QUOTE && buffer[at + 2] === 108 && buffer[at + 6] === 58 && buffer[at + 7] === QUOTE;
const namesStream = (buffer: Buffer, at: number) =>
  buffer[at] === 44 && buffer[at + 2] === 115 && buffer[at + 8] === QUOTE && buffer[at + 11] === 115 && buffer[at + 13] === 100;

/** The quote that ends the string which begins at `from`; -1 when the line or the buffer ends before. */
function closingQuote(buffer: Buffer, from: number, filled: number): number {
  for (let i = from; i < filled; i++) {
    const byte = buffer[i];
    if (byte === BACKSLASH) i++;
    else if (byte === QUOTE) return i;
    else if (byte === NEWLINE) return -1;
  }
  return -1;
}

/** First byte of the last string of the line that goes on at `from`; 0 if there is none. */
function lastString(buffer: Buffer, from: number, filled: number): number {
  const newline = buffer.indexOf(NEWLINE, from);
  if (newline === -1 || newline >= filled) return 0;
  return Math.max(buffer.lastIndexOf(QUOTE, newline - 3), 0) + 1;
}

/** Behind `"}\n` after the time, which is 20 to 30 characters long; -1: the record does not end so. */
function endOfRecord(buffer: Buffer, time: number): number {
  let end = time + 30;
  if (buffer[end] !== QUOTE || buffer[end + 1] !== 125) for (end = time + 20; end < time + 30 && buffer[end] !== QUOTE; ) end++;
  return buffer[end] === QUOTE && buffer[end + 1] === 125 && buffer[end + 2] === NEWLINE ? end + 3 : -1;
}

/** Like strcmp, for a record's time and a fixed one: decimals that are not there are zeros. */
function compareTime(buffer: Buffer, time: number, other: Buffer): number {
  for (let i = 0, ended = false; i < 29; i++) {
    if (buffer[time + i] === 90) ended = true;
    const byte = ended ? padding(i) : buffer[time + i]!;
    if (byte !== other[i]) return byte - other[i]!;
  }
  return 0;
}

/** Takes the time into `stamp`, before text is moved over it. */
function readStamp(buffer: Buffer, time: number): void {
  for (let i = 0, ended = false; i < 29; i++) {
    if (buffer[time + i] === 90) ended = true;
    stamp[i] = ended ? padding(i) : buffer[time + i]!;
  }
}

const padding = (index: number) => (index === 19 ? 46 : 48);

const streamOf = ({ error }: Spot) => (error ? 2 : 1);

function writeHeader(buffer: Buffer, at: number, stream: number, length: number): void {
  buffer[at] = stream;
  buffer[at + 1] = 0;
  buffer[at + 2] = 0;
  buffer[at + 3] = 0;
  writeLength(buffer, at, length);
}

function writeLength(buffer: Buffer, at: number, length: number): void {
  buffer[at + 4] = length >>> 24;
  buffer[at + 5] = length >>> 16;
  buffer[at + 6] = length >>> 8;
  buffer[at + 7] = length;
}
