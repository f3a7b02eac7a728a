/** Which subnet of a new network each range, gateway and address belongs to. Pure; docker's texts. */
import { BlockList, isIP } from "node:net";
import { fail } from "#base/errors.ts";

export type IpamConfig = { Subnet: string; IPRange?: string; Gateway?: string; AuxiliaryAddresses?: Record<string, string> };

export type IpamFlags = {
  readonly subnets: readonly string[];
  readonly ranges: readonly string[];
  readonly gateways: readonly string[];
  readonly aux: Readonly<Record<string, string>>;
};

export function buildIpam({ subnets, ranges, gateways, aux }: IpamFlags): IpamConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw fail("invalid", "every ip-range or gateway must have a corresponding subnet");
  }
  const configs: IpamConfig[] = [];
  for (const subnet of subnets) {
    if (configs.some((other) => contains(subnet, other.Subnet) || contains(other.Subnet, subnet))) {
      throw fail("invalid", "multiple overlapping subnet configuration is not supported");
    }
    configs.push({ Subnet: subnet });
  }
  for (const range of ranges) {
    for (const config of around(configs, range, "range")) {
      if (config.IPRange) throw fail("invalid", `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`);
      config.IPRange = range;
    }
  }
  for (const gateway of gateways) {
    for (const config of around(configs, gateway, "gateway")) {
      if (config.Gateway) throw fail("invalid", `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`);
      config.Gateway = gateway;
    }
  }
  for (const [name, address] of Object.entries(aux)) {
    for (const config of around(configs, address, "aux-address")) config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return configs;
}

function around(configs: readonly IpamConfig[], value: string, what: string): IpamConfig[] {
  const found = configs.filter((config) => contains(config.Subnet, value));
  if (found.length === 0) throw fail("invalid", `no matching subnet for ${what} ${value}`);
  return found;
}

/** Whether an address, or the address a prefix begins with, is in a subnet. What is no address is in none. */
function contains(subnet: string, value: string): boolean {
  const outer = parsePrefix(subnet);
  if (outer === undefined) throw fail("invalid", `invalid subnet: invalid CIDR address: ${subnet}`);
  const inner = value.includes("/") ? parsePrefix(value)?.address : value;
  if (inner === undefined) throw fail("invalid", `invalid CIDR address: ${value}`);
  if (isIP(inner) !== outer.family) return false;
  const list = new BlockList();
  const family = outer.family === 4 ? "ipv4" : "ipv6";
  list.addSubnet(outer.address, outer.length, family);
  return list.check(inner, family);
}

function parsePrefix(text: string): { address: string; length: number; family: number } | undefined {
  const [, address = "", length = ""] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = isIP(address);
  return family === 0 || Number(length) > (family === 4 ? 32 : 128) ? undefined : { address, length: Number(length), family };
}
