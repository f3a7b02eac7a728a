/**
 * The table of settings: dockerd's flags and the keys of daemon.json. A setting that is `refused` is known and not
 * acted on yet: only its default is taken. `ignored` ones have no effect in Docker either, or none that Gantry needs.
 */
import { DEFAULT_POLICY_PATH } from "#transfer/trust/default-path.ts";
import type { Value, ValueKind } from "./values.ts";

export type Setting = {
  /** Without dashes. Absent: file only. */
  readonly flag?: string;
  readonly short?: string;
  /** The key in daemon.json. Absent: flag only. */
  readonly key?: string;
  readonly kind: ValueKind;
  readonly fallback: Value;
  readonly help: string;
  readonly state?: "refused" | "ignored";
  /** Taken over on SIGHUP. */
  readonly reload?: true;
};

export const settings: readonly Setting[] = [
  // The engine itself.
  own("config-file", "string", "/etc/gantry/daemon.json", "Configuration file"),
  own("validate", "bool", false, "Check the configuration and end"),
  both("data-root", "string", "/var/lib/gantry", "Directory of everything that lasts"),
  both("exec-root", "string", "/run/gantry", "Directory of sockets and other state of this boot"),
  { flag: "host", short: "H", key: "hosts", kind: "list", fallback: [], help: "Sockets to listen on (default \"unix://EXEC-ROOT/gantry.sock\")" },
  { ...both("group", "string", "docker", "Group that may use the unix socket"), short: "G" },
  { ...both("pidfile", "string", "", "File for the process id (default \"EXEC-ROOT/gantryd.pid\")"), short: "p" },
  { ...both("debug", "bool", false, "Log what is of use when looking for a fault"), short: "D", reload: true },
  both("experimental", "bool", false, "Say that experimental features are on, which some clients' flags ask for (docker build --squash)"),
  { ...both("log-level", "string", "info", "Least level that is logged (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\")"), short: "l", reload: true },
  both("log-format", "string", "text", "Format of the engine's own log (\"text\"|\"json\")"),
  { flag: "label", key: "labels", kind: "list", fallback: [], help: "Labels of the engine, key=value", reload: true },
  { ...both("live-restore", "bool", true, "Containers go on while the engine is down"), reload: true },
  { ...both("shutdown-timeout", "int", 15, "Seconds for containers to end in when the engine stops without live restore"), reload: true },
  { ...both("default-stop-timeout", "int", 10, "Seconds between a stop's signal and its kill"), reload: true },
  { key: "image-gc", kind: "object", fallback: {}, help: "When images go by themselves: high and low watermarks, age, grace, interval", reload: true },
  { ...both("storage-driver", "string", "", "Storage driver (\"overlay\"|\"vfs\")"), short: "s" },

  // Containers.
  both("log-driver", "string", "json-file", "Default log driver of containers"),
  many("log-opt", "log-opts", "map", {}, "Default options of the log driver"),
  { ...many("default-ulimit", "default-ulimits", "ulimits", {}, "Default ulimits of containers"), reload: true },
  both("cgroup-parent", "string", "", "Parent cgroup of all containers"),
  { ...both("default-cgroupns-mode", "string", "", "Default cgroup namespace of containers (\"host\"|\"private\")"), reload: true },
  { ...both("default-ipc-mode", "string", "private", "Default ipc namespace of containers (\"shareable\"|\"private\")"), reload: true },
  { ...both("default-shm-size", "bytes", 64 * 1024 ** 2, "Default size of /dev/shm"), reload: true },
  both("init", "bool", false, "Run an init in containers that forwards signals and reaps processes"),
  both("init-path", "string", "", "Path of that init"),
  both("seccomp-profile", "string", "builtin", "Seccomp profile: \"builtin\", \"unconfined\" or a path"),
  both("no-new-privileges", "bool", false, "Set no-new-privileges for new containers"),

  { ...both("trust-policy", "string", DEFAULT_POLICY_PATH, "Policy file: which repositories images may come from, and who must have signed them"), reload: true },

  // The network.
  { ...both("bridge", "string", "", "Bridge of the default network; \"none\": no default network (default \"gantry0\")"), short: "b" },
  both("bip", "string", "", "Address and prefix of the bridge"),
  both("bip6", "string", "", "IPv6 address and prefix of the bridge"),
  both("fixed-cidr", "string", "", "Subnet of the bridge's that containers get addresses from"),
  both("fixed-cidr-v6", "string", "", "The same for IPv6"),
  both("default-gateway", "string", "", "Gateway of containers on the default bridge"),
  both("default-gateway-v6", "string", "", "The same for IPv6"),
  both("mtu", "int", 1500, "MTU of the default network"),
  both("ipv6", "bool", false, "IPv6 on the default network"),
  both("icc", "bool", true, "Containers of the default network reach each other"),
  both("ip", "string", "0.0.0.0", "Host address for published ports that name none"),
  both("iptables", "bool", true, "Make firewall rules"),
  both("ip6tables", "bool", true, "Make firewall rules for IPv6"),
  both("ip-forward", "bool", true, "Turn on forwarding in the kernel"),
  both("ip-masq", "bool", true, "Masquerade what leaves the host"),
  both("userland-proxy", "bool", true, "Reach published ports from localhost"),
  many("default-address-pool", "default-address-pools", "pools", [], "Pools that networks get subnets from"),
  many("default-network-opt", "default-network-opts", "driverOptions", {}, "Default options of networks, by driver"),
  list("dns", "dns", "Name servers of containers"),
  list("dns-opt", "dns-opts", "Resolver options of containers"),
  list("dns-search", "dns-search", "Search domains of containers"),
  list("host-gateway-ip", "host-gateway-ips", "What host-gateway stands for in --add-host"),

  // Registries.
  { ...list("insecure-registry", "insecure-registries", "Registries (host:port, or addresses as CIDR) that may be reached without TLS, or with a certificate of anybody's"), reload: true },
  { ...list("registry-mirror", "registry-mirrors", "Mirrors of Docker Hub, asked before it"), reload: true },
  { ...both("max-concurrent-downloads", "int", 3, "Layers that are pulled side by side"), reload: true },
  { ...both("max-concurrent-uploads", "int", 5, "Layers that are pushed side by side"), reload: true },
  { ...both("max-download-attempts", "int", 5, "Attempts for each layer of a pull"), reload: true },
  both("registry-timeout", "int", 30, "Seconds without a byte from a registry before an attempt is given up"),
  { ...both("plugin-timeout", "int", 30, "Seconds that a volume or network plugin has for an answer"), reload: true },
  own("http-proxy", "string", "", "Proxy for registries that are reached over HTTP (default HTTP_PROXY)"),
  own("https-proxy", "string", "", "Proxy for registries that are reached over HTTPS (default HTTPS_PROXY)"),
  own("no-proxy", "string", "", "Hosts and addresses that are reached without a proxy (default NO_PROXY)"),
  { key: "proxies", kind: "object", fallback: {}, help: "http-proxy, https-proxy, no-proxy" },

  { key: "builder", kind: "object", fallback: {}, help: "What builds may be allowed (entitlements), when their cache goes by itself (gc), how many are remembered (history)", reload: true },

  // Known, and not acted on yet.
  ...refused("bool", false, "tls tlsverify selinux-enabled allow-direct-routing ip-forward-no-drop cri-containerd raw-logs rootless"),
  ...refused("string", "", "tlscacert tlscert tlskey metrics-addr userns-remap userland-proxy-path firewall-backend containerd bridge-accept-fwmark swarm-default-advertise-addr min-api-version"),
  ...refused("int", 0, "cpu-rt-period cpu-rt-runtime network-control-plane-mtu network-diagnostic-port"),
  ...refused("object", {}, "runtimes: nri-opts:"),
  ...refused("list", [], "storage-opts:storage-opt exec-opts:exec-opt authorization-plugins:authorization-plugin cdi-spec-dirs:cdi-spec-dir node-generic-resources:node-generic-resource"),
  { flag: "add-runtime", kind: "list", fallback: [], help: "Register another OCI runtime", state: "refused" },
  { flag: "default-runtime", key: "default-runtime", kind: "string", fallback: "runc", help: "Default OCI runtime", state: "refused" },
  { flag: "feature", key: "features", kind: "object", fallback: {}, help: "Features by name", state: "refused" },
  ...ignored("string", "deprecated-key-path containerd-namespace containerd-plugins-namespace"),
  ...ignored("list", "allow-nondistributable-artifacts"),
];

