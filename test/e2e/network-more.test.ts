/** Networks beyond bridges, and what Gantry lets one change and ask while containers run. */
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { hasKind } from "../fixtures/kernel-kinds.ts";
import { peer, stories, type Scene } from "./harness.ts";

const { story, engine } = stories("more of networks");

const answering = (word: string): string[] => ["busybox", "nc", "-ll", "-p", "80", "-e", "echo", word];

/** What is said at a port of this host; "" when nothing is. */
async function ask(port: number): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, timeout: 2000 });
  socket.on("error", () => {}).on("timeout", () => socket.destroy());
  return (await socket.setEncoding("utf8").toArray().catch(() => [])).join("").trim();
}

async function answers(port: number, word: string): Promise<void> {
  for (let tried = 0; tried < 100; tried++) {
    if ((await ask(port)) === word) return;
    await pause(50);
  }
  assert.fail(`no ${word} at port ${port}`);
}

/** Two ports that nobody has. */
async function freePorts(): Promise<[number, number]> {
  const open = () => new Promise<ReturnType<typeof createServer>>((resolve) => { const server = createServer().listen(0, () => resolve(server)); });
  const servers = [await open(), await open()];
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0]!, ports[1]!];
}

const update = (_: Scene, name: string, change: object) => engine().api("POST", `/containers/${name}/update`, change).then(({ status, body }) => ({ status, body: body as { message?: string } }));
const published = ({ cli }: Scene, name: string) => cli.ok("port", name);

story("a running container's ports are published and withdrawn, and stay so", async (scene) => {
  const { cli } = scene;
  const [one, two] = await freePorts();
  await cli.ok("run", "-d", "--name", "web", ...answering("hello"));
  const on = (port: number) => ({ "80/tcp": [{ HostIp: "127.0.0.1", HostPort: String(port) }] });
  assert.equal((await update(scene, "web", { PublishAdd: on(one) })).status, 200);
  await answers(one, "hello");
  assert.equal(await published(scene, "web"), `80/tcp -> 127.0.0.1:${one}`);
  assert.match(await cli.ok("ps", "--format", "{{.Ports}}"), new RegExp(`127\\.0\\.0\\.1:${one}->80/tcp`));

  assert.equal((await update(scene, "web", { PublishAdd: on(two), PublishRemove: on(one) })).status, 200);
  await answers(two, "hello");
  assert.equal(await ask(one), "");
  await cli.ok("restart", "-t", "0", "web");
  await answers(two, "hello");
  assert.equal(await published(scene, "web"), `80/tcp -> 127.0.0.1:${two}`);

  await cli.ok("run", "-d", "--name", "other", "busybox", "sleep", "1000");
  const taken = await update(scene, "other", { PublishAdd: on(two) });
  assert.equal(taken.status, 500);
  assert.match(taken.body.message ?? "", new RegExp(`driver failed programming external connectivity on endpoint other \\([0-9a-f]{64}\\): Bind for 127\\.0\\.0\\.1:${two} failed: port is already allocated$`));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(one, "127.0.0.1", resolve));
  const inUse = await update(scene, "other", { PublishAdd: on(one) });
  server.close();
  assert.match(inUse.body.message ?? "", new RegExp(`failed to bind host port 127\\.0\\.0\\.1:${one}/tcp: address already in use$`));
  assert.equal(await cli.ok("inspect", "-f", "{{json .HostConfig.PortBindings}} {{json .NetworkSettings.Ports}}", "other"), "{} {}");
  const missing = await update(scene, "other", { PublishRemove: { "80/tcp": [] } });
  assert.deepEqual([missing.status, missing.body.message], [404, "No public port '80/tcp' published for other"]);
}, { only: "gantry-engine" });

