/**
 * Interfaces, addresses and routes: messages of NETLINK_ROUTE (protocol 0), and what its dumps say.
 * Interfaces are named by index where the kernel wants one, else by name. Addresses are bytes (4 or 16).
 */
import { NLM_F, attribute, eachAttribute, message, nested, readAttributes, readMessages, readText, text, u16, u32, u8, type Attribute } from "./netlink.ts";

export const ROUTE = 0;
const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, SETLINK: 19, NEWADDR: 20, DELADDR: 21, GETADDR: 22, NEWROUTE: 24, GETROUTE: 26 };
const IFLA = { ADDRESS: 1, IFNAME: 3, MTU: 4, LINK: 5, MASTER: 10, LINKINFO: 18, IFALIAS: 20, NET_NS_FD: 28, EXT_MASK: 29, NEW_IFINDEX: 49 };
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 };
const VETH_INFO_PEER = 1;
const BRPORT = { MODE: 4, ISOLATED: 33 };
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 };
const IFA_F_NODAD = 2;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5 };
const IFF_UP = 1;
const RTEXT_FILTER_SKIP_STATS = 8;
const AF = { INET: 2, INET6: 10 };

/** The loopback's index, in every namespace. */
export const LOOPBACK_INDEX = 1;

export type NewBridge = { name: string; mac: Uint8Array; mtu: number };

/** A bridge, up. EEXIST when there is an interface of that name. */
export function newBridge({ name, mac, mtu }: NewBridge): Buffer {
  return message(
    RTM.NEWLINK,
    NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL,
    linkHeader({ up: true }),
    text(IFLA.IFNAME, name),
    u32(IFLA.MTU, mtu),
    attribute(IFLA.ADDRESS, mac),
    nested(IFLA.LINKINFO, text(INFO.KIND, "bridge")),
  );
}

export type NewLink = {
  kind: "macvlan" | "ipvlan" | "vlan" | "dummy" | "bridge";
  name: string;
  up?: boolean;
  mac?: Uint8Array;
  mtu?: number;
  /** Index of the interface that it sits on. */
  link?: number;
  /** What its kind wants to know: `macvlanData` and its like. */
  data?: readonly Attribute[];
  /** In the namespace whose descriptor is patched into the last 4 bytes. */
  elsewhere?: boolean;
};

/** An interface of one of the simple kinds. EEXIST when there is one of that name, EOPNOTSUPP when the kernel has no such kind. */
export function newLink({ kind, name, up = false, mac, mtu, link, data = [], elsewhere = false }: NewLink): Buffer {
  return message(
    RTM.NEWLINK,
    NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL,
    linkHeader(up ? { up } : {}),
    text(IFLA.IFNAME, name),
    ...(mac === undefined ? [] : [attribute(IFLA.ADDRESS, mac)]),
    ...(mtu === undefined ? [] : [u32(IFLA.MTU, mtu)]),
    ...(link === undefined ? [] : [u32(IFLA.LINK, link)]),
    nested(IFLA.LINKINFO, text(INFO.KIND, kind), ...(data.length === 0 ? [] : [nested(INFO.DATA, ...data)])),
    ...(elsewhere ? [u32(IFLA.NET_NS_FD, 0)] : []),
  );
}

const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;
const IPVLAN_FLAGS = { bridge: 0, private: 1, vepa: 2 } as const;
export type MacvlanMode = keyof typeof MACVLAN_MODES;
export type IpvlanMode = keyof typeof IPVLAN_MODES;
export type IpvlanFlag = keyof typeof IPVLAN_FLAGS;

/** `data` of the interfaces that sit on another one. */
export const macvlanData = (mode: MacvlanMode): Attribute[] => [u32(1, MACVLAN_MODES[mode])];
export const ipvlanData = (mode: IpvlanMode, flag: IpvlanFlag): Attribute[] => [u16(1, IPVLAN_MODES[mode]), u16(2, IPVLAN_FLAGS[flag])];
export const vlanData = (id: number): Attribute[] => [u16(1, id)];

export type NewVeth = {
  name: string;
  /** Its index, when it must be known beforehand. EBUSY when another has it. */
  index?: number;
  /** Index of the bridge. */
  master: number;
  mtu: number;
  peer: { name: string; mac: Uint8Array };
};

/**
 * A pair: the host's end up and in its bridge, the other one, down, in the namespace whose descriptor is patched into the
 * last 4 bytes. One message, so that there is no moment at which half of it exists.
 */
