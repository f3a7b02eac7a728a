/** Networks by command, as users know them: made, joined, seen, left, removed; and what is refused. */
import assert from "node:assert/strict";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("network commands", { flags: process.env["PEER"] === "dockerd" ? ["--iptables=false"] : [] });

const ID = /^[0-9a-f]{64}$/;
const SLEEP = ["busybox", "sleep", "1000"];

type Cli = Scene["cli"];

const inspect = async (cli: Cli, network: string) => (JSON.parse(await cli.ok("network", "inspect", network)) as Network[])[0]!;
type Network = {
  Driver: string; Internal: boolean; EnableIPv6: boolean; Attachable: boolean; Labels: Record<string, string>; Options: Record<string, string>;
  IPAM: { Config: object[] }; Containers: Record<string, { Name: string; IPv4Address: string; IPv6Address: string }>;
};
type Endpoint = { IPAddress: string; GlobalIPv6Address: string; MacAddress: string; Aliases: string[] | null; NetworkID: string; Gateway: string; DriverOpts: object | null };
const endpoints = async (cli: Cli, container: string) => JSON.parse(await cli.ok("inspect", "-f", "{{json .NetworkSettings.Networks}}", container)) as Record<string, Endpoint>;

story("a network is made with all that it is asked to be, listed, and removed", async ({ cli }) => {
  const id = await cli.ok(
    "network", "create", "--subnet", "10.241.0.0/24", "--ip-range", "10.241.0.128/25", "--gateway", "10.241.0.254", "--aux-address", "router=10.241.0.200",
    "--label", "team=red", "--label", "bare", "--attachable", "-o", "com.docker.network.driver.mtu=1400", "full",
  );
  assert.match(id, ID);
  const { Driver, Attachable, Labels, Options, IPAM } = await inspect(cli, "full");
  assert.deepEqual({ Driver, Attachable, Labels, Options, config: IPAM.Config }, {
    Driver: "bridge",
    Attachable: true,
    Labels: { team: "red", bare: "" },
    Options: { "com.docker.network.driver.mtu": "1400" },
    config: [{ Subnet: "10.241.0.0/24", IPRange: "10.241.0.128/25", Gateway: "10.241.0.254", AuxiliaryAddresses: { router: "10.241.0.200" } }],
  });
  const list = (...filter: string[]) => cli.ok("network", "ls", "--format", "{{.Name}}", ...filter.flatMap((one) => ["-f", one]));
  assert.equal(await list(), "bridge\nfull\nhost\nnone");
  assert.equal(await list("type=custom"), "full");
  assert.equal(await list("label=team=red", "driver=bridge"), "full");
  assert.equal(await list("label=team=blue"), "");
  assert.equal(await list(`id=${id.slice(0, 8)}`), "full");
  assert.equal(await cli.ok("network", "ls", "-q", "--no-trunc", "-f", "name=full"), id);
  assert.equal(await cli.ok("run", "--rm", "--network", id.slice(0, 12), "busybox", "cat", "/sys/class/net/eth0/mtu"), "1400");
  assert.equal(await cli.ok("network", "rm", id.slice(0, 10)), id.slice(0, 10));
  assert.equal(await list("type=custom"), "");
});

