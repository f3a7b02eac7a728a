/**
 * What older clients get, compared key by key with what a real Docker 20.10 answered (test/fixtures/dockerd): a record is
 * made of the recorded answer, shown at 1.41, and must be the recorded answer again, but for the differences listed.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { HostConfig } from "#spec/docker.ts";
import type { ContainerRecord, EndpointRecord, ExecRecord, Status } from "../engine.ts";
import { translate } from "./compat.ts";
import { parseCreateRequest } from "./containers/create-request.ts";
import { inspectContainer } from "./containers/inspect.ts";
import { summarizeContainer } from "./containers/summary.ts";
import { inspectExec } from "./exec/routes.ts";
import { inspectImage, summarizeImage } from "./images/inspect.ts";
import type { NetworkRecord } from "#network/network.ts";
import type { ImageRecord } from "./api.ts";
import { inspectNetwork, summarizeNetwork } from "./networks/inspect.ts";
import { inspectVolume } from "./volumes/routes.ts";

// deno-lint-ignore no-explicit-any
type Recorded = Record<string, any>;

const read = (name: string): Recorded => JSON.parse(readFileSync(new URL(`../../../test/fixtures/dockerd/${name}.json`, import.meta.url), "utf8"));
const plain = (value: unknown): Recorded => JSON.parse(JSON.stringify(value));

function recordOf(docker: Recorded): ContainerRecord {
  const { Mounts = [], Tmpfs = {}, ...hostConfig } = docker["HostConfig"];
  const { ExposedPorts, Volumes, ...config } = docker["Config"];
  const endpoints = Object.entries(docker["NetworkSettings"].Networks as Recorded).map(([name, e]): [string, EndpointRecord] => [
    name,
    { networkId: e.NetworkID, endpointId: e.EndpointID, gateway: e.Gateway, address: e.IPAddress, prefixLength: e.IPPrefixLen, gateway6: e.IPv6Gateway, address6: e.GlobalIPv6Address, prefixLength6: e.GlobalIPv6PrefixLen, mac: e.MacAddress, aliases: [] },
  ]);
  const ports = Object.entries(docker["NetworkSettings"].Ports as Recorded).filter(([, bindings]) => bindings !== null);
  return {
    id: docker["Id"],
    name: docker["Name"].slice(1),
    created: docker["Created"],
    image: config.Image,
    imageId: docker["Image"],
    manifestDigest: docker["Image"],
    platform: { os: "linux", architecture: "amd64" },
    config: { ...config, ExposedPorts: ExposedPorts ?? {}, Volumes: Volumes ?? {} },
    hostConfig: { ...onlyStored(hostConfig), Mounts: Mounts.map((mount: Recorded) => ({ Source: "", ReadOnly: false, ...mount })), Tmpfs } as HostConfig,
    networking: {},
    path: docker["Path"],
    args: docker["Args"],
    mounts: docker["Mounts"].map((mount: Recorded) => ({ ...mount, ...(/^[0-9a-f]{64}$/.test(mount["Name"] ?? "") ? { Anonymous: true } : {}) })),
    state: {
      status: docker["State"].Status as Status,
      pid: docker["State"].Pid,
      exitCode: docker["State"].ExitCode,
      error: docker["State"].Error,
      oomKilled: docker["State"].OOMKilled,
      startedAt: docker["State"].StartedAt,
      finishedAt: docker["State"].FinishedAt,
    },
    restartCount: docker["RestartCount"],
    driver: docker["Driver"],
    snapshotKey: "",
    logPath: docker["LogPath"],
    hostnamePath: docker["HostnamePath"],
    hostsPath: docker["HostsPath"],
    resolvConfPath: docker["ResolvConfPath"],
    endpoints: Object.fromEntries(endpoints),
    ports: Object.fromEntries(ports) as ContainerRecord["ports"],
    sandboxKey: docker["NetworkSettings"].SandboxKey,
    appArmorProfile: docker["AppArmorProfile"],
    execIds: docker["ExecIDs"] ?? [],
  };
}

/** What a create request leaves in a record: the rest of Docker's host configuration has to come from inspect itself. */
function onlyStored(hostConfig: Recorded): Recorded {
  const host = { cpus: 1, memoryNodes: 1, cgroupVersion: "1", shmSize: 1, ipcMode: "private", cgroupnsMode: "", logDriver: "json-file", logOptions: {} } as const;
  const { request } = parseCreateRequest({ Image: "x" }, { version: 41, host });
  return Object.fromEntries(Object.entries(hostConfig).filter(([key]) => key in request.hostConfig));
}

