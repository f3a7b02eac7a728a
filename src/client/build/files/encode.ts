/** Entries of a folder as the bytes of packets, one after another in one buffer: thousands of them take milliseconds. */
import { MODE } from "#spec/buildkit/session.ts";

export type Entry = {
  readonly path: string;
  /** Go's os.FileMode: MODE and the permissions. */
  readonly mode: number;
  readonly size: number;
  /** Unix nanoseconds. */
  readonly mtime: bigint;
  /** Of a symlink what it says; of a file the path of the one it is a hard link to. */
  readonly link?: string;
  readonly major?: number;
  readonly minor?: number;
  /** When it was last changed in any way, as the kernel says: BuildKit has no such field, and skips it. */
  readonly changed?: bigint;
};

/** Field numbers of Stat, as tags: number * 8 + 0 for numbers, + 2 for texts. */
const TAG = { path: 10, mode: 16, size: 40, mtime: 48, link: 58, major: 64, minor: 72, changed: 792 } as const;
/** Packet's: its first field, the type, is 0 and not written; the second one is the Stat. */
const STAT_TAG = 18;
const GRPC_HEAD = 5;
/** What an entry takes besides its names. */
const MOST = 96;

export type EntryWriter = {
  write(entry: Entry): void;
  /** What was written since the last time, as messages ready to be sent. */
  take(): Buffer;
  readonly size: () => number;
};

export function openEntryWriter(): EntryWriter {
  let bytes = Buffer.allocUnsafeSlow(2 ** 17);
  let at = 0;
  const varint = (value: number) => {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes[at++] = (rest % 128) | 0x80;
    bytes[at++] = rest;
  };
  const long = (value: bigint) => {
    // Two halves: arithmetic with bigints is slow.
    let low = Number(value & 0xffffffffn);
    let high = Number((value >> 32n) & 0xffffffffn);
    while (high !== 0 || low >= 0x80) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | ((high & 0x7f) << 25)) >>> 0;
      high >>>= 7;
    }
    bytes[at++] = low;
  };
  const string = (tag: number, value: string) => {
    bytes[at++] = tag;
    const start = at;
    // Most are short and ASCII: their length is known once they are written.
    const written = bytes.write(value, start + 1, "utf8");
    if (written < 0x80) {
      bytes[at] = written;
      at += written + 1;
      return;
    }
    varint(written);
    at += bytes.write(value, at, "utf8");
  };
  const number = (tag: number, value: number) => {
    if (value === 0) return;
    if (tag >= 0x80) varint(tag);
    else bytes[at++] = tag;
    varint(value);
  };
  const fields = (entry: Entry) => {
    string(TAG.path, entry.path);
    number(TAG.mode, entry.mode);
    number(TAG.size, entry.size);
    bytes[at++] = TAG.mtime;
    long(entry.mtime);
    if (entry.link !== undefined) string(TAG.link, entry.link);
    if (entry.major !== undefined) number(TAG.major, entry.major);
    if (entry.minor !== undefined) number(TAG.minor, entry.minor);
    if (entry.changed !== undefined) {
      varint(TAG.changed);
      long(entry.changed);
    }
  };
  return {
    size: () => at,
    write(entry) {
      const most = MOST + 3 * (entry.path.length + (entry.link?.length ?? 0));
      if (at + most > bytes.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(bytes.length * 2, at + most));
        bytes.copy(larger, 0, 0, at);
        bytes = larger;
      }
      const start = at;
      // Room for the lengths of both messages around it, which are known afterwards.
      at += GRPC_HEAD + 1 + 2;
      const body = at;
      fields(entry);
      let length = at - body;
      if (length >= 0x4000) {
        bytes.copyWithin(body + 1, body, at);
        at++;
        bytes[body - 2] = (length & 0x7f) | 0x80;
        bytes[body - 1] = ((length >> 7) & 0x7f) | 0x80;
        bytes[body] = length >> 14;
      } else {
        // Two bytes always: a longer form of a small number is as good.
        bytes[body - 2] = (length & 0x7f) | 0x80;
        bytes[body - 1] = length >> 7;
      }
      length = at - start - GRPC_HEAD;
      bytes[start] = 0;
      bytes.writeUInt32BE(length, start + 1);
      bytes[start + GRPC_HEAD] = STAT_TAG;
    },
    take() {
      const taken = bytes.subarray(0, at);
      bytes = Buffer.allocUnsafeSlow(2 ** 17);
      at = 0;
      return taken;
    },
  };
}

/** What the kernel says of a file's kind and permissions, as Go says it. Undefined: a socket, which is not sent. */
export function goMode(mode: number): number | undefined {
  const kind = KINDS[mode & 0o170000];
  if (kind === undefined) return undefined;
  const special = (mode & 0o4000 ? MODE.setuid : 0) + (mode & 0o2000 ? MODE.setgid : 0) + (mode & 0o1000 ? MODE.sticky : 0);
  return kind + special + (mode & 0o777);
}

/** Go's os.ModeType: a file has none of these. A hard link counts: its bytes may be asked for, too. */
const ANY_KIND = 0x8f280000;

export const isFile = (mode: number): boolean => (mode & ANY_KIND) === 0;

const KINDS: Readonly<Record<number, number>> = {
  0o100000: 0,
  0o040000: MODE.directory,
  0o120000: MODE.symlink,
  0o060000: MODE.device,
  0o020000: MODE.device + MODE.character,
  0o010000: MODE.fifo,
};
