/**
 * A container leaves a network. Its record is what counts: it is written first, and after a crash in between the engine
 * takes out what the record does not name (see recover.ts).
 */
import { fail, kindOf } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { NetworkRecord } from "#network/network.ts";
import { isRunning, publishNetwork, type Context } from "../containers/context.ts";
import { changeNames } from "../containers/networking/names.ts";
import { withAttachments } from "../containers/networking/endpoints.ts";
import type { ContainerRecord } from "../engine.ts";
import { changeHosts } from "./hosts.ts";

export async function disconnect(ctx: Context, network: NetworkRecord, ref: string, { force }: { force: boolean }): Promise<void> {
  const found = findContainer(ctx, ref, force);
  if (found === undefined) return await dropStray(ctx, network, ref);
  await ctx.settled(found.id);
  await ctx.lives.of(found.id).lock.run(async () => {
    const record = ctx.store.find(found.id);
    if (network.driver === "host") throw fail("invalid", "container cannot be disconnected from host network or connected to host network");
    if (record.endpoints[network.name] === undefined) throw fail("internal", `container ${record.id} is not connected to network ${network.name}`);
    const attachment = ctx.network.attachmentsOf(record.id).find(({ networkId }) => networkId === network.id);
    const wished = withoutNetwork(record, network);
    if (!isRunning(record) || attachment === undefined) return await ctx.store.put(wished);
    await ctx.store.put(wished);
    await failpoint("disconnect.row");
    try {
      await ctx.network.disconnect(attachment, record.state.pid);
    } catch (error) {
      await ctx.network.leave(record.id, { network: network.id, lost: true });
      throw error;
    }
    await failpoint("disconnect.detached");
    const after = withAttachments(wished, ctx.network.attachmentsOf(record.id));
    await ctx.store.put(after);
    await Promise.all([changeHosts(ctx, after, { remove: [attachment] }), changeNames(ctx, after, ctx.lives.of(record.id).task!.shim)]);
    publishNetwork(ctx, record, "disconnect", network.name);
  });
}

/** The network is gone, and a container that did not run then still names it. @throws not-found: neither is so */
export async function forgetNetwork(ctx: Context, network: string, ref: string): Promise<void> {
  const { id } = ctx.store.find(ref);
  await ctx.lives.of(id).lock.run(async () => {
    const record = ctx.store.find(id);
    const name = Object.keys(record.endpoints).find((one) => one === network || record.endpoints[one]!.networkId === network);
    if (name === undefined) throw fail("not-found", `network ${network} not found`);
    await ctx.store.put(withoutNetwork(record, { name }));
  });
}

function findContainer(ctx: Context, ref: string, force: boolean): ContainerRecord | undefined {
  try {
    return ctx.store.find(ref);
  } catch (error) {
    if (force && kindOf(error) === "not-found") return undefined;
    throw error;
  }
}

/** An endpoint whose container is not known any more. */
async function dropStray(ctx: Context, network: NetworkRecord, ref: string): Promise<void> {
  const stray = ctx.network.attachments(network.id).find(({ container, name }) => container === ref || name === ref.replace(/^\//, ""));
  if (stray === undefined) throw fail("not-found", `endpoint ${ref} not found`);
  await ctx.network.leave(stray.container, { network: network.id, lost: true });
}

function withoutNetwork(record: ContainerRecord, { name }: Pick<NetworkRecord, "name">): ContainerRecord {
  const { [name]: _, ...endpoints } = record.endpoints;
  const { [name]: __, ...networking } = record.networking;
  return { ...record, endpoints, networking };
}
