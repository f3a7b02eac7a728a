/**
 * An endpoint as ops: what makes a container's interface, and what publishes its ports. Pure.
 *
 * The host's part runs in the host's network namespace with the container's in a slot; the container's part inside. The
 * kernel removes the pair with the container's namespace, so a container that dies leaves nothing to undo but its
 * elements in the firewall. These are put in and taken out by hosts of the engine, not by the container's own processes:
 * see docs/design/network.md for what closing a socket to netfilter costs.
 */
import { forgetUdp } from "#linux/conntrack.ts";
import { NETFILTER, type Table } from "#linux/nftables.ts";
import type { Op, Program } from "#linux/ops.ts";
import { LOOPBACK_INDEX, ROUTE, deleteLink, newAddress, newDefaultRoute, newVeth, setBridgePort, setLink } from "#linux/rtnetlink.ts";
import { isIPv4 } from "node:net";
import { parseAddress, parseMac } from "./addresses.ts";
import { publish, withdraw } from "./firewall.ts";
import { hostAndPort } from "./host-ports.ts";
import type { Attachment, AttachPrograms, AttachSlots, PublishedPort } from "./network.ts";

const ENOENT = 2;
const ENODEV = 19;
const EINVAL = 22;
const EPROTONOSUPPORT = 93;
const INTERFACE = "eth0";

export type Place = {
  readonly table: Table | undefined;
  /** Index of the bridge's interface, as it is now. */
  readonly bridge: number;
  /** Index that the first interface made in a new namespace gets: see firstIndex. */
  readonly firstIndex: number;
};

export function attachPrograms(attachment: Attachment, slots: AttachSlots, place: Place): AttachPrograms {
  const held = attachment.ports.filter(isHeld);
  const slotOf = (index: number) => (slots.ports.first + index <= slots.ports.last ? slots.ports.first + index : -1);
  return {
    reserve: [...held.map((port, index) => bindOp(port, slotOf(index))), ...publishOps(attachment, place.table)],
    hold: held.reduce((mask, _, index) => (slotOf(index) === -1 ? mask : mask | (1n << BigInt(slotOf(index)))), 0n),
    host: [vethOp(attachment, slots.own, place.bridge)],
    inside: insideOps(attachment, place.firstIndex),
    teardown: [],
  };
}

/** A namespace of its own and no network: the loopback is up. */
export function loopbackOps(): Program {
  return [{ op: "netlink", proto: ROUTE, acks: 1, data: setLink(LOOPBACK_INDEX, { up: true }), note: "lo up" }];
}

/** Takes a container's ports out of the firewall. */
export function withdrawOps(attachment: Attachment, table: Table | undefined): Op[] {
  const data = table === undefined ? Buffer.alloc(0) : withdraw(table, attachment);
  if (data.length === 0) return [];
  return [{ op: "netlink", proto: NETFILTER, acks: 1, tolerate: ENOENT, data, note: `withdraw ${describePorts(attachment)}` }];
}

/** Cuts off a container that nobody watches any more, before its address is given to another. */
export function cutOffOp({ hostInterface }: Attachment): Op {
  return { op: "netlink", proto: ROUTE, acks: 1, tolerate: ENODEV, data: deleteLink(hostInterface), note: `remove ${hostInterface}` };
}

/** The shim holds what the kernel serves alone; a socket on :: would be found by ::1, and never be accepted from. */
const isHeld = ({ by, hostIp }: PublishedPort) => by === "kernel" && hostIp !== "::";

function bindOp({ protocol, hostIp, hostPort }: PublishedPort, slot: number): Op {
  const type = { tcp: 1, udp: 2, sctp: 5 }[protocol];
  const note = `reserve ${hostAndPort(hostIp, hostPort)}/${protocol}`;
  const tolerate = protocol === "sctp" ? EPROTONOSUPPORT : 0;
  return { op: "bindPort", tolerate, slot, family: isIPv4(hostIp) ? 2 : 10, type, port: hostPort, address: hostIp, note };
}

