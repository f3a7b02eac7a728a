/**
 * What a rule of nf_tables is made of: expressions that load into registers, compare, look up, and say what becomes of the
 * packet. Each is an attribute of `newRule`'s `when`, performed in order; one that does not hold ends the rule.
 *
 * Registers are the 32-bit ones, by number: 0 … 15. Values wider than 4 bytes take several in a row, the rest of the last
 * is zero.
 */
import { attribute, be32, nested, text, u8, type Attribute } from "./netlink.ts";

const FAMILY = { ip: 2, ip6: 10 } as const;
const META = { protocol: 1, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
const CT = { state: 0, status: 2, "proto-dst": 12, "ip-dst": 20, "ip6-dst": 22 } as const;
const BASE = { link: 0, network: 1, transport: 2 } as const;
const VERDICT = { drop: 0, accept: 1, return: -5 } as const;
const JUMP = { jump: -3, goto: -4 } as const;
const REGISTER = 8;

/** What becomes of the packet: `jump` comes back when the chain is through, `goto` does not. */
export type Verdict = keyof typeof VERDICT | { readonly jump: string } | { readonly goto: string };

export type MetaKey = keyof typeof META;

export function meta(key: MetaKey, register: number): Attribute {
  return expression("meta", be32(2, META[key]), be32(1, REGISTER + register));
}

/** Of the connection: its state and status; where its first packet was sent to, before translation. */
export function ct(key: keyof typeof CT, register: number): Attribute {
  const original = key === "state" || key === "status" ? [] : [u8(3, 0)];
  return expression("ct", be32(1, REGISTER + register), be32(2, CT[key]), ...original);
}

export function compare(register: number, is: "==" | "!=", value: Uint8Array): Attribute {
  return expression("cmp", be32(1, REGISTER + register), be32(2, is === "==" ? 0 : 1), dataValue(3, value));
}

export function payload(base: keyof typeof BASE, offset: number, length: number, register: number): Attribute {
  return expression("payload", be32(1, REGISTER + register), be32(2, BASE[base]), be32(3, offset), be32(4, length));
}

/** register &= mask. */
export function mask(register: number, value: Uint8Array): Attribute {
  return expression(
    "bitwise",
    be32(1, REGISTER + register),
    be32(2, REGISTER + register),
    be32(3, value.length),
    dataValue(4, value),
    dataValue(5, new Uint8Array(value.length)),
  );
}

/** A set by its name; `id`, as given to newSet, when it is made in the same transaction. */
export type SetName = { readonly name: string; readonly id?: number };

/** Goes on when the key in `register` is in the set; with `into`, its data is there; `not`: when it is not in the set. */
export function lookup(set: SetName, register: number, { into, not = false }: { into?: number; not?: boolean } = {}): Attribute {
  return expression(
    "lookup",
    text(1, set.name),
    be32(2, REGISTER + register),
    ...(into === undefined ? [] : [be32(3, REGISTER + into)]),
    ...(set.id === undefined ? [] : [be32(4, set.id)]),
    ...(not ? [be32(5, 1)] : []),
  );
}

/** The key's data in the map is the verdict; without one, the next rule. */
export function verdictOf(map: SetName, register: number): Attribute {
  return expression("lookup", text(1, map.name), be32(2, REGISTER + register), be32(3, 0), ...(map.id === undefined ? [] : [be32(4, map.id)]));
}

/** Type of the destination address as the host's routes see it: RTN_LOCAL is 2. */
export function destinationType(register: number): Attribute {
  const [addressType, destination] = [3, 2];
  return expression("fib", be32(3, destination), be32(2, addressType), be32(1, REGISTER + register));
}

/** Rewrites the destination to the address and port in registers. */
export function dnat(family: "ip" | "ip6", address: number, port: number): Attribute {
  const specified = 2;
  return expression("nat", be32(1, 1), be32(2, FAMILY[family]), be32(3, REGISTER + address), be32(5, REGISTER + port), be32(7, specified));
}

/** Rewrites the source to the address in registers. */
export function snat(family: "ip" | "ip6", address: number): Attribute {
  return expression("nat", be32(1, 0), be32(2, FAMILY[family]), be32(3, REGISTER + address));
}

export function masquerade(): Attribute {
  return expression("masq");
}

/** With an answer: a TCP reset, or "port unreachable", or "administratively prohibited". */
export function reject(how: "reset" | "port" | "prohibited"): Attribute {
  const [type, code] = { reset: [1, 0], port: [2, 1], prohibited: [2, 3] }[how] as [number, number];
  return expression("reject", be32(1, type), u8(2, code));
}

export function verdict(what: Verdict): Attribute {
  return expression("immediate", be32(1, 0), nested(2, verdictData(what)));
}

/** A verdict as data of an element or an expression. */
export function verdictData(what: Verdict): Attribute {
  if (typeof what === "string") return nested(2, be32(1, VERDICT[what]));
  const [code, chain] = "jump" in what ? [JUMP.jump, what.jump] : [JUMP.goto, what.goto];
  return nested(2, be32(1, code), text(2, chain));
}

export function dataValue(type: number, value: Uint8Array): Attribute {
  return nested(type, attribute(1, value));
}

function expression(name: string, ...data: readonly Attribute[]): Attribute {
  return nested(1, text(1, name), nested(2, ...data));
}
