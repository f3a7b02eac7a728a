/**
 * What a network becomes that somebody asks for: names, subnets and gateways, checked against those that there are. Pure.
 * What its driver's options mean is the driver's matter.
 */
import { fail } from "#base/errors.ts";
import type { IpamConfig, NetworkCreateRequest } from "#spec/docker.ts";
import { contains, formatAddress, formatPrefix, networkOf, overlaps, parseAddress, parsePrefix, toNumber, type Prefix } from "./ipam/addresses.ts";
import { nobodys } from "./ipam/address-book.ts";
import type { NetworkDriver } from "./drivers/driver.ts";
import type { NetworkRecord, Subnet } from "./network.ts";
import { isRemoteIpam } from "./remote/open-remote.ts";
import { DEFAULT_POOLS, chooseSubnet, firstAddress, localSubnet6, type Pool } from "./ipam/pools.ts";

export type Around = {
  readonly id: string;
  readonly created: string;
  readonly networks: readonly NetworkRecord[];
  /** What the host reaches by its own ways: nothing of it is chosen. */
  readonly taken: readonly Prefix[];
  readonly pools: readonly Pool[];
  /** Of the driver's name. @throws not-found */
  readonly driverOf: (name: string) => NetworkDriver;
  /** default-network-opts of daemon.json, by driver. */
  readonly defaults?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly mtu: number;
};

const PREDEFINED = ["bridge", "host", "none", "default"];
/** The gateway that containers are told, when it is not the bridge itself. */
const OTHER_GATEWAY = { 4: "DefaultGatewayIPv4", 6: "DefaultGatewayIPv6" } as const;

/** @throws conflict, forbidden, invalid, not-found, unavailable, with Docker's texts */
export function settleNetwork(request: NetworkCreateRequest, around: Around): NetworkRecord {
  checkName(request.Name, around.networks);
  if (request.ConfigOnly) return settleConfig(request, around);
  const whole = request.ConfigFrom === "" ? request : fromConfig(request, around.networks);
  const name = whole.Driver === "" ? "bridge" : whole.Driver;
  if (name === "host" || name === "null") throw fail("forbidden", `only one instance of "${name}" network is allowed`);
  if (!whole.EnableIPv4 && !whole.EnableIPv6) throw fail("invalid", "IPv4 or IPv6 must be enabled");
  const driver = around.driverOf(name);
  const base = baseRecord(whole, name, around);
  return driver.settle(whole, { ...base, ipam: { ...base.ipam, configs: subnets(whole, around) } }, around.networks);
}

function checkName(name: string, networks: readonly NetworkRecord[]): void {
  if (name.trim() === "") throw fail("invalid", "invalid network name: name is empty");
  if (!/^[a-zA-Z0-9][\w.-]*$/.test(name) && (/[/\\:\u0000-\u001f\u007f]/.test(name) || name.length > 253)) throw fail("invalid", `invalid network name: ${JSON.stringify(name)}`);
  if (PREDEFINED.includes(name)) throw fail("forbidden", `operation is not permitted on predefined ${name} network `);
  if (networks.some((other) => other.name === name)) throw fail("conflict", `network with name ${name} already exists`);
}

function baseRecord(request: NetworkCreateRequest, driver: string, { id, created, mtu, defaults = {} }: Around): NetworkRecord {
  const { Name: name, Options, Labels: labels, IPAM, Internal: internal, Attachable: attachable, EnableIPv4: ipv4, EnableIPv6: ipv6 } = request;
  const configs = IPAM.Config.filter(({ Subnet }) => Subnet !== undefined);
  return {
    id,
    name,
    driver,
    created,
    attachable,
    ...(request.ConfigFrom === "" ? {} : { configFrom: request.ConfigFrom }),
    ...(configs.length === 0 ? {} : { ownSubnets: true }),
    ipv4,
    ipv6,
    internal,
    ipam: { driver: IPAM.Driver === "" ? "default" : IPAM.Driver, ...(IPAM.Options === undefined ? {} : { options: IPAM.Options }), configs: [] },
    options: { ...defaults[driver], ...Options },
    labels,
    bridge: "",
    mtu,
    icc: true,
    masquerade: true,
  };
}