story("update by flags: ports, limits, and what cannot be", async (scene) => {
  const { cli } = scene;
  const [one] = await freePorts();
  await cli.ok("run", "-d", "--name", "web", "--network-rate", "10mbit", ...answering("hi"));
  await cli.ok("update", "--publish-add", `127.0.0.1:${one}:80,allow=127.0.0.0/8`, "--network-rate", "up=5mbit", "web");
  await answers(one, "hi");
  assert.equal(await cli.ok("inspect", "-f", "{{json .HostConfig.NetworkRate}}", "web"), '{"Egress":5000000,"Ingress":0}');
  await cli.ok("update", "--publish-rm", `${one}:80`, "--network-rate", "0", "web");
  assert.equal(await published(scene, "web"), "");
  await cli.ok("run", "-d", "--name", "shared", "--network", "container:web", "busybox", "sleep", "1000");
  await cli.fails(1, /conflicting options: published ports, limits and the network mode container:/, "update", "--publish-add", `${one}:80`, "shared");
  await cli.fails(1, /No public port '81\/tcp' published for web/, "update", "--publish-rm", "81", "web");
}, { only: "gantry" });

story("who reaches a container, and why", async ({ cli }) => {
  await cli.ok("network", "create", "app");
  await cli.ok("run", "-d", "--name", "db", "--network", "app", "busybox", "sleep", "1000");
  const [port] = await freePorts();
  await cli.ok("run", "-d", "--name", "web", "--network", "app", "-p", `127.0.0.1:${port}:80`, "busybox", "sleep", "1000");
  const page = await cli.ok("network", "explain", "web");
  assert.match(page, /^web is in\n +NETWORK +DRIVER +INTERFACE +ADDRESSES +DEFAULT ROUTE +RATE\n +app +bridge +eth0 /);
  assert.match(page, /What can reach it\n  yes  db: every port of [\d.]+\n       both are in network app/);
  assert.match(page, new RegExp(`yes  the host itself: 127\\.0\\.0\\.1:${port} \\(tcp\\), which is its 80`));
  assert.match(page, /What it can reach\n/);
  const found = JSON.parse(await cli.ok("network", "explain", "--format", "json", "web")) as { Name: string; From: { Who: string; Reachable: boolean }[] };
  assert.equal(found.Name, "web");
  assert.ok(found.From.some(({ Who, Reachable }) => Who === "db" && Reachable));
  assert.equal(await cli.ok("network", "explain", "-f", "{{range .Networks}}{{.Name}}{{end}}", "web"), "app");
  await cli.fails(1, /No such container: nosuch/, "network", "explain", "nosuch");
  await cli.ok("rm", "-f", "web", "db");
  await cli.ok("network", "rm", "app");
}, { only: "gantry" });

story("a port that somebody has is told when the container is made, and again when it is started", async ({ cli }) => {
  const [port, other] = await freePorts();
  await cli.ok("run", "-d", "--name", "first", "-p", `127.0.0.1:${port}:80`, "busybox", "sleep", "1000");
  const made = await cli("create", "--name", "second", "-p", `127.0.0.1:${port}:80`, "busybox", "true");
  assert.equal(made.code, 0);
  assert.match(made.stderr, new RegExp(`WARNING: Bind for 127\\.0\\.0\\.1:${port} failed: port is already allocated \\(first has it\\)`));
  await cli.fails(1, new RegExp(`Bind for 127\\.0\\.0\\.1:${port} failed: port is already allocated`), "start", "second");

  const server = createServer();
  await new Promise<void>((resolve) => server.listen(other, "127.0.0.1", resolve));
  const beside = await cli("create", "--name", "third", "-p", `127.0.0.1:${other}:80`, "busybox", "true");
  assert.match(beside.stderr, new RegExp(`WARNING: failed to bind host port 127\\.0\\.0\\.1:${other}/tcp: address already in use`));
  server.close();
  const free = await cli("create", "--name", "fourth", "-p", `127.0.0.1:${other}:80`, "busybox", "true");
  assert.equal(free.stderr, "");
  await cli.ok("rename", "first", "shop-first-1");
  for (const labels of [["com.docker.compose.replace=shop-first-1"], ["com.docker.compose.project=shop", "com.docker.compose.replace=first-1"]]) {
    const replacing = await cli("create", ...labels.flatMap((label) => ["--label", label]), "-p", `127.0.0.1:${port}:80`, "busybox", "true");
    assert.equal(replacing.stderr, "", "who takes the place of the one that has it is not warned");
  }
}, { only: "gantry-engine" });

