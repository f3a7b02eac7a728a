/**
 * The bridge of a network in the host: what is there is read, what is missing is made. Pure but for the two programs.
 */
import type { Kernel, Outputs } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { ROUTE, deleteAddress, deleteLink, dumpAddresses, dumpLinks, dumpRoutes, getLink, newAddress, newBridge, readAddresses, readLinks, readRoutes, setLink, type InterfaceAddress, type Link } from "#linux/rtnetlink.ts";
import { createHash } from "node:crypto";
import { fail } from "#base/errors.ts";
import { contains, parseAddress, parsePrefix, type Prefix } from "../ipam/addresses.ts";
import type { NetworkRecord } from "../network.ts";

/** The host's interfaces, addresses and routes, at one moment. */
export type HostView = {
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly (Prefix & { readonly index: number })[];
};

const EEXIST = 17;
const ENOENT = 2;
const ENODEV = 19;

/** Interfaces are nearly all of it; who only wants to know what the host reaches leaves them out. */
export async function viewHost(kernel: Kernel, { links = true } = {}): Promise<HostView> {
  const dump = (data: Buffer): Op => ({ op: "netlink", proto: ROUTE, acks: 1, collect: 1, data });
  const seen = await kernel.perform([dump(dumpAddresses()), dump(dumpRoutes()), ...(links ? [dump(dumpLinks())] : [])]);
  const at = (seen: Outputs, index: number) => seen.get(index) ?? Buffer.alloc(0);
  return {
    links: readLinks(at(seen, 2)),
    addresses: readAddresses(at(seen, 0)),
    routes: readRoutes(at(seen, 1)).map(({ destination, prefixLength, index }) => ({ address: destination, prefixLength, index })),
  };
}

/**
 * The index that the first interface made in a new network namespace gets: 2, or more where the kernel puts fallback
 * tunnel devices into every namespace. Looked up once, so that no start has to ask for its interface's index.
 */
export async function firstIndex(kernel: Kernel): Promise<number> {
  const newNet = 0x40000000;
  const dump: Op = { op: "netlink", proto: ROUTE, acks: 1, collect: 1, data: dumpLinks() };
  const seen = await kernel.perform([{ op: "unshare", flags: newNet }, dump], { forked: true });
  return Math.max(...readLinks(seen.get(1) ?? Buffer.alloc(0)).map(({ index }) => index), 1) + 1;
}

/** What the host reaches by other ways than this interface. */
export function takenPrefixes(view: HostView, bridge: string): Prefix[] {
  const own = view.links.find((link) => link.name === bridge)?.index;
  return [...view.routes, ...view.addresses].filter(({ index }) => index !== own);
}

/** Addresses of an interface, without link-local ones. */
export function addressesOn(view: HostView, bridge: string): InterfaceAddress[] {
  const link = view.links.find(({ name }) => name === bridge);
  return view.addresses.filter(({ index, address }) => index === link?.index && !isLinkLocal(address));
}

/**
 * Makes or corrects the bridge and gives its index. `owned`: addresses that are not the network's are taken off it.
 * `view`: the host a moment ago; what is not in it is made.
 */
export async function ensureBridge(kernel: Kernel, network: NetworkRecord, { owned, view }: { owned: boolean; view?: HostView }): Promise<number> {
  const known = view?.links.find(({ name }) => name === network.bridge);
  const link = known ?? (await makeBridge(kernel, network));
  if (link === undefined || link.kind !== "bridge") {
    throw fail("conflict", `set up network ${network.name}: interface ${network.bridge} is not a bridge`);
  }
  const present = known === undefined ? [] : addressesOn(view!, network.bridge);
  await kernel.perform([...sysctlOps(network), ...correctionOps(network, link, present, owned)]);
  return link.index;
}

/** One program: the bridge, if there is none of that name, and then what it is. */
async function makeBridge(kernel: Kernel, network: NetworkRecord): Promise<Link | undefined> {
  const look: Op = { op: "netlink", proto: ROUTE, acks: 1, collect: 1, data: getLink(network.bridge) };
  const seen = await kernel.perform([makeOp(network), look]);
  return readLinks(seen.get(1) ?? Buffer.alloc(0))[0];
}

/** Ends of pairs in the bridge that belong to no endpoint. */
export function leftovers(view: HostView, bridge: number, known: ReadonlySet<string>): Program {
  return view.links
    .filter(({ name, kind, master }) => kind === "veth" && master === bridge && /^veth[0-9a-f]{7}$/.test(name) && !known.has(name))
    .map(({ name }): Op => ({ op: "netlink", proto: ROUTE, acks: 1, tolerate: ENODEV, data: deleteLink(name), note: `remove ${name}` }));
}

function makeOp({ bridge, mtu, id }: NetworkRecord): Op {
  const mac = Buffer.concat([Uint8Array.of(0x02, 0x42), createHash("sha256").update(id).digest().subarray(0, 4)]);
  return { op: "netlink", proto: ROUTE, acks: 1, tolerate: EEXIST, data: newBridge({ name: bridge, mac, mtu }), note: `bridge ${bridge}` };
}

/**
 * route_localnet lets answers to connections from 127.0.0.1 come back; the firewall's chain `raw` keeps containers from
 * using it. The host hears no router advertisement from containers (CVE-2020-13401).
 */
function sysctlOps({ bridge, ipv6 }: NetworkRecord): Program {
  const set = (path: string, data: string): Op => ({ op: "writeFile", path: `/proc/sys/net/${path}`, data, tolerate: ENOENT });
  return [
    set(`ipv4/conf/${bridge}/route_localnet`, "1"),
    ipv6 ? set(`ipv6/conf/${bridge}/accept_ra`, "0") : set(`ipv6/conf/${bridge}/disable_ipv6`, "1"),
    ...(ipv6 ? [set(`ipv6/conf/${bridge}/disable_ipv6`, "0")] : []),
  ];
}

function correctionOps(network: NetworkRecord, link: Link, present: readonly InterfaceAddress[], owned: boolean): Program {
  const wanted = addressesFor(network, link.index);
  const same = (a: InterfaceAddress, b: InterfaceAddress) => a.prefixLength === b.prefixLength && Buffer.compare(a.address, b.address) === 0;
  const op = (data: Buffer, tolerate = 0): Op => ({ op: "netlink", proto: ROUTE, acks: 1, tolerate, data });
  return [
    ...(owned ? present : []).filter((address) => !wanted.some((other) => same(address, other))).map((address) => op(deleteAddress(address))),
    ...wanted.filter((address) => !present.some((other) => same(address, other))).map((address) => op(newAddress(address), EEXIST)),
    op(setLink(link.index, link.mtu === network.mtu ? { up: true } : { up: true, mtu: network.mtu })),
  ];
}

/** A bridge without an address leaves its containers to a router of somebody else's (inhibit_ipv4), or to themselves (isolated). */
function addressesFor({ ipam, options, gatewayMode4, gatewayMode6 }: NetworkRecord, index: number): InterfaceAddress[] {
  const none = { 4: gatewayMode4 === "isolated" || options["com.docker.network.bridge.inhibit_ipv4"] === "true", 16: gatewayMode6 === "isolated" };
  return ipam.configs
    .map(({ subnet, gateway }) => ({ index, address: parseAddress(gateway)!, prefixLength: parsePrefix(subnet)!.prefixLength }))
    .filter(({ address }) => !none[address.length === 4 ? 4 : 16]);
}

const isLinkLocal = (address: Uint8Array) =>
  address.length === 16 && contains({ address: Buffer.from("fe80".padEnd(32, "0"), "hex"), prefixLength: 10 }, address);
