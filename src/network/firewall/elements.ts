/** What networks and endpoints are to the firewall: elements of its sets. Pure. */
import { interfaceName, type Element } from "#linux/nftables.ts";
import { parseAddress } from "../ipam/addresses.ts";
import type { Attachment, NetworkRecord, Protocol, PublishedPort } from "../network.ts";
import { egressElements } from "./egress.ts";
import type { Version } from "./match.ts";
import { fieldRanges, outermost, parseRange, rangeElements, type Range } from "./ranges.ts";
import type { SetKey } from "./sets.ts";

export type InSet = readonly [set: SetKey, element: Element];

/** Nothing for a network without a bridge: its packets do not pass here. */
export function networkElements(network: NetworkRecord): InSet[] {
  if (network.driver !== "bridge") return [];
  const name = interfaceName(network.bridge);
  const own: InSet[] = [
    ["bridges", { key: name }],
    ["within", { key: Buffer.concat([name, name]), verdict: network.icc ? "accept" : "drop" }],
    ...(network.internal ? [["internal", { key: name }] as const] : []),
  ];
  return [...own, ...([4, 6] as const).flatMap((version) => familyElements(network, version))];
}

/** Ports and limits of an endpoint. */
export function endpointElements(attachment: Attachment): InSet[] {
  if ((attachment.driver ?? "bridge") !== "bridge") return [];
  return distinct([...attachment.ports.flatMap((port) => portElements(attachment, port)), ...egressElements(attachment)]);
}

// --- networks --------------------------------------------------------------------------------------------------------

function familyElements(network: NetworkRecord, version: Version): InSet[] {
  const mode = (version === 4 ? network.gatewayMode4 : network.gatewayMode6) ?? "nat";
  const subnets = network.ipam.configs.filter(({ subnet }) => subnet.includes(":") === (version === 6));
  const translates = mode === "nat" || mode === "nat-unprotected";
  const into: InSet = [`into${version}`, { key: interfaceName(network.bridge), verdict: intoVerdict(network, mode, version) }];
  return [
    into,
    ...subnets.flatMap(({ subnet }): InSet[] => {
      const range = parseRange(subnet)!;
      const trusted = network.internal ? [] : trustedInterfaces(network);
      return [
        [`homes${version}`, fieldRanges([interfaceName(network.bridge), range])],
        ...trusted.map((name): InSet => [`trusted${version}`, fieldRanges([interfaceName(name), range])]),
        ...(!network.internal && translates ? leavingElements(network, version, range) : []),
      ];
    }),
  ];
}

function intoVerdict({ internal }: NetworkRecord, mode: string, version: Version): NonNullable<Element["verdict"]> {
  if (internal || mode === "isolated") return "drop";
  if (mode === "nat-unprotected") return "accept";
  return { goto: mode === "routed" ? `routed${version}` : `nat${version}` };
}

/** "vxlan.1:eth3" */
function trustedInterfaces({ options }: NetworkRecord): string[] {
  return (options["com.docker.network.bridge.trusted_host_interfaces"] ?? "").split(":").filter((name) => name !== "");
}

function leavingElements({ masquerade, options }: NetworkRecord, version: Version, range: Range): InSet[] {
  if (!masquerade) return [];
  const source = parseAddress(options[`com.docker.network.host_ipv${version}`] ?? "");
  const own = source?.length === (version === 4 ? 4 : 16);
  const set = own ? (`leavingAs${version}` as const) : (`leaving${version}` as const);
  return rangeElements(range, own ? { data: source } : {}).map((element) => [set, element]);
}

// --- published ports -------------------------------------------------------------------------------------------------

const PROTOCOL: Record<Protocol, number> = { tcp: 6, udp: 17, sctp: 132 };

function portElements(attachment: Attachment, published: PublishedPort): InSet[] {
  const { protocol, hostIp, hostPort, port, by, allow } = published;
  const host = parseAddress(hostIp)!;
  const version = host.length === 4 ? 4 : 6;
  const target = parseAddress(version === 4 ? attachment.address : attachment.address6);
  if (target === undefined || by === "proxy") return [];
  const number = protocolField(PROTOCOL[protocol]);
  const opened: InSet = [`open${version}`, { key: Buffer.concat([number, target, portField(port)]) }];
  if (by === "route") return [opened];
  const any = host.every((byte) => byte === 0);
  const name = any ? "Any" : "";
  const key = [number, ...(any ? [] : [host]), portField(hostPort)];
  const data = Buffer.concat([target, portField(port)]);
  if (allow === undefined) return [opened, [`ports${name}${version}`, { key: Buffer.concat(key), data }]];
  const sources = outermost(allow.map(parseRange).filter((range) => range?.first.length === host.length) as Range[]);
  return [
    [`fenced${name}${version}`, { key: Buffer.concat(key) }],
    ...sources.map((source): InSet => [`allow${name}${version}`, { ...fieldRanges([...key, source]), data }]),
  ];
}

export const protocolField = (number: number) => Buffer.from([number, 0, 0, 0]);
export const portField = (port: number) => Buffer.from([port >> 8, port & 0xff, 0, 0]);

/** Two host ports may lead to one port of the container, which is one element. */
function distinct(elements: readonly InSet[]): InSet[] {
  const hex = (bytes: Uint8Array | undefined) => (bytes === undefined ? "" : Buffer.from(bytes).toString("hex"));
  return [...new Map(elements.map((one) => [`${one[0]} ${hex(one[1].key)} ${hex(one[1].keyEnd)}`, one])).values()];
}
