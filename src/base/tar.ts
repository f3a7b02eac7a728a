/**
 * Tar archives, read piece by piece: ustar, PAX and GNU, as tar programs, Docker and Go write them.
 *
 *     const reader = tarReader();
 *     for await (const chunk of source) {
 *       for (const event of reader.push(chunk)) {
 *         if (event.kind === "entry") …event.entry.name…
 *         else …event.bytes…                           // a slice of chunk: used before the next push, or copied
 *       }
 *     }
 *     reader.end();                                    // throws when the archive was cut short
 *
 * Nothing of a body is copied or kept. Names are bytes; they are not judged here beyond their length: who makes files of
 * them must take them for hostile. What is refused (`invalid`): a wrong checksum, sizes that are no sizes, sparse files,
 * entry types that mean nothing on Linux, records and counts beyond the limits.
 */
import { fail } from "./errors.ts";
import { parseHeader, type RawHeader } from "./tar-header.ts";
import { applyPax, parsePax, type Pax } from "./tar-pax.ts";

export type EntryType = "file" | "directory" | "symlink" | "link" | "char" | "block" | "fifo";

export type TarEntry = {
  readonly type: EntryType;
  readonly name: Buffer;
  /** Target of a symlink, or name of the entry that a link repeats. */
  readonly linkName: Buffer;
  /** Permission bits, with set-user-ID, set-group-ID and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of the body; 0 for all but files. */
  readonly size: number;
  /** Unix time; nsec is 0 to 999,999,999 also before 1970. */
  readonly sec: number;
  readonly nsec: number;
  readonly major: number;
  readonly minor: number;
  /** Extended attributes, in the order of the archive. */
  readonly xattrs: readonly (readonly [name: Buffer, value: Buffer])[];
};

export type TarEvent =
  | { readonly kind: "entry"; readonly entry: TarEntry }
  /** A piece of the body of the entry before; `last` with its end. An empty body has none. */
  | { readonly kind: "data"; readonly bytes: Buffer; readonly last: boolean };

export type TarReader = {
  push(chunk: Uint8Array): Generator<TarEvent, void, void>;
  /** How much of the body under way has not come yet. */
  left(): number;
  /** Somebody else has taken what was left of it. */
  pass(): void;
  /** @throws invalid when the archive is not at an end. */
  end(): void;
};

export type TarLimits = { readonly entries: number; readonly record: number; readonly name: number };

export const TAR_LIMITS: TarLimits = { entries: 10_000_000, record: 2 ** 20, name: 4096 };

const BLOCK = 512;
/** Bodies that tell of the next entry. g: of all; its records are read past, as Docker does. */
const RECORDS = { L: "longName", K: "longLink", x: "pax", g: "global" } as const;

type Record = (typeof RECORDS)[keyof typeof RECORDS];
type State =
  | { at: "header" }
  | { at: "record"; record: Record; left: number; padding: number; parts: Buffer[] }
  | { at: "body"; left: number; padding: number }
  | { at: "padding"; left: number }
  | { at: "end" };

