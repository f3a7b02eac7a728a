import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { openAuthority } from "../../../test/fixtures/certificates.ts";
import { parseChallenge } from "../auth/challenge.ts";
import { openTestProxy } from "../proxy-fixture.ts";
import { noise, openTestRegistry, putImage } from "../registry-fixture.ts";
import { failure, never, password, SETTINGS, testTransfer } from "../transfer-fixture.ts";
import type { TransferSettings } from "../transfer.ts";
import { findEndpoints } from "./endpoints.ts";
import { proxyFor } from "./proxies.ts";

async function folderOf(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp("/tmp/gantry-hosts-");
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

const found = async (registry: string, settings: Partial<TransferSettings> = {}) =>
  (await findEndpoints(registry, { ...SETTINGS, ...settings })).map(({ base, own, tls, can, ns }) => [base, own ? "own" : "mirror", tls.verify ? "verified" : "unverified", [...can].join(), ns].join(" "));

for (const [what, registry, settings, expected] of [
  ["Docker's hub has a host of its own", "docker.io", {}, ["https://registry-1.docker.io/v2 own verified pull,resolve,push "]],
  ["another registry is its own host", "registry.example:5000", {}, ["https://registry.example:5000/v2 own verified pull,resolve,push "]],
  ["mirrors are for Docker's hub, and before it", "docker.io", { mirrors: ["https://m.example/", "http://n.example:5000/path"] }, ["https://m.example/v2 mirror verified pull,resolve ", "http://n.example:5000/path/v2 mirror verified pull,resolve ", "https://registry-1.docker.io/v2 own verified pull,resolve,push "]],
  ["mirrors are for no other", "registry.example", { mirrors: ["https://m.example/"] }, ["https://registry.example/v2 own verified pull,resolve,push "]],
  ["what is listed is asked by TLS that is not verified, then without", "registry.example:5000", { insecureRegistries: ["registry.example:5000"] }, ["https://registry.example:5000/v2 own unverified pull,resolve,push ", "http://registry.example:5000/v2 own unverified pull,resolve,push "]],
  ["another port is not listed", "registry.example:5001", { insecureRegistries: ["registry.example:5000"] }, ["https://registry.example:5001/v2 own verified pull,resolve,push "]],
  ["loopback always is", "localhost:5000", {}, ["https://localhost:5000/v2 own unverified pull,resolve,push ", "http://localhost:5000/v2 own unverified pull,resolve,push "]],
  ["an address in a range", "10.1.2.3:5000", { insecureRegistries: ["10.0.0.0/8"] }, ["https://10.1.2.3:5000/v2 own unverified pull,resolve,push ", "http://10.1.2.3:5000/v2 own unverified pull,resolve,push "]],
  ["one outside of it", "11.1.2.3", { insecureRegistries: ["10.0.0.0/8", "fd00::/8"] }, ["https://11.1.2.3/v2 own verified pull,resolve,push "]],
  ["IPv6", "[fd00::1]:5000", { insecureRegistries: ["fd00::/8"] }, ["https://[fd00::1]:5000/v2 own unverified pull,resolve,push ", "http://[fd00::1]:5000/v2 own unverified pull,resolve,push "]],
] as [string, string, Partial<TransferSettings>, string[]][]) {
  test(`hosts: ${what}`, async () => assert.deepEqual(await found(registry, settings), expected));
}

test("hosts.toml: mirrors in their order, with what they can; the server after them", async (t) => {
  const ca = openAuthority().cert;
  const folder = await folderOf(t, {
    "registry.example:5000/hosts.toml": `server = "https://other.example"
[host."https://one.example"]
  capabilities = ["pull", "resolve"]
  ca = "one.pem"
  [host."https://one.example".header]
    x-name = ["a", "b"]
[host."http://two.example:8080/deep"]
[host."https://three.example/api"]
  override_path = true
  skip_verify = true
  capabilities = ["push"]
`,
    "registry.example:5000/one.pem": ca,
    "_default/hosts.toml": `[host."https://everything.example"]\n  capabilities = ["pull"]\n`,
  });
  const all = await findEndpoints("registry.example:5000", { ...SETTINGS, hostFolders: [folder] });
  assert.deepEqual(await found("registry.example:5000", { hostFolders: [folder] }), [
    "https://one.example/v2 mirror verified pull,resolve registry.example:5000",
    "http://two.example:8080/deep/v2 mirror verified pull,resolve,push registry.example:5000",
    "https://three.example/api mirror unverified push registry.example:5000",
    "https://other.example/v2 mirror verified pull,resolve,push registry.example:5000",
  ]);
  assert.deepEqual([all[0]!.headers, all[0]!.tls.ca], [{ "x-name": "a, b" }, [ca]]);
  assert.deepEqual(await found("docker.io", { hostFolders: [folder] }), ["https://everything.example/v2 mirror verified pull docker.io", "https://registry-1.docker.io/v2 own verified pull,resolve,push "]);
});

for (const [what, files, message] of [
  ["that is no TOML", { "r.example/hosts.toml": "server = " }, /hosts\.toml/],
  ["with an unknown capability", { "r.example/hosts.toml": '[host."https://m.example"]\ncapabilities = ["fly"]' }, /"fly" is no capability/],
  ["with an address that is none", { "r.example/hosts.toml": '[host."ftp://m.example"]' }, /no http or https address/],
  ["with a password", { "r.example/hosts.toml": '[host."https://a:b@m.example"]' }, /may not hold a user name or a password/],
  ["with a missing CA", { "r.example/hosts.toml": '[host."https://m.example"]\nca = "gone.pem"' }, /gone\.pem/],
  ["with a certificate without key", { "r.example/client.cert": "x" }, /missing key client\.key/],
  ["with a key without certificate", { "r.example/client.key": "x" }, /missing client certificate client\.cert/],
] as [string, Record<string, string>, RegExp][]) {
  test(`hosts: a folder ${what} is refused, and named`, async (t) => {
    await assert.rejects(found("r.example", { hostFolders: [await folderOf(t, files)] }), failure("invalid", message));
  });
}

test("proxies: what goes through them, by Go's rules", () => {
  const proxies = { http: "http://p.example:3128", https: "q.example:3129", no: "plain.example,.below.example,10.0.0.0/8,1.2.3.4, [fd00::1]:5000,port.example:81" };
  const through = (url: string) => proxyFor(new URL(url), proxies);
  for (const url of ["https://plain.example", "https://a.plain.example", "https://x.below.example", "http://10.1.2.3", "https://1.2.3.4:5000", "http://localhost:80", "http://127.0.0.9", "http://[::1]", "http://port.example:81"]) assert.equal(through(url), "", url);
  for (const [url, proxy] of [["https://below.example", "http://q.example:3129"], ["https://complain.example", "http://q.example:3129"], ["http://11.1.2.3", "http://p.example:3128"], ["http://port.example:82", "http://p.example:3128"]] as const) assert.equal(through(url), proxy, url);
  assert.equal(proxyFor(new URL("https://a.example"), { ...proxies, no: "*" }), "");
});

test("a mirror that fails is passed over, gets no credentials, and is told whose it is", async (t) => {
  const authority = openAuthority();
  const tls = (host: string) => authority.issue({ hosts: [host] });
  const [own, good, bad] = [await openTestRegistry(t, { tls: tls("r.example"), auth: { scheme: "basic", users: { me: "pw" } } }), await openTestRegistry(t, { tls: tls("good.example") }), await openTestRegistry(t, { tls: tls("bad.example") })];
  const proxy = await openTestProxy(t, { "r.example:443": own.host, "good.example:443": good.host, "bad.example:443": bad.host });
  const folder = await folderOf(t, { "r.example/hosts.toml": ["bad", "good"].map((name) => `[host."https://${name}.example"]\n capabilities = ["pull", "resolve"]\n`).join(""), "r.example/ca.crt": authority.cert });
  const { open, pull, content, transfer } = await testTransfer(t, { hostFolders: [folder], proxies: { http: "", https: proxy.url, no: "" } });
  const image = putImage(own, "a", "1", { layers: [noise(50_000)] });
  for (const mirror of [good, bad]) {
    for (const [key, value] of own.manifests) mirror.manifests.set(key, value);
    for (const [key, value] of own.blobs) mirror.blobs.set(key, value);
  }
  // It lies about blobs: what it gives is thrown away, and asked for elsewhere.
  bad.tamper = ({ path }) => (path.includes("/blobs/") ? { body: (real) => Buffer.alloc(real.length) } : undefined);
  good.tamper = ({ path }) => (path.endsWith(image.layers[0]!.digest) ? { status: 500 } : undefined);
  await pull(open("r.example", "a", password("me", "pw")), "1");
  assert.equal(content.list().length, 3);
  assert.ok(bad.requests.length > 0 && good.requests.length > 0);
  assert.ok([...bad.requests, ...good.requests].every(({ headers, query }) => headers.authorization === undefined && query.get("ns") === "r.example"));
  assert.deepEqual(own.requests.map(({ path }) => path.split("/").at(-1)).filter((name) => name !== image.layers[0]!.digest), []);
  await transfer.push(open("r.example", "b", password("me", "pw")), image, { tag: "1", platforms: "all", signal: never() });
  assert.ok(own.manifests.has("b:1") && !bad.manifests.has("b:1") && !good.manifests.has("b:1"));
});

test("client certificates, and a proxy that wants a password", async (t) => {
  const authority = openAuthority();
  const registry = await openTestRegistry(t, { tls: { ...authority.issue({ hosts: ["r.example"] }), ca: authority.cert } });
  const client = authority.issue({ hosts: ["client"] });
  const proxy = await openTestProxy(t, { "r.example:443": registry.host });
  putImage(registry, "a", "1", { layers: [] });
  const url = proxy.url.replace("//", "//user:pass@");
  const folder = await folderOf(t, { "r.example/ca.crt": authority.cert, "r.example/client.cert": client.cert, "r.example/client.key": client.key });
  const { open } = await testTransfer(t, { hostFolders: [folder], proxies: { http: "", https: url, no: "" } });
  await open("r.example", "a").resolve("1", never());
  assert.deepEqual(proxy.authorizations, [`Basic ${Buffer.from("user:pass").toString("base64")}`]);
  const without = await testTransfer(t, { hostFolders: [await folderOf(t, { "r.example/ca.crt": authority.cert })], proxies: { http: "", https: url, no: "" }, maxAttempts: 1 });
  await assert.rejects(without.open("r.example", "a").resolve("1", never()), failure("unavailable", /r\.example/));
});

test("challenges of every form", () => {
  assert.deepEqual(parseChallenge('Bearer realm="https://a/t?x=1,2",service="s \\"q\\"",scope="repository:a:pull,push"'), { scheme: "bearer", realm: "https://a/t?x=1,2", service: 's "q"', scope: "repository:a:pull,push", error: "" });
  assert.deepEqual(parseChallenge('Basic realm="x", Bearer realm=https://a/t'), { scheme: "bearer", realm: "https://a/t", service: "", scope: "", error: "" });
  assert.deepEqual(parseChallenge("BASIC"), { scheme: "basic" });
  for (const header of [undefined, "", "Negotiate", 'Bearer service="x"', "x".repeat(10_000)]) assert.equal(parseChallenge(header), undefined, String(header).slice(0, 40));
});

test("login: passwords, refresh tokens, tokens as they are; bearer and basic", async (t) => {
  const { transfer, open } = await testTransfer(t);
  const registry = await openTestRegistry(t, { auth: { scheme: "bearer", users: { me: "pw" }, refreshToken: "r-1" } });
  assert.deepEqual(await transfer.login(registry.host, password("me", "pw"), never()), { identityToken: "r-1" });
  await assert.rejects(transfer.login(registry.host, password("me", "no"), never()), failure("unauthorized", /^Get "http:\/\/127\.0\.0\.1:\d+\/v2\/": unauthorized: incorrect username or password$/));
  putImage(registry, "a", "1", { layers: [] });
  await open(registry.host, "a", { kind: "identity", token: "r-1" }).resolve("1", never());
  await open(registry.host, "a", { kind: "registry", token: "token-of-user" }).resolve("1", never());
  await assert.rejects(open(registry.host, "a", { kind: "registry", token: "wrong" }).resolve("1", never()), failure("forbidden", /401/));
  const anonymous = await openTestRegistry(t, { auth: { scheme: "bearer", users: {}, anonymous: true } });
  putImage(anonymous, "a", "1", { layers: [] });
  await open(anonymous.host, "a").resolve("1", never());
  assert.deepEqual(await transfer.login((await openTestRegistry(t, { auth: { scheme: "basic", users: { me: "pw" } } })).host, password("me", "pw"), never()), {});
  await assert.rejects(transfer.login("127.0.0.1:1", password("me", "pw"), never()), failure("unavailable", /connection refused/));
});
