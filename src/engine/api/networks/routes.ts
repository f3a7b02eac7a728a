/** /networks. */
import { fail } from "#base/errors.ts";
import type { NetworkRecord } from "#network/network.ts";
import { endpointIn } from "../containers/networking.ts";
import { type Answer, type ApiCall, type ApiRoute, created, empty, ok } from "../answer.ts";
import type { ApiParts } from "../api.ts";
import { requiredJsonBody } from "../body.ts";
import { translate } from "../compat.ts";
import { boolean, nullable, string, struct } from "../decode.ts";
import { filters, text } from "../query.ts";
import { parseNetworkCreate } from "./create-body.ts";
import { BARE_ENDPOINT, checkAddresses, checkEndpoint, decodeEndpoint, settingsOf } from "./endpoint.ts";
import { reachJson } from "./explain.ts";
import { inspectNetwork, membersJson, summarizeNetwork } from "./inspect.ts";

type Members = ReturnType<ApiParts["networks"]["members"]>;

const LIST_FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];
const PRUNE_FILTERS = ["label", "label!", "until"];

const decodeConnect = struct({ Container: string, EndpointConfig: nullable(decodeEndpoint) });
const decodeDisconnect = struct({ Container: string, Force: boolean });

export function networkRoutes({ networks, containers }: ApiParts): ApiRoute[] {
  /** Of host and none nothing is kept by the network: they are told by the containers. */
  async function membersOf({ id, name }: NetworkRecord): Promise<Members> {
    if (name !== "host" && name !== "none") return networks.members(id);
    const all = await containers.list({ all: false, filters: new Map([["network", [name]]]) });
    return all.map((record) => ({ container: record.id, name: record.name, endpoint: endpointIn(record, name) }));
  }

  async function list({ query, version }: ApiCall): Promise<Answer> {
    const found = await networks.list(filters(query, LIST_FILTERS));
    // Clients of before 1.28 look for the members in the list.
    const members = async (network: NetworkRecord) => (version < 28 ? { Containers: membersJson(await membersOf(network)) } : {});
    return ok(await Promise.all(found.map(async (network) => translate("network-summary", { ...summarizeNetwork(network), ...(await members(network)) }, version))));
  }

  async function inspect({ params, query, version }: ApiCall): Promise<Answer> {
    const verbose = text(query, "verbose");
    if (!/^(|1|0|t|f|T|F|true|false|TRUE|FALSE|True|False)$/.test(verbose)) {
      throw fail("invalid", `invalid value for verbose: ${verbose}: strconv.ParseBool: parsing ${JSON.stringify(verbose)}: invalid syntax`);
    }
    const network = networks.get(params["id"]!);
    if (!["", "local"].includes(text(query, "scope"))) throw fail("not-found", `network ${params["id"]} not found`);
    return ok(translate("network", inspectNetwork(network, await membersOf(network)), version));
  }

  async function create(call: ApiCall): Promise<Answer> {
    const { id, warning } = await networks.create(parseNetworkCreate(await requiredJsonBody(call), call.version));
    return created({ Id: id, Warning: warning });
  }

  async function connect(call: ApiCall): Promise<Answer> {
    const { Container: container, EndpointConfig } = decodeConnect(await requiredJsonBody(call), "NetworkConnectRequest");
    const endpoint = { ...BARE_ENDPOINT, ...EndpointConfig };
    if (call.version < 54) endpoint.MacAddress = "";
    if (call.version < 48) endpoint.GwPriority = 0;
    const network = networks.get(call.params["id"]!);
    checkEndpoint(network.name, endpoint);
    const settings = settingsOf(endpoint);
    checkAddresses(network, settings);
    await networks.connect(network.id, required(container), settings);
    return empty(200);
  }

  async function disconnect(call: ApiCall): Promise<Answer> {
    const { Container: container, Force: force } = decodeDisconnect(await requiredJsonBody(call), "NetworkDisconnectRequest");
    await networks.disconnect(call.params["id"]!, required(container), { force });
    return empty(200);
  }

  async function remove({ params }: ApiCall): Promise<Answer> {
    await networks.remove(params["id"]!);
    return empty();
  }

  const prune = async ({ query }: ApiCall, dryRun: boolean): Promise<Answer> => {
    const { deleted } = await networks.prune(filters(query, PRUNE_FILTERS), { dryRun });
    return ok({ NetworksDeleted: deleted.length === 0 ? null : deleted });
  };

  return [
    { method: "GET", path: "/networks", run: list },
    { method: "GET", path: "/networks/{id}", run: inspect },
    { method: "POST", path: "/networks/create", run: create },
    { method: "POST", path: "/networks/prune", since: 25, run: (call) => prune(call, false) },
    { method: "POST", path: "/networks/{id}/connect", run: connect },
    { method: "POST", path: "/networks/{id}/disconnect", run: disconnect },
    { method: "DELETE", path: "/networks/{id}", run: remove },
    // Gantry's own: who reaches a container and why; what a prune would remove.
    { method: "GET", path: "/gantry/containers/{id}/network", run: async ({ params }) => ok(reachJson(await networks.explain(params["id"]!))) },
    { method: "GET", path: "/gantry/prune/networks", run: (call) => prune(call, true) },
  ];
}

function required(container: string): string {
  if (container === "") throw fail("invalid", "no container name or ID supplied");
  return container;
}
