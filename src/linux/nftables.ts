/**
 * nf_tables: one transaction as one run of messages of NETLINK_NETFILTER (protocol 12). The kernel takes all of it or
 * nothing. Only what Gantry's own tables need.
 *
 *     transaction([newTable(t), newMap(t, map), newChain(t, chain), newRule(t, "forward", [meta("oifname", 1), …])])
 *
 * Only the last message asks for an ack; one that fails is answered all the same, and before it. So a transaction has
 * exactly one answer that counts: `acks: 1`.
 * What rules are made of is in nftables-expressions.ts.
 */
import { dataValue, verdictData, type Verdict } from "./nftables-expressions.ts";
import { NLM_F, attribute, be32, eachAttribute, message, nested, readAttributes, readMessages, readText, text, type Attribute } from "./netlink.ts";

export const NETFILTER = 12;
const SUBSYS = 10 << 8;
const MSG = {
  NEWTABLE: 0, GETTABLE: 1, DELTABLE: 2, NEWCHAIN: 3, GETCHAIN: 4, NEWRULE: 6, DELRULE: 8, NEWSET: 9, NEWSETELEM: 12, GETSETELEM: 13, DELSETELEM: 14, NEWGEN: 15, GETGEN: 16,
};
const BATCH = { BEGIN: 0x10, END: 0x11 };
const FAMILY = { inet: 1, ip: 2, bridge: 7, ip6: 10 } as const;
const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const [DROP, ACCEPT] = [0, 1];
/** Types by which `nft list` shows a key; the kernel does not care. A concatenation has 6 bits each. */
const TYPE = { ipv4: 7, ipv6: 8, ether: 9, protocol: 12, port: 13, ifname: 41 } as const;
/** A field fills whole registers. */
const SIZE = { ipv4: 4, ipv6: 16, ether: 8, protocol: 4, port: 4, ifname: 16 } as const;
const FLAG = { interval: 4, map: 8, timeout: 16, concatenation: 128 } as const;
const TO_VERDICT = 0xffffff00;
/** How often the kernel takes out elements whose life is over, in milliseconds. They match nothing before that either. */
const SWEEP = 60_000;

export type Table = { readonly family: keyof typeof FAMILY; readonly name: string };
export type Field = keyof typeof TYPE;
export type Chain = {
  readonly name: string;
  /** Where packets come in; without, it is reached from other chains only. */
  readonly base?: { readonly type: "filter" | "nat"; readonly hook: keyof typeof HOOK; readonly priority: number };
};
/**
 * A set; a map, when it has data. interval: keys are ranges. Of one field, a range is two elements, its start and (`end`)
 * what comes after it; of several, one element with `keyEnd`, and no two may overlap.
 */
export type SetShape = {
  readonly name: string;
  readonly key: readonly Field[];
  readonly data?: readonly Field[] | "verdict";
  readonly interval?: boolean;
  /** Elements may have one. */
  readonly timeout?: boolean;
};
export type Element = {
  readonly key: Uint8Array;
  readonly data?: Uint8Array;
  readonly keyEnd?: Uint8Array;
  readonly end?: boolean;
  readonly verdict?: Verdict;
  /** Milliseconds it lives; of one that was read: it has left. */
  readonly timeout?: number;
};
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

/** There already: fine. A base chain accepts what its rules let pass. */
export function newChain(table: Table, { name, base }: Chain): Change {
  const hooked = base === undefined ? [] : [nested(4, be32(1, HOOK[base.hook]), be32(2, base.priority)), be32(5, ACCEPT), text(7, base.type)];
  return change(table, MSG.NEWCHAIN, NLM_F.CREATE, [text(1, table.name), text(3, name), ...hooked]);
}

/** Takes its rules out of a chain that exists. */
export function emptyChain(table: Table, chain: string): Change {
  return change(table, MSG.DELRULE, 0, [text(1, table.name), text(2, chain)]);
}

/** nft's own note that keys are in the machine's byte order, without which it shows names of interfaces as empty. */
const HOST_ORDER = Uint8Array.of(0, 4, 1, 0, 0, 0);

/** There already: fine. `id` names it to rules of the same transaction. */
export function newSet(table: Table, set: SetShape, id: number): Change {
  const ranges = set.interval === true && set.key.length > 1;
  const flags = (set.interval ? FLAG.interval : 0) | (ranges ? FLAG.concatenation : 0) | (set.timeout ? FLAG.timeout : 0) | (set.data ? FLAG.map : 0);
  return change(table, MSG.NEWSET, NLM_F.CREATE, [
    text(1, table.name),
    text(2, set.name),
    be32(3, flags),
    be32(4, typeOf(set.key)),
    be32(5, sizeOf(set.key)),
    ...dataOf(set.data),
    ...(ranges ? [nested(9, nested(2, ...set.key.map((field) => nested(1, be32(1, SIZE[field])))))] : []),
    be32(10, id),
    ...(set.timeout ? [be32(12, SWEEP)] : []),
    ...(set.key[0] === "ifname" ? [attribute(13, HOST_ORDER)] : []),
  ]);
}

