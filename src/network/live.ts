/**
 * Running containers join and leave networks: the interface comes into their namespace, or goes, and default routes and
 * published ports follow to the endpoint that has the gateway then.
 */
import { fail } from "#base/errors.ts";
import { ProgramError } from "#linux/linux.ts";
import { NETFILTER } from "#linux/nftables.ts";
import type { Op, Program } from "#linux/ops.ts";
import { ROUTE, getLink, readLinks } from "#linux/rtnetlink.ts";
import { hairpinOp } from "./drivers/bridge-driver.ts";
import { interfaceOf, publishOps, routeChanges, sysctlOps, upMessages, withdrawOps } from "./drivers/endpoint.ts";
import { republish } from "./firewall/firewall.ts";
import { publisherOf } from "./gateway.ts";
import { whereOf } from "./join.ts";
import type { Attachment } from "./network.ts";
import { hostRateOps, insideRateOps } from "./rate.ts";
import { removeLink } from "./drivers/remove-link.ts";
import { forget, type State } from "./state.ts";

const NEWNET = 0x40000000;
const OWN = 1;
const ENOENT = 2;

export async function connect(state: State, given: Attachment, pid: number): Promise<void> {
  const others = state.attachments.of(given.container).filter(({ endpointId }) => endpointId !== given.endpointId);
  const { network, driver, index } = endpointOf(state, given);
  const moved = movePorts(state, [...others, given]);
  const attachment = moved.find(({ endpointId }) => endpointId === given.endpointId) ?? given;
  try {
    const seen = await state.kernel.perform(
      [enter(pid), ...limitOps(attachment, state.table), ...driver.attach(attachment, { own: OWN, index, network }), ...hostRateOps(attachment), { op: "setns", slot: OWN, flags: NEWNET }, look(attachment)],
      { forked: true },
    );
    const [link] = readLinks([...seen.values()].at(-1) ?? Buffer.alloc(0));
    await state.kernel.perform(inside(pid, [...sysctlOps(attachment), ...upOps(attachment, link?.index ?? 0), ...insideRateOps(attachment, link?.index ?? 0), ...routeOps(others, [...others, attachment])]), { forked: true });
    await applyMoved(state, moved, { attached: others });
  } catch (error) {
    await detach(state, attachment, pid, others).catch(() => {});
    throw isGone(error) ? fail("cancelled", `connect to network ${given.networkName}: the container has ended`, { cause: error }) : error;
  }
}

export async function disconnect(state: State, attachment: Attachment, pid: number): Promise<void> {
  const others = state.attachments.of(attachment.container).filter(({ endpointId }) => endpointId !== attachment.endpointId);
  await detach(state, attachment, pid, others);
  await applyMoved(state, movePorts(state, others, attachment), { attached: others });
  const rest = state.attachments.of(attachment.container).filter(({ endpointId }) => endpointId === attachment.endpointId);
  const program = rest.flatMap((one) => [...withdrawOps(one, state.table), ...state.answers.forget(one)]);
  if (program.length > 0) await state.kernel.perform(program);
  await state.remote.leave(attachment, { network: state.networks.get(attachment.networkId), driver: state.driverOf(attachment.driver) });
  await forget(state, rest);
}

async function detach(state: State, attachment: Attachment, pid: number, others: readonly Attachment[]): Promise<void> {
  const { host, inside: within } = state.driverOf(attachment.driver).detach(attachment);
  if (host.length > 0) await removeLink(state.kernel, attachment.hostInterface, host);
  const ops = [...within, ...routeOps([...others, attachment], others)];
  if (ops.length === 0) return;
  await state.kernel.perform(inside(pid, ops), { forked: true }).catch((error: unknown) => {
    if (!isGone(error)) throw error;
  });
}

/** The container has ended meanwhile, and its namespace with it. */
const isGone = (error: unknown) => error instanceof ProgramError && error.op?.op === "openNs";

function endpointOf(state: State, { networkId, driver }: Attachment) {
  return { network: state.networks.get(networkId), driver: state.driverOf(driver), index: state.indexes.get(networkId) ?? 0 };
}

/** What it may send to is settled before it can. Its ports come with `applyMoved`. */
const limitOps = (attachment: Attachment, table: State["table"]): Op[] => publishOps({ ...attachment, ports: [] }, table);

const enter = (pid: number): Op => ({ op: "openNs", slot: OWN, pid, path: "net" });
const inside = (pid: number, ops: Program): Program => [enter(pid), { op: "setns", slot: OWN, flags: NEWNET }, ...ops];
const look = (attachment: Attachment): Op => ({ op: "netlink", proto: ROUTE, acks: 1, collect: 1, data: getLink(interfaceOf(attachment)) });

function upOps(attachment: Attachment, index: number): Op[] {
  const messages = upMessages(attachment, index);
  return [{ op: "netlink", proto: ROUTE, acks: messages.length, data: Buffer.concat(messages), note: `${interfaceOf(attachment)} up` }];
}

function routeOps(before: readonly Attachment[], after: readonly Attachment[]): Op[] {
  const messages = routeChanges(before, after);
  return messages.length === 0 ? [] : [{ op: "netlink", proto: ROUTE, acks: messages.length, data: Buffer.concat(messages), note: "default route" }];
}

/**
 * Who has the container's published ports when these are its endpoints: those whose ports change. `leaving`: the one that
 * has them may be on its way out.
 */
function movePorts(state: State, endpoints: readonly Attachment[], leaving?: Attachment): Attachment[] {
  const holder = [...endpoints, ...(leaving === undefined ? [] : [leaving])].find(({ ports }) => ports.length > 0);
  const next = publisherOf(endpoints);
  if (holder === undefined || next === undefined || holder.endpointId === next.endpointId || !state.driverOf(next.driver).publishes) return [];
  const { by } = whereOf(state, state.networks.get(next.networkId), next.address6 !== "");
  const ports = holder.ports.map((port) => ({ ...port, by: by(port.hostIp) ?? port.by }));
  return [{ ...holder, ports: [] }, { ...next, ports }];
}

async function applyMoved(state: State, moved: readonly Attachment[], { attached }: { attached: readonly Attachment[] }): Promise<void> {
  const [from, to] = moved;
  if (from === undefined || to === undefined) return;
  const before = state.attachments.of(from.container).find(({ endpointId }) => endpointId === from.endpointId)!;
  await state.store.putAttachments([from, to]);
  for (const one of moved) state.attachments.put(one);
  state.proxies.close(from.endpointId);
  const known = attached.some(({ endpointId }) => endpointId === to.endpointId);
  const hairpin = known && to.driver === "bridge" ? [hairpinOp(to)] : [];
  await state.kernel.perform([...hairpin, ...republishOps(state, before, from), ...publishOps(to, state.table)]);
  await state.proxies.open(to);
}

function republishOps({ table }: State, before: Attachment, after: Attachment): Op[] {
  const data = table === undefined ? Buffer.alloc(0) : republish(table, before, after);
  return data.length === 0 ? [] : [{ op: "netlink", proto: NETFILTER, acks: 1, tolerate: ENOENT, data, note: `ports leave ${after.networkName}` }];
}
