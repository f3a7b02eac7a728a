/**
 * The firewall: one table of nf_tables, a pure function of the networks and of what is published.
 *
 * Rules are few and depend on networks only. A published port is one element of a map: `ports4` by protocol, host
 * address and port; `ports4any` by protocol and port, for every address of the host; the same for IPv6. So publishing
 * does not rewrite rules, and a lookup costs the same with one port as with a thousand.
 *
 *     raw           packets from outside to an address of a container, or of the loopback from a bridge: dropped
 *     prerouting    destination of what arrives: host address and port → container
 *     output        the same for what the host itself sends: localhost goes this way, without a proxy
 *     forward       into a bridge only what was published or answers; between its containers as `icc` says
 *     postrouting   the host's address for what leaves, and for what would otherwise answer past the host
 *
 * Verdicts of other tables stay in force: a packet that we accept may be dropped by them (see docs/design/network.md).
 */
import {
  compare, ct, deleteElements, deleteTable, destinationType, dnat, interfaceName, lookup, mask, masquerade, meta, newChain, newElements, newRule, newSet,
  newTable, payload, transaction, verdict, type Change, type Element, type SetShape, type Table,
} from "#linux/nftables.ts";
import type { Attribute } from "#linux/netlink.ts";
import { maskOf, networkOf, parseAddress, parsePrefix, type Prefix } from "./addresses.ts";
import type { Attachment, NetworkRecord, Protocol, PublishedPort } from "./network.ts";

export type Firewall = {
  readonly table: Table;
  readonly networks: readonly NetworkRecord[];
  readonly attachments: readonly Attachment[];
  /** Interfaces that were there when the engine switched forwarding on: not routed between them before, nor now. */
  readonly guarded: Guarded;
};

export type Guarded = { readonly ip: readonly string[]; readonly ip6: readonly string[] };

/** The table of an engine is named after its bridge, so that two engines do not share one. */
export function tableFor(bridge: string): Table {
  return { family: "inet", name: bridge === "gantry0" ? "gantry" : `gantry-${bridge}` };
}

/** Replaces the whole table in one transaction: at no moment is there none, or half of one. */
export function replaceTable(firewall: Firewall): Buffer {
  const { table } = firewall;
  return transaction([newTable(table), deleteTable(table), newTable(table), ...tableContent(firewall)]);
}

export function removeTable(table: Table): Buffer {
  return transaction([newTable(table), deleteTable(table)]);
}

/** Empty when nothing is published by the kernel. */
export function publish(table: Table, attachment: Attachment): Buffer {
  return transaction(published([attachment]).flatMap(([set, elements]) => newElements(table, set, elements)));
}

export function withdraw(table: Table, attachment: Attachment): Buffer {
  return transaction(published([attachment]).flatMap(([set, elements]) => deleteElements(table, set, elements)));
}

// --- the table -------------------------------------------------------------------------------------------------------

const SETS = {
  ports4: { id: 1, name: "ports4", key: ["protocol", "ipv4", "port"], data: ["ipv4", "port"] },
  ports4any: { id: 2, name: "ports4any", key: ["protocol", "port"], data: ["ipv4", "port"] },
  ports6: { id: 3, name: "ports6", key: ["protocol", "ipv6", "port"], data: ["ipv6", "port"] },
  ports6any: { id: 4, name: "ports6any", key: ["protocol", "port"], data: ["ipv6", "port"] },
  guarded4: { id: 5, name: "guarded4", key: ["ifname"] },
  guarded6: { id: 6, name: "guarded6", key: ["ifname"] },
} as const satisfies Record<string, SetShape & { id: number }>;

type SetName = keyof typeof SETS;