export function tarReader(given: Partial<TarLimits> = {}): TarReader {
  const limits = { ...TAR_LIMITS, ...given };
  let state: State = { at: "header" };
  /** The beginning of a header that was split between chunks. */
  let partial: Buffer = Buffer.alloc(0);
  let zeroBlocks = 0;
  let entries = 0;
  /** What records said of the entry that comes. */
  let longName: Buffer | undefined;
  let longLink: Buffer | undefined;
  let pax: Pax | undefined;

  return { push, left: () => (state.at === "body" ? state.left : 0), pass, end };

  function* push(input: Uint8Array): Generator<TarEvent, void, void> {
    let chunk = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
    if (partial.length > 0) {
      chunk = Buffer.concat([partial, chunk]);
      partial = Buffer.alloc(0);
    }
    let at = 0;
    while (at < chunk.length) {
      switch (state.at) {
        case "header": {
          if (chunk.length - at < BLOCK) {
            partial = Buffer.from(chunk.subarray(at));
            return;
          }
          const entry = takeHeader(chunk.subarray(at, at + BLOCK));
          at += BLOCK;
          if (entry !== undefined) yield { kind: "entry", entry };
          break;
        }
        case "record":
          at += takeRecord(state, chunk.subarray(at, at + state.left));
          break;
        case "body": {
          const bytes = chunk.subarray(at, at + state.left);
          const last = bytes.length === state.left;
          at += bytes.length;
          state.left -= bytes.length;
          if (last) skip(state.padding);
          yield { kind: "data", bytes, last };
          break;
        }
        case "padding": {
          const skipped = Math.min(state.left, chunk.length - at);
          at += skipped;
          skip(state.left - skipped);
          break;
        }
        case "end":
          return;
      }
    }
  }

  function pass(): void {
    if (state.at === "body") skip(state.padding);
  }

  function end(): void {
    // Like Go's reader: two zero blocks, one, or none at all end an archive; anything half does not. Nothing is lost with
    // what would fill the last block up: docker build -f - sends none.
    if (state.at === "end") return;
    const loose = longName !== undefined || longLink !== undefined || pax !== undefined;
    if ((state.at !== "header" && state.at !== "padding") || partial.length > 0 || loose) throw fail("invalid", "read a tar archive: it is cut short");
  }

  /** Takes one header block; gives the entry if it begins one. */
  function takeHeader(block: Buffer): TarEntry | undefined {
    if (isZero(block)) {
      if (++zeroBlocks === 2) state = { at: "end" };
      return undefined;
    }
    if (zeroBlocks > 0) throw fail("invalid", "read a tar archive: an entry after the end mark");
    if (++entries > limits.entries) throw fail("invalid", `read a tar archive: more than ${limits.entries} entries`);
    const header = parseHeader(block);
    const record = RECORDS[header.flag as keyof typeof RECORDS];
    if (record === undefined) return takeEntry(header);
    startRecord(record, header.size);
    return undefined;
  }

  function startRecord(record: Record, size: number): void {
    if (size > limits.record) {
      throw fail("invalid", `read a tar archive: an extended header of ${size} bytes, more than the limit of ${limits.record}`);
    }
    if (size === 0) finishRecord(record, Buffer.alloc(0), 0);
    else state = { at: "record", record, left: size, padding: padded(size), parts: [] };
  }

  function takeRecord(into: State & { at: "record" }, bytes: Buffer): number {
    into.parts.push(Buffer.from(bytes));
    into.left -= bytes.length;
    if (into.left === 0) finishRecord(into.record, Buffer.concat(into.parts), into.padding);
    return bytes.length;
  }

  function finishRecord(record: Record, bytes: Buffer, padding: number): void {
    if (record === "longName") longName = untilZero(bytes);
    if (record === "longLink") longLink = untilZero(bytes);
    if (record === "pax") pax = parsePax(bytes);
    skip(padding);
  }

  function takeEntry(header: RawHeader): TarEntry {
    const plain = { ...header, name: longName ?? header.name, linkName: longLink ?? header.linkName };
    const { flag, ...full } = pax === undefined ? plain : applyPax(plain, pax);
    const type = entryType(flag, full.name);
    const size = type === "file" ? full.size : 0;
    longName = longLink = pax = undefined;
    checkNames(limits, full.name, full.linkName);
    if (size > 0) state = { at: "body", left: size, padding: padded(size) };
    return { ...full, type, size, mode: full.mode & 0o7777 };
  }

  function skip(padding: number): void {
    state = padding === 0 ? { at: "header" } : { at: "padding", left: padding };
  }
}

function checkNames(limits: TarLimits, ...names: Buffer[]): void {
  for (const name of names) {
    if (name.length > limits.name) {
      throw fail("invalid", `read a tar archive: a name of ${name.length} bytes, more than the limit of ${limits.name}`);
    }
    if (name.includes(0)) throw fail("invalid", "read a tar archive: a name holds a NUL byte");
  }
}

function entryType(flag: string, name: Buffer): EntryType {
  switch (flag) {
    case "0":
    case "\0":
    case "7":
      // Before ustar, a directory was a file whose name ends in a slash.
      return flag === "\0" && name.at(-1) === 0x2f ? "directory" : "file";
    case "1":
      return "link";
    case "2":
      return "symlink";
    case "3":
      return "char";
    case "4":
      return "block";
    case "5":
      return "directory";
    case "6":
      return "fifo";
    case "S":
      throw fail("invalid", "read a tar archive: it holds a sparse file, which is not supported");
    default:
      throw fail("invalid", `read a tar archive: an entry of the unknown type ${JSON.stringify(flag)}`);
  }
}

const ZERO = Buffer.alloc(BLOCK);
const isZero = (block: Buffer): boolean => block[0] === 0 && block.equals(ZERO);
const padded = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

function untilZero(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
