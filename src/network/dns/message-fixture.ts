/** For tests: DNS messages written and read in full, with the words of a person. */
import { formatAddress, parseAddress } from "../ipam/addresses.ts";
import { encodeName } from "./wire.ts";

const TYPES: Readonly<Record<string, number>> = { A: 1, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, OPT: 41, ANY: 255 };

export type Question = { readonly id?: number; readonly name: string; readonly type?: string; readonly edns?: number; readonly version?: number; readonly flags?: number };

/** Flags: recursion desired unless told otherwise. The name's letters stay as they are. */
export function ask({ id = 7, name, type = "A", edns, version = 0, flags = 0x0100 }: Question): Buffer {
  const labels = name === "." ? [] : name.split(".").flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const opt = edns === undefined ? [] : [Buffer.from([0]), u16(41), u16(edns), Buffer.from([0, version, 0, 0]), u16(0)];
  return Buffer.concat([u16(id), u16(flags), u16(1), u16(0), u16(0), u16(opt.length === 0 ? 0 : 1), ...labels, Buffer.from([0]), u16(TYPES[type]!), u16(1), ...opt]);
}

export type Row = { readonly name: string; readonly type: string; readonly ttl: number; readonly data: string };
export type Told = {
  readonly id: number; readonly rcode: number; readonly truncated: boolean; readonly authoritative: boolean; readonly recursion: boolean;
  readonly questions: readonly string[]; readonly answers: readonly Row[]; readonly authority: readonly Row[]; readonly more: readonly Row[];
};

/** Throws when it is no whole message, or anything is left over. */
export function read(message: Buffer): Told {
  let at = 12;
  const name = (from = at, moves = true, depth = 0): string => {
    const labels: string[] = [];
    let place = from;
    for (;;) {
      const length = message.readUInt8(place);
      if (length >= 0xc0) {
        if (depth > 8) throw new Error("pointers go round");
        labels.push(name(message.readUInt16BE(place) & 0x3fff, false, depth + 1));
        place += 2;
        break;
      }
      place++;
      if (length === 0) break;
      labels.push(message.toString("latin1", place, place + length));
      place += length;
    }
    if (moves) at = place;
    return labels.join(".");
  };
  const typeOf = (number: number) => Object.keys(TYPES).find((type) => TYPES[type] === number) ?? String(number);
  const row = (): Row => {
    const owner = name();
    const [type, ttl, length] = [typeOf(message.readUInt16BE(at)), message.readUInt32BE(at + 4), message.readUInt16BE(at + 8)];
    const start = (at += 10);
    if (start + length > message.length) throw new Error("a record is longer than the message");
    const data = type === "A" || type === "AAAA" ? formatAddress(message.subarray(at, at + length)) : type === "PTR" || type === "CNAME" ? name() : message.toString("hex", at, at + length);
    at = start + length;
    return { name: owner, type, ttl, data };
  };
  const flags = message.readUInt16BE(2);
  const counts = [4, 6, 8, 10].map((place) => message.readUInt16BE(place));
  const rows = (count: number) => Array.from({ length: count }, row);
  const questions = Array.from({ length: counts[0]! }, () => {
    const asked = `${name()} ${typeOf(message.readUInt16BE(at))}`;
    at += 4;
    return asked;
  });
  const told = {
    id: message.readUInt16BE(0), rcode: flags & 15, truncated: (flags & 0x0200) !== 0, authoritative: (flags & 0x0400) !== 0, recursion: (flags & 0x0080) !== 0,
    questions, answers: rows(counts[1]!), authority: rows(counts[2]!), more: rows(counts[3]!),
  };
  if (at !== message.length) throw new Error(`${message.length - at} bytes are left over`);
  return told;
}

export type Reply = { readonly rcode?: number; readonly truncated?: boolean; readonly answers?: readonly (Omit<Row, "name"> & { name?: string })[]; readonly soa?: number };

/** What a server says to a query: records of the question's name unless they say another. soa: lifetime of "there is none". */
export function reply(query: Buffer, { rcode = 0, truncated = false, answers = [], soa }: Reply): Buffer {
  let end = 12;
  while (query[end] !== 0) end += 1 + query[end]!;
  const owner = (one: string | undefined) => (one === undefined ? u16(0xc00c) : encodeName(one)!);
  const data = ({ type, data }: { type: string; data: string }) => (type === "A" || type === "AAAA" ? parseAddress(data)! : type === "CNAME" ? encodeName(data)! : Buffer.from(data, "hex"));
  const rowOf = (one: Omit<Row, "name"> & { name?: string }) => [owner(one.name), u16(TYPES[one.type]!), u16(1), u32(one.ttl), u16(data(one).length), data(one)];
  const soaData = Buffer.concat([Buffer.alloc(2), u32(1), u32(1), u32(1), u32(1), u32(soa ?? 0)]);
  return Buffer.concat([
    query.subarray(0, 2), Buffer.from([0x81 | (truncated ? 2 : 0), 0x80 | rcode]), u16(1), u16(answers.length), u16(soa === undefined ? 0 : 1), u16(0),
    query.subarray(12, end + 5), ...answers.flatMap(rowOf),
    ...(soa === undefined ? [] : [owner("example"), u16(6), u16(1), u32(soa), u16(soaData.length), soaData]),
  ]);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

function u32(value: number): Buffer {
  return Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);
}