function tableContent({ table, networks, attachments, guarded }: Firewall): Change[] {
  const bridges = networks.filter((network) => network.driver === "bridge");
  const rules = (chain: string, list: readonly Rule[]) => list.map(([comment, ...when]) => newRule(table, chain, { when, comment }));
  return [
    ...Object.values(SETS).map((set) => newSet(table, set, set.id)),
    newChain(table, { name: "raw", type: "filter", hook: "prerouting", priority: -300 }),
    newChain(table, { name: "prerouting", type: "nat", hook: "prerouting", priority: -100 }),
    newChain(table, { name: "output", type: "nat", hook: "output", priority: -100 }),
    newChain(table, { name: "forward", type: "filter", hook: "forward", priority: 0 }),
    newChain(table, { name: "postrouting", type: "nat", hook: "postrouting", priority: 100 }),
    ...rules("raw", bridges.flatMap(rawRules)),
    ...rules("prerouting", [["nothing of the loopback from outside", ...loopbackDestination(), verdict("return")], ...dnatRules()]),
    ...rules("output", [["::1 does not leave the host: the proxy's", ...v6Loopback(), verdict("return")], ...dnatRules()]),
    ...rules("forward", [guardRule(4), guardRule(6), ...bridges.flatMap(forwardRules)]),
    ...rules("postrouting", bridges.flatMap(postroutingRules)),
    ...newElements(table, "guarded4", guarded.ip.map((name) => ({ key: interfaceName(name) }))),
    ...newElements(table, "guarded6", guarded.ip6.map((name) => ({ key: interfaceName(name) }))),
    ...published(attachments).flatMap(([set, elements]) => newElements(table, set, elements)),
  ];
}

type Rule = [comment: string, ...when: Attribute[]];

/**
 * Before connection tracking, where the destination is still the one that was sent. Answers to what the host sent from
 * the loopback come back to the bridge's own address, so that no honest packet from a bridge bears a loopback address,
 * although the bridge may route them (route_localnet).
 */
function rawRules(network: NetworkRecord): Rule[] {
  const loopback = prefix("127.0.0.0/8");
  return [
    ["no loopback for containers", ...from(network.bridge), ...isIn("destination", loopback), verdict("drop")],
    ["no loopback for containers", ...from(network.bridge), ...isIn("source", loopback), verdict("drop")],
    ...network.ipam.configs.map(({ subnet, gateway }): Rule => [
      "containers are reached through published ports",
      ...notFrom(network.bridge),
      ...isIn("destination", prefix(subnet)),
      ...isNot("destination", parseAddress(gateway)!),
      verdict("drop"),
    ]),
  ];
}

function dnatRules(): Rule[] {
  return [
    ["published on one address", ...family(4), ...key("protocol", "ipv4", "port"), lookup(SETS.ports4, 0, 8), dnat("ip", 8, 9)],
    ["published on every address", ...family(4), ...toHost(), ...key("protocol", "port"), lookup(SETS.ports4any, 0, 8), dnat("ip", 8, 9)],
    ["published on one address", ...family(6), ...key("protocol", "ipv6", "port"), lookup(SETS.ports6, 0, 8), dnat("ip6", 8, 12)],
    ["published on every address", ...family(6), ...toHost(), ...key("protocol", "port"), lookup(SETS.ports6any, 0, 8), dnat("ip6", 8, 12)],
  ];
}

function guardRule(version: 4 | 6): Rule {
  const set = SETS[`guarded${version}`];
  return ["not routed before Gantry either", ...family(version), meta("iifname", 0), lookup(set, 0), meta("oifname", 0), lookup(set, 0), verdict("drop")];
}

function forwardRules({ bridge, icc }: NetworkRecord): Rule[] {
  return [
    ["answers", ...to(bridge), ...established(), verdict("accept")],
    ["published", ...to(bridge), ...translated(), verdict("accept")],
    [icc ? "containers reach each other" : "containers do not reach each other", ...from(bridge), ...to(bridge), verdict(icc ? "accept" : "drop")],
    ["nothing else comes in", ...to(bridge), verdict("drop")],
  ];
}

function postroutingRules(network: NetworkRecord): Rule[] {
  const { bridge } = network;
  const subnets = network.ipam.configs.map(({ subnet }) => prefix(subnet));
  const leaving = subnets.map((subnet): Rule => ["leaves with the host's address", ...notTo(bridge), ...isIn("source", subnet), masquerade()]);
  return [
    ...(network.masquerade ? leaving : []),
    ...subnets.map((subnet): Rule => ["published, used next door", ...to(bridge), ...isIn("source", subnet), ...translated(), masquerade()]),
    ["published, used from localhost", ...to(bridge), ...isIn("source", prefix("127.0.0.0/8")), masquerade()],
  ];
}

