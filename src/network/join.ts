/** A container joins: addresses, MAC, interface, host ports. In memory and at once, so that two never get the same. */
import { fail, messageOf, type Failure } from "#base/errors.ts";
import { isIPv4 } from "node:net";
import { randomBytes } from "node:crypto";
import { formatAddress, formatMac, parseAddress, parseMac, parsePrefix, toNumber } from "./addresses.ts";
import type { HostPorts, Where } from "./host-ports.ts";
import type { Attachment, JoinRequest, NetworkRecord, Subnet } from "./network.ts";
import type { HostFacts } from "./open.ts";
import { nextAddress, type AddressTurn } from "./pools.ts";
import { parsePorts } from "./ports.ts";
import type { NetworkConfig } from "./records.ts";

/** All that a decision looks at and changes. */
export type Book = {
  readonly networks: readonly NetworkRecord[];
  readonly attachments: Map<string, Attachment>;
  readonly ports: HostPorts;
  /** By subnet. */
  readonly turns: Map<string, AddressTurn>;
  readonly config: NetworkConfig;
  readonly host: HostFacts;
};

export function join(book: Book, request: JoinRequest): Attachment {
  const network = book.networks.find(({ id, name }) => id === request.network || name === request.network);
  if (network === undefined) throw fail("not-found", `network ${request.network} not found`);
  if (network.driver !== "bridge") throw fail("invalid", `join network ${network.name}: a container shares it without an endpoint`);
  refuseFixedAddress(network, request);
  const [four, six] = network.ipam.configs;
  const address = four === undefined ? "" : take(book, network, four);
  const address6 = six === undefined ? "" : take(book, network, six);
  const endpointId = randomBytes(32).toString("hex");
  const attachment: Attachment = {
    endpointId,
    networkId: network.id,
    networkName: network.name,
    container: request.container,
    name: request.name,
    bridge: network.bridge,
    mtu: network.mtu,
    isolated: !network.icc,
    hostInterface: freeInterface(book),
    mac: macOf(request, address),
    address,
    prefixLength: prefixLengthOf(four),
    gateway: four?.route ?? four?.gateway ?? "",
    address6,
    prefixLength6: prefixLengthOf(six),
    gateway6: six?.route ?? six?.gateway ?? "",
    ports: takePorts(book, { endpointId, address6, request }),
  };
  book.attachments.set(endpointId, attachment);
  return attachment;
}

function refuseFixedAddress({ name }: NetworkRecord, { settings }: JoinRequest): void {
  const { IPv4Address = "", IPv6Address = "" } = settings?.IPAMConfig ?? {};
  if (name === "bridge" && IPv4Address + IPv6Address !== "") {
    throw fail("invalid", "invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets");
  }
}

function take(book: Book, network: NetworkRecord, subnet: Subnet): string {
  const turn = book.turns.get(subnet.subnet) ?? { next: 0n };
  book.turns.set(subnet.subnet, turn);
  const address = nextAddress(subnet, usedIn(book, network, subnet), turn);
  if (address !== undefined) return formatAddress(address);
  const version = isIPv4(subnet.gateway) ? "IPv4" : "IPv6";
  throw fail("unavailable", `no available ${version} addresses on this network's address pools: ${network.name} (${network.id})`);
}

function usedIn({ attachments }: Book, network: NetworkRecord, { gateway, route }: Subnet): Set<bigint> {
  const four = isIPv4(gateway);
  const used = [...attachments.values()].filter(({ networkId }) => networkId === network.id).map((one) => (four ? one.address : one.address6));
  return new Set([...used, gateway, route ?? ""].filter((text) => text !== "").map((text) => toNumber(parseAddress(text)!)));
}

/** From the address, as Docker's were for long: who gets an address again has its MAC again, and no neighbour is misled. */
function macOf({ settings }: JoinRequest, address: string): string {
  if (settings?.MacAddress !== undefined && settings.MacAddress !== "") {
    const mac = parseMac(settings.MacAddress);
    if (mac === undefined || (mac[0]! & 1) !== 0) throw fail("invalid", `invalid MAC address: ${settings.MacAddress}`);
    return formatMac(mac);
  }
  return formatMac(Uint8Array.of(0x02, 0x42, ...(address === "" ? randomBytes(4) : parseAddress(address)!)));
}

function freeInterface({ attachments }: Book): string {
  const known = new Set([...attachments.values()].map(({ hostInterface }) => hostInterface));
  for (;;) {
    const name = `veth${randomBytes(4).toString("hex").slice(1)}`;
    if (!known.has(name)) return name;
  }
}

function takePorts(book: Book, { endpointId, address6, request }: { endpointId: string; address6: string; request: JoinRequest }) {
  const { exposed, bindings, publishAll, name } = request;
  const requests = parsePorts({ exposed, bindings, publishAll });
  if (requests.length === 0) return [];
  try {
    return book.ports.take(requests, whereOf(book, address6 !== ""));
  } catch (error) {
    throw externalFailure(error, { name, endpointId });
  }
}

function whereOf({ config, host }: Book, hasIpv6: boolean): Where {
  const general = config.publishAddress === "" || config.publishAddress === "0.0.0.0";
  const proxy = config.userlandProxy ? "proxy" : undefined;
  const by = (hostIp: string) => {
    if (isIPv4(hostIp)) return config.iptables ? "kernel" : proxy;
    if (!config.iptables || !config.ip6tables || !hasIpv6 || hostIp === "::1") return proxy;
    return hostIp === "::" && config.userlandProxy ? "both" : "kernel";
  };
  return { defaults: general ? ["0.0.0.0", ...(host.ipv6 ? ["::"] : [])] : [config.publishAddress], by };
}

/** Docker's words around what went wrong with published ports. */
export function externalFailure(error: unknown, { name, endpointId }: { name: string; endpointId: string }): Failure {
  const text = `failed to set up container networking: driver failed programming external connectivity on endpoint ${name} (${endpointId}): ${messageOf(error)}`;
  return fail("internal", text, { cause: error });
}

const prefixLengthOf = (subnet: Subnet | undefined) => (subnet === undefined ? 0 : parsePrefix(subnet.subnet)!.prefixLength);
