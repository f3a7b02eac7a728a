/** The network at work: rows in memory, the kernel made equal to them. */
import { setTimeout as delay } from "node:timers/promises";
import type { Log } from "#base/log.ts";
import type { Database } from "#base/sqlite.ts";
import { fail, messageOf } from "#base/errors.ts";
import type { Kernel } from "#linux/linux.ts";
import { openAddressBook } from "./ipam/address-book.ts";
import { openAttachments } from "./attachments.ts";
import { firstIndex, leftovers, viewHost } from "./drivers/bridge.ts";
import { openNames } from "./dns/dns.ts";
import { busyPorts } from "./ports/busy-ports.ts";
import { driverOf, DRIVERS } from "./drivers/drivers.ts";
import { attachPrograms, cutOffOp, withdrawOps } from "./drivers/endpoint.ts";
import { explainFailure } from "./explain.ts";
import { openAnswers } from "./firewall/answers.ts";
import { tableFor } from "./firewall/firewall.ts";
import { isWatched } from "./firewall/honest.ts";
import { openWatch } from "./firewall/watch.ts";
import { openForwarding } from "./forwarding.ts";
import { openHostPorts } from "./ports/host-ports.ts";
import { join, whereOf, type Book } from "./join.ts";
import { createNetwork, removeNetwork, removeUnfinished } from "./lifecycle.ts";
import { connect, disconnect } from "./live.ts";
import type { Attachment, JoinRequest, Joined, Network, NetworkRecord } from "./network.ts";
import { changePorts } from "./ports/publishing.ts";
import { changeRate } from "./change-rate.ts";
import { openProxies } from "./ports/proxies.ts";
import { reattachOps } from "./drivers/reattach.ts";
import { openRemote } from "./remote/open-remote.ts";
import { nameInterface } from "./remote/remote-driver.ts";
import type { Remotes } from "./remote/remote.ts";
import { DEFAULT_BRIDGE, type NetworkConfig } from "./records.ts";
import { settleStored } from "./stored.ts";
import { applyRules, bridgedNetworks, drivenNetworks, driverHost, forget, openNetworks, publishNames, type State } from "./state.ts";
import { openNetworkStore } from "./store.ts";

/** Milliseconds; usually less. */
const A_NAMESPACE_GOES = 100;
/** `bridge` of daemon.json: no default network. */
const NO_BRIDGE = "none";

export type NetworkOptions = {
  readonly kernel: Kernel;
  readonly db: Database;
  /** Where zones are: see dns/dns.ts. */
  readonly execRoot: string;
  readonly config: NetworkConfig;
  readonly log: Log;
  /** What the host is like; read from /proc by `readHostFacts`. */
  readonly host: HostFacts;
  /** Plugins that make networks, or give addresses. */
  readonly remotes?: Remotes;
};

export type HostFacts = {
  /** net.ipv4.ip_local_port_range */
  readonly portRange: { readonly first: number; readonly last: number };
  /** The host has IPv6 addresses, so that ports can be published on them. */
  readonly ipv6: boolean;
};

