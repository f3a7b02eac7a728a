/** Rows RC of the catalogue of how registry clients have failed (RC-05 is the client's, see src/client/credentials). */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { sha256 } from "#base/digest.ts";
import { Failure } from "#base/errors.ts";
import { MEDIA } from "#spec/image.ts";
import { openAuthority } from "../../test/fixtures/certificates.ts";
import { checkRealm } from "./auth/realm.ts";
import { clean } from "./http/answer-failure.ts";
import { isInner, publicLookup } from "./http/addresses.ts";
import { openTestProxy } from "./proxy-fixture.ts";
import { type Auth, noise, openTestRegistry, putBlob, putImage, putManifest, type Tamper, type TestRegistry } from "./registry-fixture.ts";
import { failure, never, password, testTransfer } from "./transfer-fixture.ts";
import type { Limits, TransferSettings } from "./transfer.ts";

const SECRET = "s3cret-of-the-test";
const users = { me: SECRET };
const me = password("me", SECRET);
const authority = openAuthority();

/** Whether anything of the secret, or any token, is in what that host was sent. */
const gotCredentials = ({ requests }: TestRegistry): boolean => requests.some(({ headers, body, query }) => headers.authorization !== undefined || /s3cret|token-of/.test(`${body} ${query}`));

/** Registries under names that only the proxy of the test knows, with certificates for them. */
async function world(t: TestContext, hosts: Readonly<Record<string, { auth?: Auth; plain?: true; trusted?: false }>>, settings: Partial<TransferSettings> = {}, limits: Partial<Limits> = {}) {
  const folder = await mkdtemp("/tmp/gantry-certs-");
  t.after(() => rm(folder, { recursive: true, force: true }));
  const registries: Record<string, TestRegistry> = {};
  const places: Record<string, string> = {};
  for (const [name, { auth, plain, trusted }] of Object.entries(hosts)) {
    const signer = trusted === false ? openAuthority("somebody") : authority;
    const [host = "", port = plain ? "80" : "443"] = name.split(":");
    const registry = await openTestRegistry(t, { ...(auth && { auth }), ...(!plain && { tls: signer.issue({ hosts: [host] }) }) });
    registries[name] = registry;
    places[`${host}:${port}`] = registry.host;
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, "ca.crt"), authority.cert);
  }
  const proxy = await openTestProxy(t, places);
  const made = await testTransfer(t, { proxies: { http: proxy.url, https: proxy.url, no: "" }, hostFolders: [folder], ...settings }, limits);
  return { ...made, registries, proxy, folder };
}

const bearer = (realm: string, more: Partial<Auth> = {}): Auth => ({ scheme: "bearer", users, realm, ...more });
const layer = noise(200_000);

