/** The network at work: rows in memory, the kernel made equal to them. */
import type { Log } from "#base/log.ts";
import type { Database } from "#base/sqlite.ts";
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import type { Kernel } from "#linux/linux.ts";
import { NETFILTER } from "#linux/nftables.ts";
import { randomBytes } from "node:crypto";
import { addressesOn, ensureBridge, firstIndex, leftovers, takenPrefixes, viewHost } from "./bridge.ts";
import { attachPrograms, cutOffOp, withdrawOps } from "./endpoint.ts";
import { explainFailure } from "./explain.ts";
import { replaceTable, tableFor } from "./firewall/firewall.ts";
import { openForwarding } from "./forwarding.ts";
import { openHostPorts } from "./host-ports.ts";
import { join, type Book } from "./join.ts";
import type { Attachment, Network, NetworkRecord } from "./network.ts";
import { openProxies } from "./proxies.ts";
import { driverOf } from "./drivers.ts";
import { bridgeNetwork, DEFAULT_BRIDGE, plainNetwork, type NetworkConfig } from "./records.ts";
import { openNetworkStore, type NetworkStore } from "./store.ts";

/** `bridge` of daemon.json: no default network. */
const NO_BRIDGE = "none";

export type NetworkOptions = {
  readonly kernel: Kernel;
  readonly db: Database;
  readonly config: NetworkConfig;
  readonly log: Log;
  /** What the host is like; read from /proc by `readHostFacts`. */
  readonly host: HostFacts;
};

export type HostFacts = {
  /** net.ipv4.ip_local_port_range */
  readonly portRange: { readonly first: number; readonly last: number };
  /** The host has IPv6 addresses, so that ports can be published on them. */
  readonly ipv6: boolean;
};

/** Reads the rows and settles what the networks are. The kernel is looked at, and changed by `reconcile` only. */
export async function openNetwork({ kernel, db, config, log, host }: NetworkOptions): Promise<Network> {
  const store = openNetworkStore(db);
  const networks = await settleNetworks(kernel, store, config);
  const bridgeName = config.bridge === "" ? DEFAULT_BRIDGE : config.bridge;
  const table = config.iptables && bridgeName !== NO_BRIDGE ? tableFor(bridgeName) : undefined;
  const ports = openHostPorts(host.portRange);
  const attachments = new Map<string, Attachment>();
  for (const attachment of store.attachments()) {
    attachments.set(attachment.endpointId, attachment);
    ports.keep(attachment.ports);
  }
  const book: Book = { networks, attachments, ports, turns: new Map(), config, host };
  const forwarding = openForwarding(kernel, table, config.ipForward);
  const proxies = openProxies();
  const indexes = new Map<string, number>();
  const bridged = () => networks.filter(({ driver }) => driver === "bridge");

  const ofContainer = (container: string) => [...attachments.values()].filter((one) => one.container === container);
  const later = (what: string) => fail("not-implemented", `${what} a network: not yet`);
  let first = 2;

  const bringUp = async () => {
    first = await firstIndex(kernel);
    for (const network of bridged()) indexes.set(network.id, await ensureBridge(kernel, network, { owned: config.bridge === "" }));
    const guarded = await forwarding.turnOn(bridged());
    if (table === undefined) return;
    const data = replaceTable({ table, networks, attachments: [...attachments.values()], guarded });
    await kernel.perform([{ op: "netlink", proto: NETFILTER, acks: 1, data, note: `firewall table ${table.name}` }]);
  };
  const inTurn = oneAtATime();
  const repaired = new Set<string>();

  return {
    list: () => networks,
    get: (ref) => find(networks, ref),
    attachments: (networkId) => [...attachments.values()].filter((one) => networkId === undefined || one.networkId === networkId),
    attachmentsOf: ofContainer,
    create: async () => Promise.reject(later("create")),
    remove: async () => Promise.reject(later("remove")),
    connect: async () => Promise.reject(later("connect to")),
    disconnect: async () => Promise.reject(later("disconnect from")),
    join(request) {
      const attachment = join(book, request);
      const saved = Promise.all([store.putAttachment(attachment), proxies.open(attachment)]).then(() => {});
      saved.catch(() => {});
      return { attachment, saved };
    },
    async leave(container, { lost = false, network } = {}) {
      const gone = ofContainer(container).filter(({ networkId }) => network === undefined || networkId === network);
      const program = gone.flatMap((one) => [...withdrawOps(one, table), ...(lost ? [cutOffOp(one)] : [])]);
      // What could not be taken out is put right by the next start that stumbles over it: see explain.
      if (program.length > 0) await kernel.perform(program).catch((error: unknown) => log.warn("withdraw ports", { container, error }));
      if (gone.length > 0) await forget(gone);
    },
    programs(joined, slots) {
      const places = joined.map((attachment) => {
        const index = indexes.get(attachment.networkId);
        if (index === undefined) throw fail("internal", `attach to network ${attachment.networkName}: it is not up`);
        return { attachment, driver: driverOf(attachment.driver), index, network: find(networks, attachment.networkId) };
      });
      return attachPrograms(places, slots, { table, firstIndex: first });
    },
    async explain(error, joined) {
      const attachment = joined[0];
      if (attachment === undefined) return undefined;
      const meaning = joined.map((one) => explainFailure(error, one)).find((one) => one !== undefined);
      if (meaning?.kind === "failure") return { retry: false, failure: meaning.failure };
      if (meaning?.kind === "taken") return { retry: true };
      if (meaning?.kind !== "missing" || repaired.has(attachment.container)) return undefined;
      repaired.add(attachment.container);
      log.warn("network was changed from outside: restoring", { network: attachment.networkName });
      await inTurn(bringUp);
      return { retry: true };
    },
    reconcile: (running) =>
      inTurn(async () => {
        await forget([...attachments.values()].filter((one) => !running.has(one.container)));
        await bringUp();
        await removeLeftovers(kernel, indexes, attachments);
        for (const attachment of attachments.values()) {
          await proxies.open(attachment).catch((error) => log.warn("published port is not served on IPv6", { container: attachment.name, error }));
        }
        for (const warning of forwarding.warnings()) log.warn(warning);
      }),
    warnings: () => forwarding.warnings(),
    async [Symbol.asyncDispose]() {
      proxies.closeAll();
    },
  };

  /** Memory follows the row: an address is free only when that is durable. */
  async function forget(gone: readonly Attachment[]): Promise<void> {
    for (const one of gone) proxies.close(one.endpointId);
    await store.removeAttachments(gone.map((one) => one.endpointId));
    for (const one of gone) {
      if (!attachments.delete(one.endpointId)) continue;
      ports.release(one.ports);
      repaired.delete(one.container);
    }
  }
}

