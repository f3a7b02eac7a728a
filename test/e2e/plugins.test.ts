/** Volume and network plugins from outside: good ones do what a user expects, bad ones are survived, and nothing stays behind. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openPlugin, type PluginFixture, type Reply } from "../fixtures/plugin.ts";
import { ipamReplies, networkReplies, volumeReplies } from "../fixtures/plugin-drivers.ts";
import { peer, stories, type Scene } from "./harness.ts";
import { clientsHere } from "./harness/client.ts";

const { story, engine } = stories("plugins", peer === "gantry" ? { flags: ["--plugin-timeout", "1"] } : {});
/** What only we do; and what is the same for any client, and takes its time. */
const ours = { only: "gantry-engine" } as const;
const once = { only: clientsHere()[0] ?? "docker", skip: peer !== "gantry" && "its deadlines are ours" } as const;

const nameOne = () => `p${randomBytes(4).toString("hex")}`;
const place = (name: string) => join(peer === "gantry" ? join(engine().place.execRoot, "plugins") : "/run/docker/plugins", `${name}.sock`);
const lines = (text: string) => text.split("\n").filter((line) => line !== "");

async function openVolumes({ folder }: Scene) {
  const name = nameOne();
  const driver = volumeReplies(join(folder, "kept"));
  const plugin = await openPlugin(place(name), { Implements: ["VolumeDriver"], replies: driver.replies });
  return { name, ...driver, plugin, kept: (path: string) => join(folder, "kept", path), [Symbol.asyncDispose]: () => plugin[Symbol.asyncDispose]() };
}

/** A driver and an IPAM in one, with a bridge and a subnet of their own. */
async function openNetworks() {
  const name = nameOne();
  const prefix = `10.${230 + (randomBytes(1)[0]! % 20)}.${randomBytes(1)[0]}`;
  const [network, ipam] = [networkReplies(`${prefix}.1`), ipamReplies(prefix)];
  const plugin = await openPlugin(place(name), { Implements: ["NetworkDriver", "IpamDriver"], replies: { ...network.replies, ...ipam.replies } });
  const close = async () => {
    network.remove();
    await plugin[Symbol.asyncDispose]();
  };
  return { name, prefix, plugin, replies: { ...network.replies, ...ipam.replies }, left: () => [...network.left(), ...ipam.left()], [Symbol.asyncDispose]: close };
}

story("a volume plugin keeps what containers write, mounted while they run", async (scene) => {
  const { cli } = scene;
  await using driver = await openVolumes(scene);
  assert.equal(await cli.ok("volume", "create", "-d", driver.name, "-o", "size=1g", "data"), "data");
  assert.equal(await cli.ok("volume", "create", "-d", driver.name, "data"), "data", "once more is no error");
  assert.deepEqual(driver.plugin.calls.find(({ method }) => method === "VolumeDriver.Create")?.body, { Name: "data", Opts: { size: "1g" } });
  assert.equal(await cli.ok("volume", "inspect", "-f", "{{.Driver}} {{.Scope}} {{.Status.tests}}", "data"), `${driver.name} global yes`);
  assert.match(await cli.ok("volume", "ls", "--filter", `driver=${driver.name}`), new RegExp(`${driver.name} +data`));
  assert.ok(lines(await cli.ok("info", "-f", "{{join .Plugins.Volume \"\\n\"}}")).includes(driver.name));

  await cli.ok("run", "--name", "writes", "-v", "data:/d", "busybox", "sh", "-c", "echo kept > /d/file");
  assert.equal(readFileSync(driver.kept("data/file"), "utf8"), "kept\n");
  assert.deepEqual(driver.mounted(), [], "given back when the container has ended");

  await cli.ok("run", "-d", "--name", "long", "--volume-driver", driver.name, "-v", "data:/d", "-v", "other:/o", "busybox", "sleep", "1000");
  assert.deepEqual(driver.mounted().sort(), ["data", "other"]);
  const mounts = await cli.ok("inspect", "-f", "{{range .Mounts}}{{.Name}} {{.Driver}} {{.Source}}\n{{end}}", "long");
  const where = (name: string) => (peer === "gantry" ? driver.kept(name) : "");
  assert.deepEqual(lines(mounts).sort(), ["data", "other"].map((name) => `${name} ${driver.name} ${where(name)}`));
  await cli.fails(1, /remove data: volume is in use/, "volume", "rm", "data");
  await cli.ok("rm", "-f", "long", "writes");
  assert.deepEqual(driver.mounted(), []);
  await cli.ok("volume", "rm", "data", "other");
  assert.deepEqual([...driver.volumes], []);
});

