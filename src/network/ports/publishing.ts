/**
 * Ports of a running container are published and withdrawn. The order makes it safe to die at any moment: the sockets are
 * had first (a port that somebody has changes nothing), then the rows, in one transaction with the container's own, then
 * the firewall, which is made from the rows again at the engine's start; what is given up goes last.
 */
import { fail } from "#base/errors.ts";
import { ProgramError } from "#linux/linux.ts";
import { NETFILTER } from "#linux/nftables.ts";
import type { Op } from "#linux/ops.ts";
import type { PortSocket } from "#linux/shim.ts";
import type { PortBinding } from "#spec/docker.ts";
import { hairpinOp } from "../drivers/bridge-driver.ts";
import { bindOp, forgetOps, isHeld, socketOf } from "../drivers/endpoint.ts";
import { explainFailure } from "../explain.ts";
import { republish } from "../firewall/firewall.ts";
import { publisherOf } from "../gateway.ts";
import { externalFailure, whereOf } from "../join.ts";
import type { Attachment, PublishedPort } from "../network.ts";
import { parsePorts } from "./ports.ts";
import { applyRules, type State } from "../state.ts";

export type PortChange = {
  /** "80/tcp" → what to publish it on, as in a container's PortBindings. */
  readonly add: Readonly<Record<string, readonly PortBinding[]>>;
  /** Which of the published ports are withdrawn. */
  readonly remove: (port: PublishedPort) => boolean;
};

export type PortOwner = {
  /** Tells the container's shim which sockets of the host to hold from now on. */
  hold(ports: readonly PortSocket[]): Promise<void>;
  /** Writes the container's row, whose endpoints are these now; called without a pause before or after the endpoint's. */
  save(attachments: readonly Attachment[]): Promise<void>;
};

/** As many as a shim holds (its slots): what is above is tried, but not held. */
const MOST_HELD = 62;
/** Of ports that the engine chooses and a process of the host turns out to have. */
const TRIES = 12;
const NOT_AS_IT_WAS = new Set(["EEXIST", "ENOENT", "ENOTEMPTY"]);

/** @throws Docker's texts: a port that is allocated, or in use; invalid when no network of the container can publish. Then nothing has changed */
export async function changePorts(state: State, container: string, change: PortChange, owner: PortOwner): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const before = publishingEndpoint(state, container);
    const { after, added, removed } = take(state, before, change);
    try {
      return await apply(state, { before, after, added, removed }, owner);
    } catch (error) {
      const taken = released(added, removed);
      state.ports.release(taken);
      await restore(state, { before, after }, owner);
      const meaning = explainFailure(error, after);
      if (meaning?.kind === "taken" && attempt < TRIES) continue;
      throw meaning?.kind === "failure" ? meaning.failure : error;
    }
  }
}

/** What the shim holds of an endpoint's ports. */
export const heldSockets = (attachments: readonly Attachment[]): PortSocket[] => attachments.flatMap(({ ports }) => ports).filter(isHeld).slice(0, MOST_HELD).map(socketOf);

function publishingEndpoint(state: State, container: string): Attachment {
  const endpoints = state.attachments.of(container);
  const found = endpoints.find(({ ports }) => ports.length > 0) ?? publisherOf(endpoints);
  if (found !== undefined && state.driverOf(found.driver).publishes) return found;
  throw fail("invalid", `publish a port of container ${endpoints[0]?.name ?? container.slice(0, 12)}: none of its networks leads outside`);
}

type Taken = { readonly after: Attachment; readonly added: readonly PublishedPort[]; readonly removed: readonly PublishedPort[] };

/** In memory and at once. A port may go from one port of the container to another in one change. */
function take(state: State, before: Attachment, { add, remove }: PortChange): Taken {
  const removed = before.ports.filter(remove);
  const where = whereOf(state, state.networks.get(before.networkId), before.address6 !== "");
  state.ports.release(removed);
  try {
    const added = state.ports.take(parsePorts({ exposed: {}, bindings: add, publishAll: false }), where);
    return { after: { ...before, ports: [...before.ports.filter((port) => !remove(port)), ...added] }, added, removed };
  } catch (error) {
    throw externalFailure(error, before);
  } finally {
    state.ports.keep(removed);
  }
}

type Step = Taken & { readonly before: Attachment };

async function apply(state: State, { before, after, added, removed }: Step, owner: PortOwner): Promise<void> {
  const { kernel, store, proxies } = state;
  const fresh = added.filter((port) => isHeld(port) && !removed.some((one) => isSame(one, port)));
  if (fresh.length > 0) await kernel.perform(fresh.map((port, at) => bindOp(port, at % MOST_HELD)));
  if (fresh.length > 0) await owner.hold(heldSockets([{ ...before, ports: [...before.ports, ...fresh] }]));
  await proxies.open({ ...before, ports: [...before.ports, ...added] });
  state.attachments.put(after);
  const endpoints = state.attachments.of(after.container);
  await Promise.all([store.putAttachments([after]), owner.save(endpoints)]);
  await tellKernel(state, { before, after, changed: [...added, ...removed] });
  await proxies.open(after);
  state.ports.release(released(removed, added));
  if (removed.some(isHeld)) await owner.hold(heldSockets([after])).catch((error: unknown) => state.log.warn("give up ports of the host", { container: after.name, error }));
}

async function tellKernel(state: State, { before, after, changed }: { before: Attachment; after: Attachment; changed: readonly PublishedPort[] }): Promise<void> {
  const { table, kernel } = state;
  const hairpin = after.driver !== "bridge" || before.ports.length > 0 || after.ports.length === 0 ? [] : [hairpinOp(after)];
  const data = table === undefined ? Buffer.alloc(0) : republish(table, before, after);
  const rules: Op[] = data.length === 0 ? [] : [{ op: "netlink", proto: NETFILTER, acks: 1, data, note: `ports of ${after.name}` }];
  try {
    await kernel.perform([...hairpin, ...rules, ...forgetOps(changed)]);
  } catch (error) {
    if (!(error instanceof ProgramError) || !NOT_AS_IT_WAS.has(error.code)) throw error;
    // Somebody has changed the table: all of it is made anew, from what memory says now.
    await applyRules(state);
  }
}

/** As it was; what fails here is put right when the container ends, or the engine starts. */
async function restore(state: State, { before, after }: { before: Attachment; after: Attachment }, owner: PortOwner): Promise<void> {
  const wasPut = state.attachments.of(before.container).includes(after);
  const report = (error: unknown) => state.log.warn("take back a change of ports", { container: before.name, error });
  if (wasPut) {
    state.attachments.put(before);
    await Promise.all([state.store.putAttachments([before]), owner.save(state.attachments.of(before.container))]).catch(report);
    await tellKernel(state, { before: after, after: before, changed: [] }).catch(report);
  }
  await state.proxies.open(before).catch(report);
  await owner.hold(heldSockets([before])).catch(report);
}

const isSame = (one: PublishedPort, other: PublishedPort) => one.protocol === other.protocol && one.hostIp === other.hostIp && one.hostPort === other.hostPort;
/** Those that nobody else of the change still has. */
const released = (gone: readonly PublishedPort[], staying: readonly PublishedPort[]) => gone.filter((port) => !staying.some((other) => isSame(port, other)));
