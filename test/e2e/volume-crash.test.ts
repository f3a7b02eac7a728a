/**
 * The engine, and all that works for it, is killed while volumes are filled, cloned, imported, renamed and removed. What is
 * found afterwards is whole or absent, and nothing is left beside it.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { busyboxLayer, busyboxMissing, imageArchive } from "../fixtures/image.ts";
import { tar, type Entry } from "../fixtures/tar.ts";
import { call } from "../security/engine-call.ts";
import { peer, removeContainers } from "./harness.ts";
import { openEngine, type Engine } from "./harness/engine.ts";
import { processesOf } from "./harness/place.ts";

const skip = process.getuid?.() !== 0 ? "containers need root" : peer !== "gantry" ? "the points are ours" : (busyboxMissing ?? false);
const VARIABLE = "GANTRY_FAILPOINTS";
const FILES = 600;

let engine: Engine;
const volumesFolder = () => join(engine.place.dataRoot, "volumes");

/** In many folders, so that a copy takes a while. */
const many: Entry[] = Array.from({ length: FILES }, (_, index) => ({ path: `big/${index % 60}/${index}`, data: `content of ${index}\n` }));

before(async () => {
  if (skip) return;
  engine = await openEngine();
  const image = imageArchive(["big:latest"], [busyboxLayer(), tar(many)], { Cmd: ["true"] });
  assert.equal((await call(engine, "POST", "/images/load", { body: image })).status, 200);
});

after(async () => {
  await engine?.[Symbol.asyncDispose]();
});

const api = async (method: string, path: string, body?: unknown) => {
  const answer = await engine.api(method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer.body)}`);
  return answer.body;
};
const createContainer = (name: string, volume: string) => api("POST", `/containers/create?name=${name}`, { Image: "big", HostConfig: { Binds: [`${volume}:/big`] } });

/** Files of a volume that has all of its content; undefined when there is no such volume. Anything between is a failure. */
async function wholeOrAbsent(name: string): Promise<number | undefined> {
  const { status } = await engine.api("GET", `/volumes/${name}`);
  const folder = join(volumesFolder(), name);
  if (status === 404) {
    assert.equal(existsSync(folder), false, `${name} has no record and a folder`);
    return undefined;
  }
  const files = readdirSync(join(folder, "_data"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.equal(files.length, FILES, `${name} is not whole`);
  for (const file of files) assert.equal(readFileSync(join(file.parentPath, file.name), "utf8"), `content of ${file.name}\n`);
  return files.length;
}

/** The next engine has swept: what is beside the volumes is empty. */
async function nothingBeside(): Promise<void> {
  for (const name of [".making", ".filled"]) {
    const folder = join(volumesFolder(), name);
    const deadline = Date.now() + 10_000;
    while (existsSync(folder) && readdirSync(folder).length > 0 && Date.now() < deadline) await engine.api("GET", "/_ping");
    assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], [], name);
  }
}

async function killAll(): Promise<void> {
  for (const pid of processesOf(engine.place)) if (pid !== engine.pid) tryKill(pid);
  await engine.kill();
  for (const pid of processesOf(engine.place)) tryKill(pid);
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has gone with the engine.
  }
}

async function clear(): Promise<void> {
  await removeContainers(engine);
  assert.deepEqual(readdirSync(volumesFolder()).filter((name) => !name.startsWith(".")), []);
}

/** Every point between two steps, and what is there afterwards: true whole, false absent. */
const points: readonly (readonly [point: string, road: () => Promise<unknown>, after: Readonly<Record<string, boolean>>])[] = [
  ["volumes.filled", () => createContainer("c", "filled"), {}],
  ["volumes.staged", async () => api("POST", "/gantry/volumes/source/clone", { Name: "copy" }), { source: true, copy: false }],
  ["volumes.recorded", async () => api("POST", "/gantry/volumes/source/clone", { Name: "copy" }), { source: true, copy: true }],
  ["volumes.named", async () => call(engine, "POST", "/gantry/volumes/copy/import", { body: tar(many.map(({ path, data }) => ({ path: path!.slice(4), data: data! }))) }), { source: true, copy: true }],
  ["volumes.renamed", async () => api("POST", "/gantry/volumes/source/rename?name=other"), { source: false, other: true }],
  ["volumes.removed", async () => api("DELETE", "/volumes/source"), { source: false }],
];

for (const [index, [point, road, expected]] of points.entries()) {
  test(`killed at ${point} (${index})`, { skip, timeout: 60_000 }, async () => {
    await createContainer("maker", "source");
    await api("DELETE", "/containers/maker");
    await engine.stop();
    process.env[VARIABLE] = `${point}=kill`;
    try {
      await engine.start();
      await assert.rejects(road, "the engine died under the request");
    } finally {
      delete process.env[VARIABLE];
    }
    await killAll();
    await engine.start();
    await nothingBeside();
    for (const name of ["filled", "source", "copy", "other"]) {
      const found = await wholeOrAbsent(name);
      if (name in expected) assert.equal(found !== undefined, expected[name], name);
    }
    assert.deepEqual(((await api("GET", "/containers/json?all=1")) as unknown[]).length, 0, "a container that was not made is not there");
    // What died can be done again.
    await createContainer("again", "filled");
    assert.equal(await wholeOrAbsent("filled"), FILES);
    await clear();
  });
}

type Work = readonly [what: string, road: (volume: string) => Promise<unknown>];
const works: readonly Work[] = [
  ["filling", (volume) => engine.api("POST", `/containers/create?name=${volume}`, { Image: "big", HostConfig: { Binds: [`${volume}:/big`] } })],
  ["cloning", (volume) => engine.api("POST", "/gantry/volumes/source/clone", { Name: volume })],
  ["importing", (volume) => call(engine, "POST", `/gantry/volumes/${volume}/import`, { body: tar(many.map(({ path, data }) => ({ path: path!.slice(4), data: data! }))) })],
];
/** The copy may be done before it was looked at: then once more, with another volume. */
const TRIES = 8;

for (const [what, road] of works) {
  test(`killed in the middle of ${what}`, { skip, timeout: 60_000 }, async () => {
    await createContainer("maker", "source");
    await api("DELETE", "/containers/maker");
    let halfway = 0;
    for (let round = 0; round < TRIES && halfway < 1; round++) {
      const ended = road(`target${round}`).catch(() => undefined);
      if (!(await untilFolders(20, ended))) continue;
      halfway++;
      await killAll();
      await ended;
      await engine.start();
      await nothingBeside();
      await wholeOrAbsent(`target${round}`);
      await wholeOrAbsent("source");
    }
    assert.ok(halfway > 0, "some of it was seen half done");
    await clear();
  });
}

/** Until so many folders of the tree stand in what is being made; false when it was done before. */
async function untilFolders(wanted: number, ended: Promise<unknown>): Promise<boolean> {
  let done = false;
  void ended.then(() => (done = true));
  const making = join(volumesFolder(), ".making");
  while (!done) {
    for (const name of list(making)) if (list(join(making, name)).length >= wanted || list(join(making, name, "_data")).length >= wanted) return true;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
