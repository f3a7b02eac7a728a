/**
 * The rules: the same for every engine, whatever networks and containers there are. What differs between networks is
 * which elements the sets have; so a packet's way has the same length with one network as with a thousand, and making a
 * network adds no rule.
 */
import type { Attribute } from "#linux/netlink.ts";
import type { Chain } from "#linux/nftables.ts";
import { dnat, masquerade, reject, snat, verdict } from "#linux/nftables-expressions.ts";
import { LOOPBACK, asToldBy, established, family, found, icmp6, isIn, protocol, toHost, translated, within, type Version } from "./match.ts";
import { SETS } from "./sets.ts";

export type Rule = readonly [comment: string, ...when: Attribute[]];
export type RuledChain = Chain & { readonly rules: readonly Rule[] };

/** Verdicts point to chains, so the chain that is pointed to comes first. */
export function chains(): RuledChain[] {
  return [
    ...versions((v) => ({ name: `allowed${v}`, rules: allowedRules(v) })),
    { name: "home", rules: homeRules() },
    ...versions((v) => ({ name: `egress${v}`, rules: egressRules(v) })),
    { name: "neighbour6", rules: neighbourRules() },
    ...versions((v) => ({ name: `nat${v}`, rules: natRules(v) })),
    ...versions((v) => ({ name: `routed${v}`, rules: routedRules(v) })),
    { name: "apart", rules: apartRules() },
    { name: "raw", base: { type: "filter", hook: "prerouting", priority: -300 }, rules: rawRules() },
    { name: "prerouting", base: { type: "nat", hook: "prerouting", priority: -100 }, rules: preroutingRules() },
    { name: "output", base: { type: "nat", hook: "output", priority: -100 }, rules: outputRules() },
    { name: "input", base: { type: "filter", hook: "input", priority: 0 }, rules: inputRules() },
    { name: "forward", base: { type: "filter", hook: "forward", priority: 0 }, rules: forwardRules() },
    { name: "postrouting", base: { type: "nat", hook: "postrouting", priority: 100 }, rules: postroutingRules() },
  ];
}

const versions = <T>(of: (version: Version) => T): T[] => [of(4), of(6)];

// --- every packet ----------------------------------------------------------------------------------------------------

/**
 * Before connection tracking. Answers to what the host sent from the loopback come back to the bridge's own address, so that no honest packet from a
 * bridge bears a loopback address, although the bridge may route them (route_localnet). The address is asked for first: that costs a comparison, the
 * interface costs a lookup, and all packets of the host come by.
 */
function rawRules(): Rule[] {
  return (["destination", "source"] as const).map((side): Rule => ["no loopback for containers", ...within(side, LOOPBACK[4]), ...isIn(SETS.bridges, "iifname"), verdict("drop")]);
}

// --- the first packet of a connection --------------------------------------------------------------------------------

function preroutingRules(): Rule[] {
  return [["nothing of the loopback from outside", ...within("destination", LOOPBACK[4]), verdict("return")], ...publishedRules()];
}

function outputRules(): Rule[] {
  return [["::1 does not leave the host: the proxy's", ...within("destination", LOOPBACK[6]), verdict("return")], ...publishedRules()];
}

function publishedRules(): Rule[] {
  return versions((v): Rule[] => {
    const one = ["protocol", `destination${v}`, "port"] as const;
    const any = ["protocol", "port"] as const;
    const allowed = { goto: `allowed${v}` };
    return [
      ["published on one address", ...family(v), ...found(SETS[`ports${v}`], one, translate(v))],
      ["published on every address", ...family(v), ...toHost(), ...found(SETS[`portsAny${v}`], any, translate(v))],
      ["published for some, on one address", ...family(v), ...isIn(SETS[`fenced${v}`], ...one), verdict(allowed)],
      ["published for some, on every address", ...family(v), ...toHost(), ...isIn(SETS[`fencedAny${v}`], ...any), verdict(allowed)],
    ];
  }).flat();
}

/** To the rest the port is closed. Nothing may go on from here: the socket that reserves it would accept. */
function allowedRules(v: Version): Rule[] {
  const source = `source${v}` as const;
  return [
    ["published on one address", ...family(v), ...found(SETS[`allow${v}`], ["protocol", `destination${v}`, "port", source], translate(v))],
    ["published on every address", ...family(v), ...found(SETS[`allowAny${v}`], ["protocol", "port", source], translate(v))],
    ["not for you", ...protocol(TCP), reject("reset")],
    ["not for you", reject("port")],
  ];
}

/** To the address in a register, and the port behind it. */
const translate = (v: Version) => (register: number) => dnat(v === 4 ? "ip" : "ip6", register, register + (v === 4 ? 1 : 4));