test("RC-01: addresses in a foreign layer are not followed, and get no credentials", async (t) => {
  const { registries, open, pull } = await world(t, { "registry.example": { auth: { scheme: "basic", users } }, "attacker.example": { auth: { scheme: "basic", users } } });
  const [registry, attacker] = [registries["registry.example"]!, registries["attacker.example"]!];
  const config = putBlob(registry, MEDIA.ociConfig, Buffer.from("{}"));
  const foreign = { mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", digest: sha256(layer), size: layer.length, urls: ["https://attacker.example/layer"] };
  putManifest(registry, "a", "1", MEDIA.ociManifest, { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: [foreign] });
  await assert.rejects(pull(open("registry.example", "a", me), "1"), failure("not-found", /blobs\/sha256:[0-9a-f]+: 404/));
  assert.deepEqual(attacker.requests, []);
});

for (const [realm, why] of [
  ["https://attacker.example/token", /attacker\.example does not belong to it/],
  ["http://auth.registry.example/token", /is not https/],
  ["http://169.254.169.254/latest", /is not https/],
  ["https://169.254.169.254/latest", /is an address/],
  ["https://[::1]/token", /is an address/],
  ["file:///etc/passwd", /is not https/],
  ["https://me:pw@auth.registry.example/token", /holds a user name/],
  [`https://auth.registry.example/${"x".repeat(10_000)}`, /no address|its address is none/],
  ["no address", /its address is none/],
] as const) {
  test(`RC-02: a token server ${realm.slice(0, 50)} is not asked`, async (t) => {
    const { registries, open, pull, proxy } = await world(t, { "registry.example": { auth: bearer(realm) }, "attacker.example": {} });
    putImage(registries["registry.example"]!, "a", "1", { layers: [layer] });
    await assert.rejects(pull(open("registry.example", "a", me), "1"), (error) => error instanceof Failure && (error.kind === "forbidden" || error.kind === "unavailable") && (why.test(error.message) || realm.length > 8192));
    assert.ok(proxy.asked.every((asked) => asked === "CONNECT registry.example:443"), proxy.asked.join());
    assert.ok(!gotCredentials(registries["registry.example"]!));
  });
}

test("RC-02: a token server of the same domain gets the credentials; one elsewhere is asked without any; one inside is not", async (t) => {
  const { registries, open, pull } = await world(t, {
    "registry.shop.example": { auth: bearer("https://auth.shop.example/token", { anonymous: true }) },
    "auth.shop.example": { auth: bearer("https://auth.shop.example/token", { anonymous: true }) },
  });
  putImage(registries["registry.shop.example"]!, "a", "1", { layers: [layer] });
  await pull(open("registry.shop.example", "a", me), "1");
  const asked = registries["auth.shop.example"]!.requests;
  assert.deepEqual(asked.map(({ path, query }) => [path, query.getAll("scope"), query.get("account"), query.get("service")]), [["/token", ["repository:a:pull"], "me", "test"]]);
  // One token for the whole pull, and for the next one.
  await pull(open("registry.shop.example", "a", me), "1");
  assert.equal(asked.length, 1);
  const registry = new URL("https://registry.shop.example/v2");
  assert.equal(checkRealm("https://tokens.elsewhere.example/t", registry, { insecure: false, credentials: false }).related, false);
  assert.equal(checkRealm("https://auth.shop.co.uk/t", new URL("https://r.shop.co.uk"), { insecure: false, credentials: true }).related, true);
  assert.throws(() => checkRealm("https://auth.evil.co.uk/t", new URL("https://r.shop.co.uk"), { insecure: false, credentials: true }), failure("forbidden", /does not belong/));
  for (const address of ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0"]) assert.ok(isInner(address), address);
  for (const address of ["8.8.8.8", "2606:4700::1111"]) assert.ok(!isInner(address), address);
  await assert.rejects(new Promise((resolve, reject) => publicLookup("localhost", {}, (error) => (error === null ? resolve(undefined) : reject(error)))), failure("forbidden", /inside this network/));
});

for (const away of ["cdn.example", "registry.example:8443"]) {
  test(`RC-03: credentials do not go along a redirect to another origin: ${away}`, async (t) => {
    const { registries, open, pull, content } = await world(t, { "registry.example": { auth: { scheme: "basic", users } }, [away]: {} });
    const [registry, other] = [registries["registry.example"]!, registries[away]!];
    putImage(registry, "a", "1", { layers: [layer] });
    for (const [digest, bytes] of registry.blobs) other.blobs.set(digest, bytes);
    registry.tamper = ({ path, headers }) => (path.includes("/blobs/") && headers.authorization ? { status: 307, headers: { location: `https://${away}${path}` } } : undefined);
    await pull(open("registry.example", "a", me), "1");
    assert.equal(content.list().length, 3);
    assert.ok(gotCredentials(registry));
    assert.equal(other.requests.length, 2);
    assert.ok(!gotCredentials(other));
  });
}

test("RC-03: https does not become http along a redirect", async (t) => {
  const { registries, open, pull } = await world(t, { "registry.example": {}, "cdn.example:80": { plain: true } });
  const registry = registries["registry.example"]!;
  putImage(registry, "a", "1", { layers: [layer] });
  registry.tamper = ({ path }) => (path.includes("/blobs/") ? { status: 307, headers: { location: `http://cdn.example${path}` } } : undefined);
  await assert.rejects(pull(open("registry.example", "a", me), "1"), failure("forbidden", /redirects from https to http:\/\/cdn\.example, which is not followed/));
  assert.deepEqual(registries["cdn.example:80"]!.requests, []);
});

test("RC-03: credentials do not go to where an upload is sent on", async (t) => {
  const { registries, open, transfer, pull } = await world(t, { "registry.example": { auth: { scheme: "basic", users } }, "evil.example": {}, "source.example": {} });
  const image = putImage(registries["source.example"]!, "a", "1", { layers: [layer] });
  await pull(open("source.example", "a"), "1");
  registries["registry.example"]!.tamper = ({ method, headers }) => (method === "POST" && headers.authorization ? { headers: { location: "https://evil.example/v2/a/blobs/uploads/u0" } } : undefined);
  await assert.rejects(transfer.push(open("registry.example", "a", me), image, { platforms: "all", tag: "1", signal: never() }), failure("not-found", /evil\.example/));
  assert.ok(registries["evil.example"]!.requests.length > 0);
  assert.ok(!gotCredentials(registries["evil.example"]!));
});

test("RC-04: no plain HTTP unless the registry is listed, whatever goes wrong with TLS", async (t) => {
  const plain = { "registry.example:5000": { plain: true, auth: { scheme: "basic", users } } } as const;
  const { registries, open, pull, proxy } = await world(t, plain);
  putImage(registries["registry.example:5000"]!, "a", "1", { layers: [layer] });
  await assert.rejects(pull(open("registry.example:5000", "a", me), "1"), failure("unavailable", /server gave HTTP response to HTTPS client/));
  assert.ok(proxy.asked.every((asked) => asked.startsWith("CONNECT")));
  assert.deepEqual(registries["registry.example:5000"]!.requests, []);
  const listed = await world(t, plain, { insecureRegistries: ["registry.example:5000"] });
  putImage(listed.registries["registry.example:5000"]!, "a", "1", { layers: [layer] });
  await listed.pull(listed.open("registry.example:5000", "a", me), "1");
  assert.equal(listed.content.list().length, 3);
});

test("RC-06: certificates are verified on every path: registry, token server, redirect", async (t) => {
  for (const [where, hosts] of [
    ["registry.example", { "registry.example": { trusted: false } }],
    ["auth.registry.example", { "registry.example": { auth: bearer("https://auth.registry.example/token") }, "auth.registry.example": { trusted: false } }],
    ["cdn.registry.example", { "registry.example": {}, "cdn.registry.example": { trusted: false } }],
  ] as const) {
    const { registries, open, pull } = await world(t, hosts);
    const registry = registries["registry.example"]!;
    putImage(registry, "a", "1", { layers: [layer] });
    if (where.startsWith("cdn")) registry.tamper = ({ path }) => (path.includes("/blobs/") ? { status: 302, headers: { location: `https://${where}${path}` } } : undefined);
    await assert.rejects(pull(open("registry.example", "a", me), "1"), failure("unavailable", new RegExp(`https://${where.replaceAll(".", "\\.")}/.*: tls: failed to verify certificate: .*certs\\.d`)), where);
    assert.deepEqual(registries[where]!.requests, []);
  }
});

test("RC-06: a certificate that has ended, or is another host's", async (t) => {
  for (const [certificate, message] of [[authority.issue({ hosts: ["registry.example"], to: new Date(Date.now() - 1000) }), /expired/], [authority.issue({ hosts: ["other.example"] }), /altnames|does not match/i]] as const) {
    const registry = await openTestRegistry(t, { tls: certificate });
    const proxy = await openTestProxy(t, { "registry.example:443": registry.host });
    const folder = await mkdtemp("/tmp/gantry-certs-");
    t.after(() => rm(folder, { recursive: true, force: true }));
    await mkdir(join(folder, "registry.example"));
    await writeFile(join(folder, "registry.example/ca.crt"), authority.cert);
    const { open } = await testTransfer(t, { proxies: { http: "", https: proxy.url, no: "" }, hostFolders: [folder] });
    await assert.rejects(open("registry.example", "a").resolve("1", never()), failure("unavailable", message));
  }
});

const image = { layers: [layer] };
const blobs = (tamper: Tamper) => ({ path }: { path: string }) => (path.includes("/blobs/") ? tamper : undefined);
const manifests = (tamper: Tamper) => ({ path, method }: { path: string; method: string }) => (path.includes("/manifests/") && method === "GET" ? tamper : undefined);

for (const [what, tamper, message] of [
  ["another digest", blobs({ body: (real) => Buffer.alloc(real.length, 1) }), /what came has the digest/],
  ["a short body that says so", blobs({ body: (real) => real.subarray(1) }), /bytes are announced/],
  ["a long body that says so", blobs({ body: (real) => Buffer.concat([real, real]) }), /bytes are announced/],
  ["a long body that does not say so", blobs({ stall: "endless" }), /more than \d+ bytes came/],
  ["a coding that was not asked for", blobs({ headers: { "content-encoding": "gzip" } }), /encoded with gzip/],
  ["a manifest of another digest", manifests({ body: Buffer.from("{}") }), /digest/],
  ["a digest header that is not the body's", manifests({ headers: { "docker-content-digest": `sha256:${"0".repeat(64)}` } }), /is said to have/],
  ["a manifest that is announced as an index (IMG-02)", manifests({ headers: { "content-type": MEDIA.ociIndex } }), /was said to be|no list|odd|may be read/],
  ["a manifest without an end (IMG-10)", manifests({ stall: "endless" }), /more than \d+ bytes came/],
] as [string, TestRegistry["tamper"], RegExp][]) {
  test(`RC-07: a registry that gives ${what}: nothing is kept, and the next attempt works`, async (t) => {
    const registry = await openTestRegistry(t);
    const { open, pull, content, folder } = await testTransfer(t, { maxAttempts: 2 });
    putImage(registry, "a", "1", image);
    registry.tamper = tamper;
    await assert.rejects(pull(open(registry.host, "a"), "1"), failure("invalid", message));
    assert.deepEqual(content.list().filter(({ size }) => size > 5000), []);
    assert.deepEqual((await content.partials()).filter(({ size }) => size > 0), []);
    assert.deepEqual(await readdir(join(folder, "content/ingest")), []);
    registry.tamper = undefined;
    await pull(open(registry.host, "a"), "1");
    assert.equal(content.list().length, 3);
  });
}

test("RC-07: a resumed download of which the beginning is wrong begins anew; ranges that are ignored are lived with", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull, content, folder } = await testTransfer(t);
  const { layers: [described] } = putImage(registry, "a", "1", image);
  await writeFile(join(folder, "content/partial", described!.digest.slice(7)), Buffer.alloc(1000, 7));
  await pull(open(registry.host, "a"), "1");
  assert.equal(sha256(await content.read(described!.digest, 2 ** 30)), described!.digest);
  assert.deepEqual(registry.requests.filter(({ path }) => path.endsWith(described!.digest)).map(({ headers }) => headers.range), ["bytes=1000-", undefined]);
  const other = await testTransfer(t);
  let cuts = 0;
  registry.tamper = ({ path }) => (path.endsWith(described!.digest) ? { noRange: true, ...(cuts++ === 0 && { cutAfter: 0.5 }) } : undefined);
  await other.pull(other.open(registry.host, "a"), "1");
  assert.equal(other.content.list().length, 3);
  registry.tamper = ({ path, headers }) => (path.endsWith(described!.digest) ? (headers.range === undefined ? { cutAfter: 0.5 } : { headers: { "content-range": `bytes 0-9/${described!.size}` } }) : undefined);
  const third = await testTransfer(t);
  await assert.rejects(third.pull(third.open(registry.host, "a"), "1"), failure("invalid", /another range|bytes are announced/));
  assert.deepEqual(await third.content.partials(), []);
});

