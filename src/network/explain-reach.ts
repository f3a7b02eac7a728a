/**
 * What can reach a container, what it can reach, and why: the networks' options and the endpoints' settings said in
 * sentences, in the order in which packets meet them. Pure; the counterpart of what firewall/ makes of the same values.
 */
import type { EgressPolicy } from "#spec/docker.ts";
import { gatewayOf } from "./gateway.ts";
import { hostAndPort } from "./ports/host-ports.ts";
import type { Attachment, GatewayMode, NetworkRecord, PublishedPort } from "./network.ts";

/** One who, and whether; `where`: which addresses and ports; `because`: the option or rule that decides. */
export type Finding = { readonly who: string; readonly reachable: boolean; readonly where: string; readonly because: string };

export type ReachNetwork = {
  readonly name: string;
  readonly driver: string;
  readonly interface: string;
  readonly addresses: readonly string[];
  /** The container's default route leads through it. */
  readonly gateway: boolean;
  /** Bits per second. */
  readonly rate?: { readonly egress?: number; readonly ingress?: number };
};

export type Reach = {
  readonly container: string;
  readonly name: string;
  /** "bridge", "host", "container:…": whose network it has. */
  readonly mode: string;
  readonly networks: readonly ReachNetwork[];
  /** What can reach it. */
  readonly from: readonly Finding[];
  /** What it can reach. */
  readonly to: readonly Finding[];
};

export type ReachInput = {
  readonly container: string;
  readonly name: string;
  readonly mode: string;
  readonly running: boolean;
  readonly endpoints: readonly Attachment[];
  /** The networks of the endpoints. */
  readonly networks: readonly NetworkRecord[];
  /** The other endpoints of those networks. */
  readonly peers: readonly Attachment[];
  /** The engine keeps a firewall. */
  readonly firewall: boolean;
};

/** Peers that are named one by one; of more only how many there are. */
const NAMED = 12;

export function explainReach(input: ReachInput): Reach {
  const { container, name, mode, endpoints, networks } = input;
  const ways = endpoints.flatMap((endpoint) => {
    const network = networks.find(({ id }) => id === endpoint.networkId);
    return network === undefined ? [] : [{ endpoint, network, peers: input.peers.filter(({ networkId }) => networkId === network.id) }];
  });
  const special = specialReach(input);
  return {
    container,
    name,
    mode,
    networks: ways.map((way) => networkOf(way, endpoints)),
    from: special?.from ?? [...(input.firewall ? [] : [NO_FIREWALL]), ...ways.flatMap(intoFindings), ...portFindings(ways)],
    to: special?.to ?? [...ways.flatMap(peerFindings), ...outFindings(ways)],
  };
}

type Way = { readonly endpoint: Attachment; readonly network: NetworkRecord; readonly peers: readonly Attachment[] };

const NO_FIREWALL: Finding = {
  who: "anybody", reachable: true, where: "whatever the host routes to it", because: "the engine keeps no firewall (iptables is false): what follows is only what it would see to",
};

function specialReach({ mode, running, endpoints }: ReachInput): Pick<Reach, "from" | "to"> | undefined {
  const both = (reachable: boolean, because: string) => ({
    from: [{ who: reachable ? "whoever reaches the host" : "anybody", reachable, where: reachable ? "every port on which it listens" : "nothing of it", because }],
    to: [{ who: reachable ? "whatever the host reaches" : "anything", reachable, where: reachable ? "as the host does" : "nothing", because }],
  });
  if (mode === "host") return both(true, "it shares the host's network (--network host): nothing is between them");
  if (mode.startsWith("container:")) return both(false, `it has the network of another container: ask for ${mode.slice("container:".length)}`);
  if (!running) return both(false, "it does not run");
  return endpoints.length === 0 ? both(false, "it is in no network: only its own loopback is there") : undefined;
}

function networkOf({ endpoint, network }: Way, endpoints: readonly Attachment[]): ReachNetwork {
  const leads = [gatewayOf(endpoints, 4), gatewayOf(endpoints, 6)].some((one) => one?.endpointId === endpoint.endpointId);
  return {
    name: network.name,
    driver: network.driver,
    interface: endpoint.interface ?? "eth0",
    addresses: addressesOf(endpoint),
    gateway: leads,
    ...(endpoint.rate === undefined ? {} : { rate: endpoint.rate }),
  };
}

const addressesOf = ({ address, address6 }: Attachment) => [address, address6].filter((text) => text !== "");
const every = (endpoint: Attachment) => `every port of ${addressesOf(endpoint).join(" and ") || "it"}`;
const of = (network: NetworkRecord) => `network ${network.name}`;

