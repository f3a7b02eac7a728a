/**
 * Forwarding between interfaces, which containers need, and which turns a host into a router.
 *
 * When it was off, the interfaces of that moment are remembered in the firewall (sets `guarded4`, `guarded6`), and between them nothing
 * is forwarded: what was not routed before is not routed now. The set is the memory: it lives as long as the switch,
 * until the host is started again, and is carried over when the table is replaced.
 */
import { ProgramError, type Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { NETFILTER, dumpChains, dumpElements, readChains, readElements, type ChainSeen, type Table } from "#linux/nftables.ts";
import { readFile } from "node:fs/promises";
import { viewHost } from "./drivers/bridge.ts";
import type { Guarded } from "./firewall/firewall.ts";
import type { NetworkRecord } from "./network.ts";

export type Forwarding = {
  /** Switches forwarding on, if it may, and gives the guarded interfaces. */
  turnOn(networks: readonly NetworkRecord[]): Promise<Guarded>;
  /** What stands in the way of packets, as far as can be seen. */
  warnings(): readonly string[];
};

type Version = "ip" | "ip6";

const FORWARD_HOOK = 2;
const SWITCH: Record<Version, string> = { ip: "/proc/sys/net/ipv4/ip_forward", ip6: "/proc/sys/net/ipv6/conf/all/forwarding" };
const SET: Record<Version, string> = { ip: "guarded4", ip6: "guarded6" };

export function openForwarding(kernel: Kernel, table: Table | undefined, allowed: boolean): Forwarding {
  let warnings: string[] = [];

  const turnOnOne = async (version: Version, networks: readonly NetworkRecord[]): Promise<string[]> => {
    if (await isOn(version)) return table === undefined ? [] : guardedNow(kernel, table, version);
    if (!networks.some((network) => version === "ip" || network.ipv6) || !allowed) return [];
    const guarded = await guardable(kernel, networks);
    await kernel.perform([...(version === "ip6" ? await keepListening(guarded) : []), { op: "writeFile", path: SWITCH[version], data: "1" }]);
    return guarded;
  };

  return {
    warnings: () => warnings,
    async turnOn(networks) {
      const guarded = { ip: await turnOnOne("ip", networks), ip6: await turnOnOne("ip6", networks) };
      warnings = [
        ...((await isOn("ip")) ? [] : ["IPv4 forwarding is disabled: containers reach the host only"]),
        ...(await blockers(kernel, table)).map((chain) => blockedText(chain, networks)),
      ];
      return guarded;
    },
  };
}

async function isOn(version: Version): Promise<boolean> {
  return (await readText(SWITCH[version])) !== "0";
}

/** A host that forwards hears no router advertisements, unless told (2): one that lives by them would lose its routes. */
async function keepListening(interfaces: readonly string[]): Promise<Op[]> {
  const paths = interfaces.map((name) => `/proc/sys/net/ipv6/conf/${name}/accept_ra`);
  const values = await Promise.all(paths.map(readText));
  return paths.filter((_, index) => values[index] === "1").map((path) => ({ op: "writeFile", path, data: "2" }));
}

/** "" when there is no such file: without IPv6, say. */
async function readText(path: string): Promise<string> {
  return (await readFile(path, "utf8").catch(() => "")).trim();
}

async function guardable(kernel: Kernel, networks: readonly NetworkRecord[]): Promise<string[]> {
  const own = new Set(networks.map(({ bridge }) => bridge));
  const { links } = await viewHost(kernel);
  const bridges = new Set(links.filter(({ name }) => own.has(name)).map(({ index }) => index));
  return links.filter(({ name, master }) => name !== "lo" && !own.has(name) && !bridges.has(master)).map(({ name }) => name);
}

async function guardedNow(kernel: Kernel, table: Table, version: Version): Promise<string[]> {
  const dump = await dumped(kernel, dumpElements(table, SET[version]));
  return readElements(dump).map(({ key }) => Buffer.from(key).toString("utf8").replace(/\0+$/, ""));
}

/** Chains of others that drop what nobody accepts: a packet has to pass every table. iptables-legacy is not seen here. */
async function blockers(kernel: Kernel, table: Table | undefined): Promise<ChainSeen[]> {
  if (table === undefined) return [];
  const chains = readChains(await dumped(kernel, dumpChains()));
  return chains.filter(({ hook, drops, table: name }) => hook === FORWARD_HOOK && drops && name !== table.name);
}

function blockedText({ table, name }: ChainSeen, networks: readonly NetworkRecord[]): string {
  const bridge = networks[0]?.bridge ?? "";
  const rules = ["-i", "-o"].map((side) => `iptables -I DOCKER-USER ${side} ${bridge} -j ACCEPT`).join("; ");
  return `the firewall's chain ${name} of table ${table} drops what it does not accept: let it forward from and to ${bridge} (beside Docker: ${rules})`;
}

async function dumped(kernel: Kernel, data: Buffer): Promise<Buffer> {
  try {
    return (await kernel.perform([{ op: "netlink", proto: NETFILTER, acks: 1, collect: 1, data }])).get(0) ?? Buffer.alloc(0);
  } catch (error) {
    if (error instanceof ProgramError && error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
