/**
 * nf_tables: one transaction as one run of messages of NETLINK_NETFILTER (protocol 12). The kernel takes all of it or
 * nothing. Only what Gantry's own tables need.
 *
 *     transaction([newTable(t), newMap(t, map), newChain(t, chain), newRule(t, "forward", [meta("oifname", 1), …])])
 *
 * Only the last message asks for an ack; one that fails is answered all the same, and before it. So a transaction has
 * exactly one answer that counts: `acks: 1`.
 *
 * Registers are the 32-bit ones, by number: 0 … 15. Values wider than 4 bytes take several in a row.
 */
import { NLM_F, attribute, be32, eachAttribute, message, nested, readAttributes, readMessages, readText, text, type Attribute } from "./netlink.ts";

export const NETFILTER = 12;
const SUBSYS = 10 << 8;
const MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, GETCHAIN: 4, NEWRULE: 6, NEWSET: 9, NEWSETELEM: 12, GETSETELEM: 13, DELSETELEM: 14 };
const BATCH = { BEGIN: 0x10, END: 0x11 };
const FAMILY = { inet: 1, ip: 2, ip6: 10 } as const;
const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const META = { iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
const CT = { state: 0, status: 2 } as const;
const VERDICT = { drop: 0, accept: 1, return: -5 } as const;
const REGISTER = 8;
/** Types by which `nft list` shows a key; the kernel does not care. A concatenation has 6 bits each. */
const TYPE = { ipv4: 7, ipv6: 8, protocol: 12, port: 13, ifname: 41 } as const;
const SIZE = { ipv4: 4, ipv6: 16, protocol: 4, port: 4, ifname: 16 } as const;

export type Table = { readonly family: keyof typeof FAMILY; readonly name: string };
export type Field = keyof typeof TYPE;
export type Chain = {
  readonly name: string;
  readonly type: "filter" | "nat";
  readonly hook: keyof typeof HOOK;
  readonly priority: number;
};
export type SetShape = { readonly name: string; readonly key: readonly Field[]; readonly data?: readonly Field[] };
export type Element = { readonly key: Uint8Array; readonly data?: Uint8Array };
/** One part of a transaction: its message is numbered and flagged when the transaction is put together. */
export type Change = { readonly message: number; readonly flags: number; readonly family: number; readonly attributes: readonly Attribute[] };

/** The bytes for the op `netlink`, or "" for no changes. */
export function transaction(changes: readonly Change[]): Buffer {
  if (changes.length === 0) return Buffer.alloc(0);
  const last = changes.length - 1;
  return Buffer.concat([
    message(BATCH.BEGIN, 0, header(0, 10)),
    ...changes.map((change, index) =>
      message(SUBSYS | change.message, change.flags | (index === last ? NLM_F.ACK : 0), header(change.family), ...change.attributes),
    ),
    message(BATCH.END, 0, header(0, 10)),
  ]);
}

/** There already: fine. */
export function newTable(table: Table): Change {
  return change(table, MSG.NEWTABLE, NLM_F.CREATE, [text(1, table.name), be32(2, 0)]);
}

/** With all it holds. ENOENT when there is none: make it first, in the same transaction. */
export function deleteTable(table: Table): Change {
  return change(table, MSG.DELTABLE, 0, [text(1, table.name)]);
}

/** A base chain that accepts what its rules let pass. */
export function newChain(table: Table, chain: Chain): Change {
  return change(table, MSG.NEWCHAIN, NLM_F.CREATE, [
    text(1, table.name),
    text(3, chain.name),
    nested(4, be32(1, HOOK[chain.hook]), be32(2, chain.priority)),
    be32(5, VERDICT.accept),
    text(7, chain.type),
  ]);
}

/** nft's own note that keys are in the machine's byte order, without which it shows names of interfaces as empty. */
const HOST_ORDER = Uint8Array.of(0, 4, 1, 0, 0, 0);

/** A set, or a map when it has data. `id` names it to rules of the same transaction. */
export function newSet(table: Table, set: SetShape, id: number): Change {
  const isMap = 8;
  return change(table, MSG.NEWSET, NLM_F.CREATE, [
    text(1, table.name),
    text(2, set.name),
    be32(3, set.data === undefined ? 0 : isMap),
    be32(4, typeOf(set.key)),
    be32(5, sizeOf(set.key)),
    ...(set.data === undefined ? [] : [be32(6, typeOf(set.data)), be32(7, sizeOf(set.data))]),
    be32(10, id),
    ...(set.key[0] === "ifname" ? [attribute(13, HOST_ORDER)] : []),
  ]);
}

/** Appends a rule. `comment` is shown by `nft list ruleset`. */
export function newRule(table: Table, chain: string, rule: { readonly when: readonly Attribute[]; readonly comment?: string }): Change {
  return change(table, MSG.NEWRULE, NLM_F.CREATE | NLM_F.APPEND, [
    text(1, table.name),
    text(2, chain),
    nested(4, ...rule.when),
    ...(rule.comment === undefined ? [] : [attribute(7, comment(rule.comment))]),
  ]);
}

/** Elements that exist with the same data are fine, with other data EEXIST. */
export function newElements(table: Table, set: string, elements: readonly Element[]): Change[] {
  return chunks(elements).map((some) => change(table, MSG.NEWSETELEM, NLM_F.CREATE, elementList(table, set, some)));
}

/** By key. ENOENT when one is not there, and then none goes. */
export function deleteElements(table: Table, set: string, elements: readonly Element[]): Change[] {
  return chunks(elements.map(({ key }) => ({ key }))).map((some) => change(table, MSG.DELSETELEM, 0, elementList(table, set, some)));
}

/** A dump: needs `collect: 1, acks: 1`. ENOENT when there is no such table or set. */
export function dumpElements(table: Table, set: string): Buffer {
  return message(SUBSYS | MSG.GETSETELEM, NLM_F.DUMP, header(FAMILY[table.family]), text(1, table.name), text(2, set));
}

export function readElements(dump: Buffer): Element[] {
  const found: Element[] = [];
  for (const { type, body } of readMessages(dump)) {
    if (type !== (SUBSYS | MSG.NEWSETELEM)) continue;
    const list = readAttributes(body.subarray(4)).get(3);
    if (list !== undefined) found.push(...readElementList(list));
  }
  return found;
}

/** All chains of all tables, to see what others do: `collect: 1, acks: 1`. */
export function dumpChains(): Buffer {
  return message(SUBSYS | MSG.GETCHAIN, NLM_F.DUMP, header(0));
}

export type ChainSeen = { family: number; table: string; name: string; hook: number | undefined; drops: boolean };

export function readChains(dump: Buffer): ChainSeen[] {
  return [...readMessages(dump)].flatMap(({ type, body }) => {
    if (type !== (SUBSYS | MSG.NEWCHAIN)) return [];
    const facts = readAttributes(body.subarray(4));
    const hook = facts.get(4) === undefined ? undefined : readAttributes(facts.get(4)!).get(1)?.readUInt32BE();
    return [{ family: body[0]!, table: readText(facts.get(1)), name: readText(facts.get(3)), hook, drops: facts.get(5)?.readUInt32BE() === VERDICT.drop }];
  });
}

// --- expressions -----------------------------------------------------------------------------------------------------

export type MetaKey = keyof typeof META;

export function meta(key: MetaKey, register: number): Attribute {
  return expression("meta", be32(2, META[key]), be32(1, REGISTER + register));
}

export function ct(key: keyof typeof CT, register: number): Attribute {
  return expression("ct", be32(1, REGISTER + register), be32(2, CT[key]));
}

export function compare(register: number, is: "==" | "!=", value: Uint8Array): Attribute {
  return expression("cmp", be32(1, REGISTER + register), be32(2, is === "==" ? 0 : 1), dataValue(3, value));
}

export function payload(base: "network" | "transport", offset: number, length: number, register: number): Attribute {
  return expression("payload", be32(1, REGISTER + register), be32(2, base === "network" ? 1 : 2), be32(3, offset), be32(4, length));
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

/** Goes on when the key in `register` is in the set; with `into`, its data is there. `id` as given to newSet. */
export function lookup(set: { readonly name: string; readonly id: number }, register: number, into?: number): Attribute {
  return expression(
    "lookup",
    text(1, set.name),
    be32(2, REGISTER + register),
    ...(into === undefined ? [] : [be32(3, REGISTER + into)]),
    be32(4, set.id),
  );
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

export function masquerade(): Attribute {
  return expression("masq");
}

export function verdict(what: keyof typeof VERDICT): Attribute {
  return expression("immediate", be32(1, 0), nested(2, nested(2, be32(1, VERDICT[what]))));
}

/** An interface's name as `iifname` and `oifname` hold it. */
export function interfaceName(name: string): Buffer {
  const out = Buffer.alloc(16);
  out.write(name);
  return out;
}

// --- pieces ----------------------------------------------------------------------------------------------------------

function change(table: Table, kind: number, flags: number, attributes: readonly Attribute[]): Change {
  return { message: kind, flags, family: FAMILY[table.family], attributes };
}

/** struct nfgenmsg. */
function header(family: number, resource = 0): Uint8Array {
  return Uint8Array.of(family, 0, 0, resource);
}

function expression(name: string, ...data: readonly Attribute[]): Attribute {
  return nested(1, text(1, name), nested(2, ...data));
}

function dataValue(type: number, value: Uint8Array): Attribute {
  return nested(type, attribute(1, value));
}

const typeOf = (fields: readonly Field[]) => fields.reduce((sum, field) => (sum << 6) | TYPE[field], 0);
const sizeOf = (fields: readonly Field[]) => fields.reduce((sum, field) => sum + SIZE[field], 0);

/** nft's own encoding of a comment: type 0, length, NUL-terminated text. */
function comment(value: string): Buffer {
  const bytes = Buffer.from(value.slice(0, 120) + "\0");
  return Buffer.concat([Uint8Array.of(0, bytes.length), bytes]);
}

function elementList(table: Table, set: string, elements: readonly Element[]): Attribute[] {
  const list = elements.map(({ key, data }) => nested(1, dataValue(1, key), ...(data === undefined ? [] : [dataValue(2, data)])));
  return [text(1, table.name), text(2, set), nested(3, ...list)];
}

/** The length of an attribute is 16 bits: at most so many elements fit into one list. */
function chunks(elements: readonly Element[]): Element[][] {
  const size = 400;
  return Array.from({ length: Math.ceil(elements.length / size) }, (_, index) => elements.slice(index * size, (index + 1) * size));
}

function readElementList(list: Buffer): Element[] {
  const found: Element[] = [];
  for (const [, value] of eachAttribute(list)) {
    const facts = readAttributes(value);
    const key = valueOf(facts.get(1));
    const data = valueOf(facts.get(2));
    if (key !== undefined) found.push(data === undefined ? { key } : { key, data });
  }
  return found;
}

const valueOf = (data: Buffer | undefined) => (data === undefined ? undefined : readAttributes(data).get(1));
