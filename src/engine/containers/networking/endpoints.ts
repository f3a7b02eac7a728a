/** The networks of a container: which it is to be in, how it joins them, and what its record says of that. */
import { fail } from "#base/errors.ts";
import { type Attachment, candidateOf, type Joined as JoinedOne, type NetworkRecord, publisherOf } from "#network/network.ts";
import type { EndpointSettings } from "#spec/docker.ts";
import type { ContainerRecord, EndpointRecord } from "../../engine.ts";
import type { Context } from "../context.ts";

type Networking = Pick<ContainerRecord, "networking" | "endpoints">;

/** The name of the network that a mode stands for; undefined when the container has none of its own. */
export function networkOf(mode: string): string | undefined {
  if (mode.startsWith("container:")) return undefined;
  return mode === "" || mode === "default" ? "bridge" : mode;
}

/**
 * A new container's networks: that of its mode first. What is asked for by id is kept by name. One that there is not is
 * kept as it was asked for: as Docker, it is missed at the start.
 */
export function settleNetworking(ctx: Pick<Context, "network" | "config">, mode: string, asked: ContainerRecord["networking"]): Networking {
  const first = networkOf(mode);
  if (first === undefined) return { networking: {}, endpoints: {} };
  const networking: Record<string, EndpointSettings> = {};
  const endpoints: Record<string, EndpointRecord> = {};
  for (const [ref, settings] of [[first, undefined] as const, ...Object.entries(asked)]) {
    const network = findNetwork(ctx, networkOf(ref) ?? ref);
    const name = network?.name ?? networkOf(ref) ?? ref;
    if (settings !== undefined) networking[name] = { ...networking[name], ...settings };
    endpoints[name] = emptyEndpoint(network?.id ?? "", settings?.Aliases ?? []);
  }
  return { networking, endpoints };
}

function findNetwork({ network }: Pick<Context, "network">, ref: string): NetworkRecord | undefined {
  return network.list().find(({ id }) => id === ref) ?? network.list().find(({ name }) => name === ref) ?? byPrefix(network.list(), ref);
}

const byPrefix = (list: readonly NetworkRecord[], ref: string) => {
  const some = /^[0-9a-f]{8,63}$/.test(ref) ? list.filter(({ id }) => id.startsWith(ref)) : [];
  return some.length === 1 ? some[0] : undefined;
};

export const emptyEndpoint = (networkId: string, aliases: readonly string[] = []): EndpointRecord => ({
  networkId, endpointId: "", gateway: "", address: "", prefixLength: 0, gateway6: "", address6: "", prefixLength6: 0, mac: "", aliases,
});

/** All endpoints of one start. */
export type Joined = {
  readonly attachments: readonly Attachment[];
  /** When a plugin has its say, the attachments as they are then. */
  readonly asked?: Promise<readonly Attachment[]>;
  readonly saved: Promise<void>;
};

const WITHOUT_ENDPOINTS: ReadonlySet<string> = new Set(["host", "null"]);

/** All or none. Published ports are for the endpoint that has the gateway. @throws not-found, and what `Network.join` throws */
export function joinNetworks(ctx: Context, record: ContainerRecord): Joined {
  if (record.config.NetworkDisabled === true && Object.keys(record.endpoints).length < 2) return NOTHING;
  const wanted = wantedNetworks(ctx, record);
  const publisher = publisherOf(wanted);
  const all: JoinedOne[] = [];
  try {
    for (const one of wanted) all.push(ctx.network.join(joinRequest(record, one.network, { publishes: one === publisher })));
  } catch (error) {
    if (all.length > 0) void ctx.network.leave(record.id).catch((problem: unknown) => ctx.log.error("leave networks after a failed start", { container: record.id, error: problem }));
    throw error;
  }
  return together(all);
}

const NOTHING: Joined = { attachments: [], saved: Promise.resolve() };