// --- what can reach it -----------------------------------------------------------------------------------------------

function intoFindings(way: Way): Finding[] {
  const { endpoint, network } = way;
  if (network.driver !== "bridge") return [...peersFinding(way, "from"), ...otherDriver(way)];
  const isolated = modesOf(endpoint, network).every(([, mode]) => mode === "isolated");
  return [
    ...peersFinding(way, "from"),
    isolated
      ? { who: "the host", reachable: false, where: "nothing in " + of(network), because: "its gateway mode is isolated: the host has no address there" }
      : { who: "the host", reachable: true, where: every(endpoint), because: `the host has an address in ${of(network)} (interface ${network.bridge})` },
    ...modesOf(endpoint, network).map(([address, mode]) => routedFinding(way, address, mode)),
    ...trustedFinding(way),
  ];
}

/** [address, how packets get in]. */
function modesOf({ address, address6 }: Attachment, { gatewayMode4 = "nat", gatewayMode6 = "nat" }: NetworkRecord): [string, GatewayMode][] {
  const all: [string, GatewayMode][] = [[address, gatewayMode4], [address6, gatewayMode6]];
  return all.filter(([text]) => text !== "");
}

/** Neighbours of the host, and containers of other networks, that send to the container's own address. */
function routedFinding({ endpoint, network }: Way, address: string, mode: GatewayMode): Finding {
  const who = "neighbours of the host and containers of other networks";
  const option = `gateway_mode_ipv${address.includes(":") ? 6 : 4}`;
  if (network.internal) return { who, reachable: false, where: address, because: `${of(network)} is internal: nothing is routed into it` };
  if (mode === "nat-unprotected") return { who, reachable: true, where: `every port of ${address}`, because: `${option}=nat-unprotected in ${of(network)}` };
  if (mode === "routed") {
    const open = [...new Set(endpoint.ports.map(({ port, protocol }) => `${port}/${protocol}`))];
    return { who, reachable: open.length > 0, where: open.length > 0 ? `${open.join(", ")} of ${address}` : address, because: `${option}=routed in ${of(network)}: published ports are open there, and no others` };
  }
  return { who, reachable: false, where: address, because: `${of(network)} is behind the host's address (${option}=${mode}): only published ports lead into it` };
}

function trustedFinding({ endpoint, network }: Way): Finding[] {
  const interfaces = (network.options["com.docker.network.bridge.trusted_host_interfaces"] ?? "").split(":").filter((name) => name !== "");
  if (interfaces.length === 0 || network.internal || endpoint.ports.length === 0) return [];
  const open = [...new Set(endpoint.ports.map(({ port, protocol }) => `${port}/${protocol}`))];
  return [{ who: `what comes in by ${interfaces.join(", ")}`, reachable: true, where: `${open.join(", ")} of ${addressesOf(endpoint).join(" and ")}`, because: `trusted_host_interfaces of ${of(network)}` }];
}

/** Who is in the same network. An egress policy says nothing of them: what stays in a network is a matter of `icc`. */
function peersFinding({ endpoint, network, peers }: Way, way: "from" | "to"): Finding[] {
  if (peers.length === 0) return [{ who: `containers of ${of(network)}`, reachable: network.icc, where: "there are none now", because: betweenReason(network) }];
  const where = way === "from" ? every(endpoint) : "every port of their addresses";
  return [{ who: named(peers), reachable: isBetween(network), where: isBetween(network) ? where : "nothing", because: betweenReason(network) }];
}

const named = (peers: readonly Attachment[]) => {
  const names = peers.map(({ name }) => name).toSorted();
  return names.length <= NAMED ? names.join(", ") : `${names.slice(0, NAMED).join(", ")} and ${names.length - NAMED} more`;
};

const isBetween = ({ icc, driver, mode, options }: NetworkRecord) =>
  driver === "macvlan" ? mode !== "private" : driver === "ipvlan" ? options["ipvlan_flag"] !== "private" : icc;

function betweenReason(network: NetworkRecord): string {
  const { driver, mode, icc, options } = network;
  if (driver === "macvlan") return mode === "vepa" ? `macvlan_mode=vepa in ${of(network)}: by way of a switch that sends back` : `macvlan_mode=${mode} in ${of(network)}`;
  if (driver === "ipvlan") return `ipvlan_mode=${mode}, ipvlan_flag=${options["ipvlan_flag"] || "bridge"} in ${of(network)}`;
  return `both are in ${of(network)}, ${icc ? "whose containers reach each other" : "where enable_icc is false"}`;
}

