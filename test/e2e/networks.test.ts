/** Networks of one's own: made, joined, left and removed, with both clients; and an engine that dies in between. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { after } from "node:test";
import { peer, stories, type Scene } from "./harness.ts";
import type { Client } from "./harness/client.ts";

const { story, engine } = stories("networks");

/** Another pair of bytes for each story, far from everybody's. */
let next = 0;
const subnet = (): string => `10.${180 + (process.pid % 40)}.${next++ % 250}`;

const SLEEPER = ["busybox", "sleep", "1000"];
const bridgeOf = async (cli: Client, network: string) => `br-${(await cli.ok("network", "inspect", "-f", "{{.Id}}", network)).slice(0, 12)}`;
const addressIn = (cli: Client, container: string, network: string) => cli.ok("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);
const inside = (cli: Client, container: string, ...command: string[]) => cli.ok("exec", container, ...command);
const ruleset = () => execFileSync("nft", ["list", "ruleset"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

/** Interfaces that networks had, to be gone in the end. */
const bridges = new Set<string>();
after(() => {
  for (const bridge of bridges) assert.ok(!existsSync(`/sys/class/net/${bridge}`), `${bridge} is left`);
  if (peer === "gantry") for (const bridge of bridges) assert.ok(!ruleset().includes(bridge), `a rule of ${bridge} is left`);
});

async function makeNetwork(cli: Client, name: string, ...options: string[]): Promise<string> {
  await cli.ok("network", "create", ...options, name);
  bridges.add(await bridgeOf(cli, name));
  return name;
}

async function removeAll(cli: Client, { containers = [], networks = [] }: { containers?: string[]; networks?: string[] }): Promise<void> {
  if (containers.length > 0) await cli.ok("rm", "-f", ...containers);
  if (networks.length > 0) await cli.ok("network", "rm", ...networks);
}

story("a network is made with all that can be said, shown, and removed", async ({ cli }) => {
  const net = subnet();
  const id = await cli.ok("network", "create", "--subnet", `${net}.0/24`, "--ip-range", `${net}.128/25`, "--gateway", `${net}.1`, "--aux-address", `printer=${net}.200`, "--label", "a=b", "--internal", "--attachable", "-o", "com.docker.network.bridge.enable_icc=false", "-o", "com.docker.network.driver.mtu=1400", "n1");
  assert.match(id, /^[0-9a-f]{64}$/);
  bridges.add(`br-${id.slice(0, 12)}`);
  assert.ok(existsSync(`/sys/class/net/br-${id.slice(0, 12)}`));
  const [record] = JSON.parse(await cli.ok("network", "inspect", "n1"));
  assert.deepEqual(record.IPAM.Config, [{ Subnet: `${net}.0/24`, IPRange: `${net}.128/25`, Gateway: `${net}.1`, AuxiliaryAddresses: { printer: `${net}.200` } }]);
  assert.deepEqual([record.Id, record.Driver, record.Scope, record.Internal, record.Attachable, record.Labels], [id, "bridge", "local", true, true, { a: "b" }]);
  assert.match(await cli.ok("network", "ls", "--filter", "label=a"), new RegExp(`${id.slice(0, 12)} +n1 +bridge +local`));
  const container = await cli.ok("run", "-d", "--network", "n1", ...SLEEPER);
  const address = await addressIn(cli, container, "n1");
  assert.ok(Number(address.split(".")[3]) >= 128 && address !== `${net}.200`, address);
  assert.equal(await inside(cli, container, "cat", "/sys/class/net/eth0/mtu"), "1400");
  const routes = (await inside(cli, container, "ip", "route")).trim();
  // Docker 20.10 still gave such a container a default route when the gateway was named.
  assert.match(routes, peer === "gantry" ? /^\S+ dev eth0 scope link/ : /dev eth0 scope link/);
  assert.ok(routes.endsWith(`${net}.0/24 dev eth0 scope link  src ${address}`), routes);
  await cli.fails(1, /error while removing network: network n1 id [0-9a-f]{64} has active endpoints/, "network", "rm", "n1");
  await removeAll(cli, { containers: [container], networks: ["n1"] });
  assert.ok(!existsSync(`/sys/class/net/br-${id.slice(0, 12)}`));
});

story("containers of a network reach each other by address; those of another network do not", async ({ cli }) => {
  const [one, two] = [await makeNetwork(cli, "n1"), await makeNetwork(cli, "n2")];
  const a = await cli.ok("run", "-d", "--network", one, "busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hello");
  const b = await cli.ok("run", "-d", "--network", one, ...SLEEPER);
  const c = await cli.ok("run", "-d", "--network", two, ...SLEEPER);
  const address = await addressIn(cli, a, one);
  const ask = ["sh", "-c", `for i in 1 2 3 4 5 6 7 8 9 10; do nc -w 1 ${address} 80 && exit; sleep 0.1; done`];
  assert.equal(await inside(cli, b, ...ask), "hello");
  assert.notEqual((await cli("exec", c, "nc", "-w", "1", address, "80")).stdout, "hello\n");
  await removeAll(cli, { containers: [a, b, c], networks: [one, two] });
});

story("a running container joins a network and leaves it: interfaces, routes, hosts file, events", async ({ cli }) => {
  const net = subnet();
  const name = await makeNetwork(cli, "n1", "--subnet", `${net}.0/24`);
  const container = await cli.ok("run", "-d", ...SLEEPER);
  const before = await inside(cli, container, "ip", "route");
  await cli.ok("network", "connect", "--ip", `${net}.77`, name, container);
  assert.match(await inside(cli, container, "ip", "-4", "-o", "addr", "show", "eth1"), new RegExp(`inet ${net}\\.77/24`));
  assert.match(await inside(cli, container, "cat", "/etc/hosts"), new RegExp(`^${net}\\.77\\t${container.slice(0, 12)}$`, "m"));
  assert.match(await inside(cli, container, "ip", "route"), /^default via \S+ dev eth0/, "the default network comes first by name");
  await cli.fails(1, /endpoint with name \S+ already exists in network n1/, "network", "connect", name, container);
  const members = JSON.parse(await cli.ok("network", "inspect", "-f", "{{json .Containers}}", name));
  assert.equal(members[container].IPv4Address, `${net}.77/24`);
  await cli.ok("network", "disconnect", name, container);
  assert.equal(await inside(cli, container, "ip", "route"), before);
  assert.doesNotMatch(await inside(cli, container, "cat", "/etc/hosts"), new RegExp(net));
  await cli.fails(1, /is not connected to network n1/, "network", "disconnect", name, container);
  await removeAll(cli, { containers: [container], networks: [name] });
});

story("the gateway's priority decides where packets leave and arrive", async ({ cli }) => {
  const [one, two] = [await makeNetwork(cli, "n1"), await makeNetwork(cli, "n2")];
  const container = await cli.ok("run", "-d", "-p", "127.0.0.1::80", "--network", `name=${one}`, "--network", `name=${two},gw-priority=1`, "busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hello");
  assert.match(await inside(cli, container, "ip", "route"), /^default via \S+ dev eth1/);
  const port = (await cli.ok("port", container, "80")).split(":")[1]!;
  assert.equal(await answered(port), "hello");
  await cli.ok("network", "disconnect", two, container);
  assert.match(await inside(cli, container, "ip", "route"), /^default via \S+ dev eth0/);
  assert.equal(await answered(port), "hello");
  await removeAll(cli, { containers: [container], networks: [one, two] });
}, { only: "gantry-engine" });

/** What a server on localhost says, once it listens. */
async function answered(port: string): Promise<string> {
  const { connect } = await import("node:net");
  for (let tried = 0; tried < 50; tried++) {
    const socket = connect({ host: "127.0.0.1", port: Number(port) });
    socket.setTimeout(2000, () => socket.destroy());
    const text = (await socket.setEncoding("utf8").toArray().catch(() => [])).join("").trim();
    if (text !== "") return text;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return "nothing";
}

story("a stopped container joins at its next start, and keeps its networks and its own addresses over starts", async ({ cli }) => {
  const net = subnet();
  const name = await makeNetwork(cli, "n1", "--subnet", `${net}.0/24`);
  const other = await makeNetwork(cli, "n2");
  const container = await cli.ok("create", "--network", name, "--ip", `${net}.9`, ...SLEEPER);
  await cli.ok("network", "connect", other, container);
  assert.equal(await addressIn(cli, container, other), "");
  for (let round = 0; round < 2; round++) {
    await cli.ok("start", container);
    assert.equal(await addressIn(cli, container, name), `${net}.9`);
    assert.notEqual(await addressIn(cli, container, other), "");
    await cli.ok("stop", "-t", "0", container);
    assert.equal(await addressIn(cli, container, name), "");
  }
  await cli.ok("network", "disconnect", other, container);
  await cli.ok("start", container);
  assert.equal(await inside(cli, container, "sh", "-c", "ls /sys/class/net | grep -c eth"), "1");
  await removeAll(cli, { containers: [container], networks: [name, other] });
});

story("bad wishes are refused in Docker's words, and leave nothing", async ({ cli }) => {
  const net = subnet();
  const name = await makeNetwork(cli, "n1", "--subnet", `${net}.0/24`);
  const plain = await makeNetwork(cli, "n2");
  const before = await cli.ok("network", "ls", "-q");
  await cli.fails(1, /network with name n1 already exists/, "network", "create", "n1");
  await cli.fails(1, /Pool overlaps with other one on this address space/, "network", "create", "--subnet", `${net}.128/25`, "n3");
  await cli.fails(1, /plugin "nosuch" not found/, "network", "create", "-d", "nosuch", "n3");
  await cli.fails(1, /operation is not permitted on predefined bridge network/, "network", "create", "bridge");
  await cli.fails(1, /bridge is a pre-defined network and cannot be removed/, "network", "rm", "bridge");
  await cli.fails(1, /network nosuch not found/, "network", "rm", "nosuch");
  assert.equal(await cli.ok("network", "ls", "-q"), before);
  const one = await cli.ok("run", "-d", "--network", name, "--ip", `${net}.9`, ...SLEEPER);
  await cli.fails(125, /Address already in use/, "run", "--rm", "--network", name, "--ip", `${net}.9`, ...SLEEPER);
  await cli.fails(125, /user specified IP address is supported only when connecting to networks with user configured subnets/, "run", "--rm", "--network", plain, "--ip", "10.9.9.9", ...SLEEPER);
  await cli.fails(1, /container cannot be disconnected from host network or connected to host network/, "network", "connect", "host", one);
  await cli.fails(1, /No such container: nosuch/, "network", "connect", name, "nosuch");
  await removeAll(cli, { containers: [one, ...(await leftOver(cli, one))], networks: [name, plain] });
});

/** As Docker: a container that was refused at its start is there. */
async function leftOver(cli: Client, known: string): Promise<string[]> {
  return (await cli.ok("ps", "-aq", "--no-trunc")).split("\n").filter((id) => id !== "" && id !== known);
}

story("a misspelt option is refused, where Docker is silent", async ({ cli }) => {
  await cli.fails(1, /unknown option com\.docker\.network\.bridge\.enable_ic /, "network", "create", "-o", "com.docker.network.bridge.enable_ic=false", "n1");
}, { only: "gantry-engine" });

story("a network that went while its container was stopped is missed at the start, and can be left", async ({ cli }) => {
  const name = await makeNetwork(cli, "n1");
  const other = await makeNetwork(cli, "n2");
  const id = await cli.ok("network", "inspect", "-f", "{{.Id}}", name);
  const container = await cli.ok("run", "-d", "--network", name, ...SLEEPER);
  await cli.ok("stop", "-t", "0", container);
  await cli.ok("network", "rm", name);
  await cli.fails(1, new RegExp(`network ${id} not found`), "start", container);
  await cli.ok("network", "disconnect", "-f", name, container);
  await cli.ok("network", "connect", other, container);
  await cli.ok("start", container);
  assert.notEqual(await addressIn(cli, container, other), "");
  await removeAll(cli, { containers: [container], networks: [other] });
});

story("prune takes the networks that nobody is in", async ({ cli }) => {
  const [one, two] = [await makeNetwork(cli, "n1"), await makeNetwork(cli, "n2")];
  const container = await cli.ok("run", "-d", "--network", one, ...SLEEPER);
  assert.match(await cli.ok("network", "prune", "-f"), /n2/);
  assert.doesNotMatch(await cli.ok("network", "ls"), new RegExp(` ${two} `));
  await removeAll(cli, { containers: [container], networks: [one] });
});

story("links of the default network: hosts file and environment", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "linked", "--expose", "81", "-e", "WORD=x", "-h", "inner", ...SLEEPER);
  const address = await addressIn(cli, "linked", "bridge");
  const out = await cli.ok("run", "--rm", "--name", "linker", "--link", "linked:data-base", "busybox", "sh", "-c", "cat /etc/hosts; env");
  assert.match(out, new RegExp(`^${address}\\tdata-base inner linked$`, "m"));
  for (const line of [`DATA_BASE_PORT=tcp://${address}:81`, `DATA_BASE_PORT_81_TCP_ADDR=${address}`, "DATA_BASE_NAME=/linker/data-base", "DATA_BASE_ENV_WORD=x"]) assert.ok(out.split("\n").includes(line), line);
  await cli.ok("stop", "-t", "0", "linked");
  await cli.fails(125, /Cannot link to a non running container: \/linked AS \/linker\/db/, "run", "--name", "linker", "--link", "linked:db", "busybox", "true");
  await cli.fails(125, /could not get container for nosuch: No such container: nosuch/, "run", "--rm", "--link", "nosuch:x", "busybox", "true");
  await removeAll(cli, { containers: ["linked", "linker"] });
});

story("host-gateway is the default network's gateway", async ({ cli }: Scene) => {
  const name = await makeNetwork(cli, "n1");
  const hosts = await cli.ok("run", "--rm", "--network", name, "--add-host", "host.docker.internal:host-gateway", "busybox", "cat", "/etc/hosts");
  assert.match(hosts, new RegExp(`^${engine().place.subnet.replaceAll(".", "\\.")}\\.1\\thost\\.docker\\.internal$`, "m"));
  await removeAll(cli, { networks: [name] });
});