/** Keys that Docker itself added after 1.41 and shows to all clients. */
function withoutNewKeys(networks: Recorded): Recorded {
  return Object.fromEntries(Object.entries(networks).map(([name, { GwPriority: _, DNSNames: __, ...rest }]) => [name, rest]));
}

describe("inspect at 1.41 is Docker's", () => {
  for (const name of ["full", "plain", "exited", "hostnet", "exposed", "join"]) {
    test(name, () => {
      const docker = read(`inspect-${name}`);
      const ours = plain(translate("container", inspectContainer(recordOf(docker)), 41));
      ours["NetworkSettings"].Networks = withoutNewKeys(ours["NetworkSettings"].Networks);
      // A graph driver's folders; ours is named only, as Docker's containerd store has it.
      ours["GraphDriver"].Data = docker["GraphDriver"].Data;
      // Random in Docker.
      assert.equal(ours["NetworkSettings"].SandboxID === "", docker["NetworkSettings"].SandboxID === "");
      ours["NetworkSettings"].SandboxID = docker["NetworkSettings"].SandboxID;
      // Docker does not show these any more, to any client.
      const { KernelMemory: _, KernelMemoryTCP: __, ...hostConfig } = docker["HostConfig"];
      assert.deepEqual(ours, { ...docker, HostConfig: hostConfig });
    });
  }
});

test("the list at 1.41 is Docker's", () => {
  const docker = read("list") as unknown as Recorded[];
  const now = Date.parse("2026-11-22T02:49:01.100Z");
  const ours = ["exited", "plain", "full"].map((name) => plain(translate("container-summary", summarizeContainer(recordOf(read(`inspect-${name}`)), now), 41)));
  const byDestination = (mounts: Recorded[]) => mounts.toSorted((a, b) => (a["Destination"] < b["Destination"] ? -1 : 1));
  for (const [i, one] of ours.entries()) {
    one["NetworkSettings"].Networks = withoutNewKeys(one["NetworkSettings"].Networks);
    one["Mounts"] = byDestination(one["Mounts"]);
    docker[i]!["Mounts"] = byDestination(docker[i]!["Mounts"]);
  }
  assert.deepEqual(ours, docker);
});