/**
 * A port of the bridge sends back where it came from (hairpin) when the container publishes ports: with br_netfilter, a
 * packet of the container to its own published port is turned round at the bridge, not above it.
 */
function vethOp(attachment: Attachment, own: number, bridge: number): Op {
  const { hostInterface, mtu, isolated } = attachment;
  const peer = { name: INTERFACE, mac: parseMac(attachment.mac)! };
  const veth = newVeth({ name: hostInterface, master: bridge, mtu, peer });
  const hairpin = attachment.ports.length > 0;
  const port = hairpin || isolated ? [setBridgePort(hostInterface, { hairpin, isolated })] : [];
  return {
    op: "netlink",
    proto: ROUTE,
    acks: 1 + port.length,
    patchSlot: own,
    patchOffset: veth.length - 4,
    data: Buffer.concat([veth, ...port]),
    note: `${hostInterface} on ${attachment.bridge}, peer ${INTERFACE} ${attachment.mac}`,
  };
}

function publishOps(attachment: Attachment, table: Table | undefined): Op[] {
  const data = table === undefined ? Buffer.alloc(0) : publish(table, attachment);
  if (data.length === 0) return [];
  const udp = attachment.ports.filter((port) => port.by !== "proxy" && port.protocol === "udp");
  return [
    { op: "netlink", proto: NETFILTER, acks: 1, data, undo: withdrawOps(attachment, table), note: `publish ${describePorts(attachment)}` },
    ...udp.map(
      ({ hostIp, hostPort }): Op => ({
        op: "netlink",
        proto: NETFILTER,
        acks: 1,
        tolerate: EINVAL,
        data: forgetUdp(isIPv4(hostIp) ? "ip" : "ip6", hostPort),
        note: `forget flows to ${hostPort}/udp`,
      }),
    ),
  ];
}

/**
 * IPv6 is switched off on an interface that has no IPv6 address: no link-local one appears, and no router advertisement
 * is heard (CVE-2024-32473). Otherwise advertisements are ignored (CVE-2020-13401). Both before the interface is up.
 *
 * An address is given to an index, all else is told by name: were the index another interface's, the default route would
 * have no neighbour, and the start fails instead of going on without a network.
 */
function insideOps(attachment: Attachment, index: number): Program {
  const [name, value] = attachment.address6 === "" ? ["disable_ipv6", "1"] : ["accept_ra", "0"];
  const changes = [
    setLink(LOOPBACK_INDEX, { up: true }),
    ...addressesOf(attachment).map((address) => newAddress({ index, ...address })),
    setLink(INTERFACE, { up: true }),
    ...[attachment.gateway, attachment.gateway6].filter((gateway) => gateway !== "").map((gateway) => newDefaultRoute(parseAddress(gateway)!)),
  ];
  return [
    { op: "writeFile", path: `/proc/sys/net/ipv6/conf/${INTERFACE}/${name}`, data: value!, tolerate: ENOENT },
    { op: "netlink", proto: ROUTE, acks: changes.length, data: Buffer.concat(changes), note: describeInside(attachment) },
  ];
}

function addressesOf({ address, prefixLength, address6, prefixLength6 }: Attachment): { address: Buffer; prefixLength: number }[] {
  return [
    ...(address === "" ? [] : [{ address: parseAddress(address)!, prefixLength }]),
    ...(address6 === "" ? [] : [{ address: parseAddress(address6)!, prefixLength: prefixLength6 }]),
  ];
}

function describeInside({ address, prefixLength, address6, prefixLength6, gateway }: Attachment): string {
  const six = address6 === "" ? "" : ` ${address6}/${prefixLength6}`;
  return `lo up, ${INTERFACE} ${address}/${prefixLength}${six} up, default via ${gateway}`;
}

function describePorts({ ports, address }: Attachment): string {
  const kernel = ports.filter((port) => port.by !== "proxy");
  return kernel.map(({ hostIp, hostPort, port, protocol }) => `${hostAndPort(hostIp, hostPort)} to ${address}:${port}/${protocol}`).join(", ");
}