story("a volume that only the plugin knows is listed, used and removed by its name", async (scene) => {
  const { cli } = scene;
  await using driver = await openVolumes(scene);
  driver.volumes.set("theirs", new Set());
  execFileSync("mkdir", ["-p", driver.kept("theirs")]);
  assert.ok(lines(await cli.ok("volume", "ls", "-q")).includes("theirs"));
  assert.equal(await cli.ok("volume", "inspect", "-f", "{{.Driver}}", "theirs"), driver.name);
  await cli.ok("run", "--rm", "-v", "theirs:/t", "busybox", "touch", "/t/x");
  assert.ok(existsSync(driver.kept("theirs/x")));
  await cli.ok("volume", "rm", "theirs");
  assert.ok(!driver.volumes.has("theirs"));
});

story("plugins that are not there, or do something else", async (scene) => {
  const { cli } = scene;
  await using driver = await openVolumes(scene);
  await cli.fails(1, /create vol: error looking up volume plugin nosuch: plugin "nosuch" not found/, "volume", "create", "-d", "nosuch", "vol");
  await cli.fails(125, /error looking up volume plugin nosuch: plugin "nosuch" not found/, "run", "--rm", "--volume-driver", "nosuch", "-v", "vol:/v", "busybox", "true");
  await cli.fails(1, /plugin "nosuch" not found/, "network", "create", "-d", "nosuch", "n");
  await cli.fails(1, /plugin "nosuch" not found/, "network", "create", "--ipam-driver", "nosuch", "n");
  await cli.fails(1, /legacy plugin: Plugin does not implement the requested driver/, "network", "create", "-d", driver.name, "n");
  assert.equal(await cli.ok("network", "ls", "-q", "--filter", "name=^n$"), "");
  const { status, body } = await scene.engine.api("GET", `/plugins/${driver.name}/json`);
  assert.deepEqual([status, body], [404, { message: `plugin "${driver.name}" not found` }], "what is not installed is not listed");
}, ours);

const misdeeds: readonly (readonly [Reply, RegExp])[] = [
  ["hang", /context deadline exceeded/],
  ["drip", /context deadline exceeded/],
  ["close", /EOF/],
  ["garbage", /invalid character 'g' looking for beginning of value/],
  ["endless", /answer of more than \d+ bytes/],
  [{ Err: "out of order" }, /out of order/],
  [{ status: 500, text: '{"Err":"out of order"}' }, /VolumeDriver\.\w+: out of order/],
];

story("F-29: a volume plugin that misbehaves when a volume is made: the words of it, and no volume", async (scene) => {
  const { cli } = scene;
  await using driver = await openVolumes(scene);
  for (const [reply, words] of misdeeds) {
    driver.plugin.answer("VolumeDriver.Create", reply);
    await cli.fails(1, new RegExp(`create vol: .*${words.source}`), "volume", "create", "-d", driver.name, "vol");
    assert.equal(await cli.ok("volume", "ls", "-q"), "");
  }
  driver.plugin.answer("VolumeDriver.Create", driver.replies["VolumeDriver.Create"]!);
  await cli.ok("volume", "create", "-d", driver.name, "vol");
  await cli.ok("volume", "rm", "vol");
}, once);

story("F-29: one that misbehaves when it is to mount: the container does not start, another one does, nothing stays mounted", async (scene) => {
  const { cli } = scene;
  await using driver = await openVolumes(scene);
  await cli.ok("volume", "create", "-d", driver.name, "vol");
  await cli.ok("create", "--name", "cc", "-v", "vol:/v", "busybox", "cat", "/v/x");
  for (const [reply, words] of [...misdeeds.filter((_, index) => index % 2 === 0), [{ Mountpoint: "etc" }, /not an absolute path/] as const]) {
    driver.plugin.answer("VolumeDriver.Mount", reply);
    const [refused] = await Promise.all([cli.fails(1, new RegExp(`error while mounting volume '.*': .*${words.source}`), "start", "cc"), cli.ok("run", "--rm", "busybox", "true")]);
    assert.equal(refused.stdout, "");
    assert.equal(await cli.ok("inspect", "-f", "{{.State.Status}}", "cc"), "created");
  }
  driver.plugin.answer("VolumeDriver.Mount", driver.replies["VolumeDriver.Mount"]!);
  await cli.fails(1, /\/v\/x/, "start", "-a", "cc");
  assert.deepEqual(driver.mounted(), []);
  await cli.ok("rm", "cc");
  await cli.ok("volume", "rm", "vol");
}, once);