describe("networking by version", () => {
  const record = recordOf(read("inspect-full"));
  const shown = (version: number) => plain(translate("container", inspectContainer(record), version));
  test("the newest has neither the flat addresses nor a graph driver", () => {
    assert.deepEqual(Object.keys(shown(56)["NetworkSettings"]).toSorted(), ["Networks", "Ports", "SandboxID", "SandboxKey"]);
    assert.deepEqual(shown(56)["Storage"], { RootFS: { Snapshot: { Name: "overlay2" } } });
    assert.ok(!("GraphDriver" in shown(56)));
  });
  test("1.51 has", () => {
    assert.equal(shown(51)["NetworkSettings"].IPAddress, "172.17.0.2");
    assert.ok(!("Storage" in shown(51)));
  });

  const settings = { IPAMConfig: { IPv4Address: "10.0.0.9" }, Aliases: ["db"], Links: ["other:sql"], DriverOpts: { a: "b" }, GwPriority: 5 };
  const endpoint = { ...record.endpoints["bridge"]!, address: "10.0.0.9", dnsNames: ["full", "db"] };
  const inTwo: ContainerRecord = { ...record, hostConfig: { ...record.hostConfig, NetworkMode: "own" }, networking: { own: settings }, endpoints: { bridge: record.endpoints["bridge"]!, own: endpoint } };
  const own = (json: object) => plain(json)["NetworkSettings"].Networks.own;
  test("several networks, with what was asked for and what was given", () => {
    const { IPAMConfig, Aliases, Links, DriverOpts, GwPriority, IPAddress, DNSNames } = own(inspectContainer(inTwo));
    assert.deepEqual({ IPAMConfig, Aliases, Links, DriverOpts, GwPriority }, settings);
    assert.deepEqual([IPAddress, DNSNames], ["10.0.0.9", ["full", "db"]]);
  });
  test("the list shows what was given", () => {
    const { Aliases, Links, DNSNames, DriverOpts, IPAddress, GwPriority } = own(summarizeContainer(inTwo, 0));
    assert.deepEqual([Aliases, Links, DNSNames, DriverOpts, IPAddress, GwPriority], [null, null, null, null, "10.0.0.9", 5]);
  });
  test("until 1.44 the aliases in networks of one's own hold the short id", () => {
    const aliases = (version: number) => own(translate("container", inspectContainer(inTwo), version)).Aliases as string[];
    assert.deepEqual([aliases(44), aliases(45)], [[...new Set(["db", record.id.slice(0, 12), record.config.Hostname])], ["db"]]);
    assert.equal(plain(translate("container", inspectContainer(inTwo), 44))["NetworkSettings"].Networks.bridge.Aliases, null);
  });
  test("who left all networks is in none", () => assert.deepEqual(plain(inspectContainer({ ...record, networking: {}, endpoints: {} }))["NetworkSettings"].Networks, {}));
  test("who is in the host's network has an endpoint while it runs", () => {
    const none = { ...record.endpoints["bridge"]!, endpointId: "", address: "" };
    const host = { ...record, hostConfig: { ...record.hostConfig, NetworkMode: "host" }, networking: {}, endpoints: { host: none } };
    assert.match(plain(inspectContainer(host))["NetworkSettings"].Networks.host.EndpointID, /^[0-9a-f]{64}$/);
    assert.equal(plain(inspectContainer({ ...host, state: { ...record.state, status: "exited" } }))["NetworkSettings"].Networks.host.EndpointID, "");
  });
});

describe("status texts", () => {
  const base = recordOf(read("inspect-full"));
  const at = (state: Partial<ContainerRecord["state"]>, now = "2026-11-22T02:51:00Z") =>
    plain(summarizeContainer({ ...base, state: { ...base.state, ...state } }, Date.parse(now)))["Status"];
  for (const [state, now, text] of [
    [{}, "2026-11-22T02:49:01Z", "Up Less than a second"],
    [{}, "2026-11-22T02:49:02Z", "Up 1 second"],
    [{}, "2026-11-22T02:50:10Z", "Up About a minute"],
    [{}, "2026-11-22T03:49:10Z", "Up About an hour"],
    [{}, "2026-11-24T03:49:10Z", "Up 2 days"],
    [{}, "2026-12-22T03:49:10Z", "Up 4 weeks"],
    [{}, "2027-11-22T03:49:10Z", "Up 12 months"],
    [{}, "2029-11-22T03:49:10Z", "Up 3 years"],
    [{ status: "paused" }, "2026-11-22T02:49:10Z", "Up 9 seconds (Paused)"],
    [{ status: "exited", exitCode: 137, finishedAt: "2026-11-22T02:49:00Z" }, "2026-11-22T02:52:10Z", "Exited (137) 3 minutes ago"],
    [{ status: "exited", finishedAt: "0001-01-01T00:00:00Z" }, "2026-11-22T02:52:10Z", "Created"],
    [{ status: "restarting", exitCode: 1, finishedAt: "2026-11-22T02:52:00Z" }, "2026-11-22T02:52:10Z", "Restarting (1) 10 seconds ago"],
    [{ status: "created" }, "2026-11-22T02:52:10Z", "Created"],
    [{ status: "removing" }, "2026-11-22T02:52:10Z", "Removal In Progress"],
    [{ status: "dead" }, "2026-11-22T02:52:10Z", "Dead"],
  ] as const) {
    test(text, () => assert.equal(at(state, now), text));
  }
});

