/**
 * A published port that the kernel cannot translate: an IPv6 address of the host for a container that has IPv4 only (and
 * every port when iptables is off). Bytes go through the engine; while the engine is down, such a port refuses.
 */
import { createSocket, type Socket as Datagrams } from "node:dgram";
import { BlockList, connect, createServer, isIPv6, type Server, type Socket } from "node:net";
import type { Protocol } from "../network.ts";

export type ProxyRoute = {
  readonly protocol: Protocol;
  readonly hostIp: string;
  readonly hostPort: number;
  readonly address: string;
  readonly port: number;
  /** Prefixes that may connect; absent: all. */
  readonly allow?: readonly string[];
};

export type Proxy = { close(): void };

/** Listens; rejects with the system's error (EADDRINUSE). SCTP has no proxy and gives nothing. */
export async function openProxy(route: ProxyRoute): Promise<Proxy> {
  if (route.protocol === "tcp") return openStreams(route);
  if (route.protocol === "udp") return openDatagrams(route);
  return { close() {} };
}

async function openStreams({ hostIp, hostPort, address, port, allow }: ProxyRoute): Promise<Proxy> {
  const open = new Set<Socket>();
  const mayConnect = gateFor(allow);
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (outside) => {
    if (!mayConnect(outside.remoteAddress)) return void outside.destroy();
    const inside = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    for (const [one, other] of [[outside, inside], [inside, outside]] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => open.delete(one));
      one.pipe(other);
    }
  });
  await listening(server, { host: hostIp, port: hostPort, ipv6Only: isIPv6(hostIp), exclusive: true });
  return {
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Who is let in; an address that is not known any more is nobody's. */
function gateFor(allow: readonly string[] | undefined): (address: string | undefined) => boolean {
  if (allow === undefined) return () => true;
  const list = new BlockList();
  const family = (address: string) => (isIPv6(address) ? "ipv6" : "ipv4");
  for (const prefix of allow) {
    const [address = "", length = ""] = prefix.split("/");
    list.addSubnet(address, Number(length), family(address));
  }
  // A scope is the interface's, not the address's.
  return (given = "") => {
    const [address = ""] = given.split("%");
    return address !== "" && list.check(address, family(address));
  };
}

function listening(server: Server, options: { host: string; port: number; ipv6Only: boolean; exclusive: boolean }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      server.on("error", () => {});
      resolve();
    });
  });
}

const SESSIONS = 1024;
const IDLE = 90_000;

type Session = { readonly inside: Datagrams; timer: NodeJS.Timeout };

/** One socket to the container per sender, so that answers find their way; idle ones, and the oldest of too many, go. */
async function openDatagrams({ hostIp, hostPort, address, port, allow }: ProxyRoute): Promise<Proxy> {
  const mayConnect = gateFor(allow);
  const six = isIPv6(hostIp);
  const outside = createSocket({ type: six ? "udp6" : "udp4", ipv6Only: six });
  const sessions = new Map<string, Session>();
  const end = (key: string) => {
    const session = sessions.get(key);
    if (session === undefined) return;
    sessions.delete(key);
    clearTimeout(session.timer);
    session.inside.close();
  };
  const begin = (key: string, sender: { address: string; port: number }): Session => {
    if (sessions.size >= SESSIONS) end(sessions.keys().next().value!);
    const inside = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const session = { inside, timer: setTimeout(end, IDLE, key).unref() };
    inside.on("message", (data) => {
      session.timer.refresh();
      outside.send(data, sender.port, sender.address, () => {});
    });
    inside.on("error", () => end(key));
    sessions.set(key, session);
    return session;
  };
  outside.on("message", (data, sender) => {
    if (!mayConnect(sender.address)) return;
    const key = `${sender.address}/${sender.port}`;
    const session = sessions.get(key) ?? begin(key, sender);
    session.timer.refresh();
    session.inside.send(data, port, address, () => {});
  });
  await bound(outside, hostIp, hostPort);
  return {
    close() {
      outside.close();
      for (const key of [...sessions.keys()]) end(key);
    },
  };
}

function bound(socket: Datagrams, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve();
    });
  });
}