story("F-29: one that hangs when it is met: other volumes are listed, made and used", async (scene) => {
  const { cli } = scene;
  await using driver = await openVolumes(scene);
  await using hanging = await openPlugin(place(nameOne()), { Implements: ["VolumeDriver"], replies: { "Plugin.Activate": "hang" } });
  await cli.ok("volume", "create", "-d", driver.name, "vol");
  assert.equal(await cli.ok("volume", "ls", "-q"), "vol");
  await cli.ok("run", "--rm", "-v", "vol:/v", "-v", "mine:/m", "busybox", "touch", "/v/x", "/m/x");
  assert.equal(hanging.calls.length, 1, "it is not waited for each time");
  await cli.ok("volume", "rm", "vol", "mine");
}, once);

story("an engine that is killed: what it had asked for is given back, what runs stays mounted", async (scene) => {
  const { cli, engine } = scene;
  await using driver = await openVolumes(scene);
  for (const name of ["running", "ended", "asked"]) await cli.ok("volume", "create", "-d", driver.name, name);
  await cli.ok("run", "-d", "--name", "running", "-v", "running:/v", "busybox", "sleep", "1000");
  await cli.ok("run", "-d", "--name", "ended", "-v", "ended:/v", "busybox", "sh", "-c", "while ! [ -e /v/end ]; do sleep 0.1; done");
  await cli.ok("create", "--name", "asked", "-v", "asked:/v", "busybox", "true");
  const mount = driver.replies["VolumeDriver.Mount"] as (body: object) => object;
  driver.plugin.answer("VolumeDriver.Mount", async (body) => {
    await engine.kill();
    return mount(body) as Record<string, unknown>;
  });
  await cli("start", "asked");
  driver.plugin.answer("VolumeDriver.Mount", driver.replies["VolumeDriver.Mount"]!);
  await untilEqual(() => driver.mounted().sort(), ["asked", "ended", "running"]);
  execFileSync("touch", [driver.kept("ended/end")]);
  await engine.start();
  await untilEqual(() => driver.mounted(), ["running"]);
  await cli.ok("rm", "-f", "running", "ended", "asked");
  assert.deepEqual(driver.mounted(), []);
  await cli.ok("volume", "rm", "running", "ended", "asked");
}, once);

story("F-29: plugins that hang do not keep the engine from starting, nor what does not need them from running", async (scene) => {
  const { cli, engine } = scene;
  await using kept = await openVolumes(scene);
  await using net = await openNetworks();
  await cli.ok("volume", "create", "-d", kept.name, "vol");
  await cli.ok("network", "create", "-d", net.name, "--ipam-driver", net.name, "net");
  await cli.ok("run", "-d", "--name", "both", "-v", "vol:/v", "--network", "net", "busybox", "sleep", "1000");
  const methods = [...Object.keys(kept.replies), ...Object.keys(net.replies), "Plugin.Activate", "NetworkDriver.RevokeExternalConnectivity"];
  for (const method of methods) for (const { plugin } of [kept, net]) plugin.answer(method, "hang");
  await engine.kill();
  await engine.start();
  assert.equal(await cli.ok("ps", "--format", "{{.Names}}"), "both");
  await cli.ok("run", "--rm", "-v", "mine:/m", "busybox", "true");
  await cli.ok("exec", "both", "touch", "/v/goes-on");
  await cli.fails(1, /context deadline exceeded/, "network", "create", "-d", net.name, "other");
  await cli.ok("rm", "-f", "both");
  await cli.ok("network", "rm", "net");
  await cli.fails(1, /context deadline exceeded/, "volume", "rm", "vol");
  await cli.ok("volume", "rm", "-f", "vol", "mine");
}, once);

