/** A network as GET /networks lists it and GET /networks/{id} shows it, at the newest version. */
import { contains, parseAddress, parsePrefix, rangeOf, toNumber } from "#network/ipam/addresses.ts";
import type { NetworkRecord, Subnet } from "#network/network.ts";
import type { Networks } from "../../engine.ts";

type Member = ReturnType<Networks["members"]>[number];

export function summarizeNetwork(network: NetworkRecord): object {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: { Driver: network.ipam.driver || "default", Options: network.ipam.options ?? null, Config: network.ipam.configs.map(configJson) },
    Internal: network.internal,
    Attachable: network.attachable ?? false,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom ?? "" },
    ConfigOnly: network.configOnly ?? false,
    Options: network.options,
    Labels: network.labels,
  };
}

export function inspectNetwork(network: NetworkRecord, members: readonly Member[]): object {
  const status = Object.fromEntries(network.ipam.configs.map((config) => [config.subnet, countAddresses(config, members)]));
  return { ...summarizeNetwork(network), Containers: membersJson(members), Status: { IPAM: { Subnets: status } } };
}

function configJson({ subnet, range, gateway, aux }: Subnet): object {
  return {
    Subnet: subnet,
    ...(range ? { IPRange: range } : {}),
    ...(gateway ? { Gateway: gateway } : {}),
    ...(aux && Object.keys(aux).length > 0 ? { AuxiliaryAddresses: aux } : {}),
  };
}

export function membersJson(members: readonly Member[]): Record<string, object> {
  return Object.fromEntries(
    members.map(({ container, name, endpoint }) => [
      container,
      {
        Name: name,
        EndpointID: endpoint.endpointId,
        MacAddress: endpoint.mac,
        IPv4Address: endpoint.address === "" ? "" : `${endpoint.address}/${endpoint.prefixLength}`,
        IPv6Address: endpoint.address6 === "" ? "" : `${endpoint.address6}/${endpoint.prefixLength6}`,
      },
    ]),
  );
}

/** Go's uint64. */
const MOST = (1n << 64n) - 1n;

/** What is taken of a subnet (its own address and the broadcast's, too), and what is left of the range for containers. */
function countAddresses({ subnet, range, gateway, aux }: Subnet, members: readonly Member[]): object {
  const whole = parsePrefix(subnet);
  if (whole === undefined) return { IPsInUse: 0, DynamicIPsAvailable: 0 };
  const { first, last } = rangeOf(whole);
  const given = [gateway, ...Object.values(aux ?? {}), ...members.flatMap(({ endpoint }) => [endpoint.address, endpoint.address6])];
  const numbers = given.flatMap((text) => {
    const address = parseAddress(text);
    return address !== undefined && contains(whole, address) ? [toNumber(address)] : [];
  });
  const inUse = new Set([first, ...(whole.address.length === 4 && last > first + 1n ? [last] : []), ...numbers]);
  const pool = rangeOf((range ? parsePrefix(range) : undefined) ?? whole);
  const taken = [...inUse].filter((address) => address >= pool.first && address <= pool.last).length;
  const left = pool.last - pool.first + 1n - BigInt(taken);
  return { IPsInUse: inUse.size, DynamicIPsAvailable: left > MOST ? rawNumber(MOST) : rawNumber(left) };
}

const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

/** A number that may be beyond 2^53 must not pass through a double. */
const rawNumber = (number: bigint) => rawJSON(String(number));
