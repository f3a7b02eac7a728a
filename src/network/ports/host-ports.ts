/**
 * Which container has which port of the host. In memory, from the stored endpoints; two containers never get the same,
 * because this is decided without waiting. Ports of other processes are found when the sockets are bound.
 */
import { fail } from "#base/errors.ts";
import { isIPv4 } from "node:net";
import type { PublishedPort, Protocol } from "../network.ts";
import type { PortRequest } from "./ports.ts";

export type HostPorts = {
  /** The host ports for a container's requests; all or none. Throws Docker's "port is already allocated". */
  take(requests: readonly PortRequest[], where: Where): PublishedPort[];
  /** No container has it, nor one that it meets. */
  isFree(port: PublishedPort): boolean;
  /** Marks stored ones as taken. */
  keep(ports: readonly PublishedPort[]): void;
  release(ports: readonly PublishedPort[]): void;
};

export type Where = {
  /** Addresses for requests that name none: ["0.0.0.0", "::"]. */
  readonly defaults: readonly string[];
  /** How a host address leads to the container; undefined: it does not. */
  readonly by: (hostIp: string) => PublishedPort["by"] | undefined;
};

/** `range`: what the engine chooses from, as the host's ip_local_port_range. */
export function openHostPorts(range: { first: number; last: number }): HostPorts {
  const taken = new Map<string, Set<string>>();
  let turn = range.first;

  const holders = (protocol: Protocol, port: number) => taken.get(`${protocol}/${port}`) ?? new Set<string>();
  const isFree = (protocol: Protocol, port: number, ips: readonly string[]) =>
    ips.every((ip) => [...holders(protocol, port)].every((other) => !meets(ip, other)));
  const keep = (ports: readonly PublishedPort[]) => {
    for (const { protocol, hostPort, hostIp } of ports.filter(isOfHost)) taken.set(`${protocol}/${hostPort}`, new Set(holders(protocol, hostPort)).add(hostIp));
  };
  const release = (ports: readonly PublishedPort[]) => {
    for (const { protocol, hostPort, hostIp } of ports.filter(isOfHost)) {
      const set = holders(protocol, hostPort);
      set.delete(hostIp);
      if (set.size === 0) taken.delete(`${protocol}/${hostPort}`);
    }
  };

  const choose = ({ protocol, hostPorts }: PortRequest, ips: readonly string[]): number => {
    if (hostPorts !== undefined) {
      for (let port = hostPorts.first; port <= hostPorts.last; port++) if (isFree(protocol, port, ips)) return port;
      const ip = ips.find((one) => !isFree(protocol, hostPorts.first, [one])) ?? ips[0]!;
      throw fail("internal", `Bind for ${hostAndPort(ip, hostPorts.first)} failed: port is already allocated`);
    }
    for (let tried = range.first; tried <= range.last; tried++) {
      const port = turn;
      turn = turn >= range.last ? range.first : turn + 1;
      if (isFree(protocol, port, ips)) return port;
    }
    throw fail("exhausted", `Bind for ${ips[0]} failed: all ports are allocated`);
  };

  return {
    isFree: ({ protocol, hostPort, hostIp }) => isFree(protocol, hostPort, [hostIp]),
    keep,
    release,
    take(requests, where) {
      const got: PublishedPort[] = [];
      try {
        for (const request of requests) {
          const ips = addressesOf(request, where);
          if (ips.length === 0) continue;
          const ofHost = ips.filter((ip) => where.by(ip) !== "route");
          const hostPort = ofHost.length === 0 ? 0 : choose(request, ofHost);
          const chosen = request.hostPorts === undefined;
          const ports = ips.map((hostIp) => publishedPort(request, { hostIp, hostPort: ofHost.includes(hostIp) ? hostPort : 0, chosen, where }));
          keep(ports);
          got.push(...ports);
        }
        return got;
      } catch (error) {
        release(got);
        throw error;
      }
    },
  };
}

/** "0.0.0.0:80", "[::]:80". */
export function hostAndPort(ip: string, port: number): string {
  return isIPv4(ip) ? `${ip}:${port}` : `[${ip}]:${port}`;
}

/** Every address of the host meets each of its kind. */
function meets(one: string, other: string): boolean {
  if (isIPv4(one) !== isIPv4(other)) return false;
  return one === other || isAny(one) || isAny(other);
}

/** A routed network's ports are the container's own: no host port is taken, and the number is 0. */
const isOfHost = ({ by }: PublishedPort) => by !== "route";

const isAny = (ip: string) => ip === "0.0.0.0" || ip === "::";

function addressesOf(request: PortRequest, where: Where): string[] {
  if (request.hostIp === "") return where.defaults.filter((ip) => where.by(ip) !== undefined);
  if (where.by(request.hostIp) !== undefined) return [request.hostIp];
  throw fail("invalid", `publish port ${request.port} on ${request.hostIp}: the kernel does not translate it to the container's address, and userland-proxy is off`);
}

function publishedPort(
  { protocol, port, allow }: PortRequest,
  { hostIp, hostPort, chosen, where }: { hostIp: string; hostPort: number; chosen: boolean; where: Where },
): PublishedPort {
  return { protocol, hostIp, hostPort, port, by: where.by(hostIp)!, chosen, ...(allow === undefined ? {} : { allow }) };
}