/** Reads the rows and settles what the networks are. The kernel is looked at, and changed by `reconcile` only. */
export async function openNetwork(options: NetworkOptions): Promise<Network> {
  const state = await openState(options);
  const { attachments, networks, kernel, log, table, store, proxies } = state;
  const book: Book = { ...state, find: networks.find };
  const repaired = new Set<string>();
  return {
    list: networks.list,
    get: networks.get,
    attachments: (networkId) => (networkId === undefined ? attachments.all() : attachments.in(networkId)),
    attachmentsOf: attachments.of,
    names: state.names,
    rename: (container, name) => rename(state, container, name),
    create: (request) => createNetwork(state, request),
    remove: (id) => removeNetwork(state, id),
    connect: (attachment, pid) => connect(state, attachment, pid),
    disconnect: (attachment, pid) => disconnect(state, attachment, pid),
    busyPorts: (ref, bindings) => {
      const network = networks.find(ref) ?? networks.find("bridge");
      if (network === undefined || !state.driverOf(network.driver).publishes) return Promise.resolve([]);
      const where = whereOf(state, network, network.ipv6);
      return busyPorts({ kernel, ports: state.ports, attachments: attachments.all, where }, bindings);
    },
    changePorts: (container, change, owner) => changePorts(state, container, change, owner),
    changeRate: (container, pid, rate, save) => changeRate(state, { container, pid, rate }, save),
    join: (request) => joinAndSave(state, book, request),
    async leave(container, { lost = false, network } = {}) {
      const gone = attachments.of(container).filter(({ networkId }) => network === undefined || networkId === network);
      const program = gone.flatMap((one) => [...withdrawOps(one, table), ...state.answers.forget(one), ...(lost ? [cutOffOp(one)] : [])]);
      // What could not be taken out is put right by the next start that stumbles over it: see explain.
      if (program.length > 0) await kernel.perform(program).catch((error: unknown) => log.warn("withdraw ports", { container, error }));
      await Promise.all(gone.map((one) => leaveRemote(state, one)).filter((one) => one !== undefined)).catch((error: unknown) => log.warn("leave a network", { container, error }));
      if (gone.length > 0) await forget(state, gone);
      if (network === undefined) state.names.end(container);
      repaired.delete(container);
    },
    programs(joined, slots) {
      const endpoints = joined.map((attachment) => {
        const index = state.indexes.get(attachment.networkId);
        if (index === undefined) throw fail("internal", `attach to network ${attachment.networkName}: it is not up`);
        return { attachment, driver: state.driverOf(attachment.driver), index, network: networks.get(attachment.networkId) };
      });
      return attachPrograms(endpoints, slots, { table, firstIndex: state.first });
    },
    async explain(error, joined) {
      const [attachment] = joined;
      if (attachment === undefined) return undefined;
      const meaning = joined.map((one) => explainFailure(error, one)).find((one) => one !== undefined);
      if (meaning?.kind === "failure") return { retry: false, failure: meaning.failure };
      if (meaning?.kind === "taken") return { retry: true };
      if (meaning?.kind === "busy") return await delay(A_NAMESPACE_GOES, { retry: true });
      if (meaning?.kind !== "missing" || repaired.has(attachment.container)) return undefined;
      repaired.add(attachment.container);
      log.warn("network was changed from outside: restoring", { networks: joined.map(({ networkName }) => networkName).join(", ") });
      await state.inTurn(() => putBack(state));
      return { retry: true };
    },
    reconcile: (running) =>
      state.inTurn(async () => {
        const stray = (one: Attachment) => !running.has(one.container) || networks.byId(one.networkId) === undefined;
        const strays = attachments.all().filter(stray);
        // Nobody waits for a plugin here: the engine is about to start.
        for (const one of strays) void leaveRemote(state, one);
        await forget(state, strays);
        await state.answers.restore();
        await Promise.all([bringUp(state), state.names.restore()]);
        await tidyLinks(state);
        removeUnfinished(state);
        state.watch.start();
        for (const attachment of attachments.all()) {
          await proxies.open(attachment).catch((error) => log.warn("published port is not served on IPv6", { container: attachment.name, error }));
        }
        for (const warning of state.forwarding.warnings()) log.warn(warning);
      }),
    hasFirewall: () => table !== undefined,
    warnings: () => state.forwarding.warnings(),
    async [Symbol.asyncDispose]() {
      state.watch[Symbol.dispose]();
      proxies.closeAll();
      await state.names[Symbol.asyncDispose]();
    },
  };
}

async function openState({ kernel, db, execRoot, config, log, host, remotes }: NetworkOptions): Promise<State> {
  const store = openNetworkStore(db);
  const networks = openNetworks(await settleStored(kernel, store, config));
  const bridgeName = config.bridge === "" ? DEFAULT_BRIDGE : config.bridge;
  // Without a bridge that names it, the table is named after this engine's data.
  const tableName = bridgeName === NO_BRIDGE ? networks.get("host").id.slice(0, 12) : bridgeName;
  const table = config.iptables ? tableFor(tableName) : undefined;
  const attachments = openAttachments();
  const remote = openRemote({ remotes, kernel, log });
  const answers = openAnswers({ kernel, table, attachmentsOf: attachments.of, attachments: attachments.all });
  const watch = openWatch({
    kernel,
    table,
    log,
    // One that is being made is not there yet.
    bridges: () => drivenNetworks(state).flatMap(({ driver, bridge }) => (driver === "bridge" ? [bridge] : [])),
    limits: () => attachments.all().some(isWatched),
    restore: (missing) => state.inTurn(() => (missing === "rules" ? applyRules(state) : putBack(state))),
  });
  const state: State = {
    kernel,
    answers,
    watch,
    store,
    config,
    host,
    log,
    networks,
    table,
    attachments,
    names: openNames({ kernel, log, folder: `${execRoot}/names`, attachments: (id) => (id === undefined ? attachments.all() : attachments.in(id)), mayAsk: answers.mayAsk, onAnswer: answers.onAnswer }),
    addresses: openAddressBook(networks.byId),
    ports: openHostPorts(host.portRange),
    forwarding: openForwarding(kernel, table, config.ipForward),
    proxies: openProxies(),
    indexes: new Map(),
    remote,
    driverOf: (name) => driverOf(name, remote.driver),
    inTurn: oneAtATime(),
    guarded: { ip: [], ip6: [] },
    first: 2,
  };
  for (const attachment of store.attachments()) {
    state.attachments.put(attachment);
    state.addresses.keep(attachment);
    state.ports.keep(attachment.ports);
  }
  return state;
}

