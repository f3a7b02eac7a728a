/** What the host says of itself, read once at start; and its resolver's file, read for every container. */
import { readFile } from "node:fs/promises";
import { usesStub } from "./files.ts";
import type { HostFacts } from "./open.ts";

/** Docker's range when the kernel does not tell. */
const FALLBACK = { first: 49153, last: 65535 };

export async function readHostFacts(): Promise<HostFacts> {
  const [range, addresses] = await Promise.all([readOr("/proc/sys/net/ipv4/ip_local_port_range"), readOr("/proc/net/if_inet6")]);
  const match = /^(\d+)\s+(\d+)/.exec(range);
  return {
    portRange: match === null ? FALLBACK : { first: Number(match[1]), last: Number(match[2]) },
    ipv6: addresses !== "",
  };
}

/** The host's resolv.conf; of a host that only asks systemd-resolved's stub, the file with the servers behind it. */
export async function readHostResolvConf(mode: "host" | "own"): Promise<string> {
  const text = await readOr("/etc/resolv.conf");
  if (mode === "host" || !usesStub(text)) return text;
  return (await readOr("/run/systemd/resolve/resolv.conf")) || text;
}

async function readOr(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
