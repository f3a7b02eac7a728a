/**
 * Settings of an endpoint: what a client wishes of a container's place in a network, as it comes with the creation of
 * a container and with `connect`. What can be said without knowing the network is checked here, with Docker's texts.
 */
import { isIP } from "node:net";
import { fail, type Failure } from "#base/errors.ts";
import { contains, parseAddress, parsePrefix } from "#network/ipam/addresses.ts";
import type { NetworkRecord } from "#network/network.ts";
import type { EndpointSettings } from "#spec/docker.ts";
import { int, list, nullable, record, string, struct } from "../decode.ts";

const strings = list(string);

export const decodeEndpoint = struct({
  IPAMConfig: nullable(struct({ IPv4Address: string, IPv6Address: string, LinkLocalIPs: strings })),
  Aliases: strings,
  MacAddress: string,
  Links: strings,
  DriverOpts: record(string),
  GwPriority: int,
});

export type EndpointBody = ReturnType<typeof decodeEndpoint>;

export const BARE_ENDPOINT: EndpointBody = { IPAMConfig: null, Aliases: null, MacAddress: "", Links: null, DriverOpts: null, GwPriority: 0 };

/** bridge, host, none, and what means one of them. */
export const isPredefined = (network: string): boolean => ["", "default", "bridge", "host", "none"].includes(network);

export const isUserDefined = (network: string): boolean => !isPredefined(network) && !isContainerMode(network);

export const isContainerMode = (mode: string): boolean => mode === "container" || mode.startsWith("container:");

/** Whether settings may be those of an endpoint in this network. `where` is put before what is wrong. */
export function checkEndpoint(network: string, endpoint: EndpointBody, where = ""): void {
  if ((isContainerMode(network) || network === "host" || network === "none") && endpoint.MacAddress !== "") {
    throw fail("invalid", "conflicting options: mac-address and the network mode");
  }
  const wrong = [...addressErrors(network, endpoint), ...linkErrors(endpoint), ...optionErrors(endpoint)];
  if (wrong.length > 0) throw invalidEndpoint(where, wrong);
}

/** Whether the addresses that were asked for are of the network's subnets, which must have been chosen by its user. */
export function checkAddresses(network: NetworkRecord, { IPAMConfig: ipam }: EndpointSettings, where = ""): void {
  if (!isUserDefined(network.name)) return;
  const wrong = [ipam?.IPv4Address, ipam?.IPv6Address].flatMap((text) => {
    const address = text === undefined ? undefined : parseAddress(text);
    if (address === undefined) return [];
    if (network.ownSubnets !== true) return ["user specified IP address is supported only when connecting to networks with user configured subnets"];
    const within = network.ipam.configs.some(({ subnet }) => contains(parsePrefix(subnet)!, address));
    return within ? [] : [`no configured subnet or ip-range contain the IP address ${text}`];
  });
  if (wrong.length > 0) throw invalidEndpoint(where, wrong);
}

function invalidEndpoint(where: string, errors: readonly string[]): Failure {
  const joined = errors.length === 1 ? errors[0]! : `* ${errors.join("\n* ")}`;
  return fail("invalid", `${where}invalid endpoint settings:\n${joined}`);
}

