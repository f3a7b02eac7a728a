/**
 * What tells a container about names: /etc/hosts, /etc/hostname, /etc/resolv.conf. Pure: texts in, text out.
 */
import { fail } from "#base/errors.ts";
import { createHash } from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import { contains, parseAddress, parsePrefix } from "./ipam/addresses.ts";
import { RESOLVER } from "./dns/dns.ts";

export type HostsRequest = {
  /** The text of the host's own file, for a container in the host's network; otherwise the usual lines. */
  readonly base?: string;
  /** --add-host: "name:address", "name=address"; the address may be "host-gateway" or in brackets. */
  readonly extraHosts: readonly string[];
  /** What host-gateway stands for: the bridge's addresses, or host-gateway-ips. */
  readonly hostGateways: readonly string[];
  /** Whole lines: those of containers that it is linked to. */
  readonly links?: readonly string[];
  /** Addresses of the container in networks. */
  readonly addresses: readonly string[];
  readonly hostname: string;
  readonly domainname: string;
};

const USUAL = [
  "127.0.0.1\tlocalhost",
  "::1\tlocalhost ip6-localhost ip6-loopback",
  "fe00::\tip6-localnet",
  "ff00::\tip6-mcastprefix",
  "ff02::1\tip6-allnodes",
  "ff02::2\tip6-allrouters",
];

/** Throws `invalid` for an extra host that is none. */
export function hostsFile({ base, extraHosts, hostGateways, links = [], addresses, hostname, domainname }: HostsRequest): string {
  const own = ownLines(addresses, { Hostname: hostname, Domainname: domainname });
  const start = base === undefined ? USUAL : base.replace(/\n$/, "").split("\n");
  return [...start, ...extraHosts.flatMap((host) => extraLines(host, hostGateways)), ...links, ...own].join("\n") + "\n";
}

type Names = { readonly Hostname: string; readonly Domainname: string };

function ownLines(addresses: readonly string[], { Hostname, Domainname }: Names): string[] {
  const names = Domainname === "" ? Hostname : `${Hostname}.${Domainname} ${Hostname}`;
  return addresses.map((address) => `${address}\t${names}`);
}

/** A hosts file with further addresses of the container. */
export function withHosts(text: string, addresses: readonly string[], names: Names): string {
  const lines = ownLines(addresses, names).filter((line) => !text.split("\n").includes(line));
  if (lines.length === 0) return text;
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${lines.join("\n")}\n`;
}

/** Without the lines of these addresses. */
export function withoutHosts(text: string, addresses: readonly string[]): string {
  const gone = new Set(addresses);
  return text.split("\n").filter((line) => !gone.has(line.split(/\s/, 1)[0]!)).join("\n");
}

export function hostnameFile(hostname: string): string {
  return `${hostname}\n`;
}

/** Docker's check of an --add-host. Throws `invalid`. */
export function extraLines(host: string, hostGateways: readonly string[]): string[] {
  const match = /^([^=:\s]+)[=:](.+)$/.exec(host);
  if (match === null) throw fail("invalid", `bad format for add-host: ${JSON.stringify(host)}`);
  const [, name = "", target = ""] = match;
  if (target === "host-gateway") {
    if (hostGateways.length === 0) throw fail("invalid", "unable to derive the IP value for host-gateway");
    return hostGateways.map((address) => `${address}\t${name}`);
  }
  const address = target.replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) === 0) throw fail("invalid", `invalid IP address in add-host: ${JSON.stringify(target)}`);
  return [`${address}\t${name}`];
}

export type ResolvRequest = {
  /** The text of the host's file; see hostResolvConf. */
  readonly base: string;
  /** host: the container is in the host's network, where the host's loopback servers answer. */
  readonly mode: "host" | "own";
  /** It is in a network with names: 127.0.0.11 answers, and asks the others. */
  readonly resolver?: boolean;
  /** The container has IPv6, so that IPv6 servers are of use. */
  readonly ipv6: boolean;
  /** --dns, --dns-search, --dns-option, else the engine's. Empty: the host's. */
  readonly dns: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
};

const PUBLIC = ["8.8.8.8", "8.8.4.4"];
const PUBLIC6 = ["2001:4860:4860::8888", "2001:4860:4860::8844"];

/**
 * Servers on the host's loopback are left out: they would be the container's own. If none is left, public ones are
 * named, as Docker does. A resolver is asked for names as they are first (ndots:0), and then within the search domains.
 */
export function resolvConfFile({ base, mode, resolver = false, ipv6, dns, search, options }: ResolvRequest): string {
  if (mode === "host" && dns.length + search.length + options.length === 0) return base;
  const host = parseResolvConf(base);
  const asked = dns.length > 0 ? dns : mode === "host" || resolver ? host.servers : reachable(host.servers, ipv6);
  const servers = resolver ? [RESOLVER] : asked;
  const domains = search.length > 0 ? search.filter((domain) => domain !== ".") : host.search;
  const settings = options.length > 0 ? options : resolver ? host.options.filter((option) => !isNdots(option)) : host.options;
  const all = resolver && !settings.some(isNdots) ? [...settings, "ndots:0"] : settings;
  const text = [
    "# Generated by Gantry from the host's file and the options of the container.",
    ...servers.map((server) => `nameserver ${server}`),
    ...(domains.length > 0 ? [`search ${domains.join(" ")}`] : []),
    ...(all.length > 0 ? [`options ${all.join(" ")}`] : []),
    // In Docker's words, by which tools tell where names of the outside come from.
    ...(resolver ? ["", `# ExtServers: [${asked.map((server) => (dns.length === 0 && isLoopback(server) ? `host(${server})` : server)).join(" ")}]`] : []),
    "",
  ].join("\n");
  return text + seal(text);
}

/** Whether nobody has changed it since: then it may be written anew when the container's networks change. */
export function isOwnResolvConf(text: string): boolean {
  const at = text.lastIndexOf(SEAL);
  return at > 0 && text.slice(at) === seal(text.slice(0, at));
}

const SEAL = "# As generated: ";
const seal = (text: string) => `${SEAL}${createHash("sha256").update(text).digest("hex").slice(0, 12)}\n`;

const isNdots = (option: string) => option.startsWith("ndots:");

export type ResolvConf = { readonly servers: string[]; readonly search: string[]; readonly options: string[] };

/** As resolver(5) reads it: of `search` and `domain` the last counts, options add up. */
export function parseResolvConf(text: string): ResolvConf {
  const found = { servers: [] as string[], search: [] as string[], options: [] as string[] };
  for (const line of text.split("\n")) {
    const [word, ...values] = line.replace(/[#;].*$/, "").trim().split(/\s+/);
    if (word === "nameserver" && values[0] !== undefined) found.servers.push(values[0]);
    if (word === "search" || word === "domain") found.search = values;
    if (word === "options") found.options.push(...values);
  }
  return found;
}

/** True when the host asks systemd-resolved's stub alone: then the real servers are in /run/systemd/resolve/resolv.conf. */
export function usesStub(text: string): boolean {
  const { servers } = parseResolvConf(text);
  return servers.length === 1 && servers[0] === "127.0.0.53";
}

function reachable(servers: readonly string[], ipv6: boolean): string[] {
  const left = servers.filter((server) => !isLoopback(server) && (ipv6 || isIPv4(server)));
  return left.length > 0 ? left : [...PUBLIC, ...(ipv6 ? PUBLIC6 : [])];
}

function isLoopback(server: string): boolean {
  const address = parseAddress(server.split("%")[0]!);
  return address !== undefined && ["127.0.0.0/8", "::1/128"].some((prefix) => contains(parsePrefix(prefix)!, address));
}
