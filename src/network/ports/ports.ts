/**
 * Published ports as Docker's API states them: ExposedPorts and PortBindings, whose keys are "80/tcp" or "8000-8010/udp"
 * and whose host ports are "", "0", "80" or "8000-8010".
 */
import { fail } from "#base/errors.ts";
import type { PortBinding } from "#spec/docker.ts";
import { asPrefix } from "#spec/egress.ts";
import { formatAddress, parseAddress } from "../ipam/addresses.ts";
import type { Protocol } from "../network.ts";

/** One port of a container that wants a port of the host. */
export type PortRequest = {
  readonly port: number;
  readonly protocol: Protocol;
  /** "" : wherever ports are published by default. */
  readonly hostIp: string;
  /** The first free one is taken. undefined: one that the engine chooses. */
  readonly hostPorts: { readonly first: number; readonly last: number } | undefined;
  /** Prefixes that may connect; absent: all. */
  readonly allow?: readonly string[];
};

export type PortPlan = {
  readonly exposed: Readonly<Record<string, unknown>>;
  readonly bindings: Readonly<Record<string, readonly PortBinding[] | null>>;
  readonly publishAll: boolean;
};

/** What is asked for, by port and protocol. Throws `invalid` with Docker's text. */
export function parsePorts({ exposed, bindings, publishAll }: PortPlan): PortRequest[] {
  const asked = new Map<string, PortRequest[]>();
  for (const [spec, list] of Object.entries(bindings)) {
    for (const port of parseSpec(spec)) asked.set(keyOf(port), (list ?? []).map((binding) => request(port, binding)));
  }
  for (const port of publishAll ? Object.keys(exposed).flatMap(parseSpec) : []) {
    if ((asked.get(keyOf(port)) ?? []).length === 0) asked.set(keyOf(port), [{ ...port, hostIp: "", hostPorts: undefined }]);
  }
  return [...asked.values()].flat().toSorted((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
}

export type ContainerPort = { readonly port: number; readonly protocol: Protocol };

/** "80", "80/tcp", "8000-8010/udp" → each port. */
export function parseSpec(spec: string): ContainerPort[] {
  const [range = "", protocol = "tcp", ...rest] = spec.split("/");
  const ports = parseRange(range);
  if (ports === undefined || ports.first === 0 || rest.length > 0) throw fail("invalid", `invalid port specification: ${JSON.stringify(spec)}`);
  const known = protocolOf(protocol.toLowerCase(), spec);
  return Array.from({ length: ports.last - ports.first + 1 }, (_, index) => ({ port: ports.first + index, protocol: known }));
}

function request(port: ContainerPort, { HostIp = "", HostPort = "", Allow: allow = [] }: Partial<PortBinding>): PortRequest {
  const range = HostPort === "" ? { first: 0, last: 0 } : parseRange(HostPort);
  if (range === undefined) throw fail("invalid", `invalid port specification: ${JSON.stringify(HostPort)}`);
  const address = HostIp === "" ? undefined : parseAddress(HostIp.replace(/^\[(.*)\]$/, "$1"));
  if (HostIp !== "" && address === undefined) throw fail("invalid", `invalid IP address: ${HostIp}`);
  return { ...port, hostIp: address === undefined ? "" : formatAddress(address), hostPorts: range.last === 0 ? undefined : range, ...(allow.length === 0 ? {} : { allow: allow.map(prefixOf) }) };
}

function prefixOf(text: string): string {
  const prefix = asPrefix(text);
  if (prefix === undefined) throw fail("invalid", `invalid allow ${JSON.stringify(text)}: expected an address or a prefix`);
  return prefix;
}

function parseRange(text: string): { first: number; last: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  return first <= last && last <= 65535 ? { first, last } : undefined;
}

function protocolOf(text: string, spec: string): Protocol {
  if (text === "tcp" || text === "udp" || text === "sctp") return text;
  throw fail("invalid", `invalid port specification: ${JSON.stringify(spec)}: unknown protocol ${text}`);
}

const keyOf = ({ port, protocol }: ContainerPort) => `${port}/${protocol}`;
