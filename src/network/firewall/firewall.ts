/**
 * The firewall: tables of nf_tables, a pure function of the networks and of what is published.
 *
 * The rules are always the same (rules.ts); networks, ports and limits are elements of sets and maps (elements.ts). So a
 * network is made, a port published, a container limited by one small transaction that rewrites no rule; a packet's way
 * is as long with one of them as with a thousand.
 *
 *     raw           a loopback address from a bridge: dropped
 *     prerouting    destination of what arrives: host address and port → container
 *     output        the same for what the host itself sends: localhost goes this way, without a proxy
 *     input         what has begun goes on; what containers with an egress policy may send to the host
 *     forward       into a bridge only what was published or answers; between its containers as `icc` says
 *     postrouting   the host's address for what leaves, and for what would otherwise answer past the host
 *
 * A transaction that adds what is there, or takes out what is not, is refused as a whole (EEXIST, ENOENT): then somebody
 * changed the table from outside, and `replaceTable` puts it right.
 *
 * Verdicts of other tables stay in force: a packet that we accept may be dropped by them (see docs/design/firewall.md).
 */
import type { Op } from "#linux/ops.ts";
import {
  NETFILTER, deleteElements, deleteTable, interfaceName, newChain, newElements, newRule, newSet, newTable, transaction, type Change, type Element, type Table,
} from "#linux/nftables.ts";
import type { Attachment, NetworkRecord } from "../network.ts";
import { endpointElements, networkElements, type InSet } from "./elements.ts";
import { honestChanges, honestTable, isWatched, withdrawHonest } from "./honest.ts";
import { chains } from "./rules.ts";
import { SETS, type SetKey } from "./sets.ts";

const EOPNOTSUPP = 95;

export type Firewall = {
  readonly table: Table;
  readonly networks: readonly NetworkRecord[];
  readonly attachments: readonly Attachment[];
  /** Interfaces that were there when the engine switched forwarding on: not routed between them before, nor now. */
  readonly guarded: Guarded;
  /** Addresses that names stand for at the moment (answers.ts). */
  readonly answers?: readonly InSet[];
};

export type Guarded = { readonly ip: readonly string[]; readonly ip6: readonly string[] };

/** The table of an engine is named after its bridge, so that two engines do not share one. */
export function tableFor(bridge: string): Table {
  return { family: "inet", name: bridge === "gantry0" ? "gantry" : `gantry-${bridge}` };
}

/** Replaces everything in one transaction: at no moment is there none, or half of it. */
export function replaceTable({ table, networks, attachments, guarded, answers = [] }: Firewall): Buffer {
  const elements = [
    ...networks.flatMap(networkElements),
    ...attachments.flatMap(endpointElements),
    ...guarded.ip.map((name): InSet => ["guarded4", { key: interfaceName(name) }]),
    ...guarded.ip6.map((name): InSet => ["guarded6", { key: interfaceName(name) }]),
    ...answers,
  ];
  const watched = attachments.filter(isWatched);
  const old = watched.length > 0 ? [...removal(table), ...removal(honestTable(table))] : removal(table);
  return transaction([...old, newTable(table), ...ruleChanges(table), ...added(table, elements), ...honestChanges(table, watched)]);
}

/** The same as ops: also for a kernel without the bridge family, if nobody needs it. */
export function replaceOps(firewall: Firewall): Op[] {
  const { table, attachments } = firewall;
  const op = { op: "netlink", proto: NETFILTER, acks: 1 } as const;
  const honest = { ...op, tolerate: EOPNOTSUPP, data: transaction(removal(honestTable(table))), note: `remove bridge table ${table.name}` };
  return [...(attachments.some(isWatched) ? [] : [honest]), { ...op, data: replaceTable(firewall), note: `firewall table ${table.name}` }];
}

export function removeTable(table: Table): Buffer {
  return transaction([...removal(table), ...removal(honestTable(table))]);
}

/** Empty for a network that has no bridge. */
export function networkAdded(table: Table, network: NetworkRecord): Buffer {
  return transaction(added(table, networkElements(network)));
}

export function networkRemoved(table: Table, network: NetworkRecord): Buffer {
  return transaction(removed(table, networkElements(network)));
}

/** Ports, and limits of what it may send. Empty when there is nothing of it. */
export function publish(table: Table, attachment: Attachment): Buffer {
  return transaction([...added(table, endpointElements(attachment)), ...honestChanges(table, isWatched(attachment) ? [attachment] : [])]);
}

export function withdraw(table: Table, attachment: Attachment): Buffer {
  return transaction([...removed(table, endpointElements(attachment)), ...withdrawHonest(table, attachment)]);
}

/** The same endpoint with other ports or limits, in one transaction: what stays is not touched. Empty when all stays. */
export function republish(table: Table, before: Attachment, after: Attachment): Buffer {
  const [old, now] = [endpointElements(before), endpointElements(after)];
  const [oldKeys, nowKeys] = [new Set(old.map(identityOf)), new Set(now.map(identityOf))];
  return transaction([
    ...removed(table, old.filter((one) => !nowKeys.has(identityOf(one)))),
    ...added(table, now.filter((one) => !oldKeys.has(identityOf(one)))),
    ...(isWatched(before) && !isWatched(after) ? withdrawHonest(table, before) : []),
    ...honestChanges(table, isWatched(after) && !isWatched(before) ? [after] : []),
  ]);
}

/** Changes for elements of our sets, grouped by set. */
export function added(table: Table, elements: readonly InSet[]): Change[] {
  return bySet(elements).flatMap(([set, list]) => newElements(table, SETS[set].name, list));
}

export function removed(table: Table, elements: readonly InSet[]): Change[] {
  return bySet(elements).flatMap(([set, list]) => deleteElements(table, SETS[set].name, list));
}

function removal(table: Table): Change[] {
  return [newTable(table), deleteTable(table)];
}

function ruleChanges(table: Table): Change[] {
  const all = chains();
  return [
    ...Object.values(SETS).map((set) => newSet(table, set, set.id)),
    ...all.map((chain) => newChain(table, chain)),
    ...all.flatMap(({ name, rules }) => rules.map(([comment, ...when]) => newRule(table, name, { when, comment }))),
  ];
}

function bySet(elements: readonly InSet[]): [SetKey, Element[]][] {
  const sets = new Map<SetKey, Element[]>();
  for (const [set, element] of elements) {
    const list = sets.get(set);
    if (list === undefined) sets.set(set, [element]);
    else list.push(element);
  }
  return [...sets];
}

function identityOf([set, { key, keyEnd, data, end }]: InSet): string {
  const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? "" : Buffer.from(bytes).toString("hex"));
  return `${set} ${hex(key)} ${hex(keyEnd)} ${hex(data)} ${end}`;
}
