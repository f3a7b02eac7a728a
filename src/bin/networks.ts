import { fail } from "#base/errors.ts";
import type { Containers, Networks } from "#engine/engine.ts";
import { matchesNetwork } from "#engine/networks/match.ts";
import type { Network } from "#network/network.ts";

/** Networks as far as src/network knows them, without who is in them: until src/engine/networks has them whole. */
export function plainNetworks(network: Network, containers: () => Containers): Networks {
  const later = (): never => {
    throw fail("not-implemented", "joining and leaving networks is not there yet in this version of Gantry");
  };
  return {
    async list(filters) {
      return network.list().filter((one) => matchesNetwork(one, filters, ({ id }) => network.attachments(id).length > 0));
    },
    get: (ref) => network.get(ref),
    async create(request) {
      const made = await network.create(request);
      return { id: made.network.id, warning: made.warning };
    },
    remove: (ref) => network.remove(network.get(ref).id),
    prune: async () => later(),
    connect: async () => later(),
    disconnect: async () => later(),
    members(ref) {
      const { id, name } = network.get(ref);
      return network.attachments(id).flatMap(({ container }) => {
        const record = containers().get(container);
        const endpoint = record.endpoints[name];
        return endpoint === undefined ? [] : [{ container, name: record.name, endpoint }];
      });
    },
    explain: async () => later(),
  };
}