describe("exec", () => {
  for (const name of ["exec-created", "exec-running"]) {
    test(name, () => {
      const docker = read(name);
      const record: ExecRecord = {
        id: docker["ID"],
        containerId: docker["ContainerID"],
        running: docker["Running"],
        exitCode: docker["ExitCode"],
        pid: docker["Pid"],
        config: {
          Cmd: [docker["ProcessConfig"].entrypoint, ...docker["ProcessConfig"].arguments],
          AttachStdin: docker["OpenStdin"], AttachStdout: docker["OpenStdout"], AttachStderr: docker["OpenStderr"],
          Tty: false, Env: [], User: "", WorkingDir: "", Privileged: false, DetachKeys: "",
        },
      };
      assert.deepEqual(plain(inspectExec(record)), docker);
    });
  }
});

describe("images", () => {
  const docker = read("image");
  const record: ImageRecord = {
    id: docker["Id"],
    pinned: false,
    descriptor: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: docker["Id"], size: 500 },
    repoTags: docker["RepoTags"],
    repoDigests: [],
    created: docker["Created"],
    author: "",
    comment: docker["Comment"],
    platform: { os: "linux", architecture: "amd64" },
    size: docker["Size"],
    diffIds: docker["RootFS"].Layers,
    config: docker["Config"],
    taggedAt: docker["Metadata"].LastTagTime,
    containers: 3,
  };
  test("inspect at 1.41", () => {
    const ours = plain(translate("image", inspectImage(record, "overlay2"), 41));
    const { DockerVersion: _, ...expected } = docker;
    ours["GraphDriver"].Data = expected["GraphDriver"].Data;
    assert.deepEqual(ours, expected);
  });
  test("inspect at the newest has a descriptor and only the fields an image has", () => {
    const ours = plain(inspectImage(record, "overlay2"));
    assert.deepEqual(ours["Config"], { ExposedPorts: { "80/tcp": {} }, Env: ["A=1"], Cmd: ["sh"], Volumes: { "/data": {} }, Labels: { l: "v" } });
    assert.deepEqual(ours["Descriptor"], record.descriptor);
    for (const key of ["Parent", "Author", "VirtualSize", "Container", "ContainerConfig"]) assert.ok(!(key in ours), key);
  });
  test("the list at 1.41", () => {
    const ours = plain(translate("image-summary", summarizeImage(record), 41));
    const expected = (read("images") as unknown as Recorded[])[0]!;
    // null since the beginning, [] since 1.43, and never null here: clients take both.
    assert.deepEqual(ours, { ...expected, RepoDigests: [] });
  });
  test("an image without a name", () => {
    const bare = summarizeImage({ ...record, repoTags: [] });
    assert.deepEqual(plain(translate("image-summary", bare, 42))["RepoTags"], ["<none>:<none>"]);
    assert.deepEqual(plain(translate("image-summary", bare, 43))["RepoTags"], []);
    assert.equal(plain(translate("image-summary", bare, 50))["Containers"], -1);
    assert.equal(plain(translate("image-summary", bare, 51))["Containers"], 3);
  });
});

test("networks at 1.41 are Docker's", () => {
  for (const docker of read("networks") as unknown as Recorded[]) {
    const record: NetworkRecord = {
      name: docker["Name"],
      id: docker["Id"],
      created: docker["Created"],
      driver: docker["Driver"],
      ipv4: true,
      ipv6: false,
      internal: false,
      ipam: { driver: "default", configs: docker["IPAM"].Config.map((one: Recorded) => ({ subnet: one["Subnet"], gateway: one["Gateway"] })) },
      options: docker["Options"],
      labels: {},
      bridge: "",
      mtu: 1500,
      icc: true,
      masquerade: true,
    };
    // In the same order, too: the official client prints an answer as it came.
    assert.equal(JSON.stringify(translate("network", inspectNetwork(record, []), 41)), JSON.stringify(docker));
    assert.equal(JSON.stringify(translate("network-summary", summarizeNetwork(record), 41)), JSON.stringify(docker));
    assert.equal("Containers" in translate("network-summary", summarizeNetwork(record), 52), false);
  }
});

test("volumes are Docker's", () => {
  const docker = read("volume");
  const record = { name: docker["Name"], driver: "local", mountpoint: docker["Mountpoint"], created: docker["CreatedAt"], labels: {}, options: {}, anonymous: false };
  assert.deepEqual(plain(inspectVolume(record)), docker);
});
