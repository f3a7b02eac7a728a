/** PAX extended headers: records "LENGTH KEY=VALUE\n" that replace fields of the next header. */
import { fail } from "./errors.ts";
import type { RawHeader } from "./tar-header.ts";

export type Pax = {
  readonly fields: ReadonlyMap<string, Buffer>;
  readonly xattrs: readonly (readonly [Buffer, Buffer])[];
};

const XATTR = "SCHILY.xattr.";
const MAX_ID = 2 ** 32 - 2;

/** @throws invalid */
export function parsePax(bytes: Buffer): Pax {
  const fields = new Map<string, Buffer>();
  const xattrs = new Map<string, readonly [Buffer, Buffer]>();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(32, at);
    const digits = space < 0 ? "" : bytes.toString("latin1", at, Math.min(space, at + 12));
    const length = /^[1-9]\d{0,7}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(61, space);
    if (length === 0 || end > bytes.length || bytes[end - 1] !== 10 || equals < 0 || equals >= end) throw malformed();
    const key = bytes.subarray(space + 1, equals);
    const value = bytes.subarray(equals + 1, end - 1);
    keep(key, value, fields, xattrs);
    at = end;
  }
  return { fields, xattrs: [...xattrs.values()] };
}

function keep(key: Buffer, value: Buffer, fields: Map<string, Buffer>, xattrs: Map<string, readonly [Buffer, Buffer]>): void {
  const name = key.toString("latin1");
  if (name.includes("\0") || name === "") throw malformed();
  if (name.startsWith("GNU.sparse.")) throw fail("invalid", "read a tar archive: it holds a sparse file, which is not supported");
  if (name.startsWith(XATTR)) xattrs.set(name, [key.subarray(XATTR.length), value]);
  else fields.set(name, value);
}

/** The header with what PAX says instead. An empty value takes back an earlier record, so the header's own holds. */
export function applyPax(header: RawHeader, { fields, xattrs }: Pax): RawHeader {
  const bytes = (key: string, own: Buffer) => (fields.get(key)?.length ? fields.get(key)! : own);
  const integer = (key: string, own: number, most: number) => {
    const value = fields.get(key);
    return value === undefined || value.length === 0 ? own : decimal(value.toString("latin1"), most);
  };
  const time = fields.get("mtime");
  return {
    ...header,
    name: bytes("path", header.name),
    linkName: bytes("linkpath", header.linkName),
    size: integer("size", header.size, Number.MAX_SAFE_INTEGER),
    uid: integer("uid", header.uid, MAX_ID),
    gid: integer("gid", header.gid, MAX_ID),
    ...(time === undefined || time.length === 0 ? {} : parseTime(time.toString("latin1"))),
    xattrs,
  };
}

function decimal(text: string, most: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value <= most)) throw malformed();
  return value;
}

/** "1700000000.123456789", "-1.5": seconds and nanoseconds that are never negative. */
function parseTime(text: string): { sec: number; nsec: number } {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text);
  if (match === null) throw malformed();
  const [, minus, whole, fraction = ""] = match;
  const nsec = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (minus === "") return { sec: Number(whole), nsec };
  return nsec === 0 ? { sec: -Number(whole), nsec: 0 } : { sec: -Number(whole) - 1, nsec: 1e9 - nsec };
}

const malformed = () => fail("invalid", "read a tar archive: an extended header is malformed");
