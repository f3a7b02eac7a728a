/** A container joins a network: a running one at once, another at its next start. */
import { fail, kindOf } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { candidateOf, type Attachment, type NetworkRecord, publisherOf } from "#network/network.ts";
import type { EndpointSettings } from "#spec/docker.ts";
import { isRunning, publishNetwork, type Context } from "../containers/context.ts";
import { changeNames } from "../containers/networking/names.ts";
import { emptyEndpoint, joinRequest, withAttachments } from "../containers/networking/endpoints.ts";
import type { ContainerRecord } from "../engine.ts";
import { changeHosts } from "./hosts.ts";

export async function connect(ctx: Context, network: NetworkRecord, ref: string, settings: EndpointSettings): Promise<void> {
  const { id } = ctx.store.find(ref);
  await ctx.settled(id);
  const live = ctx.lives.of(id);
  await live.lock.run(async () => {
    const record = ctx.store.find(id);
    if (live.removing) throw fail("conflict", "container is marked for removal and cannot be connected or disconnected to the network");
    refuseConnect(record, network);
    const wished = withNetwork(record, network, settings);
    if (!isRunning(record)) return await ctx.store.put(wished);
    const attachment = await joinRunning(ctx, wished, network).catch((error: unknown) => {
      if (kindOf(error) !== "cancelled") throw error;
    });
    // It has ended a moment ago, and will be in the network when it is started again.
    if (attachment === undefined) return await ctx.store.put(wished);
    await failpoint("connect.attached");
    const after = withAttachments(wished, ctx.network.attachmentsOf(id));
    await ctx.store.put(after);
    await Promise.all([changeHosts(ctx, after, { add: [attachment] }), changeNames(ctx, after, live.task!.shim)]);
    publishNetwork(ctx, after, "connect", network.name);
  });
}

/** @throws invalid, with Docker's texts */
function refuseConnect({ hostConfig, endpoints }: ContainerRecord, network: NetworkRecord): void {
  if (network.driver === "host") throw fail("invalid", "container cannot be disconnected from host network or connected to host network");
  const mode = hostConfig.NetworkMode;
  if (mode === "host" || mode.startsWith("container:")) {
    throw fail("invalid", "container sharing network namespace with another container or host cannot be connected to any other network");
  }
  if (network.configOnly === true) throw fail("forbidden", "cannot create endpoint on configuration-only network");
  const others = Object.keys(endpoints).filter((name) => name !== network.name);
  if (others.includes("none") || (network.driver === "null" && others.length > 0)) {
    throw fail("invalid", "container cannot be connected to multiple networks with one of the networks in private (none) mode");
  }
}

function withNetwork(record: ContainerRecord, { id, name }: NetworkRecord, settings: EndpointSettings): ContainerRecord {
  const endpoint = record.endpoints[name]?.endpointId ? record.endpoints[name] : emptyEndpoint(id, settings.Aliases ?? []);
  return { ...record, networking: { ...record.networking, [name]: settings }, endpoints: { ...record.endpoints, [name]: endpoint } };
}

async function joinRunning(ctx: Context, record: ContainerRecord, network: NetworkRecord): Promise<Attachment> {
  for (let attempt = 1; ; attempt++) {
    const joined = ctx.network.join(joinRequest(record, network, { publishes: isFirstWayOut(ctx, record, network) }));
    try {
      await joined.saved;
      await failpoint("connect.row");
      await ctx.network.connect((await joined.asked) ?? joined.attachment, record.state.pid);
      return ctx.network.attachmentsOf(record.id).find(({ endpointId }) => endpointId === joined.attachment.endpointId)!;
    } catch (error) {
      const meaning = await ctx.network.explain(error, [joined.attachment]);
      await ctx.network.leave(record.id, { network: network.id });
      if (meaning?.retry === true && attempt === 1) continue;
      throw meaning?.retry === false ? meaning.failure : error;
    }
  }
}

/** Ports that nobody could publish yet, because no network led outside, are published now; else they only move. */
function isFirstWayOut(ctx: Context, record: ContainerRecord, network: NetworkRecord): boolean {
  const own = candidateOf(network, record.networking[network.name]?.GwPriority);
  const others = ctx.network.attachmentsOf(record.id);
  return publisherOf<{ networkName: string; gateway: string; gateway6: string }>([own, ...others]) === own && others.every(({ ports }) => ports.length === 0);
}
