/** Checks of the container's own configuration and of lists in the host configuration; the texts are Docker's. */
import { isIP } from "node:net";
import { fail } from "#base/errors.ts";
import { CAPABILITIES, signalNumber, ULIMITS } from "#spec/api-names.ts";
import { asPrefix, parseEgress } from "#spec/egress.ts";
import type { CreateBody, HostConfigBody } from "./create-body.ts";
import type { CreateHost } from "./create-request.ts";

const LOG_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  "json-file": ["max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode", "max-buffer-size"],
  none: [],
};
const KNOWN_LOG_DRIVERS = ["local", "syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "etwlogs", "gcplogs"];

export function checkConfig(body: CreateBody, host: Pick<CreateHost, "logDriver">): void {
  if (body.WorkingDir !== "" && !body.WorkingDir.startsWith("/")) {
    throw fail("invalid", `the working directory '${body.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  for (const variable of body.Env ?? []) {
    if (variable === "" || variable.startsWith("=")) throw fail("invalid", `invalid environment variable: ${variable}`);
  }
  if (body.StopSignal !== undefined && body.StopSignal !== "" && signalNumber(body.StopSignal) === undefined) {
    throw fail("invalid", `invalid signal: ${body.StopSignal}`);
  }
  checkHealth(body.Healthcheck);
  for (const text of [body.Hostname, body.Domainname]) checkHostname(text);
  for (const port of Object.keys(body.ExposedPorts ?? {})) checkPort(port);
  const given = body.HostConfig;
  checkRestartPolicy(given);
  checkLogging(given, host.logDriver);
  checkCapabilities("CapAdd", given.CapAdd);
  checkCapabilities("CapDrop", given.CapDrop);
  checkPortBindings(given.PortBindings);
  checkTraffic(given);
  for (const host of given.ExtraHosts ?? []) checkExtraHost(host);
  for (const address of given.Dns ?? []) if (isIP(address) === 0) throw fail("invalid", `invalid DNS server ${JSON.stringify(address)}: it needs to be an IP address`);
  for (const word of [...(given.DnsSearch ?? []), ...(given.DnsOptions ?? [])]) if (/[\s\0]/.test(word)) throw fail("invalid", `invalid DNS search domain or option ${JSON.stringify(word)}: it needs to be one word`);
  for (const ulimit of given.Ulimits ?? []) checkUlimit(ulimit);
  for (const option of given.SecurityOpt ?? []) checkSecurityOption(option);
  for (const from of given.VolumesFrom ?? []) checkVolumesFrom(from);
}

const MILLISECOND = 1e6;

function checkHealth(given: CreateBody["Healthcheck"]): void {
  if (given === undefined) return;
  const [kind, ...words] = given.Test ?? [];
  if (kind !== undefined && !["NONE", "CMD", "CMD-SHELL"].includes(kind)) {
    throw fail("invalid", `unknown type of health check ${JSON.stringify(kind)}: Healthcheck.Test begins with NONE, CMD or CMD-SHELL`);
  }
  if (kind !== undefined && kind !== "NONE" && words.length === 0) throw fail("invalid", `Healthcheck.Test: ${kind} needs a command`);
  for (const field of ["Interval", "Timeout", "StartPeriod", "StartInterval"] as const) {
    const time = given[field] ?? 0;
    if (time !== 0 && time < MILLISECOND) throw fail("invalid", `${field} in Healthcheck cannot be less than 1ms`);
  }
  if ((given.Retries ?? 0) < 0) throw fail("invalid", "Retries in Healthcheck cannot be negative");
}

/** The kernel takes 64 bytes; a control character in it would be one in /etc/hosts. */
function checkHostname(name: string): void {
  if (Buffer.byteLength(name) > 64 || /[\s/\u0000-\u001f\u007f]/.test(name)) throw fail("invalid", `invalid hostname ${JSON.stringify(name)}`);
}

const POLICIES = ["", "no", "always", "on-failure", "unless-stopped"];

export function checkRestartPolicy(given: Pick<HostConfigBody, "RestartPolicy" | "AutoRemove">): void {
  const { Name: name, MaximumRetryCount: count } = given.RestartPolicy;
  if (!POLICIES.includes(name)) {
    throw fail("invalid", `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  if (count < 0) throw fail("invalid", "invalid restart policy: maximum retry count cannot be negative");
  if (count !== 0 && name !== "on-failure") throw fail("invalid", `invalid restart policy: maximum retry count can only be used with 'on-failure'`);
  if (given.AutoRemove && name !== "" && name !== "no") throw fail("invalid", "can't create 'AutoRemove' container with restart policy");
}

function checkLogging(given: HostConfigBody, defaultDriver: string): void {
  const driver = given.LogConfig.Type || defaultDriver;
  const options = given.LogConfig.Config;
  if (KNOWN_LOG_DRIVERS.includes(driver)) throw fail("not-implemented", `HostConfig.LogConfig.Type: the log driver ${driver} is not there yet in this version of Gantry; use json-file or none`);
  const known = Object.hasOwn(LOG_OPTIONS, driver) ? LOG_OPTIONS[driver] : undefined;
  if (known === undefined) throw fail("invalid", `error looking up logging plugin ${driver}: plugin "${driver}" not found`);
  if (driver === "none") return;
  for (const option of Object.keys(options ?? {})) {
    if (!known.includes(option)) throw fail("invalid", `unknown log opt '${option}' for ${driver} log driver`);
  }
}

function checkCapabilities(field: string, names: readonly string[] | null): void {
  for (const name of names ?? []) {
    const upper = name.toUpperCase();
    const full = upper === "ALL" || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (full !== "ALL" && full !== "CAP_ALL" && !CAPABILITIES.has(full)) throw fail("invalid", `invalid ${field}: unknown capability: ${JSON.stringify(full)}`);
  }
}

/** "80", "80/tcp", "8000-8010/udp". */
export function checkPort(port: string): void {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(port);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first < 1 || last > 65535 || last < first) throw fail("invalid", `invalid port specification: ${JSON.stringify(port.split("/")[0])}`);
  if (match[3]?.toLowerCase() === "sctp") throw fail("not-implemented", `port ${port}: SCTP is not there yet in this version of Gantry; use tcp or udp`);
}

export function checkPortBindings(bindings: HostConfigBody["PortBindings"]): void {
  for (const [port, hosts] of Object.entries(bindings ?? {})) {
    checkPort(port);
    for (const { HostIp: address, HostPort: hostPort, Allow: allow } of hosts ?? []) {
      if (address !== "" && isIP(address) === 0) throw fail("invalid", `invalid port binding for ${port}: ${JSON.stringify(address)} is no IP address`);
      if (hostPort !== "" && !isHostPort(hostPort)) throw fail("invalid", `invalid port specification: ${JSON.stringify(hostPort)}`);
      for (const one of allow ?? []) if (asPrefix(one) === undefined) throw fail("invalid", `invalid port binding for ${port}: Allow: ${JSON.stringify(one)} is no address and no prefix`);
    }
  }
}

/** Ours: what may be sent, and how fast. */
export function checkTraffic({ Egress: egress, NetworkRate: rate }: Pick<HostConfigBody, "Egress" | "NetworkRate">): void {
  if (egress !== undefined && !["", "deny", "allow"].includes(egress.Default)) throw fail("invalid", `invalid egress policy ${JSON.stringify(egress.Default)}: it is deny or allow`);
  for (const target of egress?.Allow ?? []) {
    if (parseEgress(target) === undefined) throw fail("invalid", `invalid egress target ${JSON.stringify(target)}: expected a name, an address or a prefix, with ":PORT" and "/tcp" or "/udp" as wanted`);
  }
  for (const [way, bits] of Object.entries(rate ?? {})) {
    if (bits !== undefined && bits !== 0 && bits < SLOWEST) throw fail("invalid", `invalid network rate: ${way}: ${bits} bits per second; at least ${SLOWEST} are needed`);
  }
}

/** One full packet would take longer than a second. */
const SLOWEST = 12_000;

/** A port, 0 for any, or a range to choose from. */
function isHostPort(text: string): boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return false;
  const last = Number(match[2] ?? match[1]);
  return last <= 65535 && Number(match[1]) <= last;
}

function checkExtraHost(entry: string): void {
  const match = /^([^:=]+)[:=](.+)$/.exec(entry);
  if (match === null) throw fail("invalid", `bad format for add-host: ${JSON.stringify(entry)}`);
  const address = match[2]!.replace(/^\[(.*)\]$/, "$1");
  if (address !== "host-gateway" && isIP(address) === 0) throw fail("invalid", `invalid IP address in add-host: ${JSON.stringify(match[2])}`);
  if (/[\s\u0000-\u001f]/.test(match[1]!)) throw fail("invalid", `bad format for add-host: ${JSON.stringify(entry)}`);
}

function checkUlimit({ Name: name, Soft: soft, Hard: hard }: { Name: string; Soft: number; Hard: number }): void {
  if (!ULIMITS.has(name)) throw fail("invalid", `invalid ulimit type: ${name}`);
  if (hard !== -1 && (soft > hard || soft === -1)) throw fail("invalid", `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
}

function checkSecurityOption(option: string): void {
  if (option === "no-new-privileges" || /^(no-new-privileges[=:](true|false)|seccomp[=:].+|apparmor[=:].+|label[=:].+|systempaths=unconfined|writable-cgroups(=(true|false))?)$/s.test(option)) return;
  if (option === "label:disable" || option === "disable") return;
  throw fail("invalid", `invalid --security-opt 2: ${JSON.stringify(option)}`);
}

function checkVolumesFrom(from: string): void {
  if (from === "") throw fail("invalid", "volumes-from specification cannot be an empty string");
  const mode = from.includes(":") ? from.slice(from.indexOf(":") + 1) : "rw";
  if (!/^(ro|rw|z|Z)(,(ro|rw|z|Z))*$/.test(mode)) throw fail("invalid", `invalid mode: ${mode}`);
}
