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
import type { PortSocket } from "#linux/shim.ts";
import { LOOPBACK_INDEX, ROUTE, deleteLink, newAddress, newDefaultRoute, newRoute, replaceDefaultRoute, setLink } from "#linux/rtnetlink.ts";
import { isIPv4 } from "node:net";
import { networkOf, parseAddress, parsePrefix } from "../ipam/addresses.ts";
import { hasResolver, resolverOp } from "../dns/dns.ts";
import type { NetworkDriver } from "./driver.ts";
import { publish, withdraw } from "../firewall/firewall.ts";
import { gatewayOf } from "../gateway.ts";
import { hostAndPort } from "../ports/host-ports.ts";
import { hostRateOps, insideRateOps } from "../rate.ts";
import type { Attachment, AttachPrograms, AttachSlots, NetworkRecord, PublishedPort } from "../network.ts";

const ENOENT = 2;
const ENODEV = 19;
const EINVAL = 22;
const EPROTONOSUPPORT = 93;

/** An endpoint to be attached: how, and the index of what it is attached to. */
export type Endpoint = { readonly attachment: Attachment; readonly driver: Pick<NetworkDriver, "attach">; readonly index: number; readonly network: NetworkRecord };

export type Namespace = {
  readonly table: Table | undefined;
  /** Index that the first interface made in a new namespace gets: see firstIndex. */
  readonly firstIndex: number;
};

export function attachPrograms(endpoints: readonly Endpoint[], slots: AttachSlots, { table, firstIndex }: Namespace): AttachPrograms {
  const attachments = endpoints.map(({ attachment }) => attachment);
  const held = attachments.flatMap(({ ports }) => ports).filter(isHeld);
  const slotOf = (index: number) => (slots.ports.first + index <= slots.ports.last ? slots.ports.first + index : -1);
  return {
    reserve: [...held.map((port, index) => bindOp(port, slotOf(index))), ...attachments.flatMap((one) => publishOps(one, table))],
    hold: held.reduce((mask, _, index) => (slotOf(index) === -1 ? mask : mask | (1n << BigInt(slotOf(index)))), 0n),
    host: endpoints.flatMap(({ attachment, driver, index, network }, at) => [...driver.attach(attachment, { own: slots.own, index, network, inside: firstIndex + at }), ...hostRateOps(attachment)]),
    inside: [...insideOps(attachments, firstIndex), ...attachments.flatMap((one, at) => insideRateOps(one, firstIndex + at)), ...(attachments.some(hasResolver) ? [resolverOp] : [])],
    teardown: [],
  };
}

export const interfaceOf = ({ interface: name = "eth0" }: Pick<Attachment, "interface">): string => name;

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
export const isHeld = ({ by, hostIp }: PublishedPort) => by === "kernel" && hostIp !== "::";

export const socketOf = ({ protocol, hostIp, hostPort }: PublishedPort): PortSocket => ({
  family: isIPv4(hostIp) ? 2 : 10,
  type: { tcp: 1, udp: 2, sctp: 5 }[protocol],
  port: hostPort,
  address: hostIp,
});

export function bindOp(published: PublishedPort, slot: number): Op {
  const { protocol, hostIp, hostPort } = published;
  const note = `reserve ${hostAndPort(hostIp, hostPort)}/${protocol}`;
  const tolerate = protocol === "sctp" ? EPROTONOSUPPORT : 0;
  return { op: "bindPort", tolerate, slot, ...socketOf(published), note };
}

export function publishOps(attachment: Attachment, table: Table | undefined): Op[] {
  const data = table === undefined ? Buffer.alloc(0) : publish(table, attachment);
  if (data.length === 0) return [];
  return [
    { op: "netlink", proto: NETFILTER, acks: 1, data, undo: withdrawOps(attachment, table), note: `publish ${describePorts(attachment)}` },
    ...forgetOps(attachment.ports),
  ];
}

/** Flows of UDP to these ports are translated anew: they know no connection that begins or ends. */
export function forgetOps(ports: readonly PublishedPort[]): Op[] {
  const udp = ports.filter(({ by, protocol }) => by !== "proxy" && by !== "route" && protocol === "udp");
  return udp.map(
    ({ hostIp, hostPort }): Op => ({
      op: "netlink",
      proto: NETFILTER,
      acks: 1,
      tolerate: EINVAL,
      data: forgetUdp(isIPv4(hostIp) ? "ip" : "ip6", hostPort),
      note: `forget flows to ${hostPort}/udp`,
    }),
  );
}

