/**
 * The engine's configuration: dockerd's flags and the keys of daemon.json, by the same names.
 *
 *     const loaded = await loadConfig(["--mtu", "1400", "-H", "unix:///run/gantry/gantry.sock"]);
 *     loaded.config.network.mtu;   // 1400
 *     loaded.action;               // "run", or "validate", "help", "version"
 *
 * Rules, as in Docker: a key given as a flag and in the file is fatal; so is an unknown key; a value is checked before
 * anything starts. What Gantry does not act on yet is refused with a sentence unless it stands at its default.
 */

import type { BuilderSettings } from "./builder.ts";
import type { GcSettings } from "../disk/settings.ts";

export type Config = {
  /** Everything that lasts: database, blobs, snapshots, volumes. Private to root. */
  readonly dataRoot: string;
  /** What a reboot may take away: sockets, pidfile, shims' control sockets. */
  readonly execRoot: string;
  readonly hosts: readonly Host[];
  /** The group that may use the unix sockets; "" for root alone. "docker" (the default) may be missing on the host. */
  readonly group: string;
  readonly pidfile: string;
  readonly debug: boolean;
  readonly experimental: boolean;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "fatal";
  readonly logFormat: "text" | "json";
  /** Labels of the engine, "key=value". */
  readonly labels: readonly string[];
  readonly storageDriver: "overlay" | "vfs";
  /** When images go by themselves; daemon.json's "image-gc". */
  readonly imageGc: GcSettings;
  readonly builder: BuilderSettings;
  /** Containers go on while the engine is down. Ours defaults to true. */
  readonly liveRestore: boolean;
  /** Seconds that containers get when the engine stops and liveRestore is false. -1: for ever. */
  readonly shutdownTimeout: number;
  /** Seconds before a kill when neither the request nor the container says. */
  readonly defaultStopTimeout: number;
  readonly containers: ContainerDefaults;
  readonly network: NetworkDefaults;
  readonly registries: RegistrySettings;
  /** Seconds of silence before an attempt is given up. */
  readonly registryTimeout: number;
  /** Seconds that a plugin has for an answer. */
  readonly pluginTimeout: number;
  /** The trust policy's file. At the default path there may be none. */
  readonly trustPolicy: string;
};

/** See TransferSettings of src/transfer, which they become. */
export type RegistrySettings = {
  readonly insecureRegistries: readonly string[];
  readonly mirrors: readonly string[];
  /** Where certificates and mirrors of hosts are looked for, a folder a host. */
  readonly hostFolders: readonly string[];
  readonly proxies: { readonly http: string; readonly https: string; readonly no: string };
  readonly maxDownloads: number;
  readonly maxUploads: number;
  readonly maxAttempts: number;
};

export type Host =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly address: string; readonly port: number }
  /** A listener handed over by systemd: "" for all, or its name. */
  | { readonly kind: "fd"; readonly name: string };

export type ContainerDefaults = {
  readonly logDriver: string;
  readonly logOpts: Readonly<Record<string, string>>;
  readonly ulimits: Readonly<Record<string, { readonly Name: string; readonly Soft: number; readonly Hard: number }>>;
  /** "": the engine's choice. */
  readonly cgroupParent: string;
  /** "": private on cgroup v2, host on v1. */
  readonly cgroupnsMode: "" | "host" | "private";
  readonly ipcMode: "private" | "shareable";
  /** Bytes. */
  readonly shmSize: number;
  readonly init: boolean;
  /** "": the one that comes with Gantry. */
  readonly initPath: string;
  /** "builtin", "unconfined", or the path of a profile. */
  readonly seccompProfile: string;
  readonly noNewPrivileges: boolean;
};

export type NetworkDefaults = {
  /** Name of the default network's bridge; "none" for no default network. An existing one of that name is used. */
  readonly bridge: string;
  /** Address and prefix of the bridge, "172.17.0.1/16"; "": a subnet that the host does not route. */
  readonly bip: string;
  readonly bip6: string;
  /** Part of the subnet to give addresses from. */
  readonly fixedCidr: string;
  readonly fixedCidr6: string;
  readonly gateway: string;
  readonly gateway6: string;
  readonly mtu: number;
  readonly ipv6: boolean;
  /** Whether containers of the default bridge reach each other. */
  readonly icc: boolean;
  /** Host address that ports are published on when none is given. */
  readonly publishAddress: string;
  readonly iptables: boolean;
  readonly ip6tables: boolean;
  readonly ipForward: boolean;
  readonly ipMasq: boolean;
  readonly userlandProxy: boolean;
  readonly addressPools: readonly { readonly base: string; readonly size: number }[];
  /** Options of new networks that do not say otherwise, by driver. */
  readonly networkOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly hostGatewayIps: readonly string[];
};

export type Loaded = {
  readonly action: "run" | "validate" | "help" | "version";
  readonly config: Config;
  /** The file that was asked for, and whether it was there. */
  readonly file: string;
  /** Keys that are not at their default, for the log. */
  readonly given: readonly string[];
};

export { loadConfig, reloadConfig } from "./load.ts";
export { helpText } from "./flags.ts";