function addressErrors(network: string, { IPAMConfig: ipam, Aliases: aliases, MacAddress: mac }: EndpointBody): string[] {
  const errors: string[] = [];
  const [four, six] = [ipam?.IPv4Address ?? "", ipam?.IPv6Address ?? ""];
  if (!isUserDefined(network) && (four !== "" || six !== "")) errors.push("user specified IP address is supported on user defined networks only");
  if (!isUserDefined(network) && (aliases ?? []).length > 0) errors.push("network-scoped alias is supported only for containers in user defined networks");
  if (four !== "" && (isIP(four) !== 4 || four === "0.0.0.0")) errors.push(`invalid IPv4 address: ${four}`);
  if (six !== "" && (isIP(six) !== 6 || six.includes("%") || /^[0:]+$/.test(six) || /^::ffff:/i.test(six))) errors.push(`invalid IPv6 address: ${six}`);
  for (const address of ipam?.LinkLocalIPs ?? []) {
    if (isIP(address) === 0) errors.push(`invalid link-local IP address: ${address}`);
    else throw fail("not-implemented", "IPAMConfig.LinkLocalIPs: link-local addresses are not there yet in this version of Gantry; leave it out");
  }
  if (mac !== "" && !isMac(mac)) errors.push(`invalid MAC address ${mac}`);
  for (const alias of aliases ?? []) if (!isName(alias)) errors.push(`invalid alias ${JSON.stringify(alias)}`);
  return errors;
}

/** Go reads "02:42:ac:11:00:02", with dashes, and "0242.ac11.0002". */
const isMac = (text: string) => /^[\da-f]{2}([:-][\da-f]{2}){5}$/i.test(text) || /^[\da-f]{4}(\.[\da-f]{4}){2}$/i.test(text);

const plainMac = (text: string) => text.toLowerCase().replace(/[^\da-f]/g, "").replace(/..(?!$)/g, "$&:");

/** DNS would not carry it, and a file of hosts must not break its lines. */
const isName = (text: string) => Buffer.byteLength(text) <= 253 && !/[\s\u0000-\u001f\u007f]/.test(text) && text !== "";

function linkErrors({ Links: links }: EndpointBody): string[] {
  return (links ?? []).flatMap((link) => {
    const error = linkError(link);
    return error === undefined ? [] : [error];
  });
}

/** "other" or "other:alias", with Docker's texts for what is neither. */
export function linkError(link: string): string | undefined {
  if (link === "") return "empty string specified for links";
  const parts = link.split(":");
  if (parts.length > 2 || parts.some((part) => !isName(part.replace(/^\//, "")))) return `bad format for links: ${link}`;
  return undefined;
}

const SYSCTLS = "com.docker.network.endpoint.sysctls";
const IFNAME = "com.docker.network.endpoint.ifname";

function optionErrors({ DriverOpts: options }: EndpointBody): string[] {
  const errors: string[] = [];
  for (const sysctl of (options?.[SYSCTLS] ?? "").split(",").filter((one) => one !== "")) {
    if (!/^net\.(ipv4|ipv6|mpls)\.[\w-]+\.(IFNAME|ifname)\.[\w.-]+=\S*$/.test(sysctl)) {
      errors.push(`unrecognised network interface sysctl '${sysctl}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`);
    }
  }
  const name = options?.[IFNAME];
  if (name !== undefined && !isInterfaceName(name)) errors.push(`invalid interface name ${JSON.stringify(name)}`);
  return errors;
}

/** What the kernel takes. */
const isInterfaceName = (name: string) => /^[^\s/:\u0000-\u001f]{1,15}$/.test(name) && name !== "." && name !== ".." && name !== "lo";

/** The settings as they are stored: only what was asked for. */
export function settingsOf(endpoint: EndpointBody | null): EndpointSettings {
  if (endpoint === null) return { IPAMConfig: null, Aliases: null };
  const { IPAMConfig: ipam, Aliases, MacAddress, Links, DriverOpts, GwPriority } = endpoint;
  return {
    IPAMConfig: ipam && {
      ...(ipam.IPv4Address === "" ? {} : { IPv4Address: ipam.IPv4Address }),
      ...(ipam.IPv6Address === "" ? {} : { IPv6Address: ipam.IPv6Address }),
    },
    Aliases,
    ...(Links === null ? {} : { Links }),
    ...(MacAddress === "" ? {} : { MacAddress: plainMac(MacAddress) }),
    ...(DriverOpts === null ? {} : { DriverOpts: { ...DriverOpts } }),
    ...(GwPriority === 0 ? {} : { GwPriority }),
  };
}
