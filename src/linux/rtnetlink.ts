/**
 * Interfaces, addresses and routes: messages of NETLINK_ROUTE (protocol 0), and what its dumps say.
 * Interfaces are named by index where the kernel wants one, else by name. Addresses are bytes (4 or 16).
 */
import { NLM_F, attribute, eachAttribute, message, nested, readAttributes, readMessages, readText, text, u16, u32, u8 } from "./netlink.ts";

export const ROUTE = 0;
const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, SETLINK: 19, NEWADDR: 20, DELADDR: 21, GETADDR: 22, NEWROUTE: 24, GETROUTE: 26 };
const IFLA = { ADDRESS: 1, IFNAME: 3, MTU: 4, MASTER: 10, LINKINFO: 18, NET_NS_FD: 28 };
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 };
const VETH_INFO_PEER = 1;
const BRPORT = { MODE: 4, ISOLATED: 33 };
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 };
const IFA_F_NODAD = 2;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5 };
const IFF_UP = 1;
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

export type NewVeth = {
  name: string;
  /** Index of the bridge. */
  master: number;
  mtu: number;
  peer: { name: string; mac: Uint8Array };
};

/**
 * A pair: the host's end up and in its bridge, the other one, down, in the namespace whose descriptor is patched into the
 * last 4 bytes. One message, so that there is no moment at which half of it exists.
 */
export function newVeth({ name, master, mtu, peer }: NewVeth): Buffer {
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
    linkHeader({ up: true }),
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

export function setLink(link: number | string, change: { up?: boolean; mtu?: number; mac?: Uint8Array }): Buffer {
  return message(
    RTM.NEWLINK,
    NLM_F.ACK,
    linkHeader({ ...(typeof link === "number" ? { index: link } : {}), ...(change.up === undefined ? {} : { up: change.up }) }),
    ...(typeof link === "string" ? [text(IFLA.IFNAME, link)] : []),
    ...(change.mtu === undefined ? [] : [u32(IFLA.MTU, change.mtu)]),
    ...(change.mac === undefined ? [] : [attribute(IFLA.ADDRESS, change.mac)]),
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
  const family = gateway.length === 4 ? AF.INET : AF.INET6;
  const [main, boot, universe, unicast] = [254, 3, 0, 1];
  const header = Uint8Array.of(family, 0, 0, 0, main, boot, universe, unicast, 0, 0, 0, 0);
  return message(RTM.NEWROUTE, NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL, header, attribute(RTA.GATEWAY, gateway));
}

export function dumpLinks(): Buffer {
  return message(RTM.GETLINK, NLM_F.DUMP, linkHeader({}));
}

export function dumpAddresses(): Buffer {
  return message(RTM.GETADDR, NLM_F.DUMP, new Uint8Array(8));
}

export function dumpRoutes(): Buffer {
  return message(RTM.GETROUTE, NLM_F.DUMP, new Uint8Array(12));
}

export type Link = { index: number; name: string; up: boolean; mtu: number; mac: Buffer; master: number; kind: string };

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
