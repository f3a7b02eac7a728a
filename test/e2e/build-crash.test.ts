/** The engine dies in a build: what was finished is kept, nothing is left half made, and building again goes on from there. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { busyboxArchive, busyboxMissing } from "../fixtures/image.ts";
import { openBuildKitClient, type Told } from "../fixtures/buildkit-client.ts";
import { peer } from "./harness.ts";
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
  await openClient(clientsHere()[0]!, engine).ok("load", "-i", archive);
  await build(2);
  await prune();
  await engine.stop();
  await engine.start();
  clean = holdings(engine);
});

after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const STEPS = ["RUN echo first > /first", "COPY a /a", "RUN --mount=type=cache,target=/c cat /a > /second && touch /c/x"];

/** `last`: what the RUN after these does. */
async function build(round: number, { last = "true", heard }: { last?: string; heard?: (told: Told) => void } = {}): Promise<Told> {
  const dockerfile = ["FROM busybox", `ENV ROUND=${round}`, ...STEPS, `RUN ${last}`].join("\n");
  await using client = await openBuildKitClient(engine.place.socket, { sharedKey: "crash", folders: { dockerfile: { Dockerfile: dockerfile }, context: { a: "content" } } });
  return (await client.build({ exporters: [{ type: "image", attrs: { name: "crash:1" } }] }, heard && { heard })).told;
}

async function prune(): Promise<void> {
  await engine.api("DELETE", "/images/crash:1?force=1");
  await engine.api("POST", "/build/prune?all=1");
}

const steps = (cached: readonly string[]) => cached.flatMap((name) => /^\[stage-0 ([2345])\/5\]/.exec(name)?.[1] ?? []).toSorted();

/** The whole store is what its records say. */
async function check(): Promise<void> {
  const { body } = await engine.api("POST", "/gantry/check");
  const found = String(typeof body === "string" ? body : JSON.stringify(body));
  assert.ok(/"problems":0/.test(found), found.slice(0, 2000));
}

/** Starts the engine so that it dies at the point; returns what the build found before. */
async function dieAt(point: string): Promise<Told> {
  process.env[VARIABLE] = `${point}=kill`;
  try {
    await engine.start();
  } finally {
    delete process.env[VARIABLE];
  }
  let last: Told = { names: [], errors: [], logs: "", cached: [] };
  await assert.rejects(build(1, { heard: (told) => (last = told) }), `the engine died at ${point}`);
  await engine.kill();
  return last;
}

test("killed at each point of a step's and an image's life: what is finished is found, and nothing else", { skip: why || false, timeout: 120_000 }, async () => {
  await engine.stop();
  // A step that waits to be started, one that runs, one that has ended.
  await dieAt("step.ready");
  await dieAt("step.started");
  await dieAt("builder.commit");
  assert.deepEqual(steps((await dieAt("cache.put")).cached), [], "the first step's layer was no layer yet");
  assert.deepEqual(steps((await dieAt("images.put")).cached), [], "its layer had no record yet");
  await engine.start();
  await check();
  assert.notEqual((await engine.api("GET", "/images/crash:1/json")).status, 200, "no half-made image");
  assert.deepEqual(steps((await build(1)).cached), ["2", "3", "4", "5"]);
  await prune();
  assert.deepEqual(await settled(engine, clean), {});
});

test("killed while a step runs: its processes end, the steps before it stay", { skip: why || false, timeout: 120_000 }, async () => {
  const running = Promise.withResolvers<void>();
  const building = build(100, { last: "echo running && sleep 76543", heard: ({ logs }) => logs.includes("running") && running.resolve() });
  const failed = assert.rejects(building);
  await running.promise;
  await engine.kill();
  await failed;
  await engine.start();
  await check();
  assert.equal(execFileSync("sh", ["-c", "pgrep -f 'sleep 7654[3]' || true"]).toString(), "");
  assert.deepEqual(steps((await build(100)).cached), ["2", "3", "4"]);
  await prune();
  assert.deepEqual(await settled(engine, clean), {});
});