/** A flag only. */
function own(flag: string, kind: ValueKind, fallback: Value, help: string): Setting {
  return { flag, kind, fallback, help };
}

/** A flag and a key of the same name. */
function both(name: string, kind: ValueKind, fallback: Value, help: string): Setting {
  return { flag: name, key: name, kind, fallback, help };
}

/** A flag that may be given again and again, and its key in the plural. */
function many(flag: string, key: string, kind: ValueKind, fallback: Value, help: string): Setting {
  return { flag, key, kind, fallback, help };
}

function list(flag: string, key: string, help: string): Setting {
  return many(flag, key, "list", [], help);
}

/** Names are "key", or "key:flag" where they differ, or "key:" where there is no flag. */
function refused(kind: ValueKind, fallback: Value, names: string): Setting[] {
  return names.split(" ").map((name) => {
    const [key, flag] = name.split(":") as [string, string?];
    return { key, ...(flag !== "" && { flag: flag ?? key }), kind, fallback, help: "Not acted on yet", state: "refused" };
  });
}

function ignored(kind: ValueKind, names: string): Setting[] {
  const fallback = kind === "list" ? [] : "";
  return names.split(" ").map((name) => ({ key: name, flag: name, kind, fallback, help: "Has no effect", state: "ignored" }));
}