/**
 * IPv6 is switched off on an interface that has no IPv6 address: no link-local one appears, and no router advertisement
 * is heard (CVE-2024-32473). Otherwise advertisements are ignored (CVE-2020-13401). Both before the interface is up.
 *
 * An address is given to an index, all else is told by name: were the index another interface's, the default route would
 * have no neighbour, and the start fails instead of going on without a network.
 */
function insideOps(attachments: readonly Attachment[], firstIndex: number): Program {
  const ups = attachments.flatMap((one, at) => upMessages(one, firstIndex + at));
  const changes = [setLink(LOOPBACK_INDEX, { up: true }), ...ups, ...routeMessages(attachments)];
  return [
    ...attachments.flatMap(sysctlOps),
    { op: "netlink", proto: ROUTE, acks: changes.length, data: Buffer.concat(changes), note: `lo up, ${attachments.map(describeInside).join(", ")}` },
  ];
}

/** What the user sets (com.docker.network.endpoint.sysctls) comes after what the engine sets. */
export function sysctlOps(attachment: Attachment): Program {
  const name = interfaceOf(attachment);
  const [key, value] = attachment.address6 === "" ? ["disable_ipv6", "1"] : ["accept_ra", "0"];
  const own: Op = { op: "writeFile", path: `/proc/sys/net/ipv6/conf/${name}/${key}`, data: value!, tolerate: ENOENT };
  const asked = (attachment.sysctls ?? []).map((setting): Op => {
    const [path = "", data = ""] = setting.split(/=(.*)/s);
    const parts = path.split(".").map((part) => (/^ifname$/i.test(part) ? name : part));
    return { op: "writeFile", path: `/proc/sys/${parts.join("/")}`, data };
  });
  return [own, ...asked];
}

/** The interface with this index gets its addresses and goes up. */
export function upMessages(attachment: Attachment, index: number): Buffer[] {
  return [
    ...addressesOf(attachment).map((address) => newAddress({ index, ...address })),
    setLink(interfaceOf(attachment), { up: true }),
    ...staticRoutes(attachment, index),
  ];
}

/** Of a plugin's network: those to whoever is there first, as the others lead to one of them. */
function staticRoutes({ remote }: Attachment, index: number): Buffer[] {
  const routes = (remote?.routes ?? []).toSorted((one, other) => Number(one.nextHop !== "") - Number(other.nextHop !== ""));
  return routes.map(({ destination, nextHop }) => {
    const { address, prefixLength } = networkOf(parsePrefix(destination)!);
    return newRoute({ destination: address, prefixLength, index, ...(nextHop === "" ? {} : { gateway: parseAddress(nextHop)! }) });
  });
}

export function routeMessages(attachments: readonly Attachment[]): Buffer[] {
  const [four, six] = [gatewayOf(attachments, 4)?.gateway, gatewayOf(attachments, 6)?.gateway6];
  return [four, six].filter((gateway) => gateway !== undefined).map((gateway) => newDefaultRoute(parseAddress(gateway)!));
}

/** Only what is different: a route that somebody inside changed, while the gateway is the same, is his. */
export function routeChanges(before: readonly Attachment[], after: readonly Attachment[]): Buffer[] {
  return ([4, 6] as const).flatMap((family) => {
    const [old, now] = [gatewayOf(before, family), gatewayOf(after, family)];
    const gateway = family === 4 ? now?.gateway : now?.gateway6;
    return gateway === undefined || old?.endpointId === now?.endpointId ? [] : [replaceDefaultRoute(parseAddress(gateway)!)];
  });
}

function addressesOf({ address, prefixLength, address6, prefixLength6 }: Attachment): { address: Buffer; prefixLength: number }[] {
  return [
    ...(address === "" ? [] : [{ address: parseAddress(address)!, prefixLength }]),
    ...(address6 === "" ? [] : [{ address: parseAddress(address6)!, prefixLength: prefixLength6 }]),
  ];
}

function describeInside(attachment: Attachment): string {
  const { address, prefixLength, address6, prefixLength6, gateway } = attachment;
  const six = address6 === "" ? "" : ` ${address6}/${prefixLength6}`;
  return `${interfaceOf(attachment)} ${address}/${prefixLength}${six} up, gateway ${gateway || "none"}`;
}

function describePorts({ ports, address }: Attachment): string {
  const kernel = ports.filter((port) => port.by !== "proxy");
  return kernel.map(({ hostIp, hostPort, port, protocol }) => `${hostAndPort(hostIp, hostPort)} to ${address}:${port}/${protocol}`).join(", ");
}