async function settleNetworks(kernel: Kernel, store: NetworkStore, config: NetworkConfig): Promise<NetworkRecord[]> {
  const stored = new Map(store.networks().map((network) => [network.name, network]));
  const identity = (name: string) => {
    const before = stored.get(name);
    return { id: before?.id ?? randomBytes(32).toString("hex"), created: before?.created ?? formatTime(nowNanos()) };
  };
  const networks = [plainNetwork("host", identity("host")), plainNetwork("none", identity("none"))];
  if (config.bridge !== "none") {
    const before = stored.get("bridge");
    const name = config.bridge === "" ? DEFAULT_BRIDGE : config.bridge;
    const view = await viewHost(kernel);
    const around = {
      ...identity("bridge"),
      taken: takenPrefixes(view, name),
      present: addressesOn(view, name),
      inUse: store.attachments().some(({ networkId }) => networkId === before?.id),
      ...(before === undefined ? {} : { before }),
    };
    networks.unshift(bridgeNetwork(config, around));
  }
  await Promise.all(networks.filter((network) => JSON.stringify(network) !== JSON.stringify(stored.get(network.name))).map(store.putNetwork));
  return networks;
}

async function removeLeftovers(kernel: Kernel, indexes: ReadonlyMap<string, number>, attachments: ReadonlyMap<string, Attachment>): Promise<void> {
  const view = await viewHost(kernel);
  const known = new Set([...attachments.values()].map(({ hostInterface }) => hostInterface));
  const program = [...indexes.values()].flatMap((bridge) => leftovers(view, bridge, known));
  if (program.length > 0) await kernel.perform(program);
}

function find(networks: readonly NetworkRecord[], ref: string): NetworkRecord {
  const exact = networks.find(({ id }) => id === ref) ?? networks.find(({ name }) => name === ref);
  if (exact !== undefined) return exact;
  const some = /^[0-9a-f]+$/.test(ref) ? networks.filter(({ id }) => id.startsWith(ref)) : [];
  if (some.length > 1) throw fail("invalid", `network ${ref} is ambiguous (${some.length} matches found on ID prefix)`);
  if (some[0] === undefined) throw fail("not-found", `network ${ref} not found`);
  return some[0];
}

/** Work that changes the same thing waits for its turn. */
function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => {});
    return mine;
  };
}

