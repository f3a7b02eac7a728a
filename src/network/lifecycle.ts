/** Networks come and go: the row first, then the kernel; on the way back the kernel first. So no interface is without a row. */
import { formatTime, nowNanos } from "#base/clock.ts";
import { fail, messageOf } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { NetworkCreateRequest } from "#spec/docker.ts";
import { randomBytes } from "node:crypto";
import { viewHost, type HostView } from "./drivers/bridge.ts";
import type { NetworkRecord } from "./network.ts";
import { isRemoteIpam, type Prepared } from "./remote/open-remote.ts";
import type { Pools } from "./remote/pools.ts";
import { settleNetwork } from "./settle.ts";
import { applyNetworkRules, applyRules, bridgedNetworks, driverHost, type State } from "./state.ts";

const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none"]);

export async function createNetwork(state: State, asked: NetworkCreateRequest): Promise<{ network: NetworkRecord; warning: string }> {
  const { request, pools } = await prepare(state, asked);
  try {
    return await makeNetwork(state, request, pools);
  } catch (error) {
    await state.remote.releasePools(pools);
    throw error;
  }
}

async function prepare(state: State, request: NetworkCreateRequest): Promise<Prepared> {
  const driver = request.Driver === "host" || request.Driver === "null" || request.ConfigOnly ? undefined : state.driverOf(request.Driver || "bridge");
  return await state.remote.prepare(request, driver);
}

async function makeNetwork(state: State, request: NetworkCreateRequest, pools: Pools | undefined): Promise<{ network: NetworkRecord; warning: string }> {
  // Interfaces are looked at when the bridge may be somebody's.
  const view = await viewHost(state.kernel, { links: request.ConfigFrom !== "" || "com.docker.network.bridge.name" in request.Options });
  // From here to `reserve` nothing waits: two requests never get the same name or subnet.
  const settled = settleNetwork(request, {
    id: randomBytes(32).toString("hex"),
    created: formatTime(nowNanos()),
    networks: state.networks.all(),
    taken: [...view.routes, ...view.addresses],
    pools: state.config.addressPools,
    defaults: state.config.networkOptions ?? {},
    driverOf: state.driverOf,
    mtu: 1500,
  });
  if (pools === undefined && settled.configOnly !== true && isRemoteIpam(settled.ipam.driver)) {
    throw fail("not-implemented", `create network ${settled.name}: the IPAM plugin ${settled.ipam.driver} is to be named by the network itself, not by the configuration it is made from`);
  }
  const given: NetworkRecord = pools === undefined ? settled : { ...settled, ipam: { ...settled.ipam, pools: pools.given } };
  const network: NetworkRecord = view.links.some(({ name }) => name === settled.bridge) ? { ...given, adopted: true } : given;
  state.networks.reserve(network);
  try {
    await state.store.putNetwork(asksPlugins(state, network) ? { ...network, unfinished: true } : network);
    await failpoint("network.row");
    if (network.configOnly !== true) await bringUpNetwork(state, network, view);
    await failpoint("network.up");
    if (asksPlugins(state, network)) await state.store.putNetwork(network);
    state.networks.add(network);
    return { network, warning: "" };
  } catch (error) {
    await undo(state, network);
    throw error;
  }
}

async function bringUpNetwork(state: State, network: NetworkRecord, view: HostView): Promise<void> {
  const driver = state.driverOf(network.driver);
  await driver.create?.(network);
  state.indexes.set(network.id, await driver.up(network, driverHost(state, network, view)));
  if (!driver.publishes) return;
  await state.inTurn(async () => {
    const before = bridgedNetworks(state).filter(({ id }) => id !== network.id);
    const first = before.length === 0 || (network.ipv6 && !before.some(({ ipv6 }) => ipv6));
    if (!first) return await applyNetworkRules(state, network, "add");
    state.guarded = await state.forwarding.turnOn(bridgedNetworks(state));
    await applyRules(state);
  });
}

async function undo(state: State, network: NetworkRecord): Promise<void> {
  state.networks.retire(network);
  try {
    await takeDown(state, network);
    await state.store.removeNetwork(network.id);
  } catch (error) {
    state.log.error("undo a network that could not be made", { network: network.name, error: messageOf(error) });
  }
  state.networks.delete(network.id);
}

async function takeDown(state: State, network: NetworkRecord): Promise<void> {
  if (network.configOnly === true) return;
  const driver = state.driverOf(network.driver);
  await driver.down(network, driverHost(state, network));
  if (driver.publishes) await state.inTurn(() => applyNetworkRules(state, network, "remove"));
  state.indexes.delete(network.id);
}

export async function removeNetwork(state: State, id: string): Promise<void> {
  const network = state.networks.get(id);
  const { name } = network;
  if (PREDEFINED.has(name)) throw fail("forbidden", `${name} is a pre-defined network and cannot be removed`);
  refuseUsed(state, network);
  state.networks.retire(network);
  const careful = asksPlugins(state, network);
  try {
    if (careful) await state.store.putNetwork({ ...network, unfinished: true });
    await endRemoval(state, network);
  } catch (error) {
    if (careful) await state.store.putNetwork(network);
    state.networks.add(network);
    throw error;
  }
}

/** Networks that an engine was killed over. In the background: a plugin is asked. */
export function removeUnfinished(state: State): void {
  for (const network of state.networks.list().filter(({ unfinished }) => unfinished === true)) {
    state.log.info("end the removal of a network", { network: network.name });
    state.networks.retire(network);
    endRemoval(state, network).catch((error: unknown) => state.log.error("end the removal of a network", { network: network.name, error: messageOf(error) }));
  }
}

async function endRemoval(state: State, network: NetworkRecord): Promise<void> {
  await takeDown(state, network);
  await failpoint("network.down");
  const { driver, pools } = network.ipam;
  if (pools !== undefined) await state.remote.releasePools({ driver, given: pools });
  await state.store.removeNetwork(network.id);
  state.networks.delete(network.id);
  state.addresses.forget(network.id);
}

/** Who has to be told, and may be told again. */
const asksPlugins = (state: State, { configOnly, driver, ipam }: NetworkRecord): boolean => configOnly !== true && (ipam.pools !== undefined || state.driverOf(driver).create !== undefined);

function refuseUsed({ attachments, networks }: State, { id, name, configOnly }: NetworkRecord): void {
  if (configOnly === true && networks.all().some(({ configFrom }) => configFrom === name)) {
    throw fail("forbidden", `error while removing network: configuration network ${JSON.stringify(name)} is in use`);
  }
  const users = attachments.in(id).map((one) => `name:${JSON.stringify(one.name)} id:${JSON.stringify(one.container.slice(0, 12))}`);
  if (users.length > 0) throw fail("forbidden", `error while removing network: network ${name} id ${id} has active endpoints (${users.join(", ")})`);
}