test("RC-07: a tag that moves during a pull: what was resolved is what comes", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, transfer, leases, content } = await testTransfer(t);
  const before = putImage(registry, "a", "1", image);
  const remote = open(registry.host, "a");
  const { descriptor } = await remote.resolve("1", never());
  putImage(registry, "a", "1", { layers: [noise(1000, 9)] });
  using lease = leases.open();
  await transfer.fetch(remote, descriptor, { lease, platforms: "all", signal: never() });
  assert.ok(content.stat(before.digest) !== undefined && content.stat(before.layers[0]!.digest) !== undefined);
  assert.equal(content.list().length, 3);
});

for (const [what, tamper, kind, message] of [
  ["says nothing", () => ({ stall: "head" }), "unavailable", /no answer for/],
  ["stops in a blob", blobs({ stall: "body" }), "unavailable", /no data came for/],
  ["sends a byte now and then", blobs({ pace: 50 }), "unavailable", /too slowly/],
  ["redirects for ever", ({ path }: { path: string }) => ({ status: 302, headers: { location: `${path}x` } }), "unavailable", /stopped after 5 redirects/],
  ["wants ten years to pass", () => ({ status: 429, headers: { "retry-after": "315360000", "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600" } }), "unavailable", /429 .*the limit is 100, 0 left, counted over 360 minutes; log in to have more .*asks to wait 315360000 seconds/],
  ["has a head without an end", () => ({ headers: { "x-long": "x".repeat(100_000) } }), "unavailable", /header|Parse|overflow/i],
] as [string, TestRegistry["tamper"], "unavailable", RegExp][]) {
  test(`RC-08: a registry that ${what} is given up in bounded time`, async (t) => {
    const registry = await openTestRegistry(t);
    const { open, pull } = await testTransfer(t, { maxAttempts: 2 }, { idleMs: 300, rateMs: 600, bytesPerSecond: 10_000 });
    putImage(registry, "a", "1", image);
    registry.tamper = tamper;
    await assert.rejects(pull(open(registry.host, "a"), "1"), failure(kind, message));
  });
}

