/** Addresses of an endpoint that a plugin gives and takes back. */
import { fail } from "#base/errors.ts";
import { contains, parseAddress, parsePrefix } from "../ipam/addresses.ts";
import type { Attachment, NetworkRecord } from "../network.ts";
import { within, type GivenPool } from "./pools.ts";
import { isUnanswered, type RemoteIpam } from "./remote.ts";

const MAC = "com.docker.network.endpoint.macaddress";

/** `attachment`: with the addresses that the user wants, or none. A failure has given everything back. */
export async function leaseAddresses(ipam: RemoteIpam, network: NetworkRecord, attachment: Attachment): Promise<Attachment> {
  const four = poolsOf(network, false);
  const six = poolsOf(network, true);
  const options = ipam.needsMac ? { [MAC]: attachment.mac } : {};
  const first = four.length === 0 ? undefined : await lease(ipam, four, { wanted: attachment.address, options });
  const given = first === undefined ? attachment : { ...attachment, address: first.address, prefixLength: first.prefixLength, gateway: gatewayOf(network, first.subnet) };
  if (six.length === 0) return given;
  try {
    const second = await lease(ipam, six, { wanted: attachment.address6, options });
    return { ...given, address6: second.address, prefixLength6: second.prefixLength, gateway6: gatewayOf(network, second.subnet) };
  } catch (error) {
    if (first !== undefined) await ipam.releaseAddress(first.pool, first.address).catch(() => {});
    throw error;
  }
}

export async function returnAddresses(ipam: RemoteIpam, network: NetworkRecord, { address, address6 }: Attachment): Promise<void> {
  for (const one of [address, address6].filter((one) => one !== "")) {
    const pool = poolsOf(network, one.includes(":")).find(({ subnet }) => contains(parsePrefix(subnet)!, parseAddress(one)!));
    if (pool !== undefined) await ipam.releaseAddress(pool.id, one);
  }
}

type Lease = { readonly address: string; readonly prefixLength: number; readonly subnet: string; readonly pool: string };

/** From the first pool that has one: a plugin says in its own words that it has none. */
async function lease(ipam: RemoteIpam, pools: readonly GivenPool[], { wanted, options }: { wanted: string; options: Record<string, string> }): Promise<Lease> {
  let problem: unknown = fail("internal", "No address returned");
  for (const { id, subnet } of pools) {
    const prefix = parsePrefix(subnet)!;
    try {
      const answer = await ipam.requestAddress(id, wanted, options);
      const address = within(prefix, answer);
      return { address, prefixLength: parsePrefix(answer)?.prefixLength ?? prefix.prefixLength, subnet, pool: id };
    } catch (error) {
      problem = error;
      if (isUnanswered(error)) break;
    }
  }
  throw problem;
}

const poolsOf = ({ ipam }: NetworkRecord, ipv6: boolean) => (ipam.pools ?? []).filter(({ subnet }) => subnet.includes(":") === ipv6);

function gatewayOf({ internal, ipam }: NetworkRecord, subnet: string): string {
  const config = ipam.configs.find((one) => one.subnet === subnet);
  return internal ? "" : (config?.route ?? config?.gateway ?? "");
}
