/**
 * What older clients mean by a create request, put into today's words. Changes the freshly decoded body; returns warnings
 * for the client. One rule a version, oldest habits first.
 */
import { fail } from "#base/errors.ts";
import { BARE_ENDPOINT } from "../networks/endpoint.ts";
import type { CreateBody } from "./create-body.ts";
import type { CreateHost } from "./create-request.ts";

export function translateOldClient(body: CreateBody, version: number, host: CreateHost): string[] {
  const warnings: string[] = [];
  const given = body.HostConfig;
  nameDefaultNetwork(body);
  if (version < 25) given.AutoRemove = false;
  if (version < 40) {
    for (const { BindOptions } of given.Mounts ?? []) if (BindOptions) delete BindOptions.NonRecursive;
    given.KernelMemoryTCP = 0;
    given.IpcMode ||= "shareable";
  }
  if (version < 41 && host.cgroupVersion === "1") given.CgroupnsMode ||= "host";
  if (version < 42) {
    for (const mount of given.Mounts ?? []) {
      if (mount.BindOptions) delete mount.BindOptions.CreateMountpoint;
      if (mount.Type !== "volume") delete mount.VolumeOptions;
      if (mount.Type !== "tmpfs") delete mount.TmpfsOptions;
    }
    given.ConsoleSize = null;
  }
  if (version < 43) given.Annotations = null;
  if (version < 44) beforeManyEndpoints(body);
  if (version < 45 && given.Mounts?.some((mount) => mount.VolumeOptions?.Subpath)) throw fail("invalid", "VolumeOptions.Subpath needs API v1.45 or newer");
  if (version < 48) {
    for (const endpoint of endpointsOf(body)) endpoint.GwPriority = 0;
    if (given.Mounts?.some((mount) => mount.Type === "image")) throw fail("invalid", 'Mount type "Image" needs API v1.48 or newer');
  }
  moveMacAddress(body, version, warnings);
  fillEmptyPortBindings(body, version, warnings);
  return warnings;
}

/** "default" and "" are the bridge network on Linux, and so are endpoint settings under that name. */
function nameDefaultNetwork(body: CreateBody): void {
  const given = body.HostConfig;
  if (given.NetworkMode !== "" && given.NetworkMode !== "default") return;
  given.NetworkMode = "bridge";
  const endpoints = body.NetworkingConfig.EndpointsConfig;
  const settings = endpoints?.["default"];
  if (endpoints === null || settings === undefined) return;
  delete endpoints["default"];
  endpoints["bridge"] ??= settings;
}

/** Read-only binds became recursive, and several networks at once possible, with 1.44. */
function beforeManyEndpoints(body: CreateBody): void {
  for (const mount of body.HostConfig.Mounts ?? []) {
    if (mount.Type !== "bind") continue;
    if (mount.BindOptions?.ReadOnlyForceRecursive) throw fail("invalid", "BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
    if (mount.ReadOnly) mount.BindOptions = { ...mount.BindOptions, ReadOnlyNonRecursive: true };
  }
  const names = Object.keys(body.NetworkingConfig.EndpointsConfig ?? {});
  if (names.length > 1) throw fail("invalid", `Container cannot be created with multiple network endpoints: ${names.join(", ")}`);
  if (body.MacAddress === "") for (const endpoint of endpointsOf(body)) endpoint.MacAddress = "";
}

/** The MAC address of a container belongs to its endpoint since 1.44; the old place is refused since 1.52. */
function moveMacAddress(body: CreateBody, version: number, warnings: string[]): void {
  const mac = body.MacAddress;
  if (mac === "") return;
  if (version >= 52) throw fail("invalid", "container-wide MAC address no longer supported; use endpoint-specific MAC address instead");
  const mode = body.HostConfig.NetworkMode;
  if (mode === "host" || mode === "none" || mode.startsWith("container:")) throw fail("invalid", "conflicting options: mac-address and the network mode");
  const endpoints = (body.NetworkingConfig.EndpointsConfig ??= {});
  const endpoint = (endpoints[mode] ??= { ...BARE_ENDPOINT });
  if (endpoint.MacAddress !== "" && endpoint.MacAddress !== mac) {
    throw fail("invalid", "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty");
  }
  endpoint.MacAddress = mac;
  if (version >= 44) warnings.push("The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.");
}

/** A port with an empty list of bindings got one of the engine's choice; since 1.53 it gets none. */
function fillEmptyPortBindings(body: CreateBody, version: number, warnings: string[]): void {
  const bindings = body.HostConfig.PortBindings;
  if (bindings === null) return;
  const bare = Object.keys(bindings).filter((port) => (bindings[port] ?? []).length === 0);
  for (const port of bare) {
    if (version > 52) delete bindings[port];
    else bindings[port] = [{ HostIp: "", HostPort: "" }];
  }
  if (version === 52 && bare.length > 0) {
    warnings.push(`Following container port(s) have an empty list of port-bindings: ${bare.join(", ")}. Starting with API 1.53, such bindings will be discarded.`);
  }
}

function endpointsOf(body: CreateBody) {
  return Object.values(body.NetworkingConfig.EndpointsConfig ?? {}).filter((endpoint) => endpoint !== null);
}