test("RC-08: what a server asks us to wait is waited, and told; cancelling ends every wait and frees the socket", async (t) => {
  const registry = await openTestRegistry(t);
  const { open, pull } = await testTransfer(t);
  putImage(registry, "a", "1", image);
  let refusals = 0;
  registry.tamper = ({ path }) => (path.includes("/blobs/") && refusals++ < 2 ? { status: 429, headers: { "retry-after": "1" } } : undefined);
  const { events } = await pull(open(registry.host, "a"), "1");
  assert.ok(events.some((event) => event.kind === "retry" && event.seconds >= 1 && /429/.test(event.reason)));
  const stop = new AbortController();
  const other = await testTransfer(t);
  registry.tamper = ({ path }) => (path.includes("/blobs/") ? { stall: "body" } : undefined);
  const pulled = other.pull(other.open(registry.host, "a"), "1", { signal: stop.signal });
  while (!registry.requests.some(({ path }) => path.includes("/blobs/"))) await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await assert.rejects(pulled, { name: "AbortError" });
});

test("RC-09: addresses inside can be denied; what an answer of no registry holds is not echoed", async (t) => {
  const registry = await openTestRegistry(t);
  const { open } = await testTransfer(t, { publicOnly: true, maxAttempts: 1 });
  await assert.rejects(open(registry.host, "a").resolve("1", never()), failure("forbidden", /inside this network/));
  assert.deepEqual(registry.requests, []);
  const allowed = await testTransfer(t, { maxAttempts: 1 });
  registry.lacks = new Set(["head"]);
  registry.tamper = ({ method }) => (method === "GET" ? { status: 500, body: Buffer.from("<html>instance credentials: AKIA</html>") } : undefined);
  await assert.rejects(allowed.open(registry.host, "a").resolve("1", never()), (error) => error instanceof Failure && !/AKIA|html/.test(error.message) && /500/.test(error.message));
  assert.equal(clean(`a\u001b[31mb\r\n${"x".repeat(1000)}`).length, 513);
  assert.ok(!/\u001b|\n/.test(clean("a\u001b[31mb\r\nc")));
});

