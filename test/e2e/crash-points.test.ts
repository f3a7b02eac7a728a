/** The engine dies at each named point of a container's life; what is found afterwards is whole, and nothing is left. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { readFileSync, writeFileSync } from "node:fs";
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
  await cli.ok("run", "--rm", "-v", "/warm", "busybox", "true");
  await engine.stop();
  await engine.start();
  clean = holdings(engine);
});

after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

type Wish = { Cmd: string[]; HostConfig?: object; Volumes?: object };

async function make(wish: Wish): Promise<string> {
  const { status, body } = await engine.api("POST", "/containers/create", { Image: "busybox", ...wish });
  assert.equal(status, 201, JSON.stringify(body));
  return (body as { Id: string }).Id;
}

const start = (id: string) => engine.api("POST", `/containers/${id}/start`);

/** What reaches each point. The engine dies under the last request. */
const roads: Record<string, () => Promise<unknown>> = {
  "create.named": () => make({ Cmd: ["true"], Volumes: { "/v": {} } }),
  "create.prepared": () => make({ Cmd: ["true"], Volumes: { "/v": {} } }),
  "start.planned": async () => start(await make({ Cmd: ["sleep", "1000"] })),
  "start.ready": async () => start(await make({ Cmd: ["sleep", "1000"] })),
  "start.started": async () => start(await make({ Cmd: ["sleep", "1000"] })),
  "exit.noted": async () => {
    const id = await make({ Cmd: ["true"] });
    await start(id);
    await engine.api("POST", `/containers/${id}/wait?condition=removed`);
  },
  "ports.held": publishLater,
  "ports.saved": publishLater,
  "remove.rows": async () => engine.api("DELETE", `/containers/${await make({ Cmd: ["true"], Volumes: { "/v": {} } })}?v=1`),
};

/** A port that is published while the container runs. */
const LATER = 24_380;

async function publishLater(): Promise<unknown> {
  const id = await make({ Cmd: ["sleep", "1000"] });
  await start(id);
  return await engine.api("POST", `/containers/${id}/update`, { PublishAdd: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: String(LATER) }] } });
}

/** What must be so of the container that was left: all of the change, or nothing. */
async function portsOf(id: string): Promise<{ asked: string[]; inForce: string[]; taken: boolean }> {
  const { HostConfig, NetworkSettings } = (await engine.api("GET", `/containers/${id}/json`)).body as { HostConfig: { PortBindings: object }; NetworkSettings: { Ports: object } };
  const taken = await new Promise<boolean>((resolve) => {
    const server = createServer().once("error", () => resolve(true)).listen(LATER, "127.0.0.1", () => server.close(() => resolve(false)));
  });
  return { asked: Object.keys(HostConfig.PortBindings), inForce: Object.keys(NetworkSettings.Ports), taken };
}

const aftermath: Record<string, (id: string) => Promise<void>> = {
  "ports.held": async (id) => assert.deepEqual(await portsOf(id), { asked: [], inForce: [], taken: false }),
  "ports.saved": async (id) => assert.deepEqual(await portsOf(id), { asked: ["80/tcp"], inForce: ["80/tcp"], taken: true }),
};

for (const [point, road] of Object.entries(roads)) {
  test(`killed at ${point}`, { skip: why || false, timeout: 120_000 }, async () => {
    await engine.stop();
    process.env[VARIABLE] = `${point}=kill`;
    try {
      await engine.start();
      await assert.rejects(road, "the engine died under the request");
    } finally {
      delete process.env[VARIABLE];
    }
    await engine.kill();
    await engine.start();
    const found = await settledContainers();
    for (const { State, Id } of found) {
      const { status, body } = await engine.api("GET", `/containers/${Id}/json`);
      assert.equal(status, 200);
      assert.equal((body as { State: { Running: boolean } }).State.Running, State === "running");
    }
    const states = found.map(({ State }) => State);
    const expected: Record<string, string[]> = {
      "create.named": [], "create.prepared": [], "start.planned": ["created"], "start.ready": ["created"], "start.started": ["running"],
      "exit.noted": ["exited"], "remove.rows": [], "ports.held": ["running"], "ports.saved": ["running"],
    };
    assert.deepEqual(states, expected[point]);
    for (const { Id } of found) await aftermath[point]?.(Id);
    // Doing it again works, and everything can be taken away.
    const again = await make({ Cmd: ["true"] });
    assert.equal((await start(again)).status, 204);
    assert.deepEqual(((await engine.api("POST", `/containers/${again}/wait`)).body as { StatusCode: number }).StatusCode, 0);
    await removeContainers(engine);
    assert.deepEqual(await settled(engine, clean), {});
  });
}

/** The list, once recovery has looked at everything: a request for a container waits for its look. */
async function settledContainers(): Promise<{ Id: string; State: string }[]> {
  const list = async () => (await engine.api("GET", "/containers/json?all=1")).body as { Id: string; State: string }[];
  for (const { Id } of await list()) await engine.api("GET", `/containers/${Id}/top`);
  return await list();
}

test("a shim is killed: its container is ended, and can be started again", { skip: why || false, timeout: 120_000 }, async () => {
  const id = await make({ Cmd: ["sh", "-c", "sleep 1000 & sleep 1000"] });
  await start(id);
  const inspect = async () => (await engine.api("GET", `/containers/${id}/json`)).body as { State: { Pid: number; Status: string; ExitCode: number; Error: string } };
  const { Pid } = (await inspect()).State;
  const shim = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${Pid}/status`, "utf8"))![1]);
  process.kill(shim, "SIGKILL");
  const { body } = await engine.api("POST", `/containers/${id}/wait`);
  assert.equal((body as { StatusCode: number }).StatusCode, 255);
  const { Status, Error } = (await inspect()).State;
  assert.deepEqual([Status, Error], ["exited", "shim lost"]);
  assert.equal((await start(id)).status, 204);
  await removeContainers(engine);
  assert.deepEqual(await settled(engine, clean), {});
});
