/**
 * What a create request says of networks and linked containers, compared with those that there are, before anything is
 * made. One that is not there is no 404: that makes clients pull the image and try again.
 */
import { fail, messageOf } from "#base/errors.ts";
import type { CreateRequest } from "#spec/docker.ts";
import type { Containers, Networks } from "../../engine.ts";
import { checkAddresses, isUserDefined } from "../networks/endpoint.ts";

type Known = { readonly networks: Pick<Networks, "get">; readonly containers: Pick<Containers, "get"> };

/** Changes the request: endpoints are by name of network. @throws invalid */
export function resolveNetworks(request: CreateRequest, { networks, containers }: Known): void {
  const find = (ref: string) => asked(() => networks.get(ref), "");
  const { hostConfig } = request;
  const mode = hostConfig.NetworkMode;
  const main = isUserDefined(mode) ? find(mode) : undefined;
  if (main === undefined) for (const link of hostConfig.Links ?? []) checkLinked(link, containers);
  if (main !== undefined && mode !== main.name) hostConfig.NetworkMode = main.id;
  const named = Object.entries(request.networking).map(([ref, settings]) => {
    if (!isUserDefined(ref)) return [ref, settings] as const;
    const network = find(ref);
    checkAddresses(network, settings, `invalid config for network ${ref}: `);
    return [network.name, settings] as const;
  });
  request.networking = Object.fromEntries(named);
}

function checkLinked(link: string, containers: Known["containers"]): void {
  const target = link.replace(/^\//, "").split(":")[0]!;
  const { hostConfig } = asked(() => containers.get(target), `could not get container for ${target}: `);
  if (hostConfig.NetworkMode === "host") {
    throw fail("invalid", "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
  }
}

function asked<T>(get: () => T, where: string): T {
  try {
    return get();
  } catch (error) {
    throw fail("invalid", where + messageOf(error), { cause: error });
  }
}
