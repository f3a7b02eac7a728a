/** What values of settings must be, beyond their kind. Each check names the setting and what is expected. */
import { isIP, isIPv4, isIPv6 } from "node:net";
import { isAbsolute } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fail } from "#base/errors.ts";
import type { Config, NetworkDefaults } from "./config.ts";
import type { Setting } from "./settings.ts";
import type { Value } from "./values.ts";

export function checkValues(values: ReadonlyMap<Setting, Value>): void {
  for (const [setting, value] of values) {
    const name = (setting.key ?? setting.flag) as string;
    if (setting.state === "refused" && !isDeepStrictEqual(value, setting.fallback)) {
      throw fail("not-implemented", `${name}: Gantry does not act on this setting yet; leave it out`);
    }
    const why = checks[name]?.(value as never);
    if (why !== undefined) throw fail("invalid", `${name}: ${why}, not ${JSON.stringify(value)}`);
  }
}

export function checkStorage(name: string): Config["storageDriver"] {
  if (["", "overlay", "overlay2", "overlayfs"].includes(name)) return "overlay";
  if (name === "vfs" || name === "native") return "vfs";
  throw fail("invalid", `storage-driver: "overlay" or "vfs" is expected, not ${JSON.stringify(name)}`);
}

/** Checks that need more than one value. */
export function checkNetwork(network: NetworkDefaults): NetworkDefaults {
  if (network.bridge === "none" && network.bip !== "") throw fail("invalid", "bip and bridge: there is no bridge to give the address to");
  if (!network.icc && !network.iptables) {
    throw fail("invalid", "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true");
  }
  return network;
}

type Check = (value: never) => string | undefined;

/** Returns what is expected, when the value is something else. */
const checks: Readonly<Record<string, Check>> = {
  "data-root": absolutePath,
  "exec-root": absolutePath,
  pidfile: (path: string) => (path === "" ? undefined : absolutePath(path)),
  "init-path": (path: string) => (path === "" ? undefined : absolutePath(path)),
  "log-level": oneOf("debug", "info", "warn", "error", "fatal"),
  "log-format": oneOf("text", "json"),
  "log-driver": oneOf("json-file", "none"),
  "default-cgroupns-mode": oneOf("", "host", "private"),
  "default-ipc-mode": oneOf("private", "shareable"),
  "shutdown-timeout": atLeast(-1),
  "default-stop-timeout": atLeast(-1),
  "default-shm-size": atLeast(1),
  mtu: (mtu: number) => (mtu >= 68 && mtu <= 65535 ? undefined : "a number from 68 to 65535 is expected"),
  labels: checkLabels,
  bridge: (name: string) => (/^[^\s/:]{0,15}$/.test(name) ? undefined : "a network interface's name (15 bytes at most) is expected"),
  bip: cidr(4),
  bip6: cidr(6),
  "fixed-cidr": cidr(4),
  "fixed-cidr-v6": cidr(6),
  "default-gateway": (text: string) => (text === "" || isIPv4(text) ? undefined : "an IPv4 address is expected"),
  "default-gateway-v6": (text: string) => (text === "" || isIPv6(text) ? undefined : "an IPv6 address is expected"),
  ip: address,
  dns: allAddresses,
  "host-gateway-ips": allAddresses,
  "default-address-pools": checkPools,
  hosts: checkHosts,
};

function oneOf(...words: string[]): Check {
  return ((value: string) => (words.includes(value) ? undefined : `one of ${words.map((word) => JSON.stringify(word)).join(", ")} is expected`)) as Check;
}

function atLeast(least: number): Check {
  return ((value: number) => (value >= least ? undefined : `a number from ${least} is expected`)) as Check;
}

function absolutePath(path: string): string | undefined {
  return isAbsolute(path) && !path.includes("\0") ? undefined : "an absolute path is expected";
}

function cidr(version: 4 | 6): Check {
  return ((text: string) => {
    const [ip = "", bits = ""] = text.split("/");
    const fits = isIP(ip) === version && /^\d+$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
    return text === "" || fits ? undefined : `an IPv${version} address and prefix is expected`;
  }) as Check;
}

function address(text: string): string | undefined {
  return isIP(text) === 0 ? "an IP address is expected" : undefined;
}

function allAddresses(list: readonly string[]): string | undefined {
  return list.every((text) => isIP(text) !== 0) ? undefined : "IP addresses are expected";
}

function checkLabels(labels: readonly string[]): string | undefined {
  const values = new Map<string, string>();
  for (const label of labels) {
    const at = label.indexOf("=");
    if (at < 1) return "labels of the form key=value are expected";
    const before = values.get(label.slice(0, at));
    if (before !== undefined && before !== label) return "one value for each label is expected";
    values.set(label.slice(0, at), label);
  }
  return undefined;
}

function checkPools(pools: readonly { base: string; size: number }[]): string | undefined {
  const good = pools.every(({ base, size }) => {
    const [ip = "", bits = ""] = base.split("/");
    const largest = isIP(ip) === 6 ? 128 : 32;
    return isIP(ip) !== 0 && /^\d+$/.test(bits) && Number(bits) <= size && size <= largest;
  });
  return good ? undefined : "pools with a base and a size that fits into it are expected";
}

/** TCP without TLS would give root to whoever reaches the port; TLS and systemd's sockets are to come. */
function checkHosts(hosts: readonly string[]): string | undefined {
  if (hosts.every((host) => host.startsWith("unix://"))) return undefined;
  return "unix:// sockets alone are served so far (reach the engine from elsewhere with DOCKER_HOST=ssh://…)";
}
