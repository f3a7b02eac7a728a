/**
 * The hardening contract: what a container is allowed, as specification and as program, is what golden/hardening.json
 * says. A change there is a change of the contract: look at it, then write it anew with GOLDEN=write.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { containerSpec, type SpecInput } from "#engine/containers/spec/spec.ts";
import { parseCgroupHost } from "#linux/cgroups.ts";
import { describeProgram } from "#linux/describe.ts";
import { compile, type HostFacts } from "#runtime/compile.ts";
import type { ContainerConfig, HostConfig } from "#spec/docker.ts";
import type { Spec } from "#spec/oci-runtime.ts";
import { root } from "./sources.ts";

const golden = join(root, "test/golden/hardening.json");

const cgroups = {
  v1: parseCgroupHost({
    mountinfo: ["cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "pids", "name=systemd"]
      .map((name, index) => `${index + 30} 25 0:${index + 30} / /sys/fs/cgroup/${name.replace("name=", "")} rw - cgroup cgroup rw,${name}`)
      .join("\n"),
    unifiedControllers: "", cpus: "0-3", mems: "0", swap: true,
  }),
  v2: parseCgroupHost({ mountinfo: "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate", unifiedControllers: "cpuset cpu io memory pids", swap: true }),
};

const host = (version: "v1" | "v2"): HostFacts => ({ kernel: [6, 18], arch: "x86_64", capabilities: (1n << 41n) - 1n, lastCapability: 40, cgroups: cgroups[version], thermalThrottle: [] });

const config: ContainerConfig = {
  Hostname: "0123456789ab", Domainname: "", User: "", AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false, OpenStdin: false, StdinOnce: false,
  Env: [], Cmd: ["sh"], Entrypoint: null, Image: "alpine", WorkingDir: "", Labels: {}, ExposedPorts: {}, Volumes: {},
};
const plain: HostConfig = {
  Binds: null, Mounts: [], VolumesFrom: null, Tmpfs: {}, ContainerIDFile: "", LogConfig: { Type: "json-file", Config: {} }, NetworkMode: "default", PortBindings: {},
  PublishAllPorts: false, RestartPolicy: { Name: "no", MaximumRetryCount: 0 }, AutoRemove: false, CapAdd: null, CapDrop: null, CgroupnsMode: "", Dns: [], DnsOptions: [],
  DnsSearch: [], ExtraHosts: null, GroupAdd: null, IpcMode: "", PidMode: "", UTSMode: "", UsernsMode: "", Cgroup: "", OomScoreAdj: 0, Privileged: false,
  ReadonlyRootfs: false, SecurityOpt: null, ShmSize: 0, Runtime: "", ConsoleSize: [0, 0], MaskedPaths: null, ReadonlyPaths: null, CgroupParent: "", CpuShares: 0,
  NanoCpus: 0, CpuPeriod: 0, CpuQuota: 0, CpusetCpus: "", CpusetMems: "", Memory: 0, MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: null, OomKillDisable: null,
  PidsLimit: null, BlkioWeight: 0, Devices: [], DeviceCgroupRules: null, Ulimits: [],
};

function specFor(version: "v1" | "v2", change: Partial<HostConfig> = {}): Spec {
  const input: SpecInput = {
    id: "0123456789abcdef".repeat(4), config, hostConfig: { ...plain, ...change }, path: "sh", args: [], mounts: [],
    user: { uid: 0, gid: 0, groups: [0], home: "/root" },
    devices: { devices: change.Privileged ? [{ path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 0o600 }] : [], rules: [{ allow: change.Privileged === true, access: "rwm" }] },
    host: host(version), files: { hostname: "/c/hostname", hosts: "/c/hosts", resolvConf: "/c/resolv.conf" }, joined: {},
  };
  return containerSpec(input);
}

function inUserNamespace(spec: Spec): Spec {
  const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  const linux = spec.linux ?? {};
  return { ...spec, linux: { ...linux, namespaces: [...(linux.namespaces ?? []), { type: "user" }], uidMappings: maps, gidMappings: maps } };
}

const KINDS = { "/proc/acpi": "directory", "/proc/kcore": "file", "/proc/keys": "file", "/proc/timer_list": "file", "/sys/firmware": "directory", "/proc/bus": "directory", "/proc/fs": "directory", "/proc/irq": "directory", "/proc/sys": "directory", "/proc/sysrq-trigger": "file", "/c/hostname": "file", "/c/hosts": "file", "/c/resolv.conf": "file" } as const;

function contract(spec: Spec, version: "v1" | "v2") {
  const { init, parent, teardown, cloneFlags } = compile(spec, {
    host: host(version),
    root: { type: "overlay", lower: ["/layers/2", "/layers/1"], upper: "/c/upper", work: "/c/work" },
    staging: "/run/staging",
    paths: KINDS,
  });
  const seccomp = spec.linux?.seccomp;
  const rules = seccomp?.syscalls?.map(({ names, action, errnoRet, args }) => [action, errnoRet, args && JSON.stringify(args), [...names].sort().join(" ")].filter((part) => part !== undefined).join(" | "));
  const readable = { ...spec, linux: { ...spec.linux, ...(seccomp === undefined ? {} : { seccomp: { ...seccomp, syscalls: rules } }) } };
  return { spec: readable, cloneFlags: `0x${cloneFlags.toString(16)}`, init: describeProgram(init), parent: describeProgram(parent), teardown: describeProgram(teardown) };
}

test("what containers are allowed is as agreed", () => {
  const now = {
    "default, cgroup v2": contract(specFor("v2"), "v2"),
    "default, cgroup v1": contract(specFor("v1"), "v1"),
    "privileged, cgroup v2": contract(specFor("v2", { Privileged: true }), "v2"),
    "user namespace, cgroup v2": contract(inUserNamespace(specFor("v2")), "v2"),
  };
  const written = `${JSON.stringify(now, undefined, 1)}\n`;
  if (process.env["GOLDEN"] === "write") writeFileSync(golden, written);
  assert.deepEqual(JSON.parse(written), JSON.parse(readFileSync(golden, "utf8")), "see the head of this file");
});
