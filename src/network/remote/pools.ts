/** Subnets of a network that a plugin gives, with the gateway's address and those that are somebody else's. */
import { fail, messageOf } from "#base/errors.ts";
import type { IpamConfig, NetworkCreateRequest } from "#spec/docker.ts";
import { contains, formatAddress, formatPrefix, networkOf, parseAddress, parsePrefix, type Prefix } from "../ipam/addresses.ts";
import { isUnanswered, type RemoteIpam, type RemotePool } from "./remote.ts";

/** As kept with a network: what to give back. */
export type Pools = { readonly driver: string; readonly given: readonly GivenPool[] };
/** `addresses`: without prefix length. */
export type GivenPool = { readonly id: string; readonly space: string; readonly subnet: string; readonly addresses: readonly string[] };

const GATEWAY_REQUEST = { RequestAddressType: "com.docker.network.gateway" };
const GATEWAY = "com.docker.network.gateway";

/** IPv4 first, as in a record. What was given is given back when a later one is refused. @throws internal, with Docker's texts */
export async function askPools(ipam: RemoteIpam, { IPAM, EnableIPv4, EnableIPv6 }: NetworkCreateRequest): Promise<{ configs: IpamConfig[]; given: GivenPool[] }> {
  const asked = [...(EnableIPv4 ? configsOf(IPAM.Config, false) : []), ...(EnableIPv6 ? configsOf(IPAM.Config, true) : [])];
  const configs: IpamConfig[] = [];
  const given: GivenPool[] = [];
  try {
    for (const { config, ipv6 } of asked) {
      const pool = await ipam.requestPool({ subnet: config.Subnet ?? "", range: config.IPRange ?? "", options: IPAM.Options ?? {}, ipv6 });
      given.push({ id: pool.id, space: pool.space, subnet: pool.subnet, addresses: [] });
      const { prefix, gateway, addresses } = await furnish(ipam, pool, config, ipv6);
      given.splice(-1, 1, { id: pool.id, space: pool.space, subnet: formatPrefix(networkOf(prefix)), addresses });
      configs.push({ ...config, Subnet: formatPrefix(networkOf(prefix)), Gateway: gateway });
    }
  } catch (error) {
    await returnPools(ipam, given).catch(() => {});
    throw error;
  }
  return { configs, given };
}

export async function returnPools(ipam: RemoteIpam, given: readonly GivenPool[]): Promise<void> {
  const problems: unknown[] = [];
  for (const { id, addresses } of given) {
    for (const address of addresses) await ipam.releaseAddress(id, address).catch((error: unknown) => problems.push(error));
    await ipam.releasePool(id).catch((error: unknown) => problems.push(error));
    // Who does not answer once is not asked for the rest.
    if (problems.some((problem) => isUnanswered(problem))) break;
  }
  if (problems.length > 0) throw fail("internal", problems.map(messageOf).join("; "), { cause: problems[0] });
}

/** Those of a family; one without wishes when there is none. */
function configsOf(configs: readonly IpamConfig[], ipv6: boolean): { config: IpamConfig; ipv6: boolean }[] {
  const own = configs.filter(({ Subnet }) => Subnet?.includes(":") === ipv6);
  return (own.length === 0 ? [{}] : own).map((config) => ({ config, ipv6 }));
}

async function furnish(ipam: RemoteIpam, pool: RemotePool, config: IpamConfig, ipv6: boolean) {
  const prefix = parsePrefix(pool.subnet);
  if (prefix === undefined || (prefix.address.length === 16) !== ipv6) throw fail("internal", `invalid CIDR address: ${pool.subnet}`);
  const addresses: string[] = [];
  try {
    const ready = config.Gateway === undefined ? pool.data[GATEWAY] : undefined;
    const gateway = ready === undefined ? await askGateway(ipam, pool, prefix, config.Gateway ?? "") : within(prefix, ready);
    if (ready === undefined) addresses.push(gateway);
    for (const [name, address] of Object.entries(config.AuxiliaryAddresses ?? {})) {
      addresses.push(within(prefix, await ipam.requestAddress(pool.id, address, {}).catch((error: unknown) => {
        throw fail("internal", `failed to allocate secondary ip address (${name}:${address}): ${messageOf(error)}`, { cause: error });
      })));
    }
    return { prefix, gateway, addresses };
  } catch (error) {
    for (const address of addresses) await ipam.releaseAddress(pool.id, address).catch(() => {});
    throw error;
  }
}

async function askGateway(ipam: RemoteIpam, pool: RemotePool, prefix: Prefix, wanted: string): Promise<string> {
  try {
    return within(prefix, await ipam.requestAddress(pool.id, wanted, GATEWAY_REQUEST));
  } catch (error) {
    throw fail("internal", `failed to allocate gateway (${wanted}): ${messageOf(error)}`, { cause: error });
  }
}

/** "10.0.0.1/24" → "10.0.0.1". @throws internal when it is no address of that subnet */
export function within(prefix: Prefix, text: string): string {
  if (text === "") throw fail("internal", "No address returned");
  const address = parsePrefix(text)?.address ?? parseAddress(text);
  if (address === undefined) throw fail("internal", `invalid CIDR address: ${text}`);
  if (!contains(prefix, address)) throw fail("internal", `address ${text} is not of the pool ${formatPrefix(networkOf(prefix))}`);
  return formatAddress(address);
}