function otherDriver({ endpoint, network }: Way): Finding[] {
  const { driver, parent, internal } = network;
  const sublink = driver === "macvlan" || driver === "ipvlan";
  return [
    ...(sublink ? [{ who: "the host", reachable: false, where: "nothing in " + of(network), because: `${driver}: the kernel passes nothing between ${parent} and what sits on it` }] : []),
    internal
      ? { who: "anybody else", reachable: false, where: addressesOf(endpoint).join(" and "), because: `${of(network)} is internal` }
      : { who: sublink ? `whoever reaches the network of ${parent}` : "others", reachable: true, where: every(endpoint), because: `driver ${driver}: no firewall of the engine is between` },
  ];
}

// --- published ports -------------------------------------------------------------------------------------------------

function portFindings(ways: readonly Way[]): Finding[] {
  return ways.flatMap(({ endpoint, network }) => endpoint.ports.map((port) => portFinding(port, network)));
}

function portFinding(published: PublishedPort, network: NetworkRecord): Finding {
  const { hostIp, hostPort, port, protocol, by, allow } = published;
  const any = hostIp === "0.0.0.0" || hostIp === "::";
  const loopback = hostIp === "::1" || hostIp.startsWith("127.");
  const who = loopback ? "the host itself" : "the host, its neighbours, containers";
  const through = by === "proxy" ? ", through the engine's proxy" : "";
  const where = `${any ? `port ${hostPort} of every ${hostIp === "::" ? "IPv6" : "IPv4"} address of the host` : hostAndPort(hostIp, hostPort)} (${protocol}), which is its ${port}${through}`;
  if (allow !== undefined) return { who: `of ${who}: ${allow.join(", ")}`, reachable: true, where, because: `published with allow= (${of(network)})` };
  return { who, reachable: true, where, because: `published (-p) by way of ${of(network)}${loopback ? ", on an address of the loopback" : ""}` };
}

// --- what it can reach -----------------------------------------------------------------------------------------------

function peerFindings(way: Way): Finding[] {
  const { endpoint, network } = way;
  if (endpoint.egress?.Default === "deny") return peersFinding(way, "to");
  const isolated = network.driver === "bridge" && modesOf(endpoint, network).every(([, mode]) => mode === "isolated");
  const where = network.internal ? `its address in ${of(network)}, and no other` : "every address of it";
  const host = { who: "the host", reachable: true, where, because: "nothing of the engine's is between; the host's own firewall decides" };
  return [...peersFinding(way, "to"), ...(network.driver !== "bridge" || isolated ? [] : [host])];
}

function outFindings(ways: readonly Way[]): Finding[] {
  const [first] = ways;
  if (first === undefined) return [];
  const policy = first.endpoint.egress;
  if (policy?.Default === "deny") return policyFindings(policy);
  const leading = ([4, 6] as const).flatMap((family) => {
    const found = gatewayOf(ways.map(({ endpoint }) => endpoint), family);
    const way = ways.find(({ endpoint }) => endpoint.endpointId === found?.endpointId);
    return way === undefined ? [] : [{ way, family }];
  });
  if (leading.length === 0) return [{ who: "everything else", reachable: false, where: "nothing", because: ways.map(({ network }) => `${of(network)} ${network.internal ? "is internal" : "has no gateway"}`).join("; ") }];
  return leading.map(({ way, family }) => outFinding(way, family));
}

function outFinding({ endpoint, network }: Way, family: 4 | 6): Finding {
  const gateway = family === 4 ? endpoint.gateway : endpoint.gateway6;
  const mode = (family === 4 ? network.gatewayMode4 : network.gatewayMode6) ?? "nat";
  const masked = network.driver === "bridge" && network.masquerade && mode !== "routed";
  return {
    who: `everything else that speaks IPv${family}`,
    reachable: true,
    where: `by way of ${gateway} in ${of(network)}`,
    because: `its default route; no egress policy${network.driver === "bridge" ? `; it is seen ${masked ? "with the host's address" : "with its own address"}` : ""}`,
  };
}

function policyFindings({ Allow }: EgressPolicy): Finding[] {
  return [
    ...Allow.map((target): Finding => ({ who: target, reachable: true, where: "as written", because: "--egress-allow" })),
    { who: "everything else", reachable: false, where: "the host too", because: "--egress deny" },
  ];
}
