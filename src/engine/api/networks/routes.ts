/** /networks: what there is. Making networks comes later. */
import { fail } from "#base/errors.ts";
import { type Answer, type ApiCall, type ApiRoute, ok } from "../answer.ts";
import type { ApiParts, NetworkRecord } from "../api.ts";
import { translate } from "../compat.ts";
import { filters } from "../query.ts";
import type { ContainerRecord, Filters } from "../../engine.ts";
import { isUp } from "../containers/networking.ts";

export function networkRoutes({ networks, containers }: ApiParts): ApiRoute[] {
  async function list({ query, version }: ApiCall): Promise<Answer> {
    const given = filters(query, ["dangling", "driver", "id", "label", "name", "scope", "type"]);
    const running = given.has("dangling") ? await containers.list({ all: false, filters: new Map() }) : [];
    const found = (await networks.list()).filter((network) => matches(network, given, running));
    return ok(found.map((network) => translate("network", inspectNetwork(network), version)));
  }

  async function inspect({ params, version }: ApiCall): Promise<Answer> {
    const network = find(await networks.list(), params["id"]!);
    const running = await containers.list({ all: false, filters: new Map() });
    return ok(translate("network", { ...inspectNetwork(network), Containers: membersOf(network, running) }, version));
  }

  return [
    { method: "GET", path: "/networks", run: list },
    { method: "GET", path: "/networks/{id}", run: inspect },
  ];
}

export function inspectNetwork(network: NetworkRecord): object {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: "local",
    Driver: network.driver,
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: network.ipam.driver || "default",
      Options: null,
      Config: network.ipam.configs.map(({ subnet, gateway, range }) => ({ Subnet: subnet, ...(range ? { IPRange: range } : {}), ...(gateway ? { Gateway: gateway } : {}) })),
    },
    Internal: network.internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: network.options,
    Labels: network.labels,
  };
}

/** By full id, then name, then a unique beginning of the id. */
function find(all: readonly NetworkRecord[], ref: string): NetworkRecord {
  const exact = all.find((network) => network.id === ref) ?? all.find((network) => network.name === ref);
  if (exact !== undefined) return exact;
  const close = all.filter((network) => network.id.startsWith(ref));
  if (close.length > 1) throw fail("invalid", `network ${ref} is ambiguous (${close.length} matches found based on ID prefix)`);
  if (close.length === 0) throw fail("not-found", `network ${ref} not found`);
  return close[0]!;
}

function membersOf(network: NetworkRecord, running: readonly ContainerRecord[]): Record<string, object> {
  const members = running.filter(isUp).flatMap((record) => {
    const endpoint = record.endpoints[network.name];
    if (endpoint === undefined || endpoint.endpointId === "") return [];
    const member = {
      Name: record.name,
      EndpointID: endpoint.endpointId,
      MacAddress: endpoint.mac,
      IPv4Address: endpoint.address === "" ? "" : `${endpoint.address}/${endpoint.prefixLength}`,
      IPv6Address: endpoint.address6 === "" ? "" : `${endpoint.address6}/${endpoint.prefixLength6}`,
    };
    return [[record.id, member] as const];
  });
  return Object.fromEntries(members);
}

/** Values of one key are alternatives, keys are conditions; labels are conditions each. */
function matches(network: NetworkRecord, given: Filters, running: readonly ContainerRecord[]): boolean {
  const some = (key: string, test: (value: string) => boolean) => !given.has(key) || given.get(key)!.length === 0 || given.get(key)!.some(test);
  const builtin = ["bridge", "host", "none"].includes(network.name);
  const used = running.some((record) => network.name in record.endpoints);
  const labels = given.get("label") ?? [];
  return (
    some("driver", (value) => network.driver === value) &&
    some("id", (value) => network.id.startsWith(value)) &&
    some("name", (value) => network.name.includes(value)) &&
    some("scope", (value) => value === "local") &&
    some("type", (value) => (value === "builtin" ? builtin : value === "custom" ? !builtin : refuseType(value))) &&
    some("dangling", (value) => (!builtin && !used) === /^(1|true)$/i.test(value)) &&
    labels.every((label) => {
      const [key = "", value] = splitOnce(label);
      return key in network.labels && (value === undefined || network.labels[key] === value);
    })
  );
}

function refuseType(value: string): never {
  throw fail("invalid", `invalid filter: 'type'='${value}'`);
}

function splitOnce(label: string): [string, string?] {
  const at = label.indexOf("=");
  return at < 0 ? [label] : [label.slice(0, at), label.slice(at + 1)];
}
