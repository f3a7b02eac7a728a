/** Whom a container's forwarded queries go to. */
import { contains, parseAddress, parsePrefix } from "../ipam/addresses.ts";

/** Whom Docker asks when nobody is named. */
const PUBLIC = ["8.8.8.8", "8.8.4.4"];
/** As resolver(5), and Docker. */
const MOST = 3;

/**
 * The container's own servers, else the host's. On the host's loopback are servers of the host: a container that names
 * such an address means itself, where we do not ask.
 */
export async function chooseServers(own: readonly string[], hostServers: () => Promise<readonly string[]>): Promise<readonly string[]> {
  if (own.length > 0) return own.filter((server) => isAddress(server) && !isLoopback(server)).slice(0, MOST);
  const host = (await hostServers()).filter(isAddress);
  return (host.length > 0 ? host : PUBLIC).slice(0, MOST);
}

const bare = (server: string) => server.split("%")[0]!;
const isAddress = (server: string) => parseAddress(bare(server)) !== undefined;

const LOOPBACK = ["127.0.0.0/8", "::1/128", "::ffff:127.0.0.0/104", "0.0.0.0/32", "::/128"].map((prefix) => parsePrefix(prefix));

function isLoopback(server: string): boolean {
  const address = parseAddress(bare(server))!;
  return LOOPBACK.some((prefix) => prefix !== undefined && contains(prefix, address));
}
