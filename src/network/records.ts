/** The networks that are always there, from the configuration. Pure. */
import { fail } from "#base/errors.ts";
import type { InterfaceAddress } from "#linux/rtnetlink.ts";
import { contains, formatAddress, formatPrefix, networkOf, overlaps, parseAddress, parsePrefix, type Prefix } from "./ipam/addresses.ts";
import type { NetworkRecord, Subnet } from "./network.ts";
import { DEFAULT_POOLS, chooseSubnet, firstAddress, localSubnet6, type Pool } from "./ipam/pools.ts";

/** The keys of daemon.json about the default network, under the names of the engine's configuration. */
export type NetworkConfig = {
  readonly bridge: string;
  readonly bip: string;
  readonly bip6: string;
  readonly fixedCidr: string;
  readonly fixedCidr6: string;
  readonly gateway: string;
  readonly gateway6: string;
  readonly mtu: number;
  readonly ipv6: boolean;
  readonly icc: boolean;
  readonly publishAddress: string;
  readonly iptables: boolean;
  readonly ip6tables: boolean;
  readonly ipForward: boolean;
  readonly ipMasq: boolean;
  readonly userlandProxy: boolean;
  readonly addressPools: readonly Pool[];
  /** Options of new networks that do not say otherwise, by driver. */
  readonly networkOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

export const DEFAULT_BRIDGE = "gantry0";

export type Surroundings = {
  readonly id: string;
  readonly created: string;
  /** Prefixes that the host reaches otherwise. */
  readonly taken: readonly Prefix[];
  /** Addresses that the bridge has now. */
  readonly present: readonly InterfaceAddress[];
  /** The network as stored, and whether containers are in it: then its subnets stay. */
  readonly before?: NetworkRecord;
  readonly inUse: boolean;
};

/** The network "bridge". */
export function bridgeNetwork(config: NetworkConfig, around: Surroundings): NetworkRecord {
  const bridge = config.bridge === "" ? DEFAULT_BRIDGE : config.bridge;
  const configs = around.inUse && around.before !== undefined ? around.before.ipam.configs : subnetsFor(config, around);
  return {
    id: around.id,
    name: "bridge",
    driver: "bridge",
    created: around.created,
    ipv4: true,
    ipv6: configs.length > 1,
    internal: false,
    ipam: { driver: "default", configs },
    options: {
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": String(config.icc),
      "com.docker.network.bridge.enable_ip_masquerade": String(config.ipMasq),
      "com.docker.network.bridge.host_binding_ipv4": config.publishAddress === "" ? "0.0.0.0" : config.publishAddress,
      "com.docker.network.bridge.name": bridge,
      "com.docker.network.driver.mtu": String(config.mtu),
    },
    labels: {},
    bridge,
    mtu: config.mtu,
    icc: config.icc,
    masquerade: config.ipMasq,
  };
}

/** "host" and "none". */
export function plainNetwork(name: "host" | "none", { id, created }: { id: string; created: string }): NetworkRecord {
  return {
    id,
    name,
    driver: name === "host" ? "host" : "null",
    created,
    ipv4: true,
    ipv6: false,
    internal: false,
    ipam: { driver: "default", configs: [] },
    options: {},
    labels: {},
    bridge: "",
    mtu: 0,
    icc: true,
    masquerade: false,
  };
}

function subnetsFor(config: NetworkConfig, around: Surroundings): Subnet[] {
  const own = config.bip !== "" ? parsePrefix(config.bip)! : (presentOf(around, 4) ?? storedOf(around, 4) ?? chosen(config, around));
  const four = subnet(own, { range: config.fixedCidr, route: config.gateway, key: "fixed-cidr" });
  if (!config.ipv6) return [four];
  const range6 = config.fixedCidr6 === "" ? undefined : parsePrefix(config.fixedCidr6);
  const own6 = config.bip6 !== "" ? parsePrefix(config.bip6)! : first(range6 ?? storedOf(around, 6) ?? localSubnet6(around.id));
  return [four, subnet(own6, { range: config.fixedCidr6, route: config.gateway6, key: "fixed-cidr-v6" })];
}

function subnet(own: Prefix, { range, route, key }: { range: string; route: string; key: string }): Subnet {
  const whole = networkOf(own);
  const part = range === "" ? undefined : parsePrefix(range);
  if (part !== undefined && !contains(whole, part.address)) throw fail("invalid", `${key} ${range}: it is not in the bridge's subnet ${formatPrefix(whole)}`);
  if (route !== "" && !contains(whole, parseAddress(route)!)) throw fail("invalid", `default-gateway ${route}: it is not in the bridge's subnet ${formatPrefix(whole)}`);
  return {
    subnet: formatPrefix(whole),
    ...(part === undefined || part.prefixLength <= whole.prefixLength ? {} : { range: formatPrefix(networkOf(part)) }),
    gateway: formatAddress(own.address),
    ...(route === "" ? {} : { route }),
  };
}

/** A bridge that somebody made, or that is left from before, says which subnet is meant. */
function presentOf({ present }: Surroundings, family: 4 | 6): Prefix | undefined {
  return present.find(({ address }) => address.length === (family === 4 ? 4 : 16));
}

/** The subnet from last time, if the host has not come to use it otherwise since. */
function storedOf({ before, taken }: Surroundings, family: 4 | 6): Prefix | undefined {
  const stored = before?.ipam.configs[family === 4 ? 0 : 1];
  if (stored === undefined) return undefined;
  const prefix = { address: parseAddress(stored.gateway)!, prefixLength: parsePrefix(stored.subnet)!.prefixLength };
  const clear = taken.every((other) => other.prefixLength === 0 || !overlaps(prefix, other));
  return clear ? prefix : undefined;
}

function chosen({ addressPools }: NetworkConfig, { taken }: Surroundings): Prefix {
  const pools = addressPools.filter(({ base }) => parsePrefix(base)?.address.length === 4);
  return first(chooseSubnet(pools.length > 0 ? pools : DEFAULT_POOLS, taken));
}

/** The prefix with its first address as the own one, unless it already is an address in it. */
function first(prefix: Prefix): Prefix {
  const isNetwork = Buffer.compare(networkOf(prefix).address, prefix.address) === 0;
  return isNetwork ? { address: firstAddress(prefix), prefixLength: prefix.prefixLength } : prefix;
}
