/**
 * As much of DNS messages (RFC 1035, 6891) as forwarding needs: they are passed on as they are, but for their id. Pure;
 * everything that is read here was written by strangers.
 */
import { isIPv4 } from "node:net";
import { formatAddress, parseAddress } from "../ipam/addresses.ts";

export const TYPE = { A: 1, SOA: 6, AAAA: 28, OPT: 41 } as const;
export const RCODE = { none: 0, serverFailure: 2, noSuchName: 3, refused: 5 } as const;

const HEADER = 12;
const LONGEST_NAME = 255;
const LONGEST_LABEL = 63;
const PLAIN_UDP = 512;
const TRUNCATED = 0x02;
/** Flags of a query that an answer depends on: RD; AD and CD. */
const RD = 0x01;
const AD_CD = 0x30;

/** A name as bytes, lower case; undefined when DNS has no such names. */
export function encodeName(name: string): Buffer | undefined {
  const labels = name.replace(/\.$/, "").toLowerCase().split(".").map((label) => Buffer.from(label));
  if (labels.some(({ length }) => length === 0 || length > LONGEST_LABEL)) return undefined;
  const bytes = Buffer.concat([...labels.flatMap((label) => [Buffer.from([label.length]), label]), Buffer.alloc(1)]);
  return bytes.length > LONGEST_NAME ? undefined : bytes;
}

/** "172.18.0.2" → "2.0.18.172.in-addr.arpa" */
export function reverseName(address: string): string {
  const bytes = [...parseAddress(address)!].reverse();
  if (isIPv4(address)) return `${bytes.join(".")}.in-addr.arpa`;
  return `${bytes.map((byte) => `${(byte & 15).toString(16)}.${(byte >> 4).toString(16)}`).join(".")}.ip6.arpa`;
}

export type Query = {
  readonly packet: Buffer;
  /** As asked, lower case, without the last dot. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as it stands in the packet, and where it ends. */
  readonly question: Buffer;
  readonly end: number;
  /** What of the query besides the question decides about the answer; undefined: its answer is nobody else's. */
  readonly manner: string | undefined;
  /** Bytes that the asker takes by UDP. */
  readonly room: number;
};

/** A query with one question; undefined for anything else. */
export function parseQuery(packet: Buffer): Query | undefined {
  if (packet.length < HEADER || packet.readUInt16BE(4) !== 1 || (packet[2]! & 0x80) !== 0) return undefined;
  const after = skipName(packet, HEADER);
  if (after === undefined || after + 4 > packet.length) return undefined;
  const question = packet.subarray(HEADER, after + 4);
  const common = { packet, question, end: after + 4, type: packet.readUInt16BE(after), class: packet.readUInt16BE(after + 2) };
  const edns = readOpt(packet, after + 4);
  const flags = `${packet[2]! & RD},${packet[3]! & AD_CD}`;
  return {
    ...common,
    name: textOf(packet, HEADER).toLowerCase(),
    manner: edns === undefined ? undefined : `${flags},${edns.manner}`,
    room: Math.max(PLAIN_UDP, edns?.room ?? 0),
  };
}

/** EDNS of a query: none, or an OPT record without options that is all there is behind the question. */
function readOpt(packet: Buffer, at: number): { manner: string; room: number } | undefined {
  if (at === packet.length && packet.readUInt32BE(6) === 0 && packet.readUInt16BE(10) === 0) return { manner: "", room: PLAIN_UDP };
  const alone = packet.readUInt32BE(6) === 0 && packet.readUInt16BE(10) === 1 && packet.length === at + 11;
  if (!alone || packet[at] !== 0 || packet.readUInt16BE(at + 1) !== TYPE.OPT || packet.readUInt16BE(at + 9) !== 0) return undefined;
  return { manner: packet.subarray(at + 5, at + 9).toString("hex"), room: packet.readUInt16BE(at + 3) };
}

/** Whether it is an answer to the query, which was asked with this id. */
export function answers(packet: Buffer, { question }: Query, id: number): boolean {
  if (packet.length < HEADER || packet.readUInt16BE(0) !== id || (packet[2]! & 0x80) === 0) return false;
  if (packet.readUInt16BE(4) === 0) return rcodeOf(packet) !== RCODE.none;
  return packet.readUInt16BE(4) === 1 && sameName(packet.subarray(HEADER, HEADER + question.length), question);
}