export function newVeth({ name, index = 0, master, mtu, peer }: NewVeth): Buffer {
  const other = Buffer.concat([
    linkHeader({}),
    text(IFLA.IFNAME, peer.name),
    attribute(IFLA.ADDRESS, peer.mac),
    u32(IFLA.MTU, mtu),
    u32(IFLA.NET_NS_FD, 0),
  ]);
  return message(
    RTM.NEWLINK,
    NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL,
    linkHeader({ index, up: true }),
    text(IFLA.IFNAME, name),
    u32(IFLA.MTU, mtu),
    u32(IFLA.MASTER, master),
    nested(IFLA.LINKINFO, text(INFO.KIND, "veth"), nested(INFO.DATA, attribute(VETH_INFO_PEER, other))),
  );
}

/** What a port of a bridge does: send back where it came from; talk to no other isolated port. */
export function setBridgePort(name: string, port: { hairpin: boolean; isolated: boolean }): Buffer {
  return message(
    RTM.NEWLINK,
    NLM_F.ACK,
    linkHeader({}),
    text(IFLA.IFNAME, name),
    nested(
      IFLA.LINKINFO,
      text(INFO.SLAVE_KIND, "bridge"),
      nested(INFO.SLAVE_DATA, u8(BRPORT.MODE, port.hairpin ? 1 : 0), u8(BRPORT.ISOLATED, port.isolated ? 1 : 0)),
    ),
  );
}

export function setLink(link: number | string, change: { up?: boolean; mtu?: number; mac?: Uint8Array; alias?: string; master?: number }): Buffer {
  return message(
    RTM.NEWLINK,
    NLM_F.ACK,
    linkHeader({ ...(typeof link === "number" ? { index: link } : {}), ...(change.up === undefined ? {} : { up: change.up }) }),
    ...(typeof link === "string" ? [text(IFLA.IFNAME, link)] : []),
    ...(change.mtu === undefined ? [] : [u32(IFLA.MTU, change.mtu)]),
    ...(change.mac === undefined ? [] : [attribute(IFLA.ADDRESS, change.mac)]),
    ...(change.master === undefined ? [] : [u32(IFLA.MASTER, change.master)]),
    ...(change.alias === undefined ? [] : [attribute(IFLA.IFALIAS, Buffer.from(change.alias))]),
  );
}

export type MoveLink = {
  /** In the namespace it comes from. */
  index: number;
  name: string;
  mac?: Uint8Array;
  /** In the one it goes to; EBUSY when another has it there. Absent: it keeps its own, or gets another. Linux before 5.12 does not heed it. */
  newIndex?: number;
};

/** Brings an interface, under another name, into the namespace whose descriptor is patched into the last 4 bytes. It is down then. */
export function moveLink({ index, name, mac, newIndex }: MoveLink): Buffer {
  return message(
    RTM.NEWLINK,
    NLM_F.ACK,
    linkHeader({ index }),
    text(IFLA.IFNAME, name),
    ...(mac === undefined ? [] : [attribute(IFLA.ADDRESS, mac)]),
    ...(newIndex === undefined ? [] : [u32(IFLA.NEW_IFINDEX, newIndex)]),
    u32(IFLA.NET_NS_FD, 0),
  );
}

export function deleteLink(name: string): Buffer {
  return message(RTM.DELLINK, NLM_F.ACK, linkHeader({}), text(IFLA.IFNAME, name));
}

export type InterfaceAddress = { index: number; address: Buffer; prefixLength: number };

/** Without duplicate address detection: the engine knows who has what. EEXIST when it is there. */
export function newAddress({ index, address, prefixLength }: InterfaceAddress): Buffer {
  const four = address.length === 4;
  return message(
    RTM.NEWADDR,
    NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL,
    addressHeader(index, address, prefixLength),
    attribute(IFA.LOCAL, address),
    attribute(IFA.ADDRESS, address),
    four && prefixLength < 31 ? attribute(IFA.BROADCAST, broadcast(address, prefixLength)) : u32(IFA.FLAGS, IFA_F_NODAD),
  );
}

export function deleteAddress({ index, address, prefixLength }: InterfaceAddress): Buffer {
  return message(RTM.DELADDR, NLM_F.ACK, addressHeader(index, address, prefixLength), attribute(IFA.LOCAL, address));
}

/** The default route through a neighbour. ENETUNREACH when no address makes it one. */
export function newDefaultRoute(gateway: Uint8Array): Buffer {
  return message(RTM.NEWROUTE, NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL, defaultHeader(gateway.length === 4 ? 4 : 6, 0), attribute(RTA.GATEWAY, gateway));
}

/** Takes the place of the one there is, if there is one. */
export function replaceDefaultRoute(gateway: Uint8Array): Buffer {
  return message(RTM.NEWROUTE, NLM_F.ACK | NLM_F.CREATE | NLM_F.REPLACE, defaultHeader(gateway.length === 4 ? 4 : 6, 0), attribute(RTA.GATEWAY, gateway));
}

function defaultHeader(family: 4 | 6, scope: number): Uint8Array {
  const [main, boot, unicast] = [254, 3, 1];
  return Uint8Array.of(family === 4 ? AF.INET : AF.INET6, 0, 0, 0, main, boot, scope, unicast, 0, 0, 0, 0);
}

