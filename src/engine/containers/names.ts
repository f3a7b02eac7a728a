/** What a container's resolver knows: the networks it is in, its links, whom it asks for names of the outside. */
import type { Shim } from "#linux/shim.ts";
import { gatewayOf, hasNames } from "#network/network.ts";
import type { ContainerRecord } from "../engine.ts";
import type { Context } from "./context.ts";

/** Tells the shim, as the container's endpoints are now. `running`: it has joined or left a network. */
export async function serveNames(ctx: Pick<Context, "network" | "config" | "store">, record: ContainerRecord, shim: Shim, { running = false } = {}): Promise<void> {
  const attachments = ctx.network.attachmentsOf(record.id);
  const named = attachments.some(hasNames);
  if (!running && !named) return;
  const first = gatewayOf(attachments);
  const sorted = attachments.toSorted((one, other) => Number(other === first) - Number(one === first) || (one.networkName < other.networkName ? -1 : 1));
  await ctx.network.names.serve(shim, {
    container: record.id,
    attachments: sorted,
    links: linksOf(ctx, record),
    servers: serversOf(ctx, record),
    internal: attachments.length > 0 && attachments.every(({ networkId }) => ctx.network.get(networkId).internal),
    running: running && named,
  });
}

export const serversOf = ({ config }: Pick<Context, "config">, { hostConfig }: ContainerRecord): readonly string[] =>
  hostConfig.Dns !== null && hostConfig.Dns.length > 0 ? hostConfig.Dns : config.network.dns;

/** "container:alias", of the endpoints and, for the network of its mode, of --link. Who is meant may be said by id. */
function linksOf({ store }: Pick<Context, "store">, { networking, hostConfig }: ContainerRecord): { alias: string; target: string }[] {
  const asked = [...Object.values(networking).flatMap(({ Links }) => Links ?? []), ...(hostConfig.Links ?? [])];
  return asked.flatMap((link) => {
    const [target = "", alias = target] = link.replace(/^\//, "").split(":");
    const name = nameOf(store, target);
    return alias === "" || alias === name ? [] : [{ alias: alias.replace(/^.*\//, ""), target: name }];
  });
}

function nameOf(store: Context["store"], ref: string): string {
  try {
    return store.find(ref).name;
  } catch {
    return ref;
  }
}
