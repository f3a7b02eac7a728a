/** Pulls and pushes that are cut, killed, or many at once: what is left is whole, what came is kept, nothing is fetched twice. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { after, before, test } from "node:test";
import { busyboxMissing } from "../fixtures/image.ts";
import { tar } from "../fixtures/tar.ts";
import { peer } from "./harness.ts";
import { openEngine, type Engine } from "./harness/engine.ts";
import { openRegistry, type Registry } from "./harness/registry.ts";
import { type Descriptor, digestOf, putImage, shellLayer } from "./harness/registry-content.ts";

const why = process.getuid?.() !== 0 ? "containers need root" : peer !== "gantry" ? "the reference does not promise this" : (busyboxMissing ?? false);
const options = { skip: why, timeout: 120_000 };
const VARIABLE = "GANTRY_FAILPOINTS";

let engine: Engine;
let registry: Registry;
before(async () => {
  if (why) return;
  registry = await openRegistry();
  engine = await openEngine();
});
after(async () => {
  await engine?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
});

type Made = { readonly name: string; readonly repository: string; readonly layers: readonly Buffer[]; readonly descriptor: Descriptor };

/** An image of `count` layers that are nobody else's, each of `size` bytes that do not compress. */
async function make(count: number, size = 1000): Promise<Made> {
  const repository = `i-${randomBytes(5).toString("hex")}`;
  const layers = [shellLayer([{ path: "of", data: repository }]), ...Array.from({ length: count - 1 }, (_, n) => tar([{ path: `f${n}`, data: randomBytes(size) }]))];
  const descriptor = await putImage(registry.host, repository, "1", { layers });
  registry.tap.forget();
  return { name: `${registry.host}/${repository}`, repository, layers, descriptor };
}

type Pull = { readonly done: Promise<string>; cancel(): void; /** Resolves when the stream has said this so many times. */ said(pattern: RegExp, times: number): Promise<void> };

/** What the engine's stream said; a lost connection is its failure. */
function pull(name: string, tag = "1"): Pull {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const waiting = new Set<() => void>();
  let text = "";
  const sent = request({ socketPath: engine.place.socket, method: "POST", path: `/v1.45/images/create?fromImage=${encodeURIComponent(name)}&tag=${tag}`, agent: false }, (response) => {
    response.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      for (const look of waiting) look();
    });
    response.once("end", () => resolve(text)).once("error", reject);
  });
  sent.on("error", reject).end();
  promise.catch(() => {});
  const said = (pattern: RegExp, times: number) =>
    new Promise<void>((come, fail) => {
      const look = () => {
        if ([...text.matchAll(new RegExp(pattern, "g"))].length < times) return;
        waiting.delete(look);
        come();
      };
      waiting.add(look);
      promise.catch(fail);
      look();
    });
  return { done: promise, cancel: () => sent.destroy(), said };
}

/** The path of a layer's blob. */
const blobOf = (layer: Buffer): RegExp => new RegExp(digestOf(gzipSync(layer)));

const blobGets = (repository: string): number => registry.tap.count("GET", new RegExp(`/${repository}/blobs/`));

async function assertWhole(): Promise<void> {
  const { status, body } = await engine.api("POST", "/gantry/check");
  assert.equal(status, 200);
  const said = typeof body === "string" ? body : JSON.stringify(body);
  assert.equal(/"problems":(\d+)/.exec(said)?.[1], "0", said);
}

async function assertRuns(name: string, repository: string): Promise<void> {
  const made = await engine.api("POST", "/containers/create", { Image: `${name}:1`, Cmd: ["/bin/sh", "-c", `read x </of; test "$x" = ${repository} || test "$(echo /f*)" != "/f*"`] });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { Id } = made.body as { Id: string };
  await engine.api("POST", `/containers/${Id}/start`);
  const ended = await engine.api("POST", `/containers/${Id}/wait`);
  assert.equal((ended.body as { StatusCode: number }).StatusCode, 0);
  await engine.api("DELETE", `/containers/${Id}?force=1`);
}