// --- elements --------------------------------------------------------------------------------------------------------

const PROTOCOL: Record<Protocol, number> = { tcp: 6, udp: 17, sctp: 132 };

function published(attachments: readonly Attachment[]): [SetName, Element[]][] {
  const bySet = new Map<SetName, Element[]>();
  for (const attachment of attachments) {
    for (const port of attachment.ports) {
      if (port.by === "proxy") continue;
      const [set, element] = elementOf(attachment, port);
      bySet.set(set, [...(bySet.get(set) ?? []), element]);
    }
  }
  return [...bySet];
}

function elementOf(attachment: Attachment, { protocol, hostIp, hostPort, port }: PublishedPort): [SetName, Element] {
  const host = parseAddress(hostIp)!;
  const any = host.every((byte) => byte === 0);
  const target = parseAddress(host.length === 4 ? attachment.address : attachment.address6)!;
  const address = any ? [] : [host];
  const set = `ports${host.length === 4 ? 4 : 6}${any ? "any" : ""}` as const;
  return [set, { key: Buffer.concat([padded(PROTOCOL[protocol]), ...address, portField(hostPort)]), data: Buffer.concat([target, portField(port)]) }];
}

const padded = (byte: number) => Buffer.from([byte, 0, 0, 0]);
const portField = (port: number) => Buffer.from([port >> 8, port & 0xff, 0, 0]);

// --- conditions ------------------------------------------------------------------------------------------------------

const prefix = (text: string) => networkOf(parsePrefix(text)!);
const from = (bridge: string) => [meta("iifname", 0), compare(0, "==", interfaceName(bridge))];
const notFrom = (bridge: string) => [meta("iifname", 0), compare(0, "!=", interfaceName(bridge))];
const to = (bridge: string) => [meta("oifname", 0), compare(0, "==", interfaceName(bridge))];
const notTo = (bridge: string) => [meta("oifname", 0), compare(0, "!=", interfaceName(bridge))];
const family = (version: 4 | 6) => [meta("nfproto", 0), compare(0, "==", Uint8Array.of(version === 4 ? 2 : 10))];
const toHost = () => [destinationType(0), compare(0, "==", u32(2))];
const established = () => [ct("state", 0), mask(0, u32(2 | 4)), compare(0, "!=", u32(0))];
const translated = () => [ct("status", 0), mask(0, u32(32)), compare(0, "!=", u32(0))];
const v6Loopback = () => isIn("destination", prefix("::1/128"));
const loopbackDestination = () => isIn("destination", prefix("127.0.0.0/8"));

type Side = "source" | "destination";

/** Register 0 and on: the address of a packet of that family. */
function address(side: Side, length: number): Attribute[] {
  const offset = length === 4 ? { source: 12, destination: 16 } : { source: 8, destination: 24 };
  return [...family(length === 4 ? 4 : 6), payload("network", offset[side], length, 0)];
}

function isIn(side: Side, within: Prefix): Attribute[] {
  const length = within.address.length;
  const masked = within.prefixLength === length * 8 ? [] : [mask(0, maskOf(within))];
  return [...address(side, length), ...masked, compare(0, "==", within.address)];
}

function isNot(side: Side, other: Buffer): Attribute[] {
  return [...address(side, other.length), compare(0, "!=", other)];
}

/** A key in the registers from 0: each field fills whole registers. */
function key(...fields: ("protocol" | "ipv4" | "ipv6" | "port")[]): Attribute[] {
  let register = 0;
  return fields.map((field) => {
    const at = register;
    register += field === "ipv6" ? 4 : 1;
    if (field === "protocol") return meta("l4proto", at);
    if (field === "port") return payload("transport", 2, 2, at);
    return field === "ipv4" ? payload("network", 16, 4, at) : payload("network", 24, 16, at);
  });
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}
