/**
 * Networks as Docker's users see them: made, removed, pruned; containers that join and leave them. What a network is made
 * of is src/network's; what a container's record says of it is written here, with the container's lock held.
 *
 *     const networks = openNetworks({ containers: open.context });
 *     const { id } = await networks.create({ Name: "web", … });
 *     await networks.connect("web", "db", { Aliases: ["database"] });
 */
import type { NetworkRecord } from "#network/network.ts";
import { isRunning, type Context } from "../containers/context.ts";
import { endpointOf } from "../containers/networking/endpoints.ts";
import type { Filters, Networks } from "../engine.ts";
import { checkFilters, matchesLabels, untilFilter } from "../filters.ts";
import { connect } from "./connect.ts";
import { disconnect, forgetNetwork } from "./disconnect.ts";
import { matchesNetwork, PREDEFINED } from "./match.ts";
import { kindOf } from "#base/errors.ts";
import { parseTime } from "#base/clock.ts";

export type NetworkParts = { readonly containers: Context };

const LIST_FILTERS = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];
const PRUNE_FILTERS = ["label", "label!", "until"];

export function openNetworks({ containers: ctx }: NetworkParts): Networks {
  const { network } = ctx;
  const used = ({ id }: NetworkRecord, without: ReadonlySet<string> = new Set()) => network.attachments(id).some(({ container }) => !without.has(container));
  const remove = async (ref: string): Promise<void> => {
    const record = network.get(ref);
    await network.remove(record.id);
    publish(ctx, record, "destroy");
  };
  return {
    async list(filters) {
      checkFilters(filters, LIST_FILTERS);
      return network.list().filter((one) => matchesNetwork(one, filters, used));
    },
    get: (ref) => network.get(ref),
    async create(request) {
      const made = await network.create(request);
      publish(ctx, made.network, "create");
      return { id: made.network.id, warning: made.warning };
    },
    remove,
    async prune(filters, { dryRun = false, without } = {}) {
      const unused = prunable(network.list(), filters).filter((one) => !used(one, without));
      if (dryRun) return { deleted: unused.map(({ name }) => name) };
      const gone = await Promise.all(unused.map(async ({ id, name }) => ((await removed(() => remove(id))) ? [name] : [])));
      ctx.events.publish({ Type: "network", Action: "prune", Actor: { ID: "", Attributes: { reclaimed: "0" } } });
      return { deleted: gone.flat() };
    },
    connect: (ref, container, settings) => connect(ctx, network.get(ref), container, settings),
    async disconnect(ref, container, options) {
      const found = network.list().find(({ id, name }) => id === ref || name === ref);
      if (found === undefined && options.force) await forgetNetwork(ctx, ref, container);
      else await disconnect(ctx, found ?? network.get(ref), container, options);
    },
    members: (ref) =>
      network.attachments(network.get(ref).id).map((attachment) => {
        const record = ctx.store.get(attachment.container);
        return { container: attachment.container, name: record?.name ?? attachment.name, endpoint: endpointOf(attachment, record) };
      }),
    async explain(container) {
      const { explainReach } = await import("#network/explain-reach.ts");
      const record = ctx.store.find(container);
      const endpoints = network.attachmentsOf(record.id);
      const others = endpoints.flatMap(({ networkId }) => network.attachments(networkId)).filter((one) => one.container !== record.id);
      const networks = endpoints.map(({ networkId }) => network.get(networkId));
      const { NetworkMode: mode } = record.hostConfig;
      return explainReach({ container: record.id, name: record.name, mode, running: isRunning(record), endpoints, networks, peers: others, firewall: network.hasFirewall() });
    },
  };
}

/** Of the user's own networks those that the filters name. */
function prunable(all: readonly NetworkRecord[], filters: Filters): NetworkRecord[] {
  checkFilters(filters, PRUNE_FILTERS);
  const until = untilFilter(filters);
  const old = ({ created }: NetworkRecord) => until === undefined || (parseTime(created) ?? 0n) < until;
  return all.filter((one) => !PREDEFINED.includes(one.name) && one.configOnly !== true && old(one) && matchesLabels(filters, one.labels));
}

/** False when somebody has come to use it meanwhile, or has removed it. */
async function removed(remove: () => Promise<void>): Promise<boolean> {
  try {
    await remove();
    return true;
  } catch (error) {
    if (kindOf(error) === "forbidden" || kindOf(error) === "not-found") return false;
    throw error;
  }
}

function publish({ events }: Pick<Context, "events">, { id, name, driver }: NetworkRecord, action: "create" | "destroy"): void {
  events.publish({ Type: "network", Action: action, Actor: { ID: id, Attributes: { name, type: driver } } });
}