const isHere = async (name: string): Promise<boolean> => (await engine.api("GET", `/images/${name}:1/json`)).status === 200;
const remove = (name: string) => engine.api("DELETE", `/images/${name}:1?force=1`);
const blobsHere = (): string[] => readdirSync(join(engine.place.dataRoot, "content/blobs/sha256"));

test("fifty pulls of one image at a time fetch each blob once", options, async () => {
  const { name, repository } = await make(4, 300_000);
  const pulls = Array.from({ length: 50 }, () => pull(name).done);
  for (const said of await Promise.all(pulls)) assert.match(said, /"Digest: sha256:[^]*"Status: (Downloaded newer image|Image is up to date) for /);
  assert.equal(blobGets(repository), 5, "four layers and the configuration");
  await assertRuns(name, repository);
  await remove(name);
});

test("a pull whose client goes away ends; what had come is not fetched again", options, async () => {
  const { name, repository, layers } = await make(3);
  const hold = registry.tap.hold("GET", blobOf(layers[2]!));
  const first = pull(name);
  await Promise.all([hold.come, first.said(/Download complete/, 2)]);
  first.cancel();
  await assert.rejects(first.done);
  await hold.gone;
  hold.release();
  assert.equal(await isHere(name), false);
  registry.tap.forget();
  assert.match(await pull(name).done, /Status: Downloaded newer image/);
  assert.equal(blobGets(repository), 1);
  await assertRuns(name, repository);
  await remove(name);
});

test("killed in the middle of a pull: the next engine has what came, and fetches the rest", options, async () => {
  const { name, repository, layers } = await make(3, 16_000_000);
  // Of one layer half comes, and then nothing; the others come.
  registry.tap.stall = ({ method, path }) => (method === "GET" && blobOf(layers[2]!).test(path) ? 12_000_000 : undefined);
  const first = pull(name);
  await Promise.all([first.said(/Download complete/, 2), registry.tap.sent(blobOf(layers[2]!), 12_000_000), first.said(/"current":[1-9]\d{6}/, 1)]);
  await engine.kill();
  await first.done.catch(() => {});
  registry.tap.stall = undefined;
  await engine.start();
  await assertWhole();
  registry.tap.forget();
  assert.match(await pull(name).done, /Status: Downloaded newer image/);
  assert.equal(blobGets(repository), 1);
  const [again] = registry.tap.seen.filter(({ path }) => blobOf(layers[2]!).test(path));
  assert.match(String(again?.headers["range"]), /^bytes=[1-9]\d*-/);
  assert.ok(again!.sent < 16_000_000, `${again!.sent} bytes came again`);
  await assertRuns(name, repository);
  await remove(name);
});

for (const point of ["fetch.commit", "content.row", "layers.commit", "images.put"]) {
  test(`killed at ${point}: the store is whole, nothing is named, and repeating succeeds`, options, async () => {
    const { name, repository } = await make(3);
    await engine.stop();
    process.env[VARIABLE] = `${point}=kill`;
    try {
      await engine.start();
      await assert.rejects(pull(name).done);
    } finally {
      delete process.env[VARIABLE];
    }
    await engine.kill();
    await engine.start();
    await assertWhole();
    assert.equal(await isHere(name), false);
    assert.match(await pull(name).done, /Status: Downloaded newer image/);
    await assertRuns(name, repository);
    await remove(name);
  });
}

test("killed in the middle of a push: repeating succeeds, and the image is whole there", options, async () => {
  const { name, repository } = await make(3, 200_000);
  await pull(name).done;
  const target = `${registry.host}/pushed-${repository}`;
  await engine.api("POST", `/images/${name}:1/tag?repo=${encodeURIComponent(target)}&tag=1`);
  const hold = registry.tap.hold("PUT", /\/manifests\/1$/);
  const push = engine.api("POST", `/images/${target}/push?tag=1`).catch(() => undefined);
  await hold.come;
  await engine.kill();
  hold.release();
  await push;
  await engine.start();
  await assertWhole();
  assert.match(await pushed(target), /1: digest: sha256:/);
  await remove(name);
  await remove(target);
  await pull(target).done;
  await assertRuns(target, repository);
  await remove(target);
});

