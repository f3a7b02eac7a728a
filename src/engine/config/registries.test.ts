import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { loadConfig, reloadConfig } from "./config.ts";

/** The configuration of a file with this in it, and these flags. */
async function load(t: TestContext, json: object, flags: readonly string[] = []) {
  const folder = mkdtempSync("/tmp/config-");
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "daemon.json");
  writeFileSync(file, JSON.stringify(json));
  const argv = ["--config-file", file, ...flags];
  return { folder, file, argv, config: (await loadConfig(argv)).config };
}

test("registries: dockerd's keys, and its defaults", async (t) => {
  const { config, folder } = await load(t, {
    "insecure-registries": ["Box:5000", "10.0.0.0/8"],
    "registry-mirrors": ["https://mirror.example", "http://other.example:5000/path/"],
    "max-concurrent-downloads": 7,
    proxies: { "http-proxy": "http://p:3128", "no-proxy": "localhost" },
    "allow-nondistributable-artifacts": ["x"],
  });
  assert.deepEqual(config.registries.insecureRegistries, ["box:5000", "10.0.0.0/8"]);
  assert.deepEqual(config.registries.mirrors, ["https://mirror.example/", "http://other.example:5000/path/"]);
  assert.deepEqual(config.registries.hostFolders, [join(folder, "certs.d"), "/etc/docker/certs.d"]);
  assert.deepEqual([config.registries.maxDownloads, config.registries.maxUploads, config.registries.maxAttempts], [7, 5, 5]);
  assert.deepEqual([config.registries.proxies.http, config.registries.proxies.no], ["http://p:3128", "localhost"]);
});

test("registries: flags, and the environment for what neither flag nor file says", async (t) => {
  const before = process.env["HTTPS_PROXY"];
  t.after(() => (before === undefined ? delete process.env["HTTPS_PROXY"] : (process.env["HTTPS_PROXY"] = before)));
  process.env["HTTPS_PROXY"] = "http://environment:1";
  const { config } = await load(t, {}, ["--insecure-registry", "a:1", "--insecure-registry", "b", "--registry-mirror", "https://m", "--max-concurrent-uploads", "2", "--http-proxy", "http://flag:1"]);
  assert.deepEqual(config.registries.insecureRegistries, ["a:1", "b"]);
  assert.deepEqual(config.registries.mirrors, ["https://m/"]);
  assert.equal(config.registries.maxUploads, 2);
  assert.deepEqual([config.registries.proxies.http, config.registries.proxies.https], ["http://flag:1", "http://environment:1"]);
});

const refused: readonly (readonly [json: object, message: RegExp])[] = [
  [{ "registry-mirrors": ["mirror.example"] }, /invalid mirror: "mirror\.example" is not a valid URI/],
  [{ "registry-mirrors": ["ftp://mirror.example"] }, /invalid mirror: "ftp:\/\/mirror\.example" is not a valid URI/],
  [{ "registry-mirrors": ["https://mirror.example/?a=b"] }, /invalid mirror: "mirror\.example" has a query or a fragment/],
  [{ "registry-mirrors": ["https://ann:secret@mirror.example"] }, /invalid mirror: user name and password are not allowed in the URI of mirror\.example$/],
  [{ "insecure-registries": ["http://box"] }, /insecure registry http:\/\/box should not contain ':\/\/'/],
  [{ "insecure-registries": ["-box"] }, /insecure registry -box is not valid/],
  [{ "insecure-registries": ["box:port"] }, /insecure registry box:port is not valid/],
  [{ "max-concurrent-downloads": 0 }, /invalid max concurrent downloads: 0/],
  [{ "max-download-attempts": -1 }, /invalid max download attempts: -1/],
  [{ proxies: { "ftp-proxy": "x" } }, /proxies: unknown key "ftp-proxy"/],
  [{ proxies: { "http-proxy": 5 } }, /proxies: http-proxy: a text is expected/],
];
for (const [json, message] of refused) {
  test(`registries refused: ${JSON.stringify(json)}`, async (t) => {
    await assert.rejects(load(t, json), { message });
  });
}

test("registries: a reload takes over what dockerd takes over, and not the proxies", async (t) => {
  const { config, file, argv } = await load(t, { "insecure-registries": ["a"], proxies: { "http-proxy": "http://old" } });
  writeFileSync(file, JSON.stringify({ "insecure-registries": ["b"], "registry-mirrors": ["https://m"], "max-concurrent-downloads": 1, proxies: { "http-proxy": "http://new" } }));
  const fresh = await reloadConfig(argv, config);
  assert.deepEqual([fresh.config.registries.insecureRegistries, fresh.config.registries.mirrors, fresh.config.registries.maxDownloads], [["b"], ["https://m/"], 1]);
  assert.equal(fresh.config.registries.proxies.http, "http://old");
});
