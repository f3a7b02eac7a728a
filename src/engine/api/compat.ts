/**
 * Answers for older clients. Handlers speak the newest version; each entry here says what a client older than `below`
 * gets instead: pure, from object to object, applied newest first.
 */
import { isUserDefined } from "./networks/endpoint.ts";

type Fields = Record<string, unknown>;
type Resource = "container" | "container-summary" | "image" | "image-summary" | "network" | "network-summary" | "event" | "info" | "exec";
type Rule = { readonly resource: Resource; readonly below: number; readonly translate: (json: Fields) => Fields };

export function translate(resource: Resource, json: object, version: number): object {
  let result = json as Fields;
  for (const rule of RULES) if (rule.resource === resource && version < rule.below) result = rule.translate(result);
  return result;
}

const RULES: readonly Rule[] = [
  {
    resource: "container",
    below: 52,
    translate: (json) => ({
      ...withoutKeys(json, "Storage"),
      GraphDriver: graphDriver(json),
      NetworkSettings: flatNetwork(json["NetworkSettings"] as Fields),
      Config: { OnBuild: null, ...(json["Config"] as Fields) },
    }),
  },
  { resource: "container", below: 48, translate: (json) => withoutKeys(json, "ImageManifestDescriptor") },
  { resource: "container", below: 45, translate: withNamesAmongAliases },
  { resource: "container-summary", below: 52, translate: (json) => withoutKeys(json, "Health") },
  { resource: "container-summary", below: 48, translate: (json) => withoutKeys(json, "ImageManifestDescriptor") },
  { resource: "container-summary", below: 46, translate: (json) => ({ ...json, HostConfig: withoutKeys(json["HostConfig"] as Fields, "Annotations") }) },
  { resource: "image", below: 52, translate: (json) => ({ Parent: "", Comment: "", Author: "", ...json, Config: { ...EMPTY_IMAGE_LISTS, ...(json["Config"] as Fields) } }) },
  { resource: "image", below: 50, translate: (json) => ({ ...json, Config: { ...RUNTIME_CONFIG, ...(json["Config"] as Fields) } }) },
  { resource: "image", below: 48, translate: (json) => withoutKeys(json, "Descriptor", "Manifests") },
  { resource: "image", below: 45, translate: (json) => ({ ...json, Container: "", ContainerConfig: { ...RUNTIME_CONFIG, ...EMPTY_IMAGE_LISTS } }) },
  { resource: "image", below: 44, translate: (json) => ({ ...json, VirtualSize: json["Size"] }) },
  { resource: "image-summary", below: 51, translate: (json) => ({ ...json, Containers: -1 }) },
  { resource: "image-summary", below: 48, translate: (json) => withoutKeys(json, "Descriptor") },
  { resource: "image-summary", below: 44, translate: (json) => ({ ...json, VirtualSize: json["Size"] }) },
  { resource: "image-summary", below: 43, translate: untaggedImage },
  { resource: "network", below: 52, translate: ({ Status: _, Options, Labels, ...rest }) => ({ ...rest, Options, Labels }) },
  { resource: "network", below: 48, translate: (json) => withoutKeys(json, "EnableIPv4") },
  { resource: "network-summary", below: 52, translate: ({ Options, Labels, ...rest }) => ({ ...rest, Containers: rest["Containers"] ?? {}, Options, Labels }) },
  { resource: "network-summary", below: 48, translate: (json) => withoutKeys(json, "EnableIPv4") },
  { resource: "event", below: 52, translate: flatEvent },
  { resource: "info", below: 53, translate: (json) => withoutKeys(json, "NRI") },
  { resource: "info", below: 50, translate: (json) => ({ ...withoutKeys(json, "DiscoveredDevices"), BridgeNfIptables: false, BridgeNfIp6tables: false }) },
  { resource: "info", below: 49, translate: (json) => withoutExpected(withoutKeys(json, "FirewallBackend")) },
  { resource: "info", below: 46, translate: (json) => withoutKeys(json, "Containerd") },
  { resource: "info", below: 44, translate: (json) => ({ ...withoutKeys(json, "CDISpecDirs"), Runtimes: plainRuntimes(json["Runtimes"] as Record<string, Fields>) }) },
];

function withoutKeys(json: Fields, ...keys: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(json).filter(([key]) => !keys.includes(key)));
}

function graphDriver(json: Fields): Fields {
  return { Data: null, Name: json["Driver"] };
}

/** Names of the DNS were shown as aliases before they had a field of their own. */
function withNamesAmongAliases(json: Fields): Fields {
  const settings = json["NetworkSettings"] as Fields;
  const names = [(json["Id"] as string).slice(0, 12), (json["Config"] as Fields)["Hostname"] as string].filter((name) => name !== "");
  const networks = Object.entries(settings["Networks"] as Record<string, Fields>).map(([network, endpoint]) => {
    const aliases = [...new Set([...((endpoint["Aliases"] as string[] | null) ?? []), ...names])];
    return [network, isUserDefined(network) ? { ...endpoint, Aliases: aliases } : endpoint] as const;
  });
  return { ...json, NetworkSettings: { ...settings, Networks: Object.fromEntries(networks) } };
}

/** Before there were networks by name, a container's address stood here; it is the default bridge's. */
function flatNetwork(settings: Fields): Fields {
  const bridge = ((settings["Networks"] as Record<string, Fields>)["bridge"] ?? {}) as Fields;
  return {
    Bridge: "",
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge["EndpointID"] ?? "",
    Gateway: bridge["Gateway"] ?? "",
    GlobalIPv6Address: bridge["GlobalIPv6Address"] ?? "",
    GlobalIPv6PrefixLen: bridge["GlobalIPv6PrefixLen"] ?? 0,
    IPAddress: bridge["IPAddress"] ?? "",
    IPPrefixLen: bridge["IPPrefixLen"] ?? 0,
    IPv6Gateway: bridge["IPv6Gateway"] ?? "",
    MacAddress: bridge["MacAddress"] ?? "",
    ...settings,
  };
}

const EMPTY_IMAGE_LISTS: Fields = { User: "", Env: null, Cmd: null, Volumes: null, WorkingDir: "", Entrypoint: null, OnBuild: null, Labels: null };

/** Fields of a container's configuration that never said anything about an image. */
const RUNTIME_CONFIG: Fields = {
  Hostname: "",
  Domainname: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: "",
};

function untaggedImage(json: Fields): Fields {
  const bare = (json["RepoTags"] as string[]).length === 0 && (json["RepoDigests"] as string[]).length === 0;
  return bare ? { ...json, RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] } : json;
}

function flatEvent(json: Fields): Fields {
  const actor = json["Actor"] as { ID: string; Attributes: Record<string, string> };
  const from = actor.Attributes["image"];
  if (json["Type"] === "container") return { status: json["Action"], id: actor.ID, ...(from === undefined ? {} : { from }), ...json };
  return json["Type"] === "image" ? { status: json["Action"], id: actor.ID, ...json } : json;
}

function withoutExpected(json: Fields): Fields {
  const commit = (key: string) => ({ [key]: { ...(json[key] as Fields), Expected: (json[key] as Fields)["ID"] } });
  return { ...json, ...commit("ContainerdCommit"), ...commit("RuncCommit"), ...commit("InitCommit") };
}

function plainRuntimes(runtimes: Record<string, Fields>): Fields {
  return Object.fromEntries(Object.entries(runtimes).map(([name, runtime]) => [name, withoutKeys(runtime, "status")]));
}
