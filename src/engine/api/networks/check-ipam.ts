/** Whether the parts of each subnet fit together: range, gateway and auxiliary addresses. All that is wrong is told at once. */
import { fail } from "#base/errors.ts";
import { contains, formatPrefix, networkOf, overlaps, parseAddress, parsePrefix, type Prefix } from "#network/ipam/addresses.ts";
import type { IpamConfig } from "#spec/docker.ts";

/** @throws invalid, with Docker's text */
export function checkIpam(configs: readonly IpamConfig[], ipv6: boolean): void {
  const wrong = configs.flatMap((config) => errorsOf(config, ipv6));
  if (wrong.length > 0) throw fail("invalid", `invalid network config:\n${wrong.length === 1 ? wrong[0]! : `* ${wrong.join("\n* ")}`}`);
}

function errorsOf({ Subnet: text = "", IPRange: range = "", Gateway: gateway = "", AuxiliaryAddresses: aux = {} }: IpamConfig, ipv6: boolean): string[] {
  const subnet = parsePrefix(text);
  if (subnet === undefined) return [`invalid subnet ${text}: invalid CIDR block notation`];
  if (!ipv6 && subnet.address.length === 16) return [];
  const errors = isMasked(subnet) ? [] : [`invalid subnet ${text}: it should be ${formatPrefix(networkOf(subnet))}`];
  if (range !== "") errors.push(...rangeErrors(range, subnet));
  const wrongGateway = gateway === "" ? undefined : addressError(gateway, subnet);
  if (wrongGateway !== undefined) errors.push(`invalid gateway ${gateway}: ${wrongGateway}`);
  for (const [name, address] of Object.entries(aux)) {
    const wrong = address === "" ? undefined : addressError(address, subnet);
    if (wrong !== undefined) errors.push(`invalid auxiliary address ${name}: ${wrong}`);
  }
  return errors;
}

function rangeErrors(text: string, subnet: Prefix): string[] {
  const range = parsePrefix(text);
  if (range === undefined) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  if (range.address.length !== subnet.address.length) return [`invalid ip-range ${text}: parent subnet is an ${familyOf(subnet)} block`];
  const errors: string[] = [];
  const parent = formatPrefix(subnet);
  if (range.prefixLength < subnet.prefixLength) errors.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${parent}`);
  if (!isMasked(range)) errors.push(`invalid ip-range ${formatPrefix(range)}: it should be ${formatPrefix(networkOf(range))}`);
  if (!overlaps(subnet, range)) errors.push(`invalid ip-range ${text}: parent subnet ${parent} doesn't contain ip-range`);
  return errors;
}

function addressError(text: string, subnet: Prefix): string | undefined {
  const address = parseAddress(text);
  if (address === undefined) return "invalid address";
  if (address.length !== subnet.address.length) return `parent subnet is an ${familyOf(subnet)} block`;
  return contains(subnet, address) ? undefined : `parent subnet ${formatPrefix(subnet)} doesn't contain this address`;
}

const familyOf = ({ address }: Prefix) => (address.length === 4 ? "IPv4" : "IPv6");
const isMasked = (prefix: Prefix) => networkOf(prefix).address.equals(prefix.address);
