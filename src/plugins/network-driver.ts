/** A plugin that makes networks, verb by verb: what `src/network/remote` calls a driver, by shape. */
import { field, listOf, text, type Answer } from "./answer.ts";
import { verbs } from "./verbs.ts";
import type { Plugin } from "./plugins.ts";

type Protocol = "tcp" | "udp" | "sctp";

export type PluginNetwork = {
  readonly id: string;
  readonly options: Readonly<Record<string, string>>;
  readonly internal: boolean;
  readonly ipv6: boolean;
  readonly subnets: readonly { readonly space: string; readonly subnet: string; readonly gateway: string; readonly aux: Readonly<Record<string, string>> }[];
};

export type PluginEndpoint = {
  readonly network: string;
  readonly endpoint: string;
  readonly address: string;
  readonly address6: string;
  readonly mac: string;
  readonly exposed: readonly { readonly protocol: Protocol; readonly port: number }[];
  readonly bindings: readonly { readonly protocol: Protocol; readonly port: number; readonly hostIp: string; readonly hostPort: number }[];
  readonly options: Readonly<Record<string, string>>;
};

const PROTOCOLS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

export function networkDriver(plugin: Plugin) {
  const call = verbs(plugin, "NetworkDriver", "remote: ");
  return {
    async scope(): Promise<"local" | "global"> {
      return text(await call("GetCapabilities", {}), "Scope").toLowerCase() === "global" ? "global" : "local";
    },
    async createNetwork({ id, options, internal, ipv6, subnets }: PluginNetwork): Promise<void> {
      const Options = {
        "com.docker.network.enable_ipv6": ipv6,
        "com.docker.network.generic": options,
        ...(internal ? { "com.docker.network.internal": true } : {}),
      };
      const of = (six: boolean) => subnets.filter(({ subnet }) => subnet.includes(":") === six).map(toIpamData);
      await call("CreateNetwork", { NetworkID: id, Options, IPv4Data: of(false), IPv6Data: of(true) });
    },
    async deleteNetwork(network: string): Promise<void> {
      await call("DeleteNetwork", { NetworkID: network });
    },
    async createEndpoint(endpoint: PluginEndpoint) {
      const { network, address, address6, mac } = endpoint;
      const Interface = { Address: address, AddressIPv6: address6, MacAddress: mac };
      const answer = field(await call("CreateEndpoint", { NetworkID: network, EndpointID: endpoint.endpoint, Interface, Options: optionsOf(endpoint) }), "Interface");
      return { address: text(answer, "Address"), address6: text(answer, "AddressIPv6"), mac: text(answer, "MacAddress") };
    },
    async deleteEndpoint(network: string, endpoint: string): Promise<void> {
      await call("DeleteEndpoint", { NetworkID: network, EndpointID: endpoint });
    },
    /** There is no sandbox yet when a container is about to start: its interface is moved there when there is. */
    async join(endpoint: PluginEndpoint) {
      return toJoined(await call("Join", { NetworkID: endpoint.network, EndpointID: endpoint.endpoint, SandboxKey: "", Options: optionsOf(endpoint) }));
    },
    async leave(network: string, endpoint: string): Promise<void> {
      await call("Leave", { NetworkID: network, EndpointID: endpoint });
    },
    async programExternal(endpoint: PluginEndpoint): Promise<void> {
      await call("ProgramExternalConnectivity", { NetworkID: endpoint.network, EndpointID: endpoint.endpoint, Options: optionsOf(endpoint) });
    },
    async revokeExternal(network: string, endpoint: string): Promise<void> {
      await call("RevokeExternalConnectivity", { NetworkID: network, EndpointID: endpoint });
    },
  };
}

function toIpamData({ space, subnet, gateway, aux }: PluginNetwork["subnets"][number]) {
  return {
    AddressSpace: space,
    Pool: subnet,
    ...(gateway === "" ? {} : { Gateway: gateway }),
    ...(Object.keys(aux).length === 0 ? {} : { AuxAddresses: aux }),
  };
}

function optionsOf({ exposed, bindings, options }: PluginEndpoint): object {
  return {
    ...options,
    "com.docker.network.endpoint.exposedports": exposed.map(({ protocol, port }) => ({ Proto: PROTOCOLS[protocol], Port: port })),
    "com.docker.network.portmap": bindings.map(({ protocol, port, hostIp, hostPort }) => ({
      Proto: PROTOCOLS[protocol], IP: "", Port: port, HostIP: hostIp, HostPort: hostPort, HostPortEnd: hostPort,
    })),
  };
}

const CONNECTED = 1;

function toJoined(answer: Answer) {
  const names = field(answer, "InterfaceName");
  const routes = listOf(field(answer, "StaticRoutes")).map((one) => ({
    destination: text(one, "Destination"),
    nextHop: field(one, "RouteType") === CONNECTED ? "" : text(one, "NextHop"),
  }));
  return { source: text(names, "SrcName"), prefix: text(names, "DstPrefix"), gateway: text(answer, "Gateway"), gateway6: text(answer, "GatewayIPv6"), routes };
}
