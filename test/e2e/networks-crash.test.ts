/** The engine dies between a network's row and the kernel, and while a container joins or leaves: nothing is half there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { busyboxArchive, busyboxMissing } from "../fixtures/image.ts";
import { peer, removeContainers } from "./harness.ts";
import { clientsHere, openClient } from "./harness/client.ts";
import { openEngine, type Engine } from "./harness/engine.ts";
import { holdings, settled, type Holdings } from "./harness/leaks.ts";

const why = process.getuid?.() !== 0 ? "containers need root" : peer !== "gantry" ? "the points are ours" : (busyboxMissing ?? (clientsHere().length === 0 && "no client is here"));
const VARIABLE = "GANTRY_FAILPOINTS";

let engine: Engine;
let clean: Holdings;

before(async () => {
  if (why) return;
  engine = await openEngine();
  const archive = join(engine.place.folder, "busybox.tar");
  writeFileSync(archive, busyboxArchive());
  const cli = openClient(clientsHere()[0]!, engine);
  await cli.ok("load", "-i", archive);
  await cli.ok("run", "--rm", "busybox", "true");
  await engine.stop();
  await engine.start();
  clean = holdings(engine);
});

after(async () => {
  // Of a test that failed: interfaces do not end with the engine.
  if (engine !== undefined) await removeContainers(engine).catch(() => {});
  await engine?.[Symbol.asyncDispose]();
});

const SUBNET = { one: "10.249.1.0/24", two: "10.249.2.0/24" };
type Name = keyof typeof SUBNET;

async function ok(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await engine.api(method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

const makeNetwork = (name: Name) => ok("POST", "/networks/create", { Name: name, IPAM: { Config: [{ Subnet: SUBNET[name] }] } });
const connect = () => ok("POST", "/networks/two/connect", { Container: "box" });
const disconnect = () => ok("POST", "/networks/two/disconnect", { Container: "box" });

async function runBox(...networks: Name[]): Promise<void> {
  const EndpointsConfig = Object.fromEntries(networks.map((name) => [name, {}]));
  await ok("POST", "/containers/create?name=box", { Image: "busybox", Cmd: ["sleep", "1000"], HostConfig: { NetworkMode: networks[0] }, NetworkingConfig: { EndpointsConfig } });
  await ok("POST", "/containers/box/start");
}

type Road = { readonly prepare: () => Promise<unknown>; readonly die: () => Promise<unknown>; readonly networks: Name[]; readonly inside: string[] };

/** What was there, what the engine dies of, and what there must be when it is back: networks; interfaces in the container. */
const roads: Record<string, Road> = {
  "network.row": { prepare: async () => {}, die: () => makeNetwork("one"), networks: ["one"], inside: [] },
  "network.up": { prepare: async () => {}, die: () => makeNetwork("one"), networks: ["one"], inside: [] },
  "network.down": { prepare: () => makeNetwork("one"), die: () => ok("DELETE", "/networks/one"), networks: ["one"], inside: [] },
  "connect.row": { prepare: boxInOne, die: connect, networks: ["one", "two"], inside: ["eth0"] },
  "connect.attached": { prepare: boxInOne, die: connect, networks: ["one", "two"], inside: ["eth0"] },
  "disconnect.row": { prepare: boxInBoth, die: disconnect, networks: ["one", "two"], inside: ["eth0"] },
  "disconnect.detached": { prepare: boxInBoth, die: disconnect, networks: ["one", "two"], inside: ["eth0"] },
  "start.started": { prepare: bothNetworks, die: () => runBox("one", "two"), networks: ["one", "two"], inside: ["eth0", "eth1"] },
  "start.ready": { prepare: bothNetworks, die: () => runBox("one", "two"), networks: ["one", "two"], inside: [] },
};

async function bothNetworks(): Promise<void> {
  await makeNetwork("one");
  await makeNetwork("two");
}

async function boxInOne(): Promise<void> {
  await bothNetworks();
  await runBox("one");
}

async function boxInBoth(): Promise<void> {
  await bothNetworks();
  await runBox("one", "two");
}

type Shown = { State: { Pid: number; Running: boolean }; NetworkSettings: { Networks: Record<string, { IPAddress: string }> } };

/** A request for a container waits until the engine has looked at it. */
async function box(): Promise<Shown | undefined> {
  await engine.api("GET", "/containers/box/top");
  const { status, body } = await engine.api("GET", "/containers/box/json");
  return status === 200 ? (body as Shown) : undefined;
}

function interfacesOf(pid: number): string[] {
  const text = execFileSync("nsenter", [`--net=/proc/${pid}/ns/net`, "cat", "/proc/net/dev"], { encoding: "utf8" });
  return [...text.matchAll(/^ *(\w+):/gm)].map((match) => match[1]!).filter((name) => /^eth/.test(name)).toSorted();
}

const table = () => execFileSync("nft", ["list", "table", "inet", `gantry-${engine.place.bridge}`], { encoding: "utf8" });
const bridges = () => readdirSync("/sys/class/net").filter((name) => /^br-[0-9a-f]{12}$/.test(name));
const portsOf = (bridge: string) => (existsSync(`/sys/class/net/${bridge}/brif`) ? readdirSync(`/sys/class/net/${bridge}/brif`) : []);

for (const [point, { prepare, die, networks, inside }] of Object.entries(roads)) {
  test(`killed at ${point}`, { skip: why || false, timeout: 120_000 }, async () => {
    await prepare();
    await engine.stop();
    process.env[VARIABLE] = `${point}=kill`;
    try {
      await engine.start();
      if ((await box())?.State.Running) await box();
      await assert.rejects(die, "the engine died under the request");
    } finally {
      delete process.env[VARIABLE];
    }
    await engine.kill();
    await engine.start();
    const list = (await ok("GET", "/networks")) as { Name: string; Id: string }[];
    const own = list.filter(({ Name }) => Name in SUBNET);
    assert.deepEqual(own.map(({ Name }) => Name).toSorted(), networks);
    const shown = await box();
    const running = shown?.State.Running === true;
    assert.deepEqual(running ? interfacesOf(shown.State.Pid) : [], inside);
    const addressed = Object.entries(shown?.NetworkSettings.Networks ?? {}).filter(([, { IPAddress }]) => IPAddress !== "").map(([name]) => name);
    assert.equal(addressed.length, inside.length);
    const own12 = own.map(({ Id }) => `br-${Id.slice(0, 12)}`);
    for (const bridge of own12) assert.ok(bridges().includes(bridge), `${bridge} is there`);
    assert.equal(own12.flatMap(portsOf).length, inside.length, "no end of a pair is left");
    for (const [at, bridge] of own12.entries()) {
      const members = (await ok("GET", `/networks/${own[at]!.Id}`)) as { Containers: object };
      assert.equal(Object.keys(members.Containers).length, portsOf(bridge).length);
    }
    // Doing it again works, and everything can be taken away.
    if (!networks.includes("two")) await makeNetwork("two");
    if (shown === undefined) await runBox("one");
    else if (!running) await ok("POST", "/containers/box/start");
    if (inside.length === 1) await connect();
    await removeContainers(engine);
    for (const name of ["one", "two"]) await engine.api("DELETE", `/networks/${name}`);
    for (const bridge of own12) assert.ok(!bridges().includes(bridge), `${bridge} is gone`);
    assert.ok(!table().includes("10.249."), "a rule is left");
    assert.deepEqual(await settled(engine, clean), {});
    assert.doesNotMatch(readFileSync(engine.place.log, "utf8"), /level=error/);
  });
}
