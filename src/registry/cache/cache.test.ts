/** Copies from outside: one registry of ours asks another, through the real registry client. A tap between them counts and cuts. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hashSync } from "bcryptjs";
import { digestOf, pushImage, startRegistry, type TestRegistry } from "../../../test/fixtures/registry.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-cache-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const robot = { user: "robot:robot's secret" };
const htpasswd = write("upstream", `robot:${hashSync("robot's secret", 4)}\n`);
const passwordFile = write("password", "robot's secret\n");
const layer = randomBytes(3_000_000);

test("a copy is fetched once, verified, kept, and served when the upstream is gone", async () => {
  await using world = await open({ ttl: "0s" });
  const { upstream, tap, cache } = world;
  const digest = await pushImage(upstream, "library/app", "1", [layer, Buffer.from("small")], robot);
  const manifest = await cache.fetch("GET", "/v2/hub/library/app/manifests/1");
  assert.equal(manifest.headers["docker-content-digest"], digest);
  assert.equal(digestOf(manifest.body), digest);
  const head = await cache.fetch("HEAD", `/v2/hub/library/app/blobs/${digestOf(layer)}`);
  assert.equal(head.headers["content-length"], String(layer.length));
  assert.equal(tap.count("GET", /blobs/), 0, "to be asked whether it is there fetches nothing");

  const askers = Array.from({ length: 20 }, () => cache.fetch("GET", `/v2/hub/library/app/blobs/${digestOf(layer)}`));
  for (const { status, body } of await Promise.all(askers)) assert.deepEqual([status, digestOf(body)], [200, digestOf(layer)]);
  assert.equal(tap.count("GET", /blobs/), 1);
  // What another repository of the upstream has, too, is asked for and not fetched again.
  await pushImage(upstream, "library/twin", "1", [layer], robot);
  assert.equal(digestOf((await cache.fetch("GET", `/v2/hub/library/twin/blobs/${digestOf(layer)}`)).body), digestOf(layer));
  assert.equal((await cache.fetch("GET", `/v2/hub/library/none/blobs/${digestOf(layer)}`)).status, 404);
  assert.equal(tap.count("GET", /blobs/), 1);
  const part = await cache.fetch("GET", `/v2/hub/library/app/blobs/${digestOf(layer)}`, { headers: { range: "bytes=1000-1999" } });
  assert.deepEqual([part.status, part.body.equals(layer.subarray(1000, 2000))], [206, true]);
  assert.equal((await cache.fetch("PUT", "/v2/hub/library/app/manifests/2", { body: manifest.body, headers: { "content-type": manifest.headers["content-type"]! } })).status, 405);
  assert.deepEqual((await cache.fetch("GET", "/v2/hub/library/app/tags/list")).json().tags, ["1"]);

  // Another image under the tag is seen; and then the upstream is gone.
  const next = await pushImage(upstream, "library/app", "1", [Buffer.from("next")], robot);
  assert.equal((await cache.fetch("HEAD", "/v2/hub/library/app/manifests/1")).headers["docker-content-digest"], next);
  await tap[Symbol.asyncDispose]();
  const stale = await cache.fetch("GET", "/v2/hub/library/app/manifests/1");
  assert.deepEqual([stale.status, stale.headers["docker-content-digest"]], [200, next]);
  assert.equal((await cache.fetch("GET", `/v2/hub/library/app/manifests/${digest}`)).status, 200);
  assert.equal(digestOf((await cache.fetch("GET", `/v2/hub/library/app/blobs/${digestOf(layer)}`)).body), digestOf(layer));
  assert.ok((await cache.fetch("GET", "/v2/hub/library/other/manifests/1")).status >= 500);
});

test("a tag is asked of the upstream again only when it is old", async () => {
  await using world = await open({ ttl: "1h" });
  await pushImage(world.upstream, "a/b", "1", [Buffer.from("x")], robot);
  assert.equal((await world.cache.fetch("GET", "/v2/hub/a/b/manifests/1")).status, 200);
  world.tap.forget();
  for (let i = 0; i < 5; i++) assert.equal((await world.cache.fetch("GET", "/v2/hub/a/b/manifests/1")).status, 200);
  assert.equal(world.tap.seen.length, 0);
  assert.equal((await world.cache.fetch("GET", "/v2/hub/a/b/manifests/none")).status, 404);
  assert.equal((await world.cache.fetch("GET", "/v2/hub/a/none/manifests/1")).status, 404);
});

test("a connection that is cut is taken up again; who reads slowly holds nobody up", async () => {
  await using world = await open({});
  const { upstream, cache, tap } = world;
  const big = randomBytes(24 * 2 ** 20);
  await pushImage(upstream, "a/b", "1", [big], robot);
  tap.cutAfter = 9 * 2 ** 20;
  const path = `/v2/hub/a/b/blobs/${digestOf(big)}`;
  const slow = await readSlowly(cache.host, path);
  const first = (await slow.next()).value as Buffer;
  const fast = await cache.fetch("GET", path);
  assert.equal(digestOf(fast.body), digestOf(big));
  const rest = await Array.fromAsync(slow);
  assert.equal(digestOf(Buffer.concat([first, ...rest])), digestOf(big));
  assert.equal(tap.count("GET", /blobs/), 2, "once, and the rest after the cut");
});

test("RS-10: what is wrong is never kept, and nobody gets the whole of it", async () => {
  await using world = await open({});
  const { upstream, cache, tap } = world;
  await pushImage(upstream, "a/b", "1", [layer], robot);
  tap.flip = true;
  const path = `/v2/hub/a/b/blobs/${digestOf(layer)}`;
  await assert.rejects(cache.fetch("GET", path), "the answer is cut short");
  tap.flip = false;
  assert.equal(digestOf((await cache.fetch("GET", path)).body), digestOf(layer));
});

test("RS-10: who may read a copy is our policy's to say, whoever asked before; credentials stay where they belong", async () => {
  const accounts = write("accounts", `ann:${hashSync("ann's secret", 4)}\nbob:${hashSync("bob's secret", 4)}\n`);
  const policy = write("policy.json", JSON.stringify({ rules: [{ repositories: ["hub/private/**"], who: ["user:ann"], may: ["read"] }, { repositories: ["hub/open/**"], who: ["users"], may: ["read"] }, { repositories: ["home/{user}/**"], who: ["users"], may: ["write"] }] }));
  await using world = await open({ ttl: "0s" }, { htpasswd: accounts, policy });
  const { upstream, cache, tap } = world;
  const digest = await pushImage(upstream, "private/app", "1", [layer], robot);
  await pushImage(upstream, "open/app", "1", [Buffer.from("open")], robot);
  const [ann, bob] = [{ user: "ann:ann's secret" }, { user: "bob:bob's secret" }];
  const paths = ["manifests/1", `manifests/${digest}`, `blobs/${digestOf(layer)}`, "tags/list", `referrers/${digest}`].map((rest) => `/v2/hub/private/app/${rest}`);
  for (const path of paths) assert.equal((await cache.fetch("GET", path, ann)).status, 200, path);
  tap.forget();
  for (const path of paths) {
    assert.equal((await cache.fetch("GET", path, bob)).status, 403, path);
    assert.equal((await cache.fetch("GET", path)).status, 401, path);
  }
  assert.equal(tap.seen.length, 0, "who may not read does not make us ask");
  // Through another copy, which he may read, and by mounting.
  assert.equal((await cache.fetch("GET", `/v2/hub/open/app/blobs/${digestOf(layer)}`, bob)).status, 404);
  assert.equal((await cache.fetch("GET", `/v2/hub/open/app/manifests/${digest}`, bob)).status, 404);
  assert.equal((await cache.fetch("POST", `/v2/home/bob/x/blobs/uploads/?mount=${digestOf(layer)}&from=hub/private/app`, bob)).status, 202);
  assert.equal((await cache.fetch("GET", `/v2/home/bob/x/blobs/${digestOf(layer)}`, bob)).status, 404);

  const secrets = ["ann's secret", "bob's secret", "robot's secret"].flatMap((secret, index) => [secret, Buffer.from(`${["ann", "bob", "robot"][index]}:${secret}`).toString("base64")]);
  const asked = tap.all.map(({ headers }) => JSON.stringify(headers)).join("");
  for (const secret of secrets.slice(0, 4)) assert.equal(asked.includes(secret), false, "a user's credentials at the upstream");
  assert.ok(asked.includes(secrets[5]!), "our own are used, else this test shows nothing");
  const answers = await Promise.all(paths.map((path) => cache.fetch("GET", path, ann)));
  const told = cache.log.join("") + answers.map(({ headers, body }) => JSON.stringify(headers) + body.toString("latin1")).join("");
  for (const secret of secrets) assert.equal(told.includes(secret), false);

  // The upstream withdraws access: a tag is not served from what was kept.
  tap.refuse = true;
  assert.equal((await cache.fetch("GET", "/v2/hub/private/app/manifests/1", ann)).status, 404);
});

type World = AsyncDisposable & { readonly upstream: TestRegistry; readonly cache: TestRegistry; readonly tap: Tap };

async function open(upstreamOptions: Record<string, unknown>, settings: Record<string, unknown> = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startRegistry({ htpasswd }));
  const tap = stack.use(await openTap(upstream.host));
  const cache = stack.use(await startRegistry({ ...settings, upstreams: [{ prefix: "hub", registry: tap.host, username: "robot", passwordFile, ...upstreamOptions }] }));
  const parts = stack.move();
  return { upstream, tap, cache, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

type Seen = { readonly method: string; readonly path: string; readonly headers: unknown };
type Tap = AsyncDisposable & { host: string; seen: Seen[]; all: Seen[]; cutAfter?: number; flip?: boolean; refuse?: boolean; count(method: string, path: RegExp): number; forget(): void };

/** Passes requests on; `cutAfter` cuts the first answer that is longer, `flip` changes a byte of each blob. */
async function openTap(host: string): Promise<Tap> {
  const server = createServer((incoming, outgoing) => {
    const seen = { method: incoming.method!, path: incoming.url!, headers: incoming.headers };
    tap.seen.push(seen);
    tap.all.push(seen);
    if (tap.refuse === true) return void outgoing.writeHead(403).end();
    const passed = request(`http://${host.replace("localhost", "127.0.0.1")}${incoming.url}`, { method: incoming.method!, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      let sent = 0;
      answer.on("data", (chunk: Buffer) => {
        if (tap.flip === true && /blobs/.test(incoming.url!)) chunk[0]! ^= 1;
        sent += chunk.length;
        outgoing.write(chunk);
        if (tap.cutAfter === undefined || sent < tap.cutAfter) return;
        delete tap.cutAfter;
        answer.destroy();
        outgoing.end(() => outgoing.destroy());
      });
      answer.on("end", () => outgoing.end()).on("error", () => outgoing.destroy());
    });
    passed.on("error", () => outgoing.destroy());
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const tap: Tap = {
    host: `localhost:${(server.address() as { port: number }).port}`,
    seen: [],
    all: [],
    count: (method, path) => tap.seen.filter((one) => one.method === method && path.test(one.path)).length,
    forget: () => void tap.seen.splice(0),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return tap;
}

/** An answer that is read as slowly as its reader likes. */
async function readSlowly(host: string, path: string): Promise<AsyncGenerator<Buffer>> {
  const { promise, resolve, reject } = Promise.withResolvers<AsyncGenerator<Buffer>>();
  request(`http://${host.replace("localhost", "127.0.0.1")}${path}`, (response) => resolve(response[Symbol.asyncIterator]() as AsyncGenerator<Buffer>)).on("error", reject).end();
  return await promise;
}
