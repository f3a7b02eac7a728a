import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import type { Globals } from "../client.ts";
import { readConfig, writeConfig } from "./config.ts";
import { listContexts, readContext, removeContext, writeContext } from "./contexts.ts";
import { chooseContext, DEFAULT_HOST, parseHost, resolveEndpoint } from "./endpoint.ts";
import { proxyVariables } from "./proxies.ts";

const folder = mkdtempSync("/tmp/endpoint-");
after(() => rmSync(folder, { recursive: true }));
const config = () => readConfig(folder, assert.fail);
const none: Globals = { host: [], context: "", config: "", debug: false, logLevel: "info", tls: false, tlsverify: undefined, tlscacert: "", tlscert: "", tlskey: "" };

const hosts: [text: string, endpoint: Record<string, unknown>][] = [
  ["unix:///run/x.sock", { transport: "unix", path: "/run/x.sock" }],
  ["tcp://h:1234", { transport: "tcp", name: "h", port: 1234, base: "" }],
  ["tcp://h", { transport: "tcp", name: "h", port: 2375, base: "" }],
  ["tcp://[::1]:5", { transport: "tcp", name: "::1", port: 5, base: "" }],
  ["tcp://h:1/base/", { transport: "tcp", name: "h", port: 1, base: "/base" }],
  ["h:1234", { transport: "tcp", name: "h", port: 1234, base: "" }],
  [":1234", { transport: "tcp", name: "127.0.0.1", port: 1234, base: "" }],
  ["https://h", { transport: "tcp", name: "h", port: 2376, base: "" }],
  ["ssh://user@h:22/run/x.sock", { transport: "ssh", user: "user", name: "h", port: "22", path: "/run/x.sock" }],
  ["ssh://h", { transport: "ssh", user: "", name: "h", port: "", path: "" }],
];
for (const [text, expected] of hosts) {
  test(`host ${text}`, () => {
    const { host: _, isDefault: __, ...endpoint } = parseHost(text);
    assert.deepEqual(endpoint, expected);
  });
}

for (const text of ["unix://", "foo://x", "npipe:////./pipe/x", "fd://3", "tcp://h:99999", "tcp://h:x", "ssh://", "ssh://-oProxyCommand=x", "ssh://-l@h", "ssh://h/$(x)", "ssh://h;x", "ssh://a b"]) {
  test(`no host ${text}`, () => assert.throws(() => parseHost(text), /Failure/));
}

test("options, then the environment, then the context, then our own socket", () => {
  writeContext(folder, { name: "ctx", description: "d", host: "tcp://ctx:1", skipVerify: false }, {});
  const host = (globals: Partial<Globals>, env: Record<string, string> = {}) => resolveEndpoint({ ...none, ...globals }, env, config);
  assert.deepEqual([host({}).host, host({}).isDefault], [DEFAULT_HOST, true]);
  assert.deepEqual([host({}, { DOCKER_HOST: "tcp://env:1" }).host, host({}, { DOCKER_HOST: "tcp://env:1" }).isDefault], ["tcp://env:1", false]);
  assert.equal(host({ host: ["tcp://opt:1"] }, { DOCKER_HOST: "tcp://env:1" }).host, "tcp://opt:1");
  assert.equal(host({}, { DOCKER_CONTEXT: "ctx" }).host, "tcp://ctx:1");
  assert.equal(host({}, { DOCKER_CONTEXT: "ctx", DOCKER_HOST: "tcp://env:1" }).host, "tcp://env:1");
  assert.equal(host({ context: "ctx" }, { DOCKER_HOST: "tcp://env:1" }).host, "tcp://ctx:1");
  assert.throws(() => host({ context: "ctx", host: ["x"] }), /conflicting options/);
  assert.throws(() => host({ host: ["a", "b"] }), /Specify only one -H/);
  assert.throws(() => host({ context: "nope" }), /context "nope": context not found/);
  writeConfig(config(), "currentContext", "ctx");
  assert.equal(chooseContext(none, {}, config), "ctx");
  assert.equal(host({}).host, "tcp://ctx:1");
  writeConfig(config(), "currentContext", undefined);
  assert.equal(host({}).host, DEFAULT_HOST);
});

test("TLS by flag and by environment, with docker's file names", () => {
  const tls = (globals: Partial<Globals>, env: Record<string, string> = {}) => resolveEndpoint({ ...none, host: ["tcp://h"], ...globals }, env, config);
  assert.equal(tls({}).tls, undefined);
  assert.deepEqual(tls({ tls: true }).tls, { ca: `${folder}/ca.pem`, cert: `${folder}/cert.pem`, key: `${folder}/key.pem`, verify: false });
  assert.deepEqual(tls({}, { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: "/certs" }).tls, { ca: "/certs/ca.pem", cert: "/certs/cert.pem", key: "/certs/key.pem", verify: true });
  assert.deepEqual(tls({ tlsverify: true, tlscacert: "/my/ca" }).tls?.ca, "/my/ca");
  const endpoint = tls({ tls: true });
  assert.equal(endpoint.transport === "tcp" && endpoint.port, 2376);
});

test("contexts: written, listed, read with their TLS files, removed", () => {
  writeContext(folder, { name: "a.b-c_2", description: "", host: "unix:///x", skipVerify: true }, { "ca.pem": Buffer.from("ca") });
  const names = listContexts(folder).map((each) => each.name);
  assert.ok(names.includes("a.b-c_2"));
  const context = readContext(folder, "a.b-c_2");
  assert.equal(context.tlsFiles(true)?.ca, `${context.tlsFolder}/docker/ca.pem`);
  assert.equal(context.tlsFiles(true)?.verify, false);
  removeContext(folder, "a.b-c_2");
  assert.throws(() => readContext(folder, "a.b-c_2"), /not found/);
});

test("a broken config.json is told and counts as empty; writing keeps what it does not know", () => {
  const said: string[] = [];
  writeFileSync(`${folder}/config.json`, "{");
  assert.equal(readConfig(folder, (text) => said.push(text)).currentContext, "");
  assert.match(said.join(""), /^WARNING: Error loading config file/);
  writeFileSync(`${folder}/config.json`, '{"auths":{"x":{}},"psFormat":"{{.ID}}"}');
  writeConfig(config(), "currentContext", "x");
  assert.deepEqual(config().all, { auths: { x: {} }, psFormat: "{{.ID}}", currentContext: "x" });
  assert.equal(config().format("psFormat"), "{{.ID}}");
});

test("proxies: of this engine, or the default ones, in both cases", () => {
  const proxies = { default: { httpProxy: "http://p", noProxy: "x" }, "unix:///a": { httpsProxy: "s" } };
  assert.deepEqual(proxyVariables(proxies, "tcp://b"), ["HTTP_PROXY=http://p", "http_proxy=http://p", "NO_PROXY=x", "no_proxy=x"]);
  assert.deepEqual(proxyVariables(proxies, "unix:///a"), ["HTTPS_PROXY=s", "https_proxy=s"]);
  assert.deepEqual(proxyVariables({}, ""), []);
});
