/** Egress policies and lists of who may connect, as a user has them: an engine, DNS of the outside, a neighbour. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after } from "node:test";
import { neighbour, somebody, type Somebody } from "../fixtures/agent.ts";
import { inOwnNetwork } from "../fixtures/network-host.ts";
import { attacks, type Scene } from "./attack.ts";

const SHUT = "ECONNREFUSED";

await inOwnNetwork(import.meta.url, async () => {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  const nft = (...args: string[]) => execFileSync("nft", args, { encoding: "utf8" });
  const far = await neighbour();
  await far.serves(80, 81);
  await far.order({ dns: { "good.example": "198.51.100.2", "a.wild.example": "198.51.100.2", "bad.example": "198.51.100.2", "meta.example": "169.254.169.254" } });
  const { attack } = attacks("egress");
  const started: Somebody[] = [];
  after(() => Promise.all(started.map((one) => one.end())));

  async function limited({ engine, cli }: Scene, name: string, { network = "default", ports = {} }: { network?: string; ports?: object }, ...Allow: string[]): Promise<Somebody> {
    const HostConfig = { NetworkMode: network, Dns: ["198.51.100.2"], Egress: { Default: "deny", Allow }, PortBindings: ports };
    const made = await engine.api("POST", `/containers/create?name=${name}`, { Image: "box", Cmd: ["sleep", "600"], HostConfig });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    await cli.ok("start", name);
    const inside = await somebody(name, Number(await cli.ok("inspect", "-f", "{{.State.Pid}}", name)));
    started.push(inside);
    return inside;
  }

  for (const network of ["default", "named"]) attack(`EGRESS only to names of the policy, only on their ports, in network ${network}`, async (scene) => {
    const { cli, engine } = scene;
    if (network === "named") await cli.ok("network", "create", "named");
    const inside = await limited(scene, "limited", { network }, "good.example:80", "*.wild.example", "meta.example");
    const to = (port: number) => inside.asks("198.51.100.2", port);
    const look = (name: string) => cli("exec", "limited", "nslookup", name, "127.0.0.11");
    assert.deepEqual([await to(80), await to(81)], [SHUT, SHUT]);
    assert.match((await look("bad.example")).stdout, /NXDOMAIN/, "a question can carry out what may not be sent");
    assert.doesNotMatch(await far.order({ heard: -1 }), /bad\.example/);
    assert.deepEqual([await to(80), await to(81)], [SHUT, SHUT]);
    assert.match((await look("good.example")).stdout, /198\.51\.100\.2/);
    assert.deepEqual([await to(80), await to(81)], ["far 198.51.100.1", SHUT]);
    // Names asked of somebody else: not through us, so not at all.
    assert.notEqual((await cli("exec", "limited", "nslookup", "good.example", "198.51.100.2")).code, 0);
    await look("a.wild.example");
    assert.equal(await to(81), "far 198.51.100.1");
    await look("meta.example");
    assert.doesNotMatch(nft("list", "ruleset"), /169\.254/);
    // Neither the engine's death nor a flush takes away what was open, or opens what was not.
    await engine.kill();
    await engine.start();
    assert.deepEqual([await to(80), await inside.asks("198.51.100.1", 9)], ["far 198.51.100.1", SHUT]);
    await cli.ok("rm", "-f", "limited");
    assert.doesNotMatch(nft("list", "ruleset"), /198\.51\.100\.2/);
    if (network === "named") await cli.ok("network", "rm", "named");
  });

  attack("EGRESS a limited container is limited in a network that it joins later", async (scene) => {
    const { cli } = scene;
    await cli.ok("network", "create", "first");
    await cli.ok("network", "create", "second");
    const inside = await limited(scene, "limited", { network: "first" }, "198.51.100.2:80");
    await cli.ok("network", "connect", "second", "limited");
    await cli.ok("network", "disconnect", "first", "limited");
    assert.deepEqual([await inside.asks("198.51.100.2", 80), await inside.asks("198.51.100.2", 81)], ["far 198.51.100.1", SHUT]);
    await cli.ok("rm", "-f", "limited");
    await cli.ok("network", "rm", "first", "second");
  });

  attack("ALLOW a port published for some", async (scene) => {
    const ports = { "80/tcp": [{ HostPort: "8080", Allow: ["198.51.100.0/24"] }, { HostPort: "8081", Allow: ["203.0.113.0/24", "127.0.0.0/8", "::1"] }] };
    const inside = await limited(scene, "served", { ports });
    await inside.serves(80);
    const own = await somebody("host", process.pid);
    started.push(own);
    const gateway = `${scene.engine.place.subnet}.1`;
    const seen = await Promise.all([far.asks("198.51.100.1", 8080), far.asks("198.51.100.1", 8081), own.asks("127.0.0.1", 8080), own.asks("127.0.0.1", 8081), own.asks("::1", 8081)]);
    assert.deepEqual(seen, ["served 198.51.100.2", SHUT, SHUT, `served ${gateway}`, `served ${gateway}`]);
    assert.match(await own.asks("::1", 8080), /^(ECONNRESET|)$/, "the proxy knows who asks when he is there");
  });
});
