/**
 * A plugin as a driver in the table: the plugin makes the interface, in the host's namespace, and says what it is called;
 * `cell` moves it into the container's and gives it addresses and routes.
 */
import { fail, messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import { ProgramError, type Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { ROUTE, deleteLink, getLink, moveLink, readLinks, type Link } from "#linux/rtnetlink.ts";
import { formatMac, parseMac } from "../ipam/addresses.ts";
import type { NetworkDriver, Place } from "../drivers/driver.ts";
import type { Attachment, JoinRequest, NetworkRecord } from "../network.ts";
import { checkEndpoint, checkJoined } from "./check.ts";
import { exposedPorts, portBindings } from "./ports.ts";
import { isUnanswered, type RemoteDriver, type RemoteEndpoint, type RemoteJoined, type RemoteSubnet, type Remotes } from "./remote.ts";

const ENODEV = 19;

const IFNAME = "com.docker.network.endpoint.ifname";

export type RemoteDriverParts = { readonly remotes: Remotes; readonly kernel: Kernel; readonly log: Log };

export function remoteDriver(name: string, { remotes, kernel, log }: RemoteDriverParts): NetworkDriver {
  const find = () => remotes.driver(name);
  /** Of networks that the plugin did not make, and endpoints that it was told to take back: not to be told of again. */
  const undone = new Set<string>();
  return {
    publishes: false,
    async prepare() {
      // As Docker, which has such networks in swarms only.
      if ((await (await find()).scope()) === "global") throw fail("unavailable", NEEDS_SWARM);
    },
    settle: (_request, base) => ({ ...base, bridge: "", masquerade: false, mtu: 0 }),
    async create(network) {
      try {
        await (await find()).createNetwork(toRemoteNetwork(network));
      } catch (error) {
        undone.add(network.id);
        throw error;
      }
    },
    up: async () => 0,
    /** As Docker: a network goes even when its plugin has something against it, or is gone. */
    async down({ id, name: network }) {
      if (undone.delete(id)) return;
      await find().then((plugin) => plugin.deleteNetwork(id)).catch((error: unknown) => log.warn("driver error deleting network", { network, driver: name, error: messageOf(error) }));
    },
    attach: (attachment, place) => [moveOp(attachment, place)],
    detach: ({ interface: inside = "eth0" }) => ({ host: [], inside: [removeOp(inside)] }),
    async join(attachment, network, request) {
      const asked = request?.settings?.MacAddress ?? "";
      const endpoint = toRemoteEndpoint(attachment, asked, request);
      try {
        return await askJoin(await find(), endpoint, { attachment, network, kernel });
      } catch (error) {
        undone.add(attachment.endpointId);
        throw error;
      }
    },
    async leave({ endpointId, networkId, name: container }) {
      if (undone.delete(endpointId)) return;
      try {
        await takeBack(await find(), networkId, endpointId, log);
      } catch (error) {
        log.warn("a network's plugin could not be told that a container left", { driver: name, container, error: messageOf(error) });
      }
    },
  };
}

const NEEDS_SWARM = 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

async function askJoin(plugin: RemoteDriver, asked: RemoteEndpoint, { attachment, network, kernel }: { attachment: Attachment; network: NetworkRecord; kernel: Kernel }): Promise<Attachment> {
  await using undo = new AsyncDisposableStack();
  const ids = [asked.network, asked.endpoint] as const;
  const refuse = (error: unknown) => fail("internal", `failed to create endpoint ${attachment.name} on network ${network.name}: ${messageOf(error)}`, { cause: error });
  const given = await plugin.createEndpoint(asked).catch((error: unknown) => {
    throw refuse(error);
  });
  undo.defer(() => plugin.deleteEndpoint(...ids).catch(() => {}));
  const addressed = checkEndpoint(attachment, asked, given);
  const endpoint = { ...asked, address: cidr(addressed.address, addressed.prefixLength), address6: cidr(addressed.address6, addressed.prefixLength6), mac: given.mac || asked.mac };
  const joined = checkJoined(await plugin.join(endpoint));
  undo.defer(() => plugin.leave(...ids).catch(() => {}));
  const link = await findLink(kernel, joined.source);
  if (joined.gateway !== "" || joined.gateway6 !== "") await plugin.programExternal(endpoint);
  undo.move();
  return attached(addressed, joined, { link, mac: endpoint.mac, ownName: asked.options[IFNAME] !== undefined });
}

/** In the order in which Docker does it; what is refused does not keep the rest from being told, silence does. */
async function takeBack(plugin: RemoteDriver, network: string, endpoint: string, log: Log): Promise<void> {
  for (const verb of ["revokeExternal", "leave", "deleteEndpoint"] as const) {
    await plugin[verb](network, endpoint).catch((error: unknown) => {
      if (isUnanswered(error)) throw error;
      log.warn("a network's plugin complains", { verb, endpoint, error: messageOf(error) });
    });
  }
}

/** `ownName`: the user has asked for a name of the interface. */
function attached(attachment: Attachment, joined: RemoteJoined, { link, mac, ownName }: { link: Link; mac: string; ownName: boolean }): Attachment {
  return {
    ...attachment,
    mac: mac === "" ? formatMac(link.mac) : mac,
    gateway: joined.gateway,
    gateway6: joined.gateway6,
    remote: { source: joined.source, prefix: ownName ? "" : joined.prefix, index: link.index, changesMac: mac !== "", routes: joined.routes },
  };
}

/** The first name of the plugin's prefix that no other interface of the container has. */
export function nameInterface(attachment: Attachment, others: readonly Attachment[]): Attachment {
  const prefix = attachment.remote?.prefix ?? "";
  if (prefix === "") return attachment;
  const taken = new Set(others.filter(({ endpointId }) => endpointId !== attachment.endpointId).map((one) => one.interface ?? "eth0"));
  for (let number = 0; ; number++) if (!taken.has(prefix + number)) return { ...attachment, interface: prefix + number };
}

/** @throws internal when the plugin speaks of an interface that is not there */
async function findLink(kernel: Kernel, name: string): Promise<Link> {
  const ask: Op = { op: "netlink", proto: ROUTE, acks: 1, collect: 1, data: getLink(name), note: `look up ${name}` };
  const seen = await kernel.perform([ask]).catch((error: unknown) => {
    if (error instanceof ProgramError && error.code === "ENODEV") return undefined;
    throw error;
  });
  const [link] = readLinks(seen?.get(0) ?? Buffer.alloc(0));
  if (link === undefined) throw fail("internal", `failed to add interface ${name} to sandbox: failed to get link by name ${JSON.stringify(name)}: Link not found`);
  return link;
}

function moveOp({ interface: name = "eth0", mac, remote, networkName }: Attachment, { own, inside }: Place): Op {
  if (remote === undefined) throw fail("internal", `attach to network ${networkName}: its plugin was not asked`);
  const change = { index: remote.index, name, ...(remote.changesMac ? { mac: parseMac(mac)! } : {}), ...(inside === undefined ? {} : { newIndex: inside }) };
  const data = moveLink(change);
  return { op: "netlink", proto: ROUTE, acks: 1, patchSlot: own, patchOffset: data.length - 4, data, note: `${remote.source} becomes ${name}` };
}

const removeOp = (name: string): Op => ({ op: "netlink", proto: ROUTE, acks: 1, tolerate: ENODEV, data: deleteLink(name), note: `remove ${name}` });

const cidr = (address: string, prefixLength: number) => (address === "" ? "" : `${address}/${prefixLength}`);

function toRemoteEndpoint({ networkId, endpointId, address, prefixLength, address6, prefixLength6 }: Attachment, mac: string, request: JoinRequest | undefined): RemoteEndpoint {
  return {
    network: networkId,
    endpoint: endpointId,
    address: cidr(address, prefixLength),
    address6: cidr(address6, prefixLength6),
    mac,
    exposed: exposedPorts(request),
    bindings: portBindings(request),
    options: request?.settings?.DriverOpts ?? {},
  };
}

function toRemoteNetwork({ id, options, internal, ipv6, ipam }: NetworkRecord) {
  return { id, options, internal, ipv6, subnets: ipam.driver === "null" ? [NO_SUBNET] : ipam.configs.map((subnet) => toRemoteSubnet(subnet, ipam)) };
}

/** What Docker says of a network without addresses. */
const NO_SUBNET: RemoteSubnet = { space: "null", subnet: "0.0.0.0/0", gateway: "", aux: {} };

function toRemoteSubnet({ subnet, gateway, aux = {} }: NetworkRecord["ipam"]["configs"][number], { pools = [] }: NetworkRecord["ipam"]): RemoteSubnet {
  const length = subnet.slice(subnet.indexOf("/"));
  return {
    space: pools.find((pool) => pool.subnet === subnet)?.space ?? "LocalDefault",
    subnet,
    gateway: gateway === "" ? "" : gateway + length,
    aux: Object.fromEntries(Object.entries(aux).map(([name, address]) => [name, address + length])),
  };
}
