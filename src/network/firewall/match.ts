/** Conditions of rules, as expressions. */
import type { Attribute } from "#linux/netlink.ts";
import { compare, ct, destinationType, lookup, mask, meta, payload, verdictOf } from "#linux/nftables-expressions.ts";
import { maskOf, type Prefix } from "../ipam/addresses.ts";
import type { NumberedSet } from "./sets.ts";

export type Version = 4 | 6;

/** One field of a packet as a key has it, and how many registers it takes. */
type Loader = readonly [registers: number, load: (register: number) => Attribute];

const at = (offset: number, length: number) => (register: number) => payload("network", offset, length, register);

const LOAD = {
  iifname: [4, (to) => meta("iifname", to)],
  oifname: [4, (to) => meta("oifname", to)],
  protocol: [1, (to) => meta("l4proto", to)],
  port: [1, (to) => payload("transport", 2, 2, to)],
  source4: [1, at(12, 4)],
  destination4: [1, at(16, 4)],
  source6: [4, at(8, 16)],
  destination6: [4, at(24, 16)],
  // Where the sender sent it: before translation.
  asked4: [1, (to) => ct("ip-dst", to)],
  asked6: [4, (to) => ct("ip6-dst", to)],
  askedPort: [1, (to) => ct("proto-dst", to)],
  // Frames.
  sourceMac: [2, (to) => payload("link", 6, 6, to)],
  arpMac: [2, at(8, 6)],
  arpSource: [1, at(14, 4)],
  neighbourTarget: [4, (to) => payload("transport", 8, 16, to)],
} as const satisfies Record<string, Loader>;

export type PacketField = keyof typeof LOAD;

/** The fields in registers from 0 on, and the first free one. */
function load(fields: readonly PacketField[]): { loads: Attribute[]; free: number } {
  let free = 0;
  const loads = fields.map((field) => {
    const [registers, at] = LOAD[field];
    free += registers;
    return at(free - registers);
  });
  return { loads, free };
}

export function isIn(set: NumberedSet, ...fields: PacketField[]): Attribute[] {
  return [...load(fields).loads, lookup(set, 0)];
}

export function isNotIn(set: NumberedSet, ...fields: PacketField[]): Attribute[] {
  return [...load(fields).loads, lookup(set, 0, { not: true })];
}

/** The verdict that the map has for these fields. */
export function asToldBy(map: NumberedSet, ...fields: PacketField[]): Attribute[] {
  return [...load(fields).loads, verdictOf(map, 0)];
}

/** What the map has for these fields, for a statement that takes the register where it is. */
export function found(map: NumberedSet, fields: readonly PacketField[], use: (register: number) => Attribute): Attribute[] {
  const { loads, free } = load(fields);
  return [...loads, lookup(map, 0, { into: free }), use(free)];
}

export const family = (version: Version) => [meta("nfproto", 0), compare(0, "==", Uint8Array.of(version === 4 ? 2 : 10))];
export const protocol = (number: number) => [meta("l4proto", 0), compare(0, "==", Uint8Array.of(number))];
/** An address of this host. */
export const toHost = () => [destinationType(0), compare(0, "==", u32(2))];
export const established = () => [ct("state", 0), mask(0, u32(2 | 4)), compare(0, "!=", u32(0))];
/** Its destination was translated: it goes to something published. */
export const translated = () => [ct("status", 0), mask(0, u32(32)), compare(0, "!=", u32(0))];

/** As bytes: to read an IPv6 address for the first time takes Node ten milliseconds, and the engine starts here. */
export const LOOPBACK: Readonly<Record<Version, Prefix>> = {
  4: { address: Buffer.from([127, 0, 0, 0]), prefixLength: 8 },
  6: { address: Buffer.from([...new Uint8Array(15), 1]), prefixLength: 128 },
};

/** Of a packet of that family. */
export function within(side: "source" | "destination", prefix: Prefix): Attribute[] {
  const version = prefix.address.length === 4 ? 4 : 6;
  return [...family(version), LOAD[`${side}${version}`][1](0), ...masked(prefix), compare(0, "==", prefix.address)];
}

/** The type of an ICMPv6 message: first byte after the IP header. */
export function icmp6(from: number, to: number): Attribute[][] {
  return Array.from({ length: to - from + 1 }, (_, index) => [...protocol(58), payload("transport", 0, 1, 0), compare(0, "==", Uint8Array.of(from + index))]);
}

export function etherType(type: number): Attribute[] {
  return [meta("protocol", 0), compare(0, "==", Uint8Array.of(type >> 8, type & 0xff))];
}

function masked(prefix: Prefix): Attribute[] {
  return prefix.prefixLength === prefix.address.length * 8 ? [] : [mask(0, maskOf(prefix))];
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}
