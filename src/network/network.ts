/**
 * Networks: addresses, interfaces, published ports, and the files that tell a container about them.
 *
 *     const network = await openNetwork({ kernel, db, config, log });
 *     const { attachment, saved } = network.join({ container: id, name: "web", network: "bridge", bindings, … });
 *     const programs = network.programs([attachment], { own: 11, ports: { first: 0, last: 61 } });
 *     // engine: programs.reserve before the op `shim`, its slots held by the shim; init: host, then inside.
 *     await saved;
 *     …
 *     await network.leave(id);           // after the exit
 *
 * Words: a *network* is a row and (bridge driver) an interface of the host; an *endpoint* is a container's place in it:
 * addresses, MAC, published ports: a row too. What is in the kernel (bridge, veth pairs, firewall table) is derived
 * from the rows, by pure functions, and made good at start.
 *
 * Life of an endpoint: `join` gives it addresses and host ports (in memory at once, durable when `saved` resolves); the
 * container's own init program makes its interface, and the kernel removes that with the namespace; the shim holds the
 * host ports; `leave` withdraws them and frees everything. Nothing of it needs the engine between start and exit.
 */
import type { EgressPolicy, EndpointSettings, NetworkCreateRequest, PortBinding } from "#spec/docker.ts";
import type { Failure } from "#base/errors.ts";
import type { GivenPool } from "./remote/pools.ts";
import type { Program } from "#linux/ops.ts";
import type { BusyPort } from "./ports/busy-ports.ts";
import type { PortChange, PortOwner } from "./ports/publishing.ts";
import type { Names } from "./dns/dns.ts";

/** A network as stored. */
export type NetworkRecord = {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** A plugin's name, if it is none of ours. */
  readonly driver: "bridge" | "host" | "null" | "macvlan" | "ipvlan" | (string & {});
  /** RFC 3339. */
  readonly created: string;
  /** Records from before there were such networks lack what follows here. */
  readonly attachable?: boolean;
  /** Of plugins' networks: the plugin may not know it yet, or not any more. The next engine ends its removal. */
  readonly unfinished?: true;
  /** Only other networks' settings: nobody joins it. */
  readonly configOnly?: boolean;
  readonly configFrom?: string;
  /** The user chose its subnets: then he may choose addresses in it. */
  readonly ownSubnets?: boolean;
  /** How packets get in and out, by family; absent: nat (com.docker.network.bridge.gateway_mode_ipv4 and …_ipv6). */
  readonly gatewayMode4?: GatewayMode;
  readonly gatewayMode6?: GatewayMode;
  /** Where ports are published that say no address; absent: the engine's own. */
  readonly publishAddress?: string;
  /** macvlan, ipvlan: the interface of the host, and the driver's mode. */
  readonly parent?: string;
  readonly mode?: string;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly internal: boolean;
  /** Empty for host and none. */
  readonly ipam: { readonly driver: string; readonly options?: Readonly<Record<string, string>>; readonly configs: readonly Subnet[]; readonly pools?: readonly GivenPool[] };
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** The interface of the host; "" for host and none. */
  readonly bridge: string;
  readonly mtu: number;
  /** The bridge was there before the network, and stays when that goes. */
  readonly adopted?: boolean;
  /** Whether its containers reach each other. */
  readonly icc: boolean;
  readonly masquerade: boolean;
};

/**
 * nat: published ports by translation, the rest leaves with the host's address. nat-unprotected: as that, and every port
 * is reached by who routes to it. routed: no translation, only published ports are let through. isolated: the bridge has
 * no address (internal networks only).
 */
export type GatewayMode = "nat" | "nat-unprotected" | "routed" | "isolated";

export type Subnet = {
  /** "172.17.0.0/16" */
  readonly subnet: string;
  /** The part containers get addresses from, when it is not all of it. */
  readonly range?: string;
  /** Address of the bridge, and of the default route unless `route` says otherwise. */
  readonly gateway: string;
  /** default-gateway of daemon.json: another router on the bridge. */
  readonly route?: string;
  /** Addresses that containers do not get, by a name that says whose they are. */
  readonly aux?: Readonly<Record<string, string>>;
};