export type NewRoute = { destination: Uint8Array; prefixLength: number; index: number; gateway?: Uint8Array };

/** A route out of an interface: through a neighbour there, or to whoever is there. */
export function newRoute({ destination, prefixLength, index, gateway }: NewRoute): Buffer {
  const link = 253;
  const family = destination.length === 4 ? 4 : 6;
  const header = defaultHeader(family, gateway === undefined && family === 4 ? link : 0);
  header[1] = prefixLength;
  return message(
    RTM.NEWROUTE,
    NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL,
    header,
    attribute(RTA.DST, destination),
    ...(gateway === undefined ? [] : [attribute(RTA.GATEWAY, gateway)]),
    u32(RTA.OIF, index),
  );
}

/** The facts of one interface, as a dump of it. ENODEV when there is none. */
export function getLink(name: string): Buffer {
  return message(RTM.GETLINK, NLM_F.ACK, linkHeader({}), text(IFLA.IFNAME, name));
}

/** Without counters: they are half of what there is to say of a link, and cost the kernel a look at every processor. */
export function dumpLinks(): Buffer {
  return message(RTM.GETLINK, NLM_F.DUMP, linkHeader({}), u32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS));
}

export function dumpAddresses(): Buffer {
  return message(RTM.GETADDR, NLM_F.DUMP, new Uint8Array(8));
}

export function dumpRoutes(): Buffer {
  return message(RTM.GETROUTE, NLM_F.DUMP, new Uint8Array(12));
}

export type Link = { index: number; name: string; up: boolean; mtu: number; mac: Buffer; master: number; kind: string; alias: string };

export function readLinks(dump: Buffer): Link[] {
  return bodies(dump, RTM.NEWLINK, 16).map((body) => {
    const facts = readAttributes(body.subarray(16));
    const info = readAttributes(facts.get(IFLA.LINKINFO) ?? Buffer.alloc(0));
    return {
      index: body.readInt32LE(4),
      name: readText(facts.get(IFLA.IFNAME)),
      up: (body.readUInt32LE(8) & IFF_UP) !== 0,
      mtu: facts.get(IFLA.MTU)?.readUInt32LE() ?? 0,
      mac: facts.get(IFLA.ADDRESS) ?? Buffer.alloc(0),
      master: facts.get(IFLA.MASTER)?.readUInt32LE() ?? 0,
      kind: readText(info.get(INFO.KIND)),
      alias: readText(facts.get(IFLA.IFALIAS)),
    };
  });
}

export function readAddresses(dump: Buffer): InterfaceAddress[] {
  return bodies(dump, RTM.NEWADDR, 8).flatMap((body) => {
    const facts = readAttributes(body.subarray(8));
    const address = facts.get(IFA.LOCAL) ?? facts.get(IFA.ADDRESS);
    return address === undefined ? [] : [{ index: body.readUInt32LE(4), address, prefixLength: body[1]! }];
  });
}

/** Prefixes that lead somewhere; the default routes too (prefix length 0). Local and broadcast entries are left out. */
export function readRoutes(dump: Buffer): { destination: Buffer; prefixLength: number; index: number }[] {
  const unicast = 1;
  return bodies(dump, RTM.NEWROUTE, 12).flatMap((body) => {
    const [family, prefixLength, type] = [body[0]!, body[1]!, body[7]!];
    if (type !== unicast || (family !== AF.INET && family !== AF.INET6)) return [];
    const facts = readAttributes(body.subarray(12));
    const destination = facts.get(RTA.DST) ?? Buffer.alloc(family === AF.INET ? 4 : 16);
    return [{ destination, prefixLength, index: facts.get(RTA.OIF)?.readUInt32LE() ?? 0 }];
  });
}

function bodies(dump: Buffer, type: number, least: number): Buffer[] {
  return [...readMessages(dump)].filter((entry) => entry.type === type && entry.body.length >= least).map((entry) => entry.body);
}

/** struct ifinfomsg. Flags are changed only when `up` is given. */
function linkHeader({ index = 0, up }: { index?: number; up?: boolean }): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  if (up !== undefined) {
    header.writeUInt32LE(up ? IFF_UP : 0, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return header;
}

/** struct ifaddrmsg. */
function addressHeader(index: number, address: Uint8Array, prefixLength: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = address.length === 4 ? AF.INET : AF.INET6;
  header[1] = prefixLength;
  header.writeUInt32LE(index, 4);
  return header;
}

function broadcast(address: Uint8Array, prefixLength: number): Buffer {
  const out = Buffer.from(address);
  out.writeUInt32BE((out.readUInt32BE() | (0xffffffff >>> prefixLength)) >>> 0);
  return out;
}
