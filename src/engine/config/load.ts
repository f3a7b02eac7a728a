/** Flags and file → one checked, typed configuration. */
import { isDeepStrictEqual } from "node:util";
import { fail, messageOf } from "#base/errors.ts";
import { checkNetwork, checkStorage, checkValues } from "./check.ts";
import { parseBuilder } from "./builder.ts";
import type { Config, Loaded, NetworkDefaults } from "./config.ts";
import { parseGcSettings } from "../disk/settings.ts";
import { readConfigFile } from "./file.ts";
import { atLeastOne, compileRegistries } from "./registries.ts";
import { parseFlags } from "./flags.ts";
import { parseHost } from "./hosts.ts";
import { settings, type Setting } from "./settings.ts";
import type { Value } from "./values.ts";

type Values = ReadonlyMap<Setting, Value>;

export async function loadConfig(argv: readonly string[]): Promise<Loaded> {
  const { action, values: flags } = parseFlags(argv);
  const path = valueOf(flags, "config-file") as string;
  if (action !== "run") return { action, config: compileConfig(new Map()), file: path, given: [] };
  const file = await fileValues(path, flags);
  const values = new Map([...file, ...flags]);
  const config = compileConfig(values);
  const given = [...values].filter(([setting, value]) => !isDeepStrictEqual(value, setting.fallback)).map(([setting]) => nameOf(setting));
  return { action: valueOf(flags, "validate") === true ? "validate" : "run", config, file: path, given };
}

/**
 * Reads flags and file again, and takes over what may change while the engine runs; the rest stays as it was.
 * `ignored`: keys that changed and need a restart.
 */
export async function reloadConfig(argv: readonly string[], running: Config): Promise<{ config: Config; ignored: string[] }> {
  const { values: flags } = parseFlags(argv);
  const file = await fileValues(valueOf(flags, "config-file") as string, flags);
  const values = new Map([...file, ...flags]);
  const fresh = compileConfig(values);
  const config: Config = {
    ...running,
    debug: fresh.debug,
    logLevel: fresh.logLevel,
    labels: fresh.labels,
    liveRestore: fresh.liveRestore,
    shutdownTimeout: fresh.shutdownTimeout,
    defaultStopTimeout: fresh.defaultStopTimeout,
    containers: {
      ...running.containers,
      ulimits: fresh.containers.ulimits,
      cgroupnsMode: fresh.containers.cgroupnsMode,
      ipcMode: fresh.containers.ipcMode,
      shmSize: fresh.containers.shmSize,
    },
    imageGc: fresh.imageGc,
    builder: fresh.builder,
    trustPolicy: fresh.trustPolicy,
    registries: { ...fresh.registries, proxies: running.registries.proxies },
  };
  return { config, ignored: differences(config, fresh) };
}

/** The file's values; keys that a flag gives as well are fatal. */
async function fileValues(path: string, flags: Values): Promise<Values> {
  const asked = settings.some((setting) => setting.flag === "config-file" && flags.has(setting));
  const place = `unable to configure the engine with file ${path}`;
  try {
    const file = await readConfigFile(path);
    if (file === undefined && asked) throw fail("not-found", "no such file or directory");
    const twice = [...(file ?? [])].filter(([setting]) => flags.has(setting));
    if (file === undefined || twice.length === 0) return file ?? new Map();
    const list = twice.map(([setting, value]) => `${setting.key}: (from flag: ${show(flags.get(setting))}, from file: ${show(value)})`);
    throw fail("invalid", `the following directives are specified both as a flag and in the configuration file: ${list.join(", ")}`);
  } catch (error) {
    throw fail("invalid", `${place}: ${messageOf(error)}`, { cause: error });
  }
}

