/** Checks of namespaces and of what goes together with them; the texts are Docker's. */
import { isIP } from "node:net";
import { fail } from "#base/errors.ts";
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
  if (mode === "container" || mode === "container:") throw conflict("invalid network mode: invalid container format container:<name|id>");
  const joins = CONTAINER.test(mode);
  const named = body.Hostname !== "";
  require(!(joins && named), "conflicting options: hostname and the network mode");
  require(!(given.UTSMode === "host" && named), "conflicting options: hostname and the UTS mode");
  const publishes = given.PublishAllPorts || Object.keys(given.PortBindings ?? {}).length > 0;
  if (joins) {
    require(isBare(given.Dns), "conflicting options: dns and the network mode");
    require(isBare(given.ExtraHosts), "conflicting options: custom host-to-IP mapping and the network mode");
    require(!publishes, "conflicting options: port publishing and the container type network mode");
    require(Object.keys(body.ExposedPorts ?? {}).length === 0, "conflicting options: port exposing and the container type network mode");
  }
  if (mode === "host" && publishes) warnings.push("Published ports are discarded when using host network mode");
  checkEndpoints(body, mode, joins);
}

function checkEndpoints(body: CreateBody, mode: string, joins: boolean): void {
  const endpoints = Object.entries(body.NetworkingConfig.EndpointsConfig ?? {});
  const builtin = ["bridge", "host", "none"];
  // Not 404: that makes clients pull the image and try again.
  if (!joins && !builtin.includes(mode)) throw conflict(`network ${mode} not found`);
  for (const [name, endpoint] of endpoints) {
    if (!builtin.includes(name) && !name.startsWith("container:")) throw conflict(`network ${name} not found`);
    if (name !== mode) throw fail("not-implemented", `NetworkingConfig.EndpointsConfig[${JSON.stringify(name)}]: more than one network of a container is not there yet in this version of Gantry`);
    if (endpoint === null) continue;
    const invalid = (what: string) => conflict(`invalid config for network ${name}: invalid endpoint settings:\n${what}`);
    if (endpoint.IPAMConfig?.IPv4Address || endpoint.IPAMConfig?.IPv6Address) throw invalid("user specified IP address is supported on user defined networks only");
    if (endpoint.MacAddress !== "") checkMac(endpoint.MacAddress, invalid);
    if (!isBare(endpoint.Aliases)) throw invalid("network-scoped aliases are only supported for user-defined networks");
  }
}

function checkMac(mac: string, invalid: (what: string) => Error): void {
  const octets = mac.split(/[:-]/);
  if (octets.length !== 6 || octets.some((octet) => !/^[0-9a-f]{2}$/i.test(octet)) || isIP(mac) !== 0) throw invalid(`invalid MAC address: ${mac}`);
}

const isBare = (list: readonly unknown[] | null) => list === null || list.length === 0;
const conflict = (message: string) => fail("invalid", message);

function require(condition: boolean, message: string): void {
  if (!condition) throw fail("invalid", message);
}