/**
 * Only what begins costs more than the first rule. A packet that stays in its network comes here with br_netfilter; unless
 * it goes to something published, which is asked for under the host's address like by everybody.
 */
function forwardRules(): Rule[] {
  return [
    ["answers, and what has begun", ...established(), verdict("accept")],
    ["published", ...translated(), verdict({ jump: "apart" })],
    ["one network", ...asToldBy(SETS.within, "iifname", "oifname")],
    ["networks", verdict({ jump: "apart" })],
    ...versions((v): Rule => [
      "not routed before Gantry either", ...family(v), ...isIn(SETS[`guarded${v}`], "iifname"), ...isIn(SETS[`guarded${v}`], "oifname"), verdict("drop"),
    ]),
  ];
}

function apartRules(): Rule[] {
  return [
    ["internal networks have no way out", ...isIn(SETS.internal, "iifname"), verdict("drop")],
    ...versions((v) => limitedRule(v, `egress${v}`)),
    ...versions((v): Rule => ["into a network", ...family(v), ...asToldBy(SETS[`into${v}`], "oifname")]),
  ];
}

function natRules(v: Version): Rule[] {
  return [
    ["published", ...translated(), verdict("accept")],
    ["published, from a trusted interface", ...family(v), ...isIn(SETS[`trusted${v}`], "iifname", `destination${v}`), ...opened(v), verdict("accept")],
    ["nothing else comes in", verdict("drop")],
  ];
}

function routedRules(v: Version): Rule[] {
  return [
    ["published", ...translated(), verdict("accept")],
    ["published", ...family(v), ...opened(v), verdict("accept")],
    ["errors and echoes", ...protocol(v === 4 ? ICMP : ICMP6), verdict("accept")],
    ["nothing else comes in", verdict("drop")],
  ];
}

const opened = (v: Version) => isIn(SETS[`open${v}`], "protocol", `destination${v}`, "port");

/** By the source, not the interface it came from: with br_netfilter, packets between neighbours have none here. */
function postroutingRules(): Rule[] {
  return [
    ["published, used from localhost", ...isIn(SETS.bridges, "oifname"), ...within("source", LOOPBACK[4]), masquerade()],
    ...versions((v): Rule[] => [
      ["stays in its network", ...family(v), ...isIn(SETS[`homes${v}`], "oifname", `source${v}`), verdict({ goto: "home" })],
      ["leaves with the network's address", ...family(v), ...found(SETS[`leavingAs${v}`], [`source${v}`], (register) => snat(v === 4 ? "ip" : "ip6", register))],
      ["leaves with the host's address", ...family(v), ...isIn(SETS[`leaving${v}`], `source${v}`), masquerade()],
    ]).flat(),
  ];
}

/** The neighbour would answer directly, and not from where it was asked. */
function homeRules(): Rule[] {
  return [["published, used next door", ...translated(), masquerade()]];
}

// --- containers that may not send anywhere ---------------------------------------------------------------------------

/** The host is a destination like others. Only what begins costs more than the first rule. */
function inputRules(): Rule[] {
  return [["answers, and what has begun", ...established(), verdict("accept")], limitedRule(4, "egress4"), limitedRule(6, "neighbour6")];
}

function neighbourRules(): Rule[] {
  return [...icmp6(133, 137).map((type): Rule => ["neighbours find each other", ...type, verdict("return")]), ["the rest", verdict({ goto: "egress6" })]];
}

function limitedRule(v: Version, chain: string): Rule {
  return ["may not send everywhere", ...family(v), ...isIn(SETS[`limited${v}`], `source${v}`), verdict({ jump: chain })];
}

/** What has begun has been let through before. By the destination that the container named: a host port, not the container behind it. */
function egressRules(v: Version): Rule[] {
  const [source, to] = [`source${v}`, `asked${v}`] as const;
  return [
    ...(["egress", "named"] as const).flatMap((set): Rule[] => [
      [`${set}, every port`, ...family(v), ...isIn(SETS[`${set}${v}`], source, to), verdict("return")],
      [`${set}, a port`, ...family(v), ...isIn(SETS[`${set}Port${v}`], source, "protocol", to, "askedPort"), verdict("return")],
      [`${set}, a protocol`, ...family(v), ...isIn(SETS[`${set}Protocol${v}`], source, "protocol", to), verdict("return")],
    ]),
    ["to nowhere else", ...protocol(TCP), reject("reset")],
    ["to nowhere else", reject("prohibited")],
  ];
}

const [ICMP, TCP, ICMP6] = [1, 6, 58];
