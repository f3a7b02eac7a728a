/**
 * A limited container speaks in its own name only: a second table, of the bridge family, lets frames of its interface
 * pass that bear its MAC and its addresses, in IP and ARP and neighbour discovery, and nothing else. Without it a limit
 * could be got round by a raw socket with a neighbour's address, which Docker's default capabilities allow.
 *
 * The table is there only while it is needed: a hook there costs every bridged frame a little. So whoever needs it makes
 * it, and as often as he likes: all of it is made "if it is not there", and its few rules are written anew.
 */
import {
  deleteElements, emptyChain, interfaceName, newChain, newElements, newRule, newSet, newTable, type Change, type Element, type Field, type Table,
} from "#linux/nftables.ts";
import { compare, payload, verdict } from "#linux/nftables-expressions.ts";
import { parseAddress, parseMac } from "../ipam/addresses.ts";
import type { Attachment } from "../network.ts";
import { etherType, icmp6, isIn, isNotIn } from "./match.ts";
import type { Rule, RuledChain } from "./rules.ts";

const SETS = {
  watched: { name: "watched", id: 1, key: ["ifname"] },
  own4: { name: "own4", id: 2, key: ["ifname", "ether", "ipv4"] },
  own6: { name: "own6", id: 3, key: ["ifname", "ether", "ipv6"] },
} as const satisfies Record<string, { name: string; id: number; key: readonly Field[] }>;

export function honestTable({ name }: Table): Table {
  return { family: "bridge", name };
}

export function isWatched({ egress, driver = "bridge" }: Attachment): boolean {
  return driver === "bridge" && egress?.Default === "deny";
}

/** Nothing for nobody. */
export function honestChanges(main: Table, attachments: readonly Attachment[]): Change[] {
  if (attachments.length === 0) return [];
  const table = honestTable(main);
  const all = honestChains();
  return [
    newTable(table),
    ...Object.values(SETS).map((set) => newSet(table, set, set.id)),
    ...all.map((chain) => newChain(table, chain)),
    ...all.flatMap(({ name, rules }) => [emptyChain(table, name), ...rules.map(([comment, ...when]) => newRule(table, name, { when, comment }))]),
    ...attachments.flatMap((one) => elementsOf(one).flatMap(([set, elements]) => newElements(table, set, elements))),
  ];
}

export function withdrawHonest(main: Table, attachment: Attachment): Change[] {
  if (!isWatched(attachment)) return [];
  return elementsOf(attachment).flatMap(([set, elements]) => deleteElements(honestTable(main), set, elements));
}

export function honestChains(): RuledChain[] {
  const base = { type: "filter", hook: "prerouting", priority: -300 } as const;
  return [
    { name: "honest", rules: honestRules() },
    { name: "prerouting", base, rules: [["watched", ...isIn(SETS.watched, "iifname"), verdict({ goto: "honest" })]] },
  ];
}

const [IP, ARP, IP6] = [0x0800, 0x0806, 0x86dd];

function honestRules(): Rule[] {
  const [solicitation, advertisement] = [135, 136];
  return [
    ["its own", ...etherType(IP), ...isIn(SETS.own4, "iifname", "sourceMac", "source4"), verdict("accept")],
    ["its own", ...etherType(ARP), ...isIn(SETS.own4, "iifname", "arpMac", "arpSource"), verdict("accept")],
    ["nobody else's neighbour", ...etherType(IP6), ...icmp6(advertisement, advertisement)[0]!, ...isNotIn(SETS.own6, "iifname", "sourceMac", "neighbourTarget"), verdict("drop")],
    ["its own", ...etherType(IP6), ...isIn(SETS.own6, "iifname", "sourceMac", "source6"), verdict("accept")],
    ["is it free?", ...etherType(IP6), ...icmp6(solicitation, solicitation)[0]!, ...unspecified(), verdict("accept")],
    ["not in another's name", verdict("drop")],
  ];
}

const unspecified = () => [payload("network", 8, 16, 0), compare(0, "==", new Uint8Array(16))];

function elementsOf({ hostInterface, mac, address, address6 }: Attachment): [set: string, elements: Element[]][] {
  const name = interfaceName(hostInterface);
  const ether = Buffer.concat([parseMac(mac)!, Uint8Array.of(0, 0)]);
  const [own4, own6] = [parseAddress(address), parseAddress(address6)];
  const own = (addresses: readonly Buffer[]) => addresses.map((one) => ({ key: Buffer.concat([name, ether, one]) }));
  return [
    ["watched", [{ key: name }]],
    ...(own4 === undefined ? [] : [["own4", own([own4])] as [string, Element[]]]),
    ...(own6 === undefined ? [] : [["own6", own([own6, linkLocal(mac)])] as [string, Element[]]]),
  ];
}

/** The address the kernel makes of a MAC (RFC 4291, EUI-64). */
export function linkLocal(mac: string): Buffer {
  const bytes = parseMac(mac)!;
  const id = Buffer.concat([bytes.subarray(0, 3), Uint8Array.of(0xff, 0xfe), bytes.subarray(3)]);
  id[0] = id[0]! ^ 2;
  return Buffer.concat([Buffer.from("fe80000000000000", "hex"), id]);
}
