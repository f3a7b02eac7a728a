/**
 * IP addresses as numbers and as text. An address is bytes (4 or 16); a prefix is an address and a length.
 *
 *     parsePrefix("172.17.0.1/16")   // { address: <172.17.0.1>, prefixLength: 16 }
 *     formatAddress(bytes)           // "172.17.0.1", "fd00::1" (RFC 5952)
 */
import { isIPv4, isIPv6 } from "node:net";

export type Prefix = { readonly address: Buffer; readonly prefixLength: number };

/** undefined when it is no address. A zone ("%eth0") is none either. */
export function parseAddress(text: string): Buffer | undefined {
  if (isIPv4(text)) return Buffer.from(text.split(".").map(Number));
  // Asking Node about IPv6 takes ten milliseconds the first time: not for what cannot be.
  if (!text.includes(":") || text.includes("%") || !isIPv6(text)) return undefined;
  return parseV6(text);
}

export function parsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text);
  const address = match === null ? undefined : parseAddress(match[1]!);
  const prefixLength = Number(match?.[2]);
  if (address === undefined || prefixLength > address.length * 8) return undefined;
  return { address, prefixLength };
}

export function formatAddress(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const bytes = Buffer.from(address);
  if (isMapped(bytes)) return `::ffff:${bytes.subarray(12).join(".")}`;
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2));
  const [start, length] = longestZeros(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

export function formatPrefix({ address, prefixLength }: Prefix): string {
  return `${formatAddress(address)}/${prefixLength}`;
}

/** The prefix with the bits of the host cleared. */
export function networkOf({ address, prefixLength }: Prefix): Prefix {
  const bits = BigInt(address.length * 8 - prefixLength);
  return { address: toAddress((toNumber(address) >> bits) << bits, address.length), prefixLength };
}

/** First and last address of a prefix, as numbers. */
export function rangeOf({ address, prefixLength }: Prefix): { first: bigint; last: bigint } {
  const bits = BigInt(address.length * 8 - prefixLength);
  const first = (toNumber(address) >> bits) << bits;
  return { first, last: first + (1n << bits) - 1n };
}

export function contains(prefix: Prefix, address: Uint8Array): boolean {
  if (prefix.address.length !== address.length) return false;
  const { first, last } = rangeOf(prefix);
  const number = toNumber(address);
  return number >= first && number <= last;
}

export function overlaps(one: Prefix, other: Prefix): boolean {
  return contains(one, rangeStart(other)) || contains(other, rangeStart(one));
}

export function toNumber(address: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(address).toString("hex")}`);
}

export function toAddress(number: bigint, length: number): Buffer {
  return Buffer.from(number.toString(16).padStart(length * 2, "0"), "hex");
}

/** The mask of a prefix as bytes: 255.255.0.0. */
export function maskOf({ address, prefixLength }: Prefix): Buffer {
  const total = BigInt(address.length * 8);
  const host = (1n << (total - BigInt(prefixLength))) - 1n;
  return toAddress(((1n << total) - 1n) ^ host, address.length);
}

export function parseMac(text: string): Buffer | undefined {
  return /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text) ? Buffer.from(text.replaceAll(/[:-]/g, ""), "hex") : undefined;
}

export function formatMac(mac: Uint8Array): string {
  return [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

const rangeStart = (prefix: Prefix) => networkOf(prefix).address;

function parseV6(text: string): Buffer {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const plain = dotted === null ? text : dotted[1]! + dottedGroups(dotted[2]!);
  const [head = "", tail] = plain.split("::");
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => 0);
  const out = Buffer.alloc(16);
  [...left, ...zeros, ...right].forEach((group, index) => out.writeUInt16BE(group, index * 2));
  return out;
}

const groupsOf = (text: string) => (text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16)));

function dottedGroups(text: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = text.split(".").map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

const isMapped = (bytes: Buffer) => bytes.subarray(0, 10).every((byte) => byte === 0) && bytes.readUInt16BE(10) === 0xffff;

function longestZeros(groups: readonly number[]): [start: number, length: number] {
  let best: [number, number] = [0, 0];
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best[1]) best = [start, length];
  }
  return best;
}
