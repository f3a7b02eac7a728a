/** A container joins: addresses, MAC, interface, host ports. In memory and at once, so that two never get the same. */
import { fail, messageOf, type Failure } from "#base/errors.ts";
import { isIPv4 } from "node:net";
import { randomBytes } from "node:crypto";
import { formatMac, parseAddress, parseMac } from "./ipam/addresses.ts";
import type { AddressBook } from "./ipam/address-book.ts";
import type { HostPorts, Where } from "./ports/host-ports.ts";
import type { Attachment, JoinRequest, NetworkRecord } from "./network.ts";
import type { HostFacts } from "./open.ts";
import { parsePorts } from "./ports/ports.ts";
import type { NetworkConfig } from "./records.ts";

/** All that a decision looks at and changes. */
export type Book = {
  /** By full id or name; undefined when there is none, or it is being removed. */
  readonly find: (network: string) => NetworkRecord | undefined;
  readonly attachments: Attachments;
  readonly addresses: AddressBook;
  readonly ports: HostPorts;
  readonly config: NetworkConfig;
  readonly host: HostFacts;
};

/** Endpoints, by what one looks for. */
export type Attachments = {
  all(): readonly Attachment[];
  of(container: string): readonly Attachment[];
  in(networkId: string): readonly Attachment[];
  hasInterface(name: string): boolean;
  put(attachment: Attachment): void;
  /** False when it is not there. */
  delete(endpointId: string): boolean;
};

export function join(book: Book, request: JoinRequest): Attachment {
  const network = book.find(request.network);
  if (network === undefined) throw fail("not-found", `network ${request.network} not found`);
  refuse(book, network, request);
  const { IPv4Address = "", IPv6Address = "" } = request.settings?.IPAMConfig ?? {};
  using undo = new DisposableStack();
  const taken = { networkId: network.id, address: "", address6: "" } as Attachment;
  const take = (family: 4 | 6, wanted: string) => {
    const given = book.addresses.take(network, family, wanted);
    if (given !== undefined) undo.defer(() => book.addresses.release({ ...taken, [family === 4 ? "address" : "address6"]: given.address }));
    return given;
  };
  const four = take(4, IPv4Address);
  const six = take(6, IPv6Address);
  const endpointId = randomBytes(32).toString("hex");
  const leadsOut = !network.internal;
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
    mac: macOf(network, request, four?.address ?? ""),
    address: four?.address ?? "",
    prefixLength: four?.prefixLength ?? 0,
    gateway: leadsOut ? (four?.gateway ?? "") : "",
    address6: six?.address ?? "",
    prefixLength6: six?.prefixLength ?? 0,
    gateway6: leadsOut ? (six?.gateway ?? "") : "",
    ports: takePorts(book, network, { endpointId, address6: six?.address ?? "", request }),
    driver: network.driver,
    interface: interfaceFor(book, network, request),
    ...extras(network, request),
  };
  undo.move();
  book.attachments.put(attachment);
  return attachment;
}

function refuse({ attachments, config }: Book, network: NetworkRecord, { container, name, settings, egress }: JoinRequest): void {
  const passesFirewall = network.driver === "bridge" && config.iptables;
  if (egress?.Default === "deny" && !passesFirewall) throw fail("invalid", `limit what container ${name} may send: what it sends to network ${network.name} does not pass the engine's firewall`);
  if (network.configOnly === true) throw fail("forbidden", "cannot create endpoint on configuration-only network");
  if (network.driver === "host" || network.driver === "null") throw fail("invalid", `join network ${network.name}: a container shares it without an endpoint`);
  if (attachments.of(container).some(({ networkId }) => networkId === network.id)) throw fail("forbidden", `endpoint with name ${name} already exists in network ${network.name}`);
  const { IPv4Address = "", IPv6Address = "" } = settings?.IPAMConfig ?? {};
  if (network.ownSubnets !== true && IPv4Address + IPv6Address !== "") {
    throw fail("invalid", "invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets");
  }
}

/** The default network has no names. */
function extras({ name }: NetworkRecord, request: JoinRequest): Partial<Attachment> {
  const { settings, egress, rate } = request;
  const sysctls = settings?.DriverOpts?.["com.docker.network.endpoint.sysctls"]?.split(",").filter((one) => one !== "");
  const names = name === "bridge" ? undefined : [...new Set([request.name, ...(settings?.Aliases ?? []), ...(request.names ?? [])])];
  return {
    ...(names === undefined ? {} : { dnsNames: names }),
    ...(settings?.GwPriority === undefined ? {} : { gwPriority: settings.GwPriority }),
    ...(sysctls === undefined ? {} : { sysctls }),
    ...(egress === undefined ? {} : { egress }),
    ...(rate === undefined ? {} : { rate }),
  };
}