/** Settings that another network takes over; nobody joins it, so its subnets are not anybody's yet. */
function settleConfig(request: NetworkCreateRequest, around: Around): NetworkRecord {
  if (request.ConfigFrom !== "") throw fail("forbidden", "a configuration network cannot depend on another configuration network");
  const base = baseRecord(request, "null", around);
  const configs = request.IPAM.Config.map((config): Subnet => ({
    subnet: config.Subnet ?? "",
    gateway: config.Gateway ?? "",
    ...(config.IPRange === undefined ? {} : { range: config.IPRange }),
    ...(config.AuxiliaryAddresses === undefined ? {} : { aux: config.AuxiliaryAddresses }),
  }));
  return { ...base, configOnly: true, ipam: { ...base.ipam, configs } };
}

function fromConfig(request: NetworkCreateRequest, networks: readonly NetworkRecord[]): NetworkCreateRequest {
  const from = networks.find(({ name, id, configOnly }) => configOnly === true && (name === request.ConfigFrom || id === request.ConfigFrom));
  if (from === undefined) throw fail("not-found", `configuration network ${JSON.stringify(request.ConfigFrom)} does not exist`);
  const { IPAM, Options, Labels, EnableIPv6 } = request;
  const own = !["", "default"].includes(IPAM.Driver) || IPAM.Config.length > 0 || [IPAM.Options ?? {}, Options, Labels].some((map) => Object.keys(map).length > 0);
  if (own || EnableIPv6) throw fail("forbidden", "user specified configurations are not supported if the network depends on a configuration network");
  const config = from.ipam.configs.map(({ subnet, gateway, range, aux }): IpamConfig => ({
    ...(subnet === "" ? {} : { Subnet: subnet }),
    ...(gateway === "" ? {} : { Gateway: gateway }),
    ...(range === undefined ? {} : { IPRange: range }),
    ...(aux === undefined ? {} : { AuxiliaryAddresses: { ...aux } }),
  }));
  return {
    ...request,
    ConfigFrom: from.name,
    EnableIPv4: from.ipv4,
    EnableIPv6: from.ipv6,
    Options: { ...from.options },
    Labels: { ...from.labels },
    IPAM: { Driver: from.ipam.driver, ...(from.ipam.options === undefined ? {} : { Options: { ...from.ipam.options } }), Config: config },
  };
}

// --- subnets -----------------------------------------------------------------------------------------------------------

/** Those asked for, and one of the pools for a family that has none. IPv4 first. */
function subnets(request: NetworkCreateRequest, around: Around): Subnet[] {
  const { EnableIPv4, EnableIPv6, IPAM } = request;
  if (IPAM.Driver === "null") return [];
  const others = around.networks.flatMap(({ ipam, configOnly }) => (configOnly === true || ipam.pools !== undefined ? [] : ipam.configs.map(({ subnet }) => prefixOf(subnet))));
  const asked = IPAM.Config.filter(({ Subnet }) => Subnet !== undefined).map((config) => ({ config, prefix: prefixOf(config.Subnet!) }));
  const of = (length: 4 | 16) => asked.filter(({ prefix }) => prefix.address.length === length);
  for (const [at, { prefix }] of asked.entries()) {
    const earlier = asked.slice(0, at).map((one) => one.prefix);
    // A plugin that gives subnets knows which go together.
    if (!isRemoteIpam(IPAM.Driver) && [...others, ...earlier].some((other) => overlaps(other, prefix))) throw overlap();
  }
  const avoid = [...around.taken, ...others, ...asked.map(({ prefix }) => prefix)];
  const chosen = (length: 4 | 16) => [{ config: {}, prefix: length === 4 ? chooseIpv4(around, avoid) : chooseIpv6(around, avoid) }];
  const pick = (length: 4 | 16) => (of(length).length > 0 ? of(length) : chosen(length));
  return [...(EnableIPv4 ? pick(4) : []), ...(EnableIPv6 ? pick(16) : [])].map(({ config, prefix }) => subnetOf(config, prefix));
}