story("run does not make what cannot start", async ({ cli }) => {
  const [port] = await freePorts();
  await cli.ok("run", "-d", "--name", "first", "-p", `127.0.0.1:${port}:80`, "busybox", "sleep", "1000");
  await cli.fails(125, new RegExp(`Bind for 127\\.0\\.0\\.1:${port} failed: port is already allocated`), "run", "--name", "second", "-p", `127.0.0.1:${port}:80`, "busybox", "true");
  assert.equal(await cli.ok("ps", "-a", "--format", "{{.Names}}"), "first");
}, { only: "gantry" });

story("macvlan: containers find each other by name, on an interface of their own", async ({ cli }) => {
  await cli.ok("network", "create", "-d", "macvlan", "--subnet", "10.61.7.0/24", "lan");
  await cli.ok("run", "-d", "--name", "web", "--network", "lan", "--ip", "10.61.7.20", ...answering("lan"));
  const out = await cli.ok("run", "--rm", "--network", "lan", "busybox", "sh", "-c", "ip -4 -o addr show eth0; ip route; for i in 1 2 3 4 5 6 7 8 9; do nc web 80 && break; sleep 1; done");
  assert.match(out, /inet 10\.61\.7\.\d+\/24/);
  assert.doesNotMatch(out, /default/, "without a parent it is internal");
  assert.match(out, /^lan$/m);
  await cli.fails(1, /has active endpoints/, "network", "rm", "lan");
  await cli.ok("rm", "-f", "web");
  await cli.ok("network", "rm", "lan");
  await cli.fails(1, /requested macvlan mode 'x' is not valid, 'bridge' mode is the macvlan driver default/, "network", "create", "-d", "macvlan", "-o", "macvlan_mode=x", "lan");
  await cli.fails(1, /invalid subinterface vlan name nowhere0, example formatting is eth0\.10/, "network", "create", "-d", "macvlan", "-o", "parent=nowhere0", "lan");
}, { skip: !hasKind("macvlan") && "the kernel has no macvlan", ...(peer === "dockerd" ? { only: "gantry-engine" as const } : {}) });

story("stats counts all interfaces, by name", async ({ cli }) => {
  await cli.ok("network", "create", "second");
  await cli.ok("run", "-d", "--name", "two", "busybox", "sleep", "1000");
  await cli.ok("network", "connect", "second", "two");
  await cli.ok("exec", "two", "sh", "-c", "for i in eth0 eth1; do gw=$(ip -4 -o addr show $i | awk '{print $4}' | cut -d. -f1-3).1; ping -c 1 -W 2 $gw; done");
  const { body } = await engine().api("GET", "/containers/two/stats?stream=false&one-shot=true");
  const { networks } = body as { networks: Record<string, { tx_packets: number; rx_bytes: number }> };
  assert.deepEqual(Object.keys(networks).toSorted(), ["eth0", "eth1"]);
  for (const counts of Object.values(networks)) assert.ok(counts.tx_packets > 0 && counts.rx_bytes > 0);
  await cli.ok("run", "-d", "--name", "hosted", "--network", "host", "busybox", "sleep", "1000");
  const hosted = (await engine().api("GET", "/containers/hosted/stats?stream=false&one-shot=true")).body as object;
  assert.ok(!("networks" in hosted), "the host's interfaces are not the container's");
  await cli.ok("rm", "-f", "two");
  await cli.ok("network", "rm", "second");
});