test("RC-10: no secret is in an error or in the log, whatever goes wrong", async (t) => {
  const folder = await mkdtemp("/tmp/gantry-certs-");
  t.after(() => rm(folder, { recursive: true, force: true }));
  const texts: string[] = [];
  for (const scheme of ["basic", "bearer"] as const) {
    const registry = await openTestRegistry(t, { auth: { scheme, users, refreshToken: "refresh-s3cret" } });
    putImage(registry, "a", "1", image);
    for (const tamper of [undefined, () => ({ status: 500, body: Buffer.from(JSON.stringify({ errors: [{ code: "X", message: "no" }] })) }), () => ({ cutAfter: 0 }), ({ path }) => (path.includes("blobs") ? { status: 307, headers: { location: `/elsewhere?sig=s3cret-signature` } } : undefined)] as TestRegistry["tamper"][]) {
      for (const credentials of [me, password("me", "wrong-s3cret"), { kind: "identity", token: "refresh-s3cret" }, { kind: "registry", token: "raw-s3cret" }] as const) {
        const { open, pull, logged, transfer } = await testTransfer(t, { maxAttempts: 2 });
        registry.tamper = tamper;
        for (const work of [() => pull(open(registry.host, "a", credentials), "1"), () => transfer.login(registry.host, credentials, never())]) {
          await work().catch((error: unknown) => {
            for (let at: unknown = error; at instanceof Error; at = at.cause) texts.push(at.message, JSON.stringify((at as Failure).facts ?? {}));
          });
        }
        texts.push(...logged);
      }
    }
  }
  const mirrored = await testTransfer(t, { mirrors: [`https://me:${SECRET}@mirror.example`] });
  await mirrored.open("docker.io", "a").resolve("1", never()).catch((error: Error) => texts.push(error.message));
  assert.ok(texts.length > 20);
  assert.deepEqual(texts.filter((text) => /s3cret|token-of/.test(text)), []);
});
