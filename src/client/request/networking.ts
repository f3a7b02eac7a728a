import { fail } from "#base/errors.ts";
import { checkMac, type NetworkAttachment, parseNetwork } from "./network.ts";

export type Networking = {
  readonly mode: string;
  readonly endpoints: Record<string, EndpointRequest>;
};

export type EndpointRequest = {
  IPAMConfig: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: readonly string[] } | null;
  Links: readonly string[] | null;
  Aliases: readonly string[] | null;
  MacAddress: string;
  DriverOpts: Readonly<Record<string, string>> | null;
  GwPriority: number;
};

/** Flags that say something of the first network. */
export type NetworkFlags = {
  readonly network: readonly NetworkAttachment[];
  readonly "network-alias": readonly string[];
  readonly link: readonly string[];
  readonly ip: string;
  readonly ip6: string;
  readonly "link-local-ip": readonly string[];
  readonly "mac-address": string;
};

export function buildNetworking(flags: NetworkFlags): Networking {
  const attachments = flags.network.length === 0 ? [parseNetwork("default")] : flags.network;
  const endpoints: Record<string, EndpointRequest> = {};
  attachments.forEach((attachment, at) => {
    const full = at === 0 ? withFlags(attachment, flags) : attachment;
    if (attachments.length > 1 && !isUserDefined(full.target)) {
      throw fail("invalid", "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
    }
    if (Object.hasOwn(endpoints, full.target)) throw fail("invalid", `network ${JSON.stringify(full.target)} is specified multiple times`);
    const endpoint = endpointOf(full);
    // The engine makes an endpoint of a single network by itself; only what is asked of it is sent.
    if (flags.network.length === 1 && isPlain(endpoint)) return;
    endpoints[full.target] = endpoint;
  });
  return { mode: attachments[0]!.target, endpoints };
}

/** A flag beside `--network` and the same inside it contradict each other. */
function withFlags(attachment: NetworkAttachment, flags: NetworkFlags): NetworkAttachment {
  const aliases = flags["network-alias"];
  const conflict = (flag: string, what: string) =>
    fail("invalid", `conflicting options: cannot specify both --${flag} and per-network ${what}`);
  if (aliases.length > 0 && attachment.aliases.length > 0) throw conflict("network-alias", "alias");
  if (flags.link.length > 0 && attachment.links.length > 0) throw conflict("link", "links");
  if (flags.ip !== "" && attachment.ipv4 !== "") throw conflict("ip", "IPv4 address");
  if (flags.ip6 !== "" && attachment.ipv6 !== "") throw conflict("ip6", "IPv6 address");
  if (flags["mac-address"] !== "" && attachment.mac !== "") throw conflict("mac-address", "MAC address");
  if (flags["link-local-ip"].length > 0 && attachment.linkLocal.length > 0) throw conflict("link-local-ip", "link-local IP addresses");
  const full = {
    ...attachment,
    aliases: aliases.length > 0 ? aliases : attachment.aliases,
    links: flags.link.length > 0 && isUserDefined(attachment.target) ? flags.link : attachment.links,
    ipv4: flags.ip || attachment.ipv4,
    ipv6: flags.ip6 || attachment.ipv6,
    mac: flags["mac-address"] || attachment.mac,
    linkLocal: flags["link-local-ip"].length > 0 ? flags["link-local-ip"] : attachment.linkLocal,
  };
  if (full.aliases.length > 0 && !isUserDefined(full.target)) {
    throw fail("invalid", "network-scoped aliases are only supported for user-defined networks");
  }
  return full;
}

function endpointOf(attachment: NetworkAttachment): EndpointRequest {
  const { ipv4, ipv6, linkLocal } = attachment;
  const ipam = {
    ...(ipv4 === "" ? {} : { IPv4Address: ipv4 }),
    ...(ipv6 === "" ? {} : { IPv6Address: ipv6 }),
    ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
  };
  return {
    IPAMConfig: Object.keys(ipam).length === 0 ? null : ipam,
    Links: attachment.links.length === 0 ? null : attachment.links,
    Aliases: attachment.aliases.length === 0 ? null : attachment.aliases,
    MacAddress: attachment.mac === "" ? "" : checkMac(attachment.mac),
    DriverOpts: Object.keys(attachment.driverOptions).length === 0 ? null : attachment.driverOptions,
    GwPriority: attachment.gatewayPriority,
  };
}

function isPlain(endpoint: EndpointRequest): boolean {
  return Object.values(endpoint).every((value) => value === null || value === "" || value === 0);
}

function isUserDefined(name: string): boolean {
  return !["default", "bridge", "host", "none", "nat", ""].includes(name) && !name.startsWith("container:");
}