function joinAndSave(state: State, book: Book, request: JoinRequest): Joined {
  const attachment = join(book, request);
  const save = (one: Attachment) => Promise.all([state.store.putAttachments([one]), state.proxies.open(one), publishNames(state, [one])]).then(() => {});
  const reserve = (one: Attachment) => state.store.putAttachments([one]).then(() => {});
  const parts = { network: state.networks.get(attachment.networkId), driver: state.driverOf(attachment.driver), request, reserve };
  const asked = state.remote.join(attachment, parts)?.then((joined) => {
    const one = nameInterface(joined, state.attachments.of(joined.container));
    state.attachments.put(one);
    return one;
  });
  const saved = asked === undefined ? save(attachment) : asked.then(save);
  saved.catch(() => {});
  return { attachment, saved, ...(asked === undefined ? {} : { asked }) };
}

const leaveRemote = (state: State, one: Attachment) => state.remote.leave(one, { network: state.networks.byId(one.networkId), driver: state.driverOf(one.driver) });

async function rename(state: State, container: string, name: string): Promise<void> {
  const renamed = state.attachments.of(container).map((one) => {
    const { dnsNames } = one;
    return { ...one, name, ...(dnsNames === undefined ? {} : { dnsNames: [...new Set([name, ...dnsNames.filter((other) => other !== one.name)])] }) };
  });
  if (renamed.length === 0) return;
  for (const one of renamed) state.attachments.put(one);
  await Promise.all([state.store.putAttachments(renamed), publishNames(state, renamed)]);
}

/** A network whose interface cannot be had does not keep the engine from starting, unless it is everybody's. */
async function bringUp(state: State): Promise<void> {
  const [first, view] = await Promise.all([firstIndex(state.kernel), viewHost(state.kernel)]);
  state.first = first;
  const up = async (network: NetworkRecord) => {
    try {
      const driver = state.driverOf(network.driver);
      state.indexes.set(network.id, await driver.up(network, driverHost(state, network, view)));
      // Somebody removes it, and may have looked for the interface before it was made again.
      if (state.networks.find(network.id) === undefined) await driver.down(network, driverHost(state, network));
    } catch (error) {
      if (network.name === "bridge") throw error;
      state.log.error("bring up a network", { network: network.name, error: messageOf(error) });
    }
  };
  const networks = drivenNetworks(state);
  const remote = networks.filter(({ driver }) => !Object.hasOwn(DRIVERS, driver));
  // One after the other where only the kernel is asked: many at once would start a host of `cell` each.
  await Promise.all([...remote.map(up), networks.filter((one) => !remote.includes(one)).reduce((last, one) => last.then(() => up(one)), Promise.resolve())]);
  state.guarded = await state.forwarding.turnOn(bridgedNetworks(state));
  await applyRules(state);
}

/** Somebody took away the bridge or the table. */
async function putBack(state: State): Promise<void> {
  await bringUp(state);
  await tidyLinks(state);
}

/** Ends of pairs: those of nobody go, those that lost their bridge are put back into it. */
async function tidyLinks({ kernel, indexes, attachments }: State): Promise<void> {
  const view = await viewHost(kernel);
  const known = new Set(attachments.all().map(({ hostInterface }) => hostInterface));
  const program = [...[...indexes.values()].flatMap((bridge) => leftovers(view, bridge, known)), ...reattachOps(view, attachments.all(), indexes)];
  if (program.length > 0) await kernel.perform(program);
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
