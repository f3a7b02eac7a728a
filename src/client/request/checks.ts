/** Values of flags that are checked one by one as they are read, with the texts docker has for them. */
import { isIP } from "node:net";
import { fail } from "#base/errors.ts";

export function checkExtraHost(value: string): string {
  const wrong = () => fail("invalid", `bad format for add-host: ${JSON.stringify(value)}`);
  const at = value.includes("=") ? value.indexOf("=") : value.indexOf(":");
  const host = value.slice(0, at);
  if (at <= 0 || host.includes(":")) throw wrong();
  let address = value.slice(at + 1);
  if (address === "") throw wrong();
  if (address === "host-gateway") return `${host}:${address}`;
  if (/^\[.+\]$/.test(address)) address = address.slice(1, -1);
  if (isIP(address) === 0) throw fail("invalid", `invalid IP address in add-host: ${JSON.stringify(value.slice(at + 1))}`);
  return `${host}:${address}`;
}

export function checkAttach(value: string): string {
  const stream = value.toLowerCase();
  if (stream === "stdin" || stream === "stdout" || stream === "stderr") return stream;
  throw fail("invalid", "valid streams are STDIN, STDOUT and STDERR");
}

export function checkDeviceRule(value: string): string {
  if (/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(value)) return value;
  throw fail("invalid", `invalid device cgroup format '${value}'`);
}

export function checkIp(value: string): string {
  const address = value.trim();
  if (isIP(address) !== 0) return address;
  throw fail("invalid", `IP address is not correctly formatted: ${value}`);
}

const DOMAIN = /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*\.?\s*$/;

export function checkSearchDomain(value: string): string {
  const domain = value.replace(/^ +| +$/g, "");
  if (domain === ".") return domain;
  if (/[a-zA-Z]/.test(domain) && domain.length < 255 && DOMAIN.test(domain)) return domain.trimEnd();
  throw fail("invalid", `${value} is not a valid domain`);
}

/** A name alone takes its value from the client's environment; one that is not set there unsets the image's. */
export function checkEnv(value: string): string {
  const equals = value.indexOf("=");
  if (equals === 0 || value === "") throw fail("invalid", `invalid environment variable: ${value}`);
  if (equals > 0) return value;
  const found = process.env[value];
  return found === undefined ? value : `${value}=${found}`;
}

export function checkLabel(value: string): string {
  if (/^\s*(=|$)/.test(value)) throw fail("invalid", `invalid label '${value}': empty name`);
  return value;
}

export function checkLink(value: string): string {
  const parts = value.split(":");
  if (value === "") throw fail("invalid", "empty string specified for links");
  if (parts.length > 2) throw fail("invalid", `bad format for links: ${value}`);
  return value;
}

const SYSCTLS = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

export function checkSysctl(value: string): string {
  const name = value.split("=")[0]!;
  if (value.includes("=") && (SYSCTLS.has(name) || name.startsWith("net.") || name.startsWith("fs.mqueue."))) return value;
  throw fail("invalid", `sysctl '${value}' is not allowed`);
}