/** A container's place in a network, as stored. Plain data. */
export type Attachment = {
  readonly endpointId: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly container: string;
  /** The container's name at the time it joined. */
  readonly name: string;
  readonly bridge: string;
  readonly mtu: number;
  readonly isolated: boolean;
  /** Interface of the host: "veth" and seven hexadecimal digits. */
  readonly hostInterface: string;
  readonly mac: string;
  /** "172.17.0.2", "" if there is none. */
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly address6: string;
  readonly prefixLength6: number;
  readonly gateway6: string;
  /** Published ports, in force while the container runs. */
  readonly ports: readonly PublishedPort[];
  /** Absent: bridge, as in records from before there were others. */
  readonly driver?: string;
  /** The interface inside; absent: eth0. */
  readonly interface?: string;
  /** What the network's DNS calls it: its name, aliases, short id, host name. */
  readonly dnsNames?: readonly string[];
  /** The endpoint with the highest gives the container its default route; equal: by the network's name. */
  readonly gwPriority?: number;
  /** "net.ipv4.conf.IFNAME.log_martians=1" */
  readonly sysctls?: readonly string[];
  readonly egress?: EgressPolicy;
  /** Bits per second. */
  readonly rate?: { readonly egress?: number; readonly ingress?: number };
  /** What a plugin has made for it. */
  readonly remote?: RemoteInterface;
};

/** An interface of the host, by name and index, that becomes the container's; and routes out of it ("" : no next hop). */
export type RemoteInterface = {
  readonly source: string;
  /** What a number is put behind in the container; "": it has a name already. */
  readonly prefix: string;
  readonly index: number;
  readonly changesMac: boolean;
  readonly routes: readonly { readonly destination: string; readonly nextHop: string }[];
};

export type Protocol = "tcp" | "udp" | "sctp";

/** One host port that leads to one port of one container. */
export type PublishedPort = {
  readonly protocol: Protocol;
  /** As shown: "0.0.0.0", "::", "127.0.0.1", … */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly port: number;
  /**
   * kernel: by address translation. proxy: through the engine, where the kernel does not translate: an IPv6 address of
   * the host for a container without IPv6. both: every IPv6 address of the host, of which ::1 needs the proxy. route: not
   * by the host's port but under the container's own address (networks whose gateway mode is routed).
   */
  readonly by: "kernel" | "proxy" | "both" | "route";
  /** The engine chose the host port: another will do as well. */
  readonly chosen: boolean;
  /** Prefixes that may connect; absent: all. */
  readonly allow?: readonly string[];
};

export type JoinRequest = {
  readonly container: string;
  readonly name: string;
  /** Name or id of a network that has endpoints: any driver but host and null. */
  readonly network: string;
  readonly settings?: EndpointSettings;
  /** "80/tcp" → anything: what the image and the user expose. */
  readonly exposed: Readonly<Record<string, unknown>>;
  readonly bindings: Readonly<Record<string, readonly PortBinding[] | null>>;
  readonly publishAll: boolean;
  /** Further names for the network's DNS: short id, host name. */
  readonly names?: readonly string[];
  readonly egress?: EgressPolicy;
  readonly rate?: { readonly egress?: number; readonly ingress?: number };
};

export type Joined = {
  readonly attachment: Attachment;
  /** A plugin's network: the attachment as it is when the plugin has had its say. `attachment` is only a reservation then. */
  readonly asked?: Promise<Attachment>;
  /** Durable, and proxies listen. Nothing must run before. After a failure: `explain`, and `leave` as always. */
  readonly saved: Promise<void>;
};

/** Slots of the programs that `programs` returns. */
export type AttachSlots = {
  /** In init: holds the namespace of the container when `host` is performed. */
  readonly own: number;
  /**
   * In the program that forks the shim: `reserve` fills slots from first to last, one a host port. Ports beyond are
   * tried, but not held: a process of the host could take them later, and would not be reached.
   */
  readonly ports: { readonly first: number; readonly last: number };
};

/** The ops that attach a container, to be spliced into the programs that start it. All may be empty. */
export type AttachPrograms = {
  /**
   * Performed before the op `shim`, in the same program: binds the host ports (EADDRINUSE when a process of the host has
   * one), and publishes them.
   */
  readonly reserve: Program;
  /** Mask of the slots that `reserve` fills: the field `hold` of the op `shim`, which keeps them until it ends. */
  readonly hold: bigint;
  /** In the host's network namespace, with the container's open in slot `own`: veth pair. */
  readonly host: Program;
  /** In the container's namespace, before the root is changed (it writes /proc/sys): addresses, routes, interfaces up. */
  readonly inside: Program;
  /** In the shim's teardown: nothing for a bridge; the kernel takes the pair away, `leave` the ports. */
  readonly teardown: Program;
};

