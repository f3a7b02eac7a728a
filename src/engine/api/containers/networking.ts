/** What inspect and list say of a container's networks and ports. */
import { createHash } from "node:crypto";
import type { EndpointSettings } from "#spec/docker.ts";
import type { ContainerRecord, EndpointRecord } from "../../engine.ts";
import { isContainerMode } from "../networks/endpoint.ts";

const NOWHERE: EndpointRecord = {
  networkId: "",
  endpointId: "",
  gateway: "",
  address: "",
  prefixLength: 0,
  gateway6: "",
  address6: "",
  prefixLength6: 0,
  mac: "",
  aliases: [],
};

/** Endpoints by name of network. A container that was never started has its networks without addresses. */
export function networksOf(record: ContainerRecord): Record<string, object> {
  return byName(record, (name) => endpointOf(endpointIn(record, name), record.networking[name]));
}

/** The same as the list shows them: what was given, not what was asked for. */
export function networkSummariesOf(record: ContainerRecord): Record<string, object> {
  return byName(record, (name) => {
    const { IPAMConfig, GwPriority } = record.networking[name] ?? {};
    const { dnsNames: _, ...endpoint } = endpointIn(record, name);
    return endpointOf(endpoint, { ...(IPAMConfig === undefined ? {} : { IPAMConfig }), ...(GwPriority === undefined ? {} : { GwPriority }) });
  });
}

function byName(record: ContainerRecord, show: (name: string) => object): Record<string, object> {
  if (isContainerMode(record.hostConfig.NetworkMode)) return {};
  const names = new Set([...Object.keys(record.endpoints), ...Object.keys(record.networking)]);
  return Object.fromEntries([...names].map((name) => [name, show(name)]));
}

/** Nothing is made for the networks host and none; who is in them is shown with an id all the same. */
export function endpointIn(record: ContainerRecord, network: string): EndpointRecord {
  const endpoint = record.endpoints[network] ?? NOWHERE;
  if (endpoint.endpointId !== "" || (network !== "host" && network !== "none") || !isUp(record)) return endpoint;
  return { ...endpoint, endpointId: createHash("sha256").update(`${network} ${record.id}`).digest("hex") };
}

function endpointOf(endpoint: EndpointRecord, settings: EndpointSettings | undefined): object {
  return {
    IPAMConfig: settings?.IPAMConfig ?? null,
    Links: settings?.Links ?? null,
    Aliases: settings?.Aliases ?? null,
    DriverOpts: settings?.DriverOpts ?? null,
    GwPriority: settings?.GwPriority ?? 0,
    NetworkID: endpoint.networkId,
    EndpointID: endpoint.endpointId,
    Gateway: endpoint.gateway,
    IPAddress: endpoint.address,
    MacAddress: endpoint.mac || (settings?.MacAddress ?? ""),
    IPPrefixLen: endpoint.prefixLength,
    IPv6Gateway: endpoint.gateway6,
    GlobalIPv6Address: endpoint.address6,
    GlobalIPv6PrefixLen: endpoint.prefixLength6,
    DNSNames: endpoint.dnsNames ?? null,
  };
}

/** Ports of a running container: published ones with their bindings, others that are exposed with null. As Docker: none without a way out. */
export function portsOf(record: ContainerRecord): Record<string, object[] | null> {
  if (!isUp(record) || record.hostConfig.NetworkMode.startsWith("container:")) return {};
  const leadsOut = Object.values(record.endpoints).some(({ gateway, gateway6 }) => gateway !== "" || gateway6 !== "");
  if (!leadsOut && Object.keys(record.ports).length === 0) return {};
  const exposed = Object.keys(record.config.ExposedPorts).flatMap(spread).map((port) => [port, null] as const);
  const published = Object.entries(record.ports).map(([port, bindings]) => [port, bindings.map(({ HostIp, HostPort }) => ({ HostIp, HostPort }))] as const);
  return Object.fromEntries([...exposed, ...published]);
}

/** "8000-8002/tcp" is three ports. */
function spread(port: string): string[] {
  const match = /^(\d+)-(\d+)\/(\w+)$/.exec(port);
  if (match === null) return [port];
  const first = Number(match[1]);
  return Array.from({ length: Number(match[2]) - first + 1 }, (_, i) => `${first + i}/${match[3]}`);
}

/** The same as the list shows them. */
export function portListOf(record: ContainerRecord): object[] {
  return Object.entries(portsOf(record)).flatMap(([port, bindings]) => {
    const [number, protocol] = port.split("/");
    const bare = { PrivatePort: Number(number), Type: protocol };
    if (bindings === null) return [bare];
    return (bindings as { HostIp: string; HostPort: string }[]).map(({ HostIp, HostPort }) => ({
      ...(HostIp === "" ? {} : { IP: HostIp }),
      PrivatePort: bare.PrivatePort,
      PublicPort: Number(HostPort),
      Type: protocol,
    }));
  });
}

export const isUp = (record: ContainerRecord): boolean => record.state.status === "running" || record.state.status === "paused" || record.state.status === "restarting";
