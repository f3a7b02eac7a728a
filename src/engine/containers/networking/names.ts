/** What a container's resolver knows: the networks it is in, its links, whom it asks for names of the outside. */
import { kindOf } from "#base/errors.ts";
import type { Shim } from "#linux/shim.ts";
import { type Attachment, gatewayOf, hasResolver, isOwnResolvConf, readHostResolvConf, resolvConfFile } from "#network/network.ts";
import type { ContainerRecord } from "../../engine.ts";
import type { Context } from "../context.ts";

const LARGEST = 1 << 20;
const O_TRUNC = 0o1000;

/** Tells the shim, as the container's endpoints are now. `running`: it has joined or left a network. */
export async function serveNames(ctx: Pick<Context, "network" | "config" | "store">, record: ContainerRecord, shim: Shim, { running = false } = {}): Promise<void> {
  const attachments = ctx.network.attachmentsOf(record.id);
  const named = attachments.some(hasResolver);
  if (!running && !named) return;
  const first = gatewayOf(attachments);
  const sorted = attachments.toSorted((one, other) => Number(other === first) - Number(one === first) || (one.networkName < other.networkName ? -1 : 1));
  await ctx.network.names.serve(shim, {
    container: record.id,
    attachments: sorted,
    links: linksOf(ctx, record),
    servers: either(record.hostConfig.Dns, ctx.config.network.dns),
    internal: attachments.length > 0 && attachments.every(({ networkId }) => ctx.network.get(networkId).internal),
    running: running && named,
  });
}

/** A running container has joined or left a network: its resolver, and its resolv.conf, unless somebody has changed that. */
export async function changeNames(ctx: Pick<Context, "network" | "config" | "store" | "kernel" | "log">, record: ContainerRecord, shim: Shim): Promise<void> {
  const path = record.resolvConfPath;
  try {
    await serveNames(ctx, record, shim, { running: true });
    const [before, after] = await Promise.all([ctx.kernel.perform([{ op: "readFile", path, max: LARGEST }]), resolvConfText(ctx, record, ctx.network.attachmentsOf(record.id))]);
    const text = before.get(0)?.toString("utf8") ?? "";
    if (text !== after && isOwnResolvConf(text)) await ctx.kernel.perform([{ op: "writeFile", path, flags: O_TRUNC, data: after }]);
  } catch (error) {
    // It has ended meanwhile, and asks for nothing.
    if (kindOf(error) === "unavailable") return;
    ctx.log.error("tell a container of the names in its networks", { container: record.id, error });
  }
}

/** As this container's is with these endpoints. */
export async function resolvConfText({ config }: Pick<Context, "config">, { hostConfig }: ContainerRecord, attachments: readonly Attachment[]): Promise<string> {
  const mode = hostConfig.NetworkMode === "host" ? "host" : "own";
  const resolver = attachments.some(hasResolver);
  const { dns, dnsOptions, dnsSearch } = config.network;
  return resolvConfFile({
    base: await readHostResolvConf(resolver ? "host" : mode),
    mode,
    resolver,
    ipv6: attachments.some(({ address6 }) => address6 !== ""),
    dns: either(hostConfig.Dns, dns),
    search: either(hostConfig.DnsSearch, dnsSearch),
    options: either(hostConfig.DnsOptions, dnsOptions),
  });
}

const either = (own: readonly string[] | null, general: readonly string[]) => (own !== null && own.length > 0 ? own : general);

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
