/**
 * Forwarding between interfaces, which containers need, and which turns a host into a router.
 *
 * When it was off, the interfaces of that moment are remembered in the firewall (set `guarded`), and between them nothing
 * is forwarded: what was not routed before is not routed now. The set is the memory: it lives as long as the switch,
 * until the host is started again, and is carried over when the table is replaced.
 */
import type { Kernel } from "#linux/linux.ts";
import { ProgramError } from "#linux/linux.ts";
import { NETFILTER, dumpChains, dumpElements, readChains, readElements, type ChainSeen, type Table } from "#linux/nftables.ts";
import { readFile } from "node:fs/promises";
import { forwardOps, viewHost } from "./bridge.ts";
import type { NetworkRecord } from "./network.ts";

export type Forwarding = {
  /** Switches forwarding on, if it may, and gives the guarded interfaces. */
  turnOn(networks: readonly NetworkRecord[]): Promise<string[]>;
  /** What stands in the way of packets, as far as can be seen. */
  warnings(): readonly string[];
};

const FORWARD_HOOK = 2;

export function openForwarding(kernel: Kernel, table: Table | undefined, allowed: boolean): Forwarding {
  let warnings: string[] = [];
  return {
    warnings: () => warnings,
    async turnOn(networks) {
      const was = await isOn();
      const guarded = table === undefined ? [] : was ? await guardedNow(kernel, table) : await guardable(kernel, networks);
      if (!was && allowed) await kernel.perform(networks.flatMap(forwardOps));
      warnings = [
        ...(was || allowed ? [] : ["IPv4 forwarding is disabled: containers reach the host only"]),
        ...(await blockers(kernel, table)).map((chain) => blockedText(chain, networks)),
      ];
      return guarded;
    },
  };
}

async function isOn(): Promise<boolean> {
  return (await readFile("/proc/sys/net/ipv4/ip_forward", "utf8")).trim() === "1";
}

async function guardable(kernel: Kernel, networks: readonly NetworkRecord[]): Promise<string[]> {
  const own = new Set(networks.map(({ bridge }) => bridge));
  const { links } = await viewHost(kernel);
  const bridges = new Set(links.filter(({ name }) => own.has(name)).map(({ index }) => index));
  return links.filter(({ name, master }) => name !== "lo" && !own.has(name) && !bridges.has(master)).map(({ name }) => name);
}

async function guardedNow(kernel: Kernel, table: Table): Promise<string[]> {
  const dump = await dumped(kernel, dumpElements(table, "guarded"));
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
  return `the firewall's chain ${name} of table ${table} drops what it does not accept: allow it to forward from and to ${bridge} (beside Docker: iptables -I DOCKER-USER -i ${bridge} -j ACCEPT; iptables -I DOCKER-USER -o ${bridge} -j ACCEPT)`;
}

async function dumped(kernel: Kernel, data: Buffer): Promise<Buffer> {
  try {
    return (await kernel.perform([{ op: "netlink", proto: NETFILTER, acks: 1, collect: 1, data }])).get(0) ?? Buffer.alloc(0);
  } catch (error) {
    if (error instanceof ProgramError && error.code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
