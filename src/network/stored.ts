/** The networks that an engine starts with: those that are always there, by its configuration, and those in its rows. */
import { formatTime, nowNanos } from "#base/clock.ts";
import type { Kernel } from "#linux/linux.ts";
import { randomBytes } from "node:crypto";
import { addressesOn, takenPrefixes, viewHost } from "./drivers/bridge.ts";
import { parsePrefix } from "./ipam/addresses.ts";
import type { NetworkRecord } from "./network.ts";
import { bridgeNetwork, DEFAULT_BRIDGE, plainNetwork, type NetworkConfig } from "./records.ts";
import type { NetworkStore } from "./store.ts";

export async function settleStored(kernel: Kernel, store: NetworkStore, config: NetworkConfig): Promise<NetworkRecord[]> {
  const stored = new Map(store.networks().map((network) => [network.name, network]));
  const identity = (name: string) => {
    const before = stored.get(name);
    return { id: before?.id ?? randomBytes(32).toString("hex"), created: before?.created ?? formatTime(nowNanos()) };
  };
  const networks = [plainNetwork("host", identity("host")), plainNetwork("none", identity("none"))];
  const own = [...stored.values()].filter(({ name }) => !["bridge", "host", "none"].includes(name));
  if (config.bridge !== "none") {
    const before = stored.get("bridge");
    const name = config.bridge === "" ? DEFAULT_BRIDGE : config.bridge;
    const view = await viewHost(kernel);
    const others = own.filter(({ configOnly }) => configOnly !== true).flatMap(({ ipam }) => ipam.configs.map(({ subnet }) => parsePrefix(subnet)!));
    const around = {
      ...identity("bridge"),
      taken: [...takenPrefixes(view, name), ...others],
      present: addressesOn(view, name),
      inUse: store.attachments().some(({ networkId }) => networkId === before?.id),
      ...(before === undefined ? {} : { before }),
    };
    networks.unshift(bridgeNetwork(config, around));
  }
  await Promise.all(networks.filter((network) => JSON.stringify(network) !== JSON.stringify(stored.get(network.name))).map(store.putNetwork));
  return [...networks, ...own];
}