export type Network = AsyncDisposable & {
  list(): readonly NetworkRecord[];
  /** By full id, name, unique id prefix. */
  get(ref: string): NetworkRecord;
  /** Endpoints of a network, or of all. */
  attachments(networkId?: string): readonly Attachment[];
  /** The endpoints of a container, in the order it joined. */
  attachmentsOf(container: string): readonly Attachment[];
  /** What containers are told of names: zones follow the endpoints by themselves; see dns/dns.ts. */
  readonly names: Pick<Names, "serve" | "query">;
  /** The container has another name, by which its networks know it from now on. */
  rename(container: string, name: string): Promise<void>;
  /**
   * A network of any driver: its row is durable and the kernel made when this resolves. A failure leaves nothing.
   * @throws conflict (name taken), forbidden (predefined, overlapping), invalid, not-found (driver), with Docker's texts
   */
  create(request: NetworkCreateRequest): Promise<{ network: NetworkRecord; warning: string }>;
  /** Interface, rules and row go. @throws not-found; forbidden for predefined ones and while it has endpoints */
  remove(id: string): Promise<void>;
  /**
   * Gives an endpoint addresses and host ports. Called once for each network that a container is in; `bindings`,
   * `exposed` and `publishAll` are given for the one that has the gateway (`publisherOf`).
   * Synchronous: two calls never get the same.
   * Failures have Docker's text: a port that another container has ("… port is already allocated"), no free address.
   */
  join(request: JoinRequest): Joined;
  /**
   * Withdraws the container's ports and frees what it has: of all its networks, or of the one with this id. A container
   * that has nothing is fine. `lost`: its shim is gone and processes of it may live on: they are cut off, before the
   * address is another's.
   */
  leave(container: string, options?: { lost?: boolean; network?: string }): Promise<void>;
  /** For all endpoints of one start, in the order of their interfaces: those that name none are eth0, eth1, … */
  programs(attachments: readonly Attachment[], slots: AttachSlots): AttachPrograms;
  /**
   * Brings a joined (and saved) endpoint into the namespace of a running container (`pid`: its first process). Default
   * routes and published ports move to it if it has the gateway from now on. After a failure: `leave` it.
   * @throws cancelled when the container has ended meanwhile
   */
  connect(attachment: Attachment, pid: number): Promise<void>;
  /** Takes it out again, and frees what it has; routes and ports move to who has the gateway then. */
  disconnect(attachment: Attachment, pid: number): Promise<void>;
  /** Who has the ports of the host that a container in this network would ask for: nothing is taken. */
  busyPorts(network: string, bindings: JoinRequest["bindings"]): Promise<BusyPort[]>;
  /** Publishes and withdraws ports of a running container. On failure nothing has changed. @throws Docker's texts */
  changePorts(container: string, change: PortChange, owner: PortOwner): Promise<void>;
  /** Other limits for all endpoints of a running container (`pid`: its first process); undefined lifts them. */
  changeRate(container: string, pid: number, rate: Attachment["rate"], save: () => Promise<void>): Promise<void>;
  /**
   * After a failed start with these attachments (a rejected `saved`, a failed program): what it means. `retry` when the engine should call `leave`, `join` and
   * start again: a port the engine chose was taken by a process of the host (it is not chosen again), or the firewall
   * table or the bridge was gone and has been restored. A dozen tries are enough. `undefined`: not a matter of the network.
   */
  explain(error: unknown, attachments: readonly Attachment[]): Promise<{ retry: true } | { retry: false; failure: Failure } | undefined>;
  /** Makes the kernel equal to the rows: bridges, sysctls, firewall. `running`: containers that exist; others' rows go. */
  reconcile(running: ReadonlySet<string>): Promise<void>;
  /** False when the engine was told to keep none (iptables). */
  hasFirewall(): boolean;
  /** Things the administrator should know: a firewall that drops what containers send, forwarding switched off. */
  warnings(): readonly string[];
};

/** The same for every container with a network namespace of its own and no network: the loopback interface is up. */
export { loopbackOps } from "./drivers/endpoint.ts";
export { candidateOf, gatewayOf, publisherOf } from "./gateway.ts";
export type { NetworkDriver } from "./drivers/driver.ts";
export type { RemoteIpam, Remotes } from "./remote/remote.ts";
export { heldSockets, type PortChange, type PortOwner } from "./ports/publishing.ts";
export { openNetwork } from "./open.ts";
export { hasResolver } from "./dns/dns.ts";
export { readHostFacts, readHostResolvConf } from "./host-facts.ts";
export { hostsFile, hostnameFile, isOwnResolvConf, resolvConfFile, withHosts, withoutHosts } from "./files.ts";