/** Upper and lower case are one; the bytes of types and lengths are no letters that matter. */
function sameName(one: Buffer, other: Buffer): boolean {
  if (one.length !== other.length || !one.subarray(-4).equals(other.subarray(-4))) return false;
  return one.toString("latin1").toLowerCase() === other.toString("latin1").toLowerCase();
}

export const rcodeOf = (packet: Buffer): number => packet[3]! & 15;
export const isTruncated = (packet: Buffer): boolean => (packet[2]! & TRUNCATED) !== 0;

/** The same message under another id. */
export function withId(packet: Buffer, id: number): Buffer {
  const copy = Buffer.from(packet);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** An answer with nothing in it. */
export function emptyAnswer({ packet, end }: Query, rcode: number, { truncated = false } = {}): Buffer {
  const answer = Buffer.from(packet.subarray(0, end));
  answer[2] = 0x80 | (packet[2]! & (0x78 | RD)) | (truncated ? TRUNCATED : 0);
  answer[3] = 0x80 | (packet[3]! & 0x10) | rcode;
  answer.fill(0, 6, HEADER);
  return answer;
}

export type Answer = {
  readonly addresses: readonly string[];
  /** Seconds for which it holds, all records taken together; a "no such name or record" by its SOA (RFC 2308). */
  readonly ttl: number;
  /** Where the lifetimes stand. */
  readonly ttlPlaces: readonly number[];
};

type Row = { readonly type: number; readonly ttl: number; readonly ttlAt: number; readonly data: Buffer };

/** What an answer says; undefined when it is none that can be read to its end. */
export function parseAnswer(packet: Buffer): Answer | undefined {
  const rows = readRows(packet);
  if (rows === undefined) return undefined;
  const real = rows.filter(({ type }) => type !== TYPE.OPT);
  const addresses = real.flatMap(({ type, data }) => ((type === TYPE.A && data.length === 4) || (type === TYPE.AAAA && data.length === 16) ? [formatAddress(data)] : []));
  const limits = real.map(({ type, ttl, data }) => (type === TYPE.SOA && data.length >= 4 ? Math.min(ttl, data.readUInt32BE(data.length - 4)) : ttl));
  return { addresses, ttl: limits.length === 0 ? 0 : Math.min(...limits), ttlPlaces: real.map(({ ttlAt }) => ttlAt) };
}

function readRows(packet: Buffer): Row[] | undefined {
  let at: number | undefined = HEADER;
  for (let left = packet.readUInt16BE(4); left > 0; left--) {
    at = skipName(packet, at);
    if (at === undefined || (at += 4) > packet.length) return undefined;
  }
  const rows: Row[] = [];
  for (let left = packet.readUInt16BE(6) + packet.readUInt16BE(8) + packet.readUInt16BE(10); left > 0; left--) {
    at = skipName(packet, at);
    if (at === undefined || at + 10 > packet.length) return undefined;
    const end: number = at + 10 + packet.readUInt16BE(at + 8);
    if (end > packet.length) return undefined;
    // A lifetime with the highest bit set is 0 (RFC 2181).
    const ttl = packet.readInt32BE(at + 4);
    rows.push({ type: packet.readUInt16BE(at), ttl: Math.max(0, ttl), ttlAt: at + 4, data: packet.subarray(at + 10, end) });
    at = end;
  }
  return rows;
}

/** Where the name at `at` ends: behind its last label, or behind the pointer that ends it. */
function skipName(packet: Buffer, at: number): number | undefined {
  for (const start = at; at < packet.length && at - start < LONGEST_NAME; ) {
    const length = packet[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= packet.length ? at + 2 : undefined;
    if (length > LONGEST_LABEL) return undefined;
    at += 1 + length;
  }
  return undefined;
}

function textOf(packet: Buffer, at: number): string {
  const labels: string[] = [];
  for (let length = packet[at]!; length > 0 && length <= LONGEST_LABEL; length = packet[at]!) {
    labels.push(packet.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return labels.join(".");
}
