/**
 * Tar archives, written: ustar, with PAX records where a value does not fit. What is the same in is the same out.
 *
 *     yield tarHeader({ name: "a/b", type: "file", mode: 0o644, size: bytes.length });
 *     yield bytes;
 *     yield tarPadding(bytes.length);
 *     …
 *     yield TAR_END;
 */
import type { EntryType } from "./tar.ts";

export type NewEntry = {
  readonly name: string | Uint8Array;
  readonly type: EntryType;
  readonly linkName?: string | Uint8Array;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Of a file. */
  readonly size?: number;
  readonly sec?: number;
  readonly nsec?: number;
  readonly major?: number;
  readonly minor?: number;
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
};

const BLOCK = 512;
const FLAGS: Record<EntryType, string> = { file: "0", link: "1", symlink: "2", char: "3", block: "4", directory: "5", fifo: "6" };

/** The end mark: two zero blocks. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

/** Zeros after a body, to the next block. */
export const tarPadding = (size: number): Buffer => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

/** The header of an entry, with its PAX header before it if it needs one. */
export function tarHeader(entry: NewEntry): Buffer {
  const pax = paxRecords(entry);
  if (pax.length === 0) return headerBlock(entry, FLAGS[entry.type]);
  const body = Buffer.concat(pax);
  const record = headerBlock({ name: "PaxHeaders.0/entry", type: "file", mode: 0o644, size: body.length }, "x");
  return Buffer.concat([record, body, tarPadding(body.length), headerBlock(entry, FLAGS[entry.type])]);
}

/** An archive of entries whose bodies are in memory. */
export function tarArchive(entries: readonly (NewEntry & { readonly data?: string | Uint8Array })[]): Buffer {
  const parts = entries.flatMap((entry) => {
    const data = Buffer.from(entry.data ?? "");
    return [tarHeader({ ...entry, size: data.length }), data, tarPadding(data.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

const bytesOf = (text: string | Uint8Array | undefined): Buffer => (typeof text === "string" ? Buffer.from(text) : Buffer.from(text ?? []));
const OCTAL_8 = 8 ** 7 - 1;
const OCTAL_12 = 8 ** 11 - 1;

function paxRecords(entry: NewEntry): Buffer[] {
  const { sec = 0, nsec = 0, size = 0, uid = 0, gid = 0 } = entry;
  const name = bytesOf(entry.name);
  const link = bytesOf(entry.linkName);
  const records: Buffer[] = [];
  if (needsPax(name) && splitName(name) === undefined) records.push(paxRecord("path", name));
  if (needsPax(link)) records.push(paxRecord("linkpath", link));
  if (size > OCTAL_12) records.push(paxRecord("size", String(size)));
  if (uid > OCTAL_8) records.push(paxRecord("uid", String(uid)));
  if (gid > OCTAL_8) records.push(paxRecord("gid", String(gid)));
  if (nsec !== 0 || sec < 0 || sec > OCTAL_12) records.push(paxRecord("mtime", timeText(sec, nsec)));
  for (const [key, value] of Object.entries(entry.xattrs ?? {})) records.push(paxRecord(`SCHILY.xattr.${key}`, value));
  return records;
}

const needsPax = (text: Buffer): boolean => text.length > 100 || text.some((byte) => byte > 127);

function timeText(sec: number, nsec: number): string {
  if (sec >= 0 || nsec === 0) return `${sec}.${String(nsec).padStart(9, "0")}`;
  const whole = sec + 1 === 0 ? "-0" : String(sec + 1);
  return `${whole}.${String(1e9 - nsec).padStart(9, "0")}`;
}

/** The length counts itself. */
function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), bytesOf(value), Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** ustar's two fields: prefix of at most 155 bytes, a slash, name of at most 100. */
function splitName(name: Buffer): [prefix: Buffer, name: Buffer] | undefined {
  if (name.length <= 100) return [Buffer.alloc(0), name];
  if (name.length > 256 || name.some((byte) => byte > 127)) return undefined;
  const slash = name.subarray(0, 156).lastIndexOf(47, name.length - 2);
  if (slash <= 0 || name.length - slash - 1 > 100) return undefined;
  return [name.subarray(0, slash), name.subarray(slash + 1)];
}

function headerBlock(entry: NewEntry, flag: string): Buffer {
  const { mode = 0o644, uid = 0, gid = 0, size = 0, sec = 0 } = entry;
  const [prefix, name] = splitName(bytesOf(entry.name)) ?? [Buffer.alloc(0), bytesOf(entry.name)];
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0, 0, 100);
  octal(block, 100, 8, mode & 0o7777);
  octal(block, 108, 8, uid > OCTAL_8 ? 0 : uid);
  octal(block, 116, 8, gid > OCTAL_8 ? 0 : gid);
  octal(block, 124, 12, entry.type === "file" && size <= OCTAL_12 ? size : 0);
  octal(block, 136, 12, sec < 0 || sec > OCTAL_12 ? 0 : sec);
  block.write(flag, 156, "latin1");
  bytesOf(entry.linkName).copy(block, 157, 0, 100);
  block.write("ustar\x0000", 257, "latin1");
  if (entry.type === "char" || entry.type === "block") {
    octal(block, 329, 8, entry.major ?? 0);
    octal(block, 337, 8, entry.minor ?? 0);
  }
  prefix.copy(block, 345);
  block.fill(32, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function octal(block: Buffer, at: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
}
