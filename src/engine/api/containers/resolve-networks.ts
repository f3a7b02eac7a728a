/**
 * What a create request says of networks, compared with those that there are, before anything is made. One that is not
 * there is no 404: that makes clients pull the image and try again.
 */
import { fail, messageOf } from "#base/errors.ts";
import type { CreateRequest } from "#spec/docker.ts";
import type { Networks } from "../../engine.ts";
import { checkAddresses, isUserDefined } from "../networks/endpoint.ts";

type Known = { readonly networks: Pick<Networks, "get"> };

/** Changes the request: endpoints are by name of network. @throws invalid */
export function resolveNetworks(request: CreateRequest, { networks }: Known): void {
  const find = (ref: string) => found(() => networks.get(ref));
  const { hostConfig } = request;
  const mode = hostConfig.NetworkMode;
  const main = isUserDefined(mode) ? find(mode) : undefined;
  if (main !== undefined && mode !== main.name) hostConfig.NetworkMode = main.id;
  const named = Object.entries(request.networking).map(([ref, settings]) => {
    if (!isUserDefined(ref)) return [ref, settings] as const;
    const network = find(ref);
    checkAddresses(network, settings, `invalid config for network ${ref}: `);
    return [network.name, settings] as const;
  });
  request.networking = Object.fromEntries(named);
}

function found<T>(get: () => T): T {
  try {
    return get();
  } catch (error) {
    throw fail("invalid", messageOf(error), { cause: error });
  }
}