function subnetOf(config: IpamConfig, prefix: Prefix): Subnet {
  const aux = config.AuxiliaryAddresses ?? {};
  const range = config.IPRange === undefined ? undefined : prefixOf(config.IPRange);
  const other = aux[OTHER_GATEWAY[prefix.address.length === 4 ? 4 : 6]];
  for (const address of Object.values(aux)) if (parseAddress(address) === undefined || !contains(prefix, parseAddress(address)!)) throw outside(address);
  const gateway = config.Gateway === undefined ? defaultGateway(prefix, range, Object.values(aux)) : parseAddress(config.Gateway);
  if (config.Gateway === undefined && (gateway === undefined || !contains(prefix, gateway) || isNobodys(prefix, gateway))) {
    throw fail("unavailable", "failed to allocate gateway (): no available addresses on this pool");
  }
  if (gateway === undefined || !contains(prefix, gateway)) throw fail("invalid", `no matching subnet for gateway ${config.Gateway}`);
  if (isNobodys(prefix, gateway)) throw fail("forbidden", `failed to allocate gateway (${config.Gateway}): Address already in use`);
  checkAux(prefix, gateway, aux);
  return {
    subnet: formatPrefix(networkOf(prefix)),
    ...(range === undefined ? {} : { range: formatPrefix(networkOf(range)) }),
    gateway: formatAddress(gateway),
    ...(other === undefined ? {} : { route: formatAddress(parseAddress(other)!) }),
    ...(Object.keys(aux).length === 0 ? {} : { aux }),
  };
}

const isNobodys = (prefix: Prefix, address: Uint8Array) => nobodys(prefix).includes(toNumber(address));

/** Each is a different one, and none is the gateway's. */
function checkAux(prefix: Prefix, gateway: Uint8Array, aux: Readonly<Record<string, string>>): void {
  const taken = new Set([toNumber(gateway), ...nobodys(prefix)]);
  for (const [name, text] of Object.entries(aux)) {
    const number = toNumber(parseAddress(text)!);
    if (taken.has(number)) throw fail("forbidden", `failed to allocate secondary ip address (${name}:${text}): Address already in use`);
    taken.add(number);
  }
}

/** The first one that nobody has: of the range, as Docker. */
function defaultGateway(prefix: Prefix, range: Prefix | undefined, aux: readonly string[]): Buffer {
  const taken = new Set(aux.map((address) => formatAddress(parseAddress(address)!)));
  let address = range === undefined || range.prefixLength <= prefix.prefixLength || isFirst(prefix, range) ? firstAddress(prefix) : networkOf(range).address;
  while (taken.has(formatAddress(address)) && contains(prefix, address)) address = firstAddress({ address, prefixLength: address.length * 8 });
  return address;
}

const isFirst = (prefix: Prefix, range: Prefix) => Buffer.compare(networkOf(prefix).address, networkOf(range).address) === 0;

function chooseIpv4({ pools }: Around, avoid: readonly Prefix[]): Prefix {
  const four = pools.filter(({ base }) => parsePrefix(base)?.address.length === 4);
  return chooseSubnet(four.length > 0 ? four : DEFAULT_POOLS, avoid);
}

/** A unique local one, by the network's id, unless pools are configured. */
function chooseIpv6({ pools, id }: Around, avoid: readonly Prefix[]): Prefix {
  const six = pools.filter(({ base }) => parsePrefix(base)?.address.length === 16);
  return six.length > 0 ? chooseSubnet(six, avoid) : localSubnet6(id);
}

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw fail("invalid", `invalid subnet ${text}: invalid CIDR block notation`);
  return prefix;
}

const overlap = () => fail("forbidden", "invalid pool request: Pool overlaps with other one on this address space");
const outside = (address: string) => fail("invalid", `no matching subnet for aux-address ${address}`);
