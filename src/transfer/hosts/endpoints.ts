/** Which hosts are asked for a registry, in which order, and how. Credentials are for the registry itself, never for a mirror. */
import { lookup } from "node:dns/promises";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { fail } from "#base/errors.ts";
import { bareHost, pinned } from "../http/addresses.ts";
import type { TlsSettings } from "../http/connections.ts";
import type { TransferSettings } from "../transfer.ts";
import { readHostFolder } from "./host-folder.ts";

export type Capability = "pull" | "resolve" | "push";

export type Endpoint = {
  /** "https://registry.example:5000/v2" */
  readonly base: string;
  /** The registry's own host: gets credentials. */
  readonly own: boolean;
  readonly can: ReadonlySet<Capability>;
  /** Listed as insecure: plain HTTP and unverified certificates are allowed, also of its token server. */
  readonly insecure: boolean;
  readonly tls: TlsSettings;
  readonly headers: Readonly<Record<string, string>>;
  /** What it is a mirror of, told as `?ns=`; "" if it is the registry itself. */
  readonly ns: string;
  /** The address that was found to be insecure by CIDR. */
  readonly lookup?: LookupFunction;
};

export const ALL: ReadonlySet<Capability> = new Set(["pull", "resolve", "push"]);
const PULLS: ReadonlySet<Capability> = new Set(["pull", "resolve"]);

const HUB = "docker.io";
/** docker.io is not the host of its API. */
const apiHost = (registry: string): string => (registry === HUB || registry === "index.docker.io" ? "registry-1.docker.io" : registry);

/** `registry` is as in a reference. Never empty. @throws invalid, naming the file that is wrong. */
export async function findEndpoints(registry: string, settings: TransferSettings): Promise<readonly Endpoint[]> {
  const host = apiHost(registry);
  const folder = await readHostFolder(settings.hostFolders, [host, registry]);
  const insecure = await insecurity(host, settings.insecureRegistries);
  const here = (base: string): boolean => new URL(base).host === new URL(`http://${host}`).host || new URL(base).host === new URL(`https://${host}`).host;
  const told = (endpoint: Endpoint): Endpoint => ({ ...endpoint, own: here(endpoint.base), ns: here(endpoint.base) ? "" : registry });
  const own = (base: string): Endpoint => ({
    base, own: true, can: ALL, insecure: insecure !== undefined, ns: "", headers: {}, tls: { ...folder.tls, verify: insecure === undefined },
    ...(typeof insecure === "object" && { lookup: insecure.lookup }),
  });
  const mirrors = folder.mirrors.length === 0 && registry === HUB ? await configured(settings) : folder.mirrors.map(told);
  if (folder.server !== undefined) return [...mirrors, told(folder.server)];
  // As Docker: TLS first, unverified, then without.
  return insecure === undefined ? [...mirrors, own(`https://${host}/v2`)] : [...mirrors, own(`https://${host}/v2`), own(`http://${host}/v2`)];
}

/** daemon.json's `registry-mirrors`. */
async function configured({ mirrors, hostFolders, insecureRegistries }: TransferSettings): Promise<Endpoint[]> {
  return Promise.all(mirrors.map(async (text): Promise<Endpoint> => {
    const url = parseHost(text, "registry-mirrors");
    const folder = await readHostFolder(hostFolders, [url.host]);
    const insecure = await insecurity(url.host, insecureRegistries);
    return {
      base: `${url.origin}${url.pathname.replace(/\/+$/, "")}/v2`, own: false, can: PULLS, insecure: insecure !== undefined || url.protocol === "http:", ns: "", headers: {},
      tls: { ...folder.tls, verify: insecure === undefined },
    };
  }));
}

/** @throws invalid */
export function parseHost(text: string, where: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw fail("invalid", `${where}: ${JSON.stringify(text.replace(/\/\/[^/@]*@/, "//***@"))} is no http or https address`);
  if (url.username !== "" || url.password !== "") throw fail("invalid", `${where}: the address of ${url.host} may not hold a user name or a password`);
  if (url.search !== "" || url.hash !== "") throw fail("invalid", `${where}: the address of ${url.host} may not hold a query or a fragment`);
  if (url.port === "") url.host = apiHost(url.host);
  return url;
}

type Insecure = true | { readonly lookup: LookupFunction };

/** Whether "HOST[:PORT]" is listed, by name or by the address it has. */
async function insecurity(host: string, listed: readonly string[]): Promise<Insecure | undefined> {
  if (listed.includes(host)) return true;
  const name = bareHost(new URL(`http://${host}`).hostname);
  const ranges = listed.filter((entry) => entry.includes("/")).map(parseRange);
  const covered = (address: string) => [LOOPBACK, ...ranges].some((range) => range.check(address, isIP(address) === 6 ? "ipv6" : "ipv4"));
  if (isIP(name) !== 0) return covered(name) ? true : undefined;
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  if (ranges.length === 0) return undefined;
  const { address } = await lookup(name).catch(() => ({ address: "" }));
  // That address and no other from here on: the name may change its mind.
  return isIP(address) !== 0 && covered(address) ? { lookup: pinned(address) } : undefined;
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

function parseRange(text: string): BlockList {
  const [address = "", prefix = ""] = text.split("/");
  const list = new BlockList();
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  if (family === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > most) throw fail("invalid", `insecure-registries: ${JSON.stringify(text)} is no range of addresses`);
  list.addSubnet(address, Number(prefix), family === 6 ? "ipv6" : "ipv4");
  return list;
}