/** A push has to say whose registry it goes to, even without credentials. */
function pushed(name: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ socketPath: engine.place.socket, method: "POST", path: `/v1.45/images/${name}/push?tag=1`, headers: { "X-Registry-Auth": "e30" }, agent: false }, (response) => {
      response.setEncoding("utf8").toArray().then((parts) => resolve(parts.join("")), reject);
    }).on("error", reject).end();
  });
}

test("what was interrupted is gone with a prune", options, async () => {
  const { name, layers } = await make(3);
  const before = new Set(blobsHere());
  const hold = registry.tap.hold("GET", blobOf(layers[2]!));
  const first = pull(name);
  await Promise.all([hold.come, first.said(/Download complete/, 2)]);
  first.cancel();
  await assert.rejects(first.done);
  await hold.gone;
  hold.release();
  const left = () => [...blobsHere().filter((blob) => !before.has(blob)), ...readdirSync(join(engine.place.dataRoot, "content/partial"))];
  // The engine sees a moment later that its client is gone; what is under way is nobody's to prune.
  const deadline = Date.now() + 20_000;
  do await engine.api("POST", "/images/prune");
  while (left().length > 0 && Date.now() < deadline);
  assert.deepEqual(left(), []);
});

test("bytes that are wrong are an error; nothing is named, and nothing of the pull is left", options, async () => {
  const { name, repository } = await make(2);
  const before = new Set(blobsHere());
  registry.tap.answer = ({ method, path }) => (method === "GET" && path.includes(`/${repository}/blobs/`) ? { status: 200, headers: { "content-type": "application/octet-stream" }, body: "these are not the bytes" } : undefined);
  try {
    assert.match(await pull(name).done, /"errorDetail":\{"message":"/);
  } finally {
    registry.tap.answer = undefined;
  }
  assert.equal(await isHere(name), false);
  assert.deepEqual(blobsHere().filter((blob) => !before.has(blob)), []);
  assert.match(await pull(name).done, /Status: Downloaded newer image/);
  await remove(name);
});

test("pulls, removals, prunes and runs side by side: no run misses a layer", options, async () => {
  const { name, repository } = await make(3);
  await pull(name).done;
  const until = 12;
  const runs = Array.from({ length: 3 }, async () => {
    for (let at = 0; at < until; at++) {
      const made = await engine.api("POST", "/containers/create", { Image: `${name}:1`, Cmd: ["/bin/sh", "-c", "cat /of 2>/dev/null || read x </of"] });
      if (made.status === 404) {
        assert.match(JSON.stringify(made.body), /No such image/);
        await pull(name).done;
        continue;
      }
      assert.equal(made.status, 201, JSON.stringify(made.body));
      const { Id } = made.body as { Id: string };
      const started = await engine.api("POST", `/containers/${Id}/start`);
      assert.equal(started.status, 204, JSON.stringify(started.body));
      const { body } = await engine.api("POST", `/containers/${Id}/wait`);
      assert.equal((body as { StatusCode: number }).StatusCode, 0);
      await engine.api("DELETE", `/containers/${Id}?force=1`);
    }
  });
  const others = [
    async () => assert.match(await pull(name).done, /Status: /),
    async () => void (await remove(name)),
    async () => void (await engine.api("POST", `/images/prune?filters=${encodeURIComponent('{"dangling":["false"]}')}`)),
  ].map(async (act) => {
    for (let at = 0; at < until; at++) await act();
  });
  await Promise.all([...runs, ...others]);
  await pull(name).done;
  await assertRuns(name, repository);
  await assertWhole();
});
