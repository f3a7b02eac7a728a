/** Checks of namespaces and of what goes together with them; the texts are Docker's. */
import { fail } from "#base/errors.ts";
import { checkEndpoint, isContainerMode, linkError } from "../networks/endpoint.ts";
import type { CreateBody } from "./create-body.ts";

const CONTAINER = /^container:.+$/s;

export function checkModes(body: CreateBody, warnings: string[]): void {
  const given = body.HostConfig;
  require(given.IpcMode === "" || ["private", "shareable", "host", "none"].includes(given.IpcMode) || CONTAINER.test(given.IpcMode), `invalid IPC mode: ${given.IpcMode}`);
  require(given.PidMode === "" || given.PidMode === "host" || CONTAINER.test(given.PidMode), `invalid PID mode: ${given.PidMode}`);
  require(["", "host"].includes(given.UTSMode), `invalid UTS mode: ${given.UTSMode}`);
  require(["", "host"].includes(given.UsernsMode), `invalid user namespace mode: ${given.UsernsMode}`);
  require(["", "host", "private"].includes(given.CgroupnsMode), `invalid cgroup namespace mode: ${given.CgroupnsMode}`);
  require(given.Cgroup === "" || CONTAINER.test(given.Cgroup), `invalid cgroup spec: ${given.Cgroup}`);
  if (given.Cgroup !== "") throw fail("not-implemented", "HostConfig.Cgroup: sharing a cgroup with a container is not there yet in this version of Gantry; leave it out");
  checkNetwork(body, warnings);
}

function checkNetwork(body: CreateBody, warnings: string[]): void {
  const given = body.HostConfig;
  const mode = given.NetworkMode;
  if (mode === "container" || mode === "container:") throw fail("invalid", "invalid network mode: invalid container format container:<name|id>");
  const joins = isContainerMode(mode);
  const named = body.Hostname !== "";
  const links = !isBare(given.Links);
  require(!(joins && named), "conflicting options: hostname and the network mode");
  require(!(given.UTSMode === "host" && named), "conflicting options: hostname and the UTS mode");
  require(!(mode === "host" && links), "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
  const publishes = given.PublishAllPorts || Object.keys(given.PortBindings ?? {}).length > 0;
  if (joins) {
    require(!links, "conflicting options: container type network can't be used with links. This would result in undefined behavior");
    require(isBare(given.Dns), "conflicting options: dns and the network mode");
    require(isBare(given.ExtraHosts), "conflicting options: custom host-to-IP mapping and the network mode");
    require(!publishes, "conflicting options: port publishing and the container type network mode");
    require(Object.keys(body.ExposedPorts ?? {}).length === 0, "conflicting options: port exposing and the container type network mode");
  }
  const own = !joins && mode !== "host";
  require(own || given.Egress === undefined, "conflicting options: egress policy and the network mode");
  require(own || given.NetworkRate === undefined, "conflicting options: network rate and the network mode");
  if (mode === "host" && publishes) warnings.push("Published ports are discarded when using host network mode");
  for (const link of given.Links ?? []) {
    const wrong = linkError(link);
    require(wrong === undefined, wrong ?? "");
  }
  checkEndpoints(body, mode);
}

const ALONE: Readonly<Record<string, string>> = {
  host: "container sharing network namespace with another container or host cannot be connected to any other network",
  none: "container cannot be connected to multiple networks with one of the networks in private (none) mode",
};

function checkEndpoints(body: CreateBody, mode: string): void {
  const endpoints = Object.entries(body.NetworkingConfig.EndpointsConfig ?? {});
  const alone = isContainerMode(mode) ? ALONE["host"] : ALONE[mode];
  for (const [name, endpoint] of endpoints) {
    require(name === mode || alone === undefined, alone ?? "");
    require(name === mode || ALONE[name] === undefined, ALONE[name] ?? "");
    if (endpoint !== null) checkEndpoint(name, endpoint, `invalid config for network ${name}: `);
  }
}

const isBare = (list: readonly unknown[] | null) => list === null || list.length === 0;

function require(condition: boolean, message: string): void {
  if (!condition) throw fail("invalid", message);
}
