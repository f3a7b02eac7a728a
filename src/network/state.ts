/** What is shared by the parts that make networks work: rows in memory, and how they stand in the kernel. */
import type { Log } from "#base/log.ts";
import { fail } from "#base/errors.ts";
import { ProgramError, type Kernel } from "#linux/linux.ts";
import { NETFILTER, type Table } from "#linux/nftables.ts";
import type { AddressBook } from "./ipam/address-book.ts";
import { hasNames, type Names } from "./dns/dns.ts";
import type { HostView } from "./drivers/bridge.ts";
import type { NetworkDriver } from "./drivers/driver.ts";
import type { Answers } from "./firewall/answers.ts";
import { networkAdded, networkRemoved, replaceOps, type Guarded } from "./firewall/firewall.ts";
import type { Watch } from "./firewall/watch.ts";
import type { Forwarding } from "./forwarding.ts";
import type { HostPorts } from "./ports/host-ports.ts";
import type { Attachments } from "./join.ts";
import type { Attachment, NetworkRecord } from "./network.ts";
import type { HostFacts } from "./open.ts";
import type { Remote } from "./remote/open-remote.ts";
import type { Proxies } from "./ports/proxies.ts";
import type { NetworkConfig } from "./records.ts";
import type { NetworkStore } from "./store.ts";

export type State = {
  readonly kernel: Kernel;
  readonly store: NetworkStore;
  readonly config: NetworkConfig;
  readonly host: HostFacts;
  readonly log: Log;
  readonly networks: Networks;
  readonly attachments: Attachments;
  readonly names: Names;
  readonly addresses: AddressBook;
  readonly ports: HostPorts;
  readonly forwarding: Forwarding;
  readonly proxies: Proxies;
  /** undefined: no firewall of ours. */
  readonly table: Table | undefined;
  /** By network's id: what the driver's `up` gave. */
  readonly indexes: Map<string, number>;
  /** Plugins that make networks, or give addresses. */
  readonly remote: Remote;
  readonly driverOf: (name: string | undefined) => NetworkDriver;
  /** Changes of the kernel that concern all networks take turns. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  readonly answers: Answers;
  readonly watch: Watch;
  guarded: Guarded;
  /** See firstIndex. */
  first: number;
};

export type Networks = {
  /** Those that there are; not those that are being made or removed. */
  list(): readonly NetworkRecord[];
  /** Also those that are being made or removed: their names and subnets are taken. */
  all(): readonly NetworkRecord[];
  /** Without those that are being removed. */
  staying(): readonly NetworkRecord[];
  /** By full id, or name. */
  find(ref: string): NetworkRecord | undefined;
  byId(id: string): NetworkRecord | undefined;
  /** By full id, name, unique prefix of an id. @throws not-found, invalid (ambiguous) */
  get(ref: string): NetworkRecord;
  /** It is being made: its name and subnets are taken; `add` makes it usable. */
  reserve(network: NetworkRecord): void;
  /** It is being removed: nobody can use it any more; `delete` gives name and subnets back. */
  retire(network: NetworkRecord): void;
  add(network: NetworkRecord): void;
  delete(id: string): void;
};

export function openNetworks(stored: readonly NetworkRecord[]): Networks {
  const there = new Map(stored.map((network) => [network.id, network]));
  const names = new Map(stored.map((network) => [network.name, network]));
  const made = new Map<string, NetworkRecord>();
  const removed = new Map<string, NetworkRecord>();
  const find = (ref: string) => there.get(ref) ?? names.get(ref);
  return {
    list: () => [...there.values()],
    all: () => [...there.values(), ...made.values(), ...removed.values()],
    staying: () => [...there.values(), ...made.values()],
    find,
    byId: (id) => there.get(id) ?? made.get(id) ?? removed.get(id),
    get(ref) {
      const exact = find(ref);
      if (exact !== undefined) return exact;
      const some = /^[0-9a-f]+$/.test(ref) ? [...there.values()].filter(({ id }) => id.startsWith(ref)) : [];
      if (some.length > 1) throw fail("invalid", `network ${ref} is ambiguous (${some.length} matches found on ID prefix)`);
      if (some[0] === undefined) throw fail("not-found", `network ${ref} not found`);
      return some[0];
    },
    reserve: (network) => void made.set(network.id, network),
    retire(network) {
      made.delete(network.id);
      removed.set(network.id, network);
      if (there.delete(network.id)) names.delete(network.name);
    },
    add(network) {
      made.delete(network.id);
      removed.delete(network.id);
      there.set(network.id, network);
      names.set(network.name, network);
    },
    delete: (id) => void (made.delete(id) || removed.delete(id)),
  };
}

/** Networks that have something in the host. Those that are being made see to themselves. */
export const drivenNetworks = ({ networks }: State): NetworkRecord[] =>
  networks.list().filter(({ driver, configOnly }) => driver !== "host" && driver !== "null" && configOnly !== true);

/** Networks that the firewall knows. */
export const bridgedNetworks = ({ networks }: State): NetworkRecord[] => networks.staying().filter(({ driver, configOnly }) => driver === "bridge" && configOnly !== true);

/** What a driver is told of the host; `network` is the one it works on. */
export const driverHost = ({ kernel, networks, config }: State, network: NetworkRecord, view?: HostView) => ({
  kernel,
  ...(view === undefined ? {} : { view }),
  owned: network.adopted !== true && (network.name !== "bridge" || config.bridge === ""),
  others: networks.all().filter(({ id }) => id !== network.id),
});

/** The whole firewall, as the networks and endpoints of this moment want it. */
export async function applyRules(state: State): Promise<void> {
  const { table, kernel, attachments, guarded, answers, watch } = state;
  if (table === undefined) return;
  await kernel.perform(replaceOps({ table, networks: bridgedNetworks(state), attachments: attachments.all(), guarded, answers: answers.open() }));
  watch.replaced();
}

/** One network's part of it; if the table is not what it should be, all of it. */
export async function applyNetworkRules(state: State, network: NetworkRecord, change: "add" | "remove"): Promise<void> {
  const { table, kernel } = state;
  const data = table === undefined ? Buffer.alloc(0) : change === "add" ? networkAdded(table, network) : networkRemoved(table, network);
  if (data.length === 0) return;
  try {
    await kernel.perform([{ op: "netlink", proto: NETFILTER, acks: 1, data, note: `${change} ${network.bridge}` }]);
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    await applyRules(state);
  }
}

/** Memory follows the row: an address is free only when that is durable. */
export async function forget(state: State, gone: readonly Attachment[]): Promise<void> {
  for (const one of gone) state.proxies.close(one.endpointId);
  await state.store.removeAttachments(gone.map((one) => one.endpointId));
  for (const one of gone) {
    const now = state.attachments.of(one.container).find(({ endpointId }) => endpointId === one.endpointId);
    if (now === undefined || !state.attachments.delete(one.endpointId)) continue;
    state.ports.release(now.ports);
    state.addresses.release(now);
  }
  await publishNames(state, gone).catch((error: unknown) => state.log.error("take names away", { error }));
}

/** What the networks of these endpoints call theirs is as it is now. */
export async function publishNames({ names }: State, changed: readonly Attachment[]): Promise<void> {
  const networks = new Set(changed.filter(hasNames).map(({ networkId }) => networkId));
  await Promise.all([...networks].map(names.publish));
}