function dataOf(data: SetShape["data"]): Attribute[] {
  if (data === undefined) return [];
  return data === "verdict" ? [be32(6, TO_VERDICT)] : [be32(6, typeOf(data)), be32(7, sizeOf(data))];
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
  return chunks(elements.map(keyOnly)).map((some) => change(table, MSG.DELSETELEM, 0, elementList(table, set, some)));
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

export type ChainSeen = {
  readonly family: number;
  readonly table: string;
  readonly name: string;
  readonly hook: number | undefined;
  readonly drops: boolean;
  /** How many rules it has, and how often it is pointed to. */
  readonly use: number;
};

export function readChains(dump: Buffer): ChainSeen[] {
  return [...readMessages(dump)].flatMap(({ type, body }) => {
    if (type !== (SUBSYS | MSG.NEWCHAIN)) return [];
    const facts = readAttributes(body.subarray(4));
    const hook = facts.get(4) === undefined ? undefined : readAttributes(facts.get(4)!).get(1)?.readUInt32BE();
    return [{
      family: body[0]!, table: readText(facts.get(1)), name: readText(facts.get(3)), hook, drops: facts.get(5)?.readUInt32BE() === DROP,
      use: facts.get(6)?.readUInt32BE() ?? 0,
    }];
  });
}

/** `collect: 1, acks: 1`. ENOENT when there is none. */
export function askTable(table: Table): Buffer {
  return message(SUBSYS | MSG.GETTABLE, NLM_F.ACK, header(FAMILY[table.family]), text(1, table.name));
}

/** What tells a table from another of the same name, made later. */
export function readTableHandle(answer: Buffer): bigint | undefined {
  const [seen] = readMessages(answer);
  return seen?.type === (SUBSYS | MSG.NEWTABLE) ? readAttributes(seen.body.subarray(4)).get(4)?.readBigUInt64BE() : undefined;
}

/** The number of the ruleset, which every change of anybody counts up: `collect: 1, acks: 1`. */
export function askGeneration(): Buffer {
  return message(SUBSYS | MSG.GETGEN, NLM_F.ACK, header(0));
}

export function readGeneration(answer: Buffer): number | undefined {
  const [seen] = readMessages(answer);
  return seen?.type === (SUBSYS | MSG.NEWGEN) ? readAttributes(seen.body.subarray(4)).get(1)?.readUInt32BE() : undefined;
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

const typeOf = (fields: readonly Field[]) => fields.reduce((sum, field) => (sum << 6) | TYPE[field], 0);
const sizeOf = (fields: readonly Field[]) => fields.reduce((sum, field) => sum + SIZE[field], 0);

/** nft's own encoding of a comment: type 0, length, NUL-terminated text. */
function comment(value: string): Buffer {
  const bytes = Buffer.from(value.slice(0, 120) + "\0");
  return Buffer.concat([Uint8Array.of(0, bytes.length), bytes]);
}

function elementList(table: Table, set: string, elements: readonly Element[]): Attribute[] {
  return [text(1, table.name), text(2, set), nested(3, ...elements.map(elementValue))];
}

function elementValue({ key, keyEnd, end = false, data, verdict, timeout }: Element): Attribute {
  return nested(
    1,
    dataValue(1, key),
    ...(keyEnd === undefined ? [] : [dataValue(10, keyEnd)]),
    ...(data === undefined ? [] : [dataValue(2, data)]),
    ...(verdict === undefined ? [] : [nested(2, verdictData(verdict))]),
    ...(end ? [be32(3, 1)] : []),
    ...(timeout === undefined ? [] : [attribute(4, be64(timeout))]),
  );
}

function keyOnly({ key, keyEnd, end }: Element): Element {
  return { key, ...(keyEnd === undefined ? {} : { keyEnd }), ...(end === undefined ? {} : { end }) };
}

function be64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.max(1, Math.round(value))));
  return bytes;
}

/** The length of an attribute is 16 bits: at most so many elements fit into one list. */
function chunks(elements: readonly Element[]): Element[][] {
  const size = 250;
  return Array.from({ length: Math.ceil(elements.length / size) }, (_, index) => elements.slice(index * size, (index + 1) * size));
}

function readElementList(list: Buffer): Element[] {
  const found: Element[] = [];
  for (const [, value] of eachAttribute(list)) {
    const facts = readAttributes(value);
    const [key, data, keyEnd] = [valueOf(facts.get(1)), valueOf(facts.get(2)), valueOf(facts.get(10))];
    const left = facts.get(5)?.readBigUInt64BE();
    if (key === undefined) continue;
    found.push({ key, ...(data && { data }), ...(keyEnd && { keyEnd }), ...(left === undefined ? {} : { timeout: Number(left) }) });
  }
  return found;
}

const valueOf = (data: Buffer | undefined) => (data === undefined ? undefined : readAttributes(data).get(1));
