/** Ports of the host that somebody has at the moment: told before a container that wants them is made. */
import { ProgramError, type Kernel } from "#linux/linux.ts";
import type { PortBinding } from "#spec/docker.ts";
import { isIPv4 } from "node:net";
import { bindOp } from "../drivers/endpoint.ts";
import { hostAndPort, type HostPorts, type Where } from "./host-ports.ts";
import type { Attachment, PublishedPort } from "../network.ts";
import { parsePorts } from "./ports.ts";

export type BusyPort = {
  /** Docker's words for a start that meets it. */
  readonly text: string;
  /** The container that has published it; undefined: a process of the host listens there. */
  readonly holder?: { readonly container: string; readonly name: string };
};

type Parts = { readonly kernel: Kernel; readonly ports: HostPorts; readonly attachments: () => readonly Attachment[]; readonly where: Where };

/** Only of ports that are named one by one: of a range, or of all, another will do. Sockets are bound for a moment each. */
export async function busyPorts({ kernel, ports, attachments, where }: Parts, bindings: Readonly<Record<string, readonly PortBinding[] | null>>): Promise<BusyPort[]> {
  const wanted = parsePorts({ exposed: {}, bindings, publishAll: false }).flatMap(({ protocol, port, hostIp, hostPorts }): PublishedPort[] => {
    if (hostPorts === undefined || hostPorts.first !== hostPorts.last) return [];
    const ips = hostIp === "" ? where.defaults : [hostIp];
    return ips.filter((ip) => where.by(ip) !== undefined && where.by(ip) !== "route").map((ip) => ({ protocol, port, hostIp: ip, hostPort: hostPorts.first, by: "kernel", chosen: false }));
  });
  const held = wanted.filter((port) => !ports.isFree(port));
  const free = wanted.filter((port) => ports.isFree(port));
  return distinct([...held.map((port) => allocated(port, attachments())), ...(await inUse(kernel, free))]);
}

function allocated({ protocol, hostIp, hostPort }: PublishedPort, attachments: readonly Attachment[]): BusyPort {
  const isIt = (port: PublishedPort) => port.protocol === protocol && port.hostPort === hostPort && isIPv4(port.hostIp) === isIPv4(hostIp);
  const holder = attachments.find(({ ports }) => ports.some(isIt));
  const text = `Bind for ${hostAndPort(hostIp, hostPort)} failed: port is already allocated`;
  return { text, ...(holder === undefined ? {} : { holder: { container: holder.container, name: holder.name } }) };
}

/** As many programs as there are ports in use, and one more. */
async function inUse(kernel: Kernel, ports: readonly PublishedPort[]): Promise<BusyPort[]> {
  if (ports.length === 0) return [];
  try {
    await kernel.perform(ports.flatMap((port) => [bindOp(port, 0), { op: "close", slot: 0 }] as const));
    return [];
  } catch (error) {
    if (!(error instanceof ProgramError) || error.index < 0) throw error;
    const at = Math.floor(error.index / 2);
    const { hostIp, hostPort, protocol } = ports[at]!;
    const rest = await inUse(kernel, ports.slice(at + 1));
    return error.code === "EADDRINUSE" ? [{ text: `failed to bind host port ${hostAndPort(hostIp, hostPort)}/${protocol}: address already in use` }, ...rest] : rest;
  }
}

/** A port of every address is one of IPv4's and one of IPv6's: the first tells. */
function distinct(busy: readonly BusyPort[]): BusyPort[] {
  const portOf = ({ text }: BusyPort) => /:(\d+)(?:\/\w+:)? /.exec(text)?.[1] ?? text;
  return busy.filter((one, at) => busy.findIndex((other) => portOf(other) === portOf(one)) === at);
}