story("addresses: of the range, asked for, of both families, and kept from others", async ({ cli }) => {
  await cli.ok("network", "create", "--subnet", "10.242.0.0/29", "--ipv6", "--subnet", "fd00:242::/64", "tight");
  await cli.ok("run", "-d", "--name", "fixed", "--network", "tight", "--ip", "10.242.0.5", "--ip6", "fd00:242::5", ...SLEEP);
  const { tight } = await endpoints(cli, "fixed");
  assert.deepEqual([tight!.IPAddress, tight!.GlobalIPv6Address, tight!.Gateway], ["10.242.0.5", "fd00:242::5", "10.242.0.1"]);
  assert.match(await cli.ok("exec", "fixed", "ip", "-o", "addr", "show", "eth0"), /inet 10\.242\.0\.5\/29 [\s\S]*inet6 fd00:242::5\/64/);
  await cli.fails(125, /Address already in use/, "run", "-d", "--network", "tight", "--ip", "10.242.0.5", ...SLEEP);
  for (const name of ["p1", "p2", "p3", "p4"]) await cli.ok("run", "-d", "--name", name, "--network", "tight", ...SLEEP);
  await cli.fails(125, /no available IPv4 addresses on this network's address pools: tight \([0-9a-f]{64}\)/, "run", "-d", "--network", "tight", ...SLEEP);
  await cli.ok("rm", "-f", "p2");
  await cli.ok("run", "-d", "--name", "p5", "--network", "tight", ...SLEEP);
  const given = (await Promise.all(["p1", "p3", "p4", "p5", "fixed"].map(async (name) => (await endpoints(cli, name))["tight"]!.IPAddress))).toSorted();
  assert.deepEqual(given, ["10.242.0.2", "10.242.0.3", "10.242.0.4", "10.242.0.5", "10.242.0.6"]);
});

story("a running container joins a network and leaves it: interface, names and members follow", async ({ cli }) => {
  await cli.ok("network", "create", "front");
  await cli.ok("network", "create", "--subnet", "10.243.0.0/24", "back");
  await cli.ok("run", "-d", "--name", "web", "--network", "front", ...SLEEP);
  await cli.ok("run", "-d", "--name", "db", "--network", "back", ...SLEEP);
  await cli.ok("network", "connect", "--ip", "10.243.0.77", "--alias", "www", "back", "web");
  assert.match(await cli.ok("exec", "web", "ip", "-4", "-o", "addr", "show", "eth1"), /inet 10\.243\.0\.77\/24/);
  assert.match(await cli.ok("exec", "db", "ping", "-c", "1", "-W", "5", "www"), /from 10\.243\.0\.77/);
  assert.deepEqual(Object.values((await inspect(cli, "back")).Containers).map(({ Name }) => Name).toSorted(), ["db", "web"]);
  assert.equal(await cli.ok("ps", "--filter", "network=back", "--format", "{{.Names}}"), "db\nweb");
  const id = await cli.ok("network", "inspect", "-f", "{{.Id}}", "back");
  assert.equal(await cli.ok("ps", "--filter", `network=${id.slice(0, 9)}`, "--format", "{{.Names}}"), "db\nweb");
  await cli.ok("rename", "db", "data");
  assert.match(await cli.ok("exec", "web", "ping", "-c", "1", "-W", "5", "data"), /from 10\.243\.0\./);
  assert.deepEqual(Object.values((await inspect(cli, "back")).Containers).map(({ Name }) => Name).toSorted(), ["data", "web"]);
  await cli.fails(1, /endpoint with name web already exists in network back/, "network", "connect", "back", "web");
  await cli.ok("network", "disconnect", "back", "web");
  assert.doesNotMatch(await cli.ok("exec", "web", "ip", "-o", "link"), /eth1/);
  await cli.fails(1, /is not connected to (the )?network back/, "network", "disconnect", "back", "web");
  assert.deepEqual(Object.keys(await endpoints(cli, "web")), ["front"]);
  // The other way out: the last network goes, and the container has none.
  await cli.ok("network", "disconnect", "front", "web");
  assert.deepEqual(await endpoints(cli, "web"), {});
  assert.equal(await cli.ok("exec", "web", "ip", "route"), "");
});

story("a container that does not run joins at its start", async ({ cli }) => {
  await cli.ok("network", "create", "one");
  await cli.ok("network", "create", "two");
  await cli.ok("create", "--name", "late", "--network", "one", ...SLEEP);
  await cli.ok("network", "connect", "--alias", "later", "two", "late");
  assert.deepEqual(Object.keys(await endpoints(cli, "late")).toSorted(), ["one", "two"]);
  await cli.ok("start", "late");
  await cli.ok("run", "--rm", "--network", "two", "busybox", "ping", "-c", "1", "-W", "5", "later");
  await cli.ok("stop", "-t", "0", "late");
  assert.equal((await endpoints(cli, "late"))["two"]!.IPAddress, "");
  await cli.ok("network", "disconnect", "one", "late");
  await cli.ok("start", "late");
  assert.deepEqual(Object.keys(await endpoints(cli, "late")), ["two"]);
});

story("several networks at once, with options of each", async ({ cli }) => {
  await cli.ok("network", "create", "--subnet", "10.244.1.0/24", "a1");
  await cli.ok("network", "create", "--subnet", "10.244.2.0/24", "a2");
  const mac = "92:d0:c6:0a:29:33";
  await cli.ok("run", "-d", "--name", "both", "--network", `name=a1,alias=x,alias=y,ip=10.244.1.9,mac-address=${mac}`, "--network", "name=a2,gw-priority=10,driver-opt=com.docker.network.endpoint.ifname=net9", ...SLEEP);
  const { a1 } = await endpoints(cli, "both");
  assert.deepEqual([a1!.IPAddress, a1!.MacAddress, a1!.Aliases], ["10.244.1.9", mac, ["x", "y"]]);
  assert.match(await cli.ok("exec", "both", "ip", "route"), /default via 10\.244\.2\.1 dev net9/);
  await cli.fails(125, /conflicting options/, "run", "--rm", "--network", "a1", "--network", "host", "busybox", "true");
  await cli.fails(125, /network "?a1"? is specified multiple times/, "run", "--rm", "--network", "a1", "--network", "a1", "busybox", "true");
}, { only: "gantry-engine" });

story("an internal network leads nowhere, and no container is in none", async ({ cli }) => {
  await cli.ok("network", "create", "--internal", "closed");
  assert.equal((await inspect(cli, "closed")).Internal, true);
  assert.doesNotMatch(await cli.ok("run", "--rm", "--network", "closed", "busybox", "ip", "route"), /default/);
  assert.equal(await cli.ok("run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"), "lo");
  await cli.ok("run", "-d", "--name", "alone", "--network", "none", ...SLEEP);
  await cli.fails(1, /container cannot be connected to multiple networks with one of the networks in private \(none\) mode/, "network", "connect", "closed", "alone");
}, { only: "gantry-engine" });

story("what is used is not removed; what is not, is pruned", async ({ cli }) => {
  await cli.ok("network", "create", "used");
  await cli.ok("network", "create", "--label", "keep", "kept");
  await cli.ok("network", "create", "gone");
  await cli.ok("run", "-d", "--name", "user", "--network", "used", ...SLEEP);
  const refused = await cli.fails(1, /error while removing network: network used id [0-9a-f]{64} has active endpoints/, "network", "rm", "used", "nothere", "gone");
  assert.match(refused.stderr, /network nothere not found/);
  assert.equal(refused.stdout, "gone\n");
  await cli.fails(1, /bridge is a pre-defined network and cannot be removed/, "network", "rm", "bridge");
  assert.equal(await cli.ok("network", "prune", "-f", "--filter", "label!=keep"), "");
  const since = String(Math.floor(Date.now() / 1000));
  assert.equal(await cli.ok("network", "prune", "-f"), "Deleted Networks:\nkept\n");
  const events = cli.spawn("events", "--since", since, "--filter", "type=network", "--format", "{{.Action}} {{.Actor.Attributes.name}}");
  await events.until(/^destroy kept\nprune /m);
  events.child.kill();
  await events.ended;
  await cli.ok("rm", "-f", "user");
  assert.equal(await cli.ok("network", "rm", "used"), "used");
});

story("a prune can be asked what it would do", async ({ cli }) => {
  await cli.ok("network", "create", "idle");
  assert.equal(await cli.ok("network", "prune", "--dry-run"), "Would delete Networks:\nidle\n");
  assert.equal(await cli.ok("network", "ls", "-q", "-f", "name=idle") === "", false);
}, { only: "gantry" });

/** Each leaves nothing behind. */
const WRONG: readonly [message: RegExp, ...words: string[]][] = [
  [/network with name there already exists/, "there"],
  [/operation is not permitted on predefined host network/, "host"],
  [/plugin "nope" not found|could not find plugin nope/, "-d", "nope", "n"],
  [/only one instance of "host" network is allowed/, "-d", "host", "n"],
  [/Pool overlaps with other one on this address space/, "--subnet", "10.245.0.0/25", "n"],
  [/invalid subnet:? "?x/i, "--subnet", "x", "n"],
  [/invalid gateway 10\.246\.0\.300|no matching subnet for gateway 10\.246\.0\.300/, "--subnet", "10.246.0.0/24", "--gateway", "10.246.0.300", "n"],
  [/failed to parse com\.docker\.network\.driver\.mtu value: x/, "-o", "com.docker.network.driver.mtu=x", "n"],
  [/failed to parse com\.docker\.network\.bridge\.enable_icc value: maybe/, "-o", "com.docker.network.bridge.enable_icc=maybe", "n"],
  [/configuration network "nope" does not exist/, "--config-from", "nope", "n"],
  [/configuration network can only contain network specific fields/, "--config-only", "--internal", "n"],
  [/cannot create a swarm scoped network when swarm is not active|not a swarm manager/, "--scope", "swarm", "n"],
  [/not a swarm manager/, "-d", "overlay", "n"],
];

story("wrong input is refused in Docker's words, and leaves nothing", async ({ cli }) => {
  await cli.ok("network", "create", "--subnet", "10.245.0.0/24", "there");
  for (const [message, ...words] of WRONG) await cli.fails(1, message, "network", "create", ...words);
  assert.equal(await cli.ok("network", "ls", "--format", "{{.Name}}", "-f", "type=custom"), "there");
  await cli.fails(1, /network nope not found/, "network", "inspect", "nope");
  await cli.fails(1, /network nope not found/, "network", "connect", "nope", "nope");
  await cli.fails(1, /No such container: nope/, "network", "connect", "there", "nope");
  await cli.fails(125, /network nope not found/, "run", "--name", "never", "--network", "nope", "busybox", "true");
  await cli.fails(125, /user specified IP address is supported on user.defined networks only/, "run", "--name", "never2", "--ip", "10.1.1.1", "busybox", "true");
}, { only: "gantry-engine" });

story("wrong containers are refused before they are made", async ({ cli }) => {
  await cli.ok("network", "create", "--subnet", "10.247.0.0/24", "own");
  await cli.ok("network", "create", "chosen");
  const wrong: [RegExp, ...string[]][] = [
    [/no configured subnet or ip-range contain the IP address 10\.1\.1\.1/, "--network", "own", "--ip", "10.1.1.1"],
    [/supported only when connecting to networks with user configured subnets/, "--network", "chosen", "--ip", "10.1.1.1"],
    [/conflicting options: hostname and the network mode/, "--network", "container:x", "--hostname", "y"],
    [/could not get container for nope: No such container: nope/, "--link", "nope:x"],
    [/invalid (endpoint settings|interface name)/, "--network", "name=own,driver-opt=com.docker.network.endpoint.ifname=a/b"],
    [/unrecognised network interface sysctl/, "--network", "name=own,driver-opt=com.docker.network.endpoint.sysctls=net.ipv4.tcp_syncookies=1"],
  ];
  for (const [message, ...words] of wrong) await cli.fails(1, message, "create", ...words, "busybox", "true");
  assert.equal(await cli.ok("ps", "-aq"), "");
}, { only: "gantry-engine" });

story("who may connect, where it may send and how fast are part of a container", async ({ cli }) => {
  await cli.ok("create", "--name", "ruled", "-p", "127.0.0.1:0:80,allow=10.0.0.0/8,allow=127.0.0.1", "--egress-allow", "10.0.0.1:53/udp", "--network-rate", "100mbit,down=1gbit", ...SLEEP);
  const host = JSON.parse(await cli.ok("inspect", "-f", "{{json .HostConfig}}", "ruled")) as Record<string, unknown>;
  assert.deepEqual(host["PortBindings"], { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "0", Allow: ["10.0.0.0/8", "127.0.0.1"] }] });
  assert.deepEqual([host["Egress"], host["NetworkRate"]], [{ Default: "deny", Allow: ["10.0.0.1:53/udp"] }, { Egress: 100e6, Ingress: 1e9 }]);
}, { only: "gantry" });