function together(all: readonly JoinedOne[]): Joined {
  const attachments = all.map(({ attachment }) => attachment);
  const saved = all.length === 1 ? all[0]!.saved : Promise.all(all.map((one) => one.saved)).then(() => {});
  saved.catch(() => {});
  if (all.every(({ asked }) => asked === undefined)) return { attachments, saved };
  const asked = Promise.all(all.map((one) => one.asked ?? one.attachment));
  asked.catch(() => {});
  return { attachments, asked, saved };
}

/** The default network first, then that of the mode, then the others as they came. */
function wantedNetworks(ctx: Context, { endpoints, networking }: ContainerRecord) {
  const names = Object.keys(endpoints).filter((name) => name !== "bridge" || ctx.config.network.bridge !== "none");
  const sorted = names.includes("bridge") ? ["bridge", ...names.filter((name) => name !== "bridge")] : names;
  return sorted
    .map((name) => ({ network: networkFor(ctx, name, endpoints[name]!), priority: networking[name]?.GwPriority ?? 0 }))
    .filter(({ network }) => !WITHOUT_ENDPOINTS.has(network.driver))
    .map(({ network, priority }) => ({ network, ...candidateOf(network, priority) }));
}

/** By the id it had when the container was made: another network of that name is not meant, as in Docker. */
function networkFor({ network }: Context, name: string, { networkId }: EndpointRecord): NetworkRecord {
  const found = network.list().find((one) => (networkId === "" ? one.name === name : one.id === networkId));
  if (found === undefined) throw fail("not-found", `network ${networkId || name} not found`);
  return found;
}

/** `publishes`: this endpoint is the one that published ports lead to. */
export function joinRequest(record: ContainerRecord, network: NetworkRecord, { publishes }: { publishes: boolean }): Parameters<Context["network"]["join"]>[0] {
  const { config, hostConfig, networking } = record;
  const settings = networking[network.name];
  const { Egress: egress, NetworkRate } = hostConfig;
  const rate = rateOf(NetworkRate ?? {});
  return {
    container: record.id,
    name: record.name,
    network: network.id,
    exposed: publishes ? config.ExposedPorts : {},
    bindings: publishes ? hostConfig.PortBindings : {},
    publishAll: publishes && hostConfig.PublishAllPorts,
    names: [record.id.slice(0, 12), ...(config.Hostname === "" ? [] : [config.Hostname])],
    ...(settings === undefined ? {} : { settings }),
    ...(egress === undefined ? {} : { egress }),
    ...(rate === undefined ? {} : { rate }),
  };
}

/** 0 is no limit. */
export const rateOf = ({ Egress: egress = 0, Ingress: ingress = 0 }: NonNullable<ContainerRecord["hostConfig"]["NetworkRate"]>): Attachment["rate"] =>
  egress === 0 && ingress === 0 ? undefined : { ...(egress === 0 ? {} : { egress }), ...(ingress === 0 ? {} : { ingress }) };

/** The record with these endpoints in force. */
export function withAttachments(record: ContainerRecord, attachments: readonly Attachment[]): ContainerRecord {
  const given = Object.fromEntries(attachments.map((one) => [one.networkName, endpointOf(one, record)]));
  return { ...record, endpoints: { ...record.endpoints, ...given }, ports: portsOf(attachments) };
}

export function endpointOf(attachment: Attachment, record?: ContainerRecord): EndpointRecord {
  const { networkId, endpointId, gateway, address, prefixLength, gateway6, address6, prefixLength6, mac, dnsNames } = attachment;
  const aliases = record?.networking[attachment.networkName]?.Aliases ?? [];
  return { networkId, endpointId, gateway, address, prefixLength, gateway6, address6, prefixLength6, mac, aliases, ...(dnsNames === undefined ? {} : { dnsNames }) };
}

function portsOf(attachments: readonly Attachment[]): ContainerRecord["ports"] {
  const all: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { port, protocol, hostIp, hostPort } of attachments.flatMap(({ ports }) => ports)) (all[`${port}/${protocol}`] ??= []).push({ HostIp: hostIp, HostPort: hostPort === 0 ? "" : String(hostPort) });
  return all;
}