/** The name asked for, else the first of eth0, eth1, … that none of the container's others has. */
function interfaceFor({ attachments }: Book, { options }: NetworkRecord, { container, settings }: JoinRequest): string {
  const others = new Set(attachments.of(container).map(({ interface: name = "eth0" }) => name));
  const asked = settings?.DriverOpts?.["com.docker.network.endpoint.ifname"];
  if (asked !== undefined && asked !== "") {
    if (others.has(asked)) throw fail("conflict", `interface name ${asked} is already in use in the container`);
    return asked;
  }
  const prefix = options["com.docker.network.container_iface_prefix"] || "eth";
  for (let number = 0; ; number++) if (!others.has(`${prefix}${number}`)) return `${prefix}${number}`;
}

/**
 * From the address, as Docker's were for long: who gets an address again has its MAC again, and no neighbour is misled. On
 * an interface of the host the kernel lets nobody have one that another still has, whose namespace may be going for a while.
 */
function macOf({ driver }: NetworkRecord, { settings }: JoinRequest, address: string): string {
  const asked = settings?.MacAddress ?? "";
  if (driver === "ipvlan" && asked !== "") throw fail("internal", "ipvlan interfaces do not support custom mac address assignment");
  if (driver === "ipvlan") return "";
  if (driver === "macvlan" && asked === "") return formatMac(Uint8Array.of(0x02, 0x42, ...randomBytes(4)));
  if (settings?.MacAddress !== undefined && settings.MacAddress !== "") {
    const mac = parseMac(settings.MacAddress);
    if (mac === undefined || (mac[0]! & 1) !== 0 || mac.every((byte) => byte === 0)) throw fail("invalid", `invalid MAC address: ${settings.MacAddress}`);
    return formatMac(mac);
  }
  return formatMac(Uint8Array.of(0x02, 0x42, ...(address === "" ? randomBytes(4) : parseAddress(address)!)));
}

function freeInterface({ attachments }: Book): string {
  for (;;) {
    const name = `veth${randomBytes(4).toString("hex").slice(1)}`;
    if (!attachments.hasInterface(name)) return name;
  }
}

function takePorts(book: Book, network: NetworkRecord, { endpointId, address6, request }: { endpointId: string; address6: string; request: JoinRequest }) {
  const { exposed, bindings, publishAll, name } = request;
  const requests = parsePorts({ exposed, bindings, publishAll });
  if (requests.length === 0 || network.driver !== "bridge") return [];
  try {
    return book.ports.take(requests, whereOf(book, network, address6 !== ""));
  } catch (error) {
    throw externalFailure(error, { name, endpointId });
  }
}

/** How ports of the host lead to an endpoint in this network. */
export function whereOf({ config, host }: Pick<Book, "config" | "host">, { publishAddress, gatewayMode4, gatewayMode6 }: NetworkRecord, hasIpv6: boolean): Where {
  const asked = publishAddress ?? config.publishAddress;
  const general = asked === "" || asked === "0.0.0.0";
  const proxy = config.userlandProxy ? "proxy" : undefined;
  const by = (hostIp: string) => {
    const mode = isIPv4(hostIp) || !hasIpv6 ? gatewayMode4 : gatewayMode6;
    if (mode === "routed" && config.iptables) return isIPv4(hostIp) || hasIpv6 ? "route" : undefined;
    if (isIPv4(hostIp)) return config.iptables ? "kernel" : proxy;
    if (!config.iptables || !config.ip6tables || !hasIpv6 || hostIp === "::1") return proxy;
    return hostIp === "::" && config.userlandProxy ? "both" : "kernel";
  };
  return { defaults: general ? ["0.0.0.0", ...(host.ipv6 ? ["::"] : [])] : [asked], by };
}

/** Docker's words around what went wrong with published ports. */
export function externalFailure(error: unknown, { name, endpointId }: { name: string; endpointId: string }): Failure {
  const text = `failed to set up container networking: driver failed programming external connectivity on endpoint ${name} (${endpointId}): ${messageOf(error)}`;
  return fail("internal", text, { cause: error });
}
