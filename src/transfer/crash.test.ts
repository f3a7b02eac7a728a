/** The engine dies at each step of a fetch. Opened again the store is whole, and the next fetch goes on from what is there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openDatabase } from "#base/sqlite.ts";
import { openContent } from "#core/content/store.ts";
import { migrations } from "#core/schema.ts";
import { sha256 } from "#base/digest.ts";
import { mkdtemp, rm } from "node:fs/promises";
import { noise, openTestRegistry, putImage } from "./registry-fixture.ts";

const at = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));

const program = (folder: string, host: string, killAfter: number) => `
  import { openDatabase } from ${at("../base/sqlite.ts")};
  import { openContent } from ${at("../core/content/store.ts")};
  import { openLeases } from ${at("../core/leases/leases.ts")};
  import { migrations } from ${at("../core/schema.ts")};
  import { openTransfer } from ${at("open-transfer.ts")};
  import { SETTINGS } from ${at("transfer-fixture.ts")};
  const log = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {} };
  const db = openDatabase(${JSON.stringify(folder)} + "/db", { migrations });
  const content = await openContent(db, ${JSON.stringify(folder)} + "/content");
  await content.sweep();
  const transfer = openTransfer({ settings: () => SETTINGS, content, log });
  const remote = transfer.open({ registry: ${JSON.stringify(host)}, path: "a" }, {});
  const { signal } = new AbortController();
  const { descriptor } = await remote.resolve("1", signal);
  let came = 0;
  const tee = () => ({ write: async (chunk) => { came += chunk.length; if (came > ${killAfter}) process.kill(process.pid, "SIGKILL"); }, end() {}, abort() {} });
  await transfer.fetch(remote, descriptor, { lease: openLeases().open(), platforms: "all", signal, tee });
  console.log("fetched");
  await transfer[Symbol.asyncDispose]();
  db.close();`;

function run(text: string, points: string): Promise<{ signal: string | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", text], { env: { GANTRY_FAILPOINTS: points }, stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  return new Promise((resolve) => child.once("close", (_, signal) => resolve({ signal, stdout, stderr })));
}

for (const [point, killAfter] of [["fetch.document=kill", Infinity], ["content.partial=kill", Infinity], ["fetch.commit=kill", Infinity], ["content.rename=kill", Infinity], ["content.row=kill", Infinity], ["", 3_000_000]] as const) {
  test(`killed ${point === "" ? "in the middle of a layer" : `at ${point.split("=")[0]}`}`, async (t) => {
    const folder = await mkdtemp("/tmp/gantry-crash-");
    t.after(() => rm(folder, { recursive: true, force: true }));
    const registry = await openTestRegistry(t);
    const image = putImage(registry, "a", "1", { layers: [noise(8_000_000, 3), noise(10_000, 4)] });
    const killed = await run(program(folder, registry.host, killAfter), point);
    assert.equal(killed.signal, "SIGKILL", killed.stderr);

    const before = registry.sent;
    const again = await run(program(folder, registry.host, Infinity), "");
    assert.equal(again.stdout.trim(), "fetched", again.stderr);
    const db = openDatabase(`${folder}/db`, { migrations });
    const content = await openContent(db, `${folder}/content`);
    for (const { digest } of content.list()) assert.equal(sha256(await content.read(digest, 2 ** 30)), digest);
    assert.deepEqual(content.list().length, 4);
    assert.deepEqual(await content.partials(), []);
    db.close();
    if (point === "") {
      assert.ok(registry.requests.some(({ path, headers }) => path.endsWith(image.layers[0]!.digest) && headers.range !== undefined));
      assert.ok(registry.sent - before < 7_000_000, `${registry.sent - before} bytes again`);
    }
  });
}