story("a network plugin: its interface, addresses and routes; found by name; joined and left while running", async (scene) => {
  const { cli } = scene;
  await using driver = await openNetworks();
  // dockerd asks again and again for another subnet when it is given one of the host's.
  const subnet = peer === "gantry" ? [] : ["--subnet", `${driver.prefix}.0/24`];
  await cli.ok("network", "create", "-d", driver.name, "--ipam-driver", driver.name, ...subnet, "-o", "a=b", "net");
  assert.equal(await cli.ok("network", "inspect", "-f", "{{.Driver}} {{.IPAM.Driver}} {{(index .IPAM.Config 0).Subnet}}", "net"), `${driver.name} ${driver.name} ${driver.prefix}.0/24`);
  assert.ok(lines(await cli.ok("info", "-f", "{{join .Plugins.Network \"\\n\"}}")).includes(driver.name) || peer === "dockerd");

  await cli.ok("run", "-d", "--name", "one", "--network", "net", "-p", "8080:80", "busybox", "sh", "-c", "while true; do echo hello | nc -l -p 80; done");
  const [address, mac] = (await cli.ok("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}", "one")).split(" ");
  assert.equal(address, `${driver.prefix}.10`);
  assert.match(mac!, /^02:77(:[0-9a-f]{2}){4}$/);
  const seen = await cli.ok("exec", "one", "sh", "-c", "ip -o -4 address show plug0; ip route; cat /sys/class/net/plug0/address");
  assert.match(seen, new RegExp(`inet ${address}/24`));
  assert.match(seen, new RegExp(`default via ${driver.prefix}.1 dev plug0`));
  assert.match(seen, new RegExp(`10.254.0.0/16 via ${driver.prefix}.1 dev plug0`));
  assert.match(seen, /10.253.0.0\/16 dev plug0/);
  assert.match(seen, new RegExp(mac!));
  const told = driver.plugin.calls.find(({ method }) => method === "NetworkDriver.CreateEndpoint")?.body as { Options: Record<string, { Port: number; HostPort?: number }[]> };
  assert.equal(told.Options["com.docker.network.portmap"]?.[0]?.HostPort, 8080);

  const asked = peer === "gantry" ? ["--mac-address", "02:01:02:03:04:05"] : [];
  await cli.ok("run", "-d", "--name", "two", ...asked, "--network", "net", "busybox", "sleep", "1000");
  assert.match(await cli.ok("exec", "two", "cat", "/sys/class/net/plug0/address"), peer === "gantry" ? /02:01:02:03:04:05/ : /02:77/);
  assert.equal(await cli.ok("exec", "two", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do nc -w 2 one 80 </dev/null && break; sleep 0.1; done"), "hello");
  await cli.fails(1, /has active endpoints/, "network", "rm", "net");

  await cli.ok("run", "-d", "--name", "three", "busybox", "sleep", "1000");
  await cli.ok("network", "connect", "--ip", `${driver.prefix}.200`, "net", "three");
  assert.match(await cli.ok("exec", "three", "ip", "-o", "-4", "address", "show", "plug0"), new RegExp(`inet ${driver.prefix}.200/24`));
  await cli.ok("network", "disconnect", "net", "three");
  await cli.fails(1, /plug0/, "exec", "three", "ip", "address", "show", "plug0");
  await cli.ok("restart", "-t", "0", "two");
  await cli.ok("rm", "-f", "one", "two", "three");
  await cli.ok("network", "rm", "net");
  assert.deepEqual(driver.left(), []);
});

story("an engine that is killed while a plugin makes an endpoint: the next one takes it back", async (scene) => {
  const { cli, engine } = scene;
  await using driver = await openNetworks();
  await cli.ok("network", "create", "-d", driver.name, "--ipam-driver", driver.name, "net");
  const before = driver.left();
  await cli.ok("create", "--name", "cut", "--network", "net", "busybox", "true");
  for (const method of ["NetworkDriver.CreateEndpoint", "NetworkDriver.Join"]) {
    const usual = driver.replies[method] as (body: object) => Record<string, unknown>;
    const done = Promise.withResolvers<void>();
    driver.plugin.answer(method, async (body) => {
      await engine.kill();
      const answer = usual(body);
      done.resolve();
      return answer;
    });
    await cli("start", "cut");
    await done.promise;
    driver.plugin.answer(method, usual);
    assert.notDeepEqual(driver.left(), before, method);
    await engine.start();
    await untilEqual(driver.left, before);
  }
  await cli.ok("start", "-a", "cut");
  await cli.ok("rm", "cut");
  await cli.ok("network", "rm", "net");
  assert.deepEqual(driver.left(), []);
}, once);

story("an engine that is killed while a plugin makes a network, or removes one: the next one ends it", async (scene) => {
  const { cli, engine } = scene;
  await using driver = await openNetworks();
  const create = ["network", "create", "-d", driver.name, "--ipam-driver", driver.name, "net"];
  for (const method of ["NetworkDriver.CreateNetwork", "NetworkDriver.DeleteNetwork", "IpamDriver.ReleasePool"]) {
    if (method !== "NetworkDriver.CreateNetwork") await cli.ok(...create);
    const usual = driver.replies[method] as (body: object) => Record<string, unknown>;
    const done = Promise.withResolvers<void>();
    driver.plugin.answer(method, async (body) => {
      await engine.kill();
      const answer = usual(body);
      done.resolve();
      return answer;
    });
    await cli(...(method === "NetworkDriver.CreateNetwork" ? create : ["network", "rm", "net"]));
    await done.promise;
    driver.plugin.answer(method, usual);
    await engine.start();
    await untilEqual(driver.left, []);
    for (let tries = 0; tries < 100 && (await cli.ok("network", "ls", "-q", "--filter", "name=^net$")) !== ""; tries++);
  }
  await cli.ok(...create);
  await cli.ok("network", "rm", "net");
  assert.deepEqual(driver.left(), []);
}, once);

story("addresses of a plugin in a network of our own", async (scene) => {
  const { cli } = scene;
  await using driver = await openNetworks();
  await cli.ok("network", "create", "--ipam-driver", driver.name, "net");
  assert.equal(await cli.ok("run", "--rm", "--network", "net", "busybox", "sh", "-c", "ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; ip route | grep -o 'default via [0-9.]*'"), `inet ${driver.prefix}.10\ndefault via ${driver.prefix}.1`);
  await cli.ok("network", "rm", "net");
  assert.deepEqual(driver.left(), []);
}, ours);

story("F-29: a network plugin that misbehaves: no network, no endpoint, no address stays behind, and its words", async (scene) => {
  const { cli } = scene;
  await using driver = await openNetworks();
  const create = ["network", "create", "-d", driver.name, "--ipam-driver", driver.name, "net"];
  const making: readonly (readonly [string, RegExp])[] = [
    ["NetworkDriver.CreateNetwork", /remote: out of order/],
    ["IpamDriver.RequestPool", /remote: out of order/],
    ["IpamDriver.RequestAddress", /failed to allocate gateway \(\): remote: out of order/],
  ];
  for (const [method, words] of making) {
    await disturbed(driver, method, { Err: "out of order" }, async () => void (await cli.fails(1, words, ...create)));
    await disturbed(driver, method, "close", async () => void (await cli.fails(1, /EOF/, ...create)));
    assert.equal(await cli.ok("network", "ls", "-q", "--filter", "name=^net$"), "");
    assert.deepEqual(driver.left(), [], method);
  }
  await disturbed(driver, "NetworkDriver.CreateNetwork", "hang", async () => void (await cli.fails(1, /context deadline exceeded/, ...create)));
  assert.deepEqual(driver.left(), []);

  await cli.ok(...create);
  const before = driver.left();
  const joining: readonly (readonly [string, Reply, RegExp])[] = [
    ["IpamDriver.RequestAddress", { Err: "none left" }, /remote: none left/],
    ["IpamDriver.RequestAddress", { Address: "192.0.2.1/24" }, /192\.0\.2\.1\/24 is not of the pool/],
    ["NetworkDriver.CreateEndpoint", { Err: "out of order" }, /failed to create endpoint cc on network net: remote: out of order/],
    ["NetworkDriver.Join", { Err: "out of order" }, /remote: out of order/],
    ["NetworkDriver.Join", "hang", /context deadline exceeded/],
    ["NetworkDriver.Join", {}, /no interface/],
    ["NetworkDriver.Join", { InterfaceName: { SrcName: "../../x", DstPrefix: "eth" } }, /invalid interface name/],
    ["NetworkDriver.Join", { InterfaceName: { SrcName: "nowhere0", DstPrefix: "eth" } }, /failed to get link by name "nowhere0"/],
    ["NetworkDriver.Join", { InterfaceName: { SrcName: "nowhere0", DstPrefix: "eth" }, Gateway: "me" }, /failed to parse Gateway IP/],
    ["NetworkDriver.ProgramExternalConnectivity", { Err: "out of order" }, /remote: out of order/],
  ];
  for (const [method, reply, words] of joining) {
    await disturbed(driver, method, reply, async () => void (await cli.fails(125, words, "run", "--rm", "--name", "cc", "--network", "net", "busybox", "true")));
    assert.equal(await cli.ok("ps", "-aq"), "");
  }
  await cli.ok("run", "--rm", "--network", "net", "busybox", "true");
  await untilEqual(driver.left, before);
  await disturbed(driver, "NetworkDriver.DeleteNetwork", { Err: "I keep it" }, async () => void (await cli.ok("network", "rm", "net")));
}, once);

/** While `work` goes on, the method answers so. */
async function disturbed({ plugin, replies }: { plugin: PluginFixture; replies: Readonly<Record<string, Reply>> }, method: string, reply: Reply, work: () => Promise<void>): Promise<void> {
  plugin.answer(method, reply);
  await work();
  plugin.answer(method, replies[method] ?? {});
}

async function untilEqual(read: () => unknown, wanted: unknown): Promise<void> {
  for (let tries = 0; tries < 200 && JSON.stringify(read()) !== JSON.stringify(wanted); tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(read(), wanted);
}