/** Pure: values by setting → Config, every one of them checked. */
export function compileConfig(values: Values): Config {
  checkValues(values);
  const get = getter(values);
  const execRoot = get<string>("exec-root");
  const hosts = get<string[]>("hosts");
  return {
    dataRoot: get("data-root"),
    execRoot,
    hosts: (hosts.length > 0 ? hosts : [`unix://${execRoot}/gantry.sock`]).map(parseHost),
    group: get("group"),
    pidfile: get("pidfile") || `${execRoot}/gantryd.pid`,
    debug: get("debug"),
    experimental: get("experimental"),
    logLevel: get("debug") ? "debug" : get("log-level"),
    logFormat: get("log-format"),
    labels: get("labels"),
    storageDriver: checkStorage(get("storage-driver")),
    imageGc: parseGcSettings(get("image-gc")),
    builder: parseBuilder(get("builder")),
    liveRestore: get("live-restore"),
    shutdownTimeout: get("shutdown-timeout"),
    defaultStopTimeout: get("default-stop-timeout"),
    containers: {
      logDriver: get("log-driver"),
      logOpts: get("log-opts"),
      ulimits: get("default-ulimits"),
      cgroupParent: get("cgroup-parent"),
      cgroupnsMode: get("default-cgroupns-mode"),
      ipcMode: get("default-ipc-mode"),
      shmSize: get("default-shm-size"),
      init: get("init"),
      initPath: get("init-path"),
      seccompProfile: get("seccomp-profile") || "builtin",
      noNewPrivileges: get("no-new-privileges"),
    },
    network: checkNetwork(compileNetwork(values)),
    registries: compileRegistries(get),
    registryTimeout: atLeastOne("registry timeout", get("registry-timeout")),
    pluginTimeout: atLeastOne("plugin timeout", get("plugin-timeout")),
    trustPolicy: get("trust-policy"),
  };
}

function compileNetwork(values: Values): NetworkDefaults {
  const get = getter(values);
  return {
    bridge: get("bridge") || "gantry0",
    bip: get("bip"),
    bip6: get("bip6"),
    fixedCidr: get("fixed-cidr"),
    fixedCidr6: get("fixed-cidr-v6"),
    gateway: get("default-gateway"),
    gateway6: get("default-gateway-v6"),
    mtu: get("mtu"),
    ipv6: get("ipv6"),
    icc: get("icc"),
    publishAddress: get("ip"),
    iptables: get("iptables"),
    ip6tables: get("ip6tables"),
    ipForward: get("ip-forward"),
    ipMasq: get("ip-masq"),
    userlandProxy: get("userland-proxy"),
    addressPools: get("default-address-pools"),
    networkOptions: get("default-network-opts"),
    dns: get("dns"),
    dnsOptions: get("dns-opts"),
    dnsSearch: get("dns-search"),
    hostGatewayIps: get("host-gateway-ips"),
  };
}

function getter(values: Values): <T>(name: string) => T {
  return <T>(name: string) => valueOf(values, name) as T;
}

/** By key, or by flag for what has no key. */
function valueOf(values: Values, name: string): Value {
  const setting = settings.find((candidate) => (candidate.key ?? candidate.flag) === name) as Setting;
  return values.get(setting) ?? setting.fallback;
}

function nameOf(setting: Setting): string {
  return (setting.key ?? setting.flag) as string;
}

/** As Go prints values: [a b], map[a:b]. */
function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (value !== null && typeof value === "object") return `map[${Object.entries(value).map(([key, entry]) => `${key}:${show(entry)}`).join(" ")}]`;
  return String(value);
}

/** Names of what differs between two configurations, one level down. */
function differences(now: Config, fresh: Config): string[] {
  return Object.entries(now).flatMap(([key, value]) => {
    const other = fresh[key as keyof Config];
    if (isDeepStrictEqual(value, other)) return [];
    if (key !== "containers" && key !== "network" && key !== "registries") return [key];
    return Object.keys(value as object).filter(
      (inner) => !isDeepStrictEqual((value as Record<string, unknown>)[inner], (other as Record<string, unknown>)[inner]),
    );
  });
}
