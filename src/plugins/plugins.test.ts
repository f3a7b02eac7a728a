import assert from "node:assert/strict";
import { createServer } from "node:net";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { openLog } from "#base/log.ts";
import { openPlugin, type Reply } from "../../test/fixtures/plugin.ts";
import { openAuthority } from "../../test/fixtures/certificates.ts";
import { openPlugins, volumeDriver, type PluginsOptions } from "./plugins.ts";

const log = openLog({ level: "fatal", format: "text" });

function setUp(t: TestContext, more: Partial<PluginsOptions> = {}) {
  const root = mkdtempSync("/tmp/plugins-");
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const folders = { sockets: [join(root, "run")], descriptions: [join(root, "etc"), join(root, "lib")] };
  for (const folder of [...folders.sockets, ...folders.descriptions]) mkdirSync(folder);
  const plugins = openPlugins({ folders, log, deadlineMs: () => 300, connectMs: 200, ...more });
  return { root, plugins, run: (name: string) => join(root, "run", name), describe: (name: string, content: string) => writeFileSync(join(root, "etc", name), content) };
}

const volumes = { Implements: ["VolumeDriver"] };

test("a plugin is found by its socket, in a folder of its name, by an address, by a description", async (t) => {
  const { plugins, run, describe } = setUp(t);
  await using _one = await openPlugin(run("one.sock"), volumes);
  await using _two = await openPlugin(run("two/two.sock"), volumes);
  await using _away = await openPlugin(run("elsewhere"), volumes);
  describe("three.spec", `unix://${run("elsewhere")}\n`);
  describe("four.json", JSON.stringify({ Name: "four", Addr: `unix://${run("elsewhere")}` }));
  for (const name of ["one", "two", "three", "four"]) assert.equal((await plugins.find(name, "VolumeDriver")).name, name);
  assert.deepEqual((await plugins.all("VolumeDriver")).map(({ name }) => name), ["four", "one", "three", "two"]);
  assert.deepEqual(plugins.known("NetworkDriver"), []);
});

test("it is asked what it does, once, in Docker's version of the protocol", async (t) => {
  const { plugins, run } = setUp(t);
  await using plugin = await openPlugin(run("one.sock"), volumes);
  await Promise.all(Array.from({ length: 10 }, () => plugins.find("one", "VolumeDriver")));
  await (await plugins.find("one", "VolumeDriver")).call("VolumeDriver.List", {});
  assert.deepEqual(plugin.methods(), ["Plugin.Activate", "VolumeDriver.List"]);
  for (const { headers } of plugin.calls) assert.equal(headers.accept, "application/vnd.docker.plugins.v1.2+json");
});

test("names that no file knows, and names that are paths, are not found", async (t) => {
  const { plugins, run } = setUp(t);
  await using _ = await openPlugin(run("sub/one.sock"), volumes);
  for (const name of ["none", "sub/one", "../run/sub/one", "..", "", "a\0b", "one"]) {
    await assert.rejects(plugins.find(name, "VolumeDriver"), { kind: "not-found", message: `plugin ${JSON.stringify(name)} not found` });
  }
});

test("one that does something else is refused, in Docker's words", async (t) => {
  const { plugins, run } = setUp(t);
  await using _ = await openPlugin(run("one.sock"), { Implements: ["IpamDriver"] });
  await assert.rejects(plugins.find("one", "VolumeDriver"), { kind: "internal", message: "legacy plugin: Plugin does not implement the requested driver" });
  assert.equal((await plugins.find("one", "IpamDriver")).name, "one");
});

test("what goes wrong is said in Docker's words, within the deadline", async (t) => {
  const { plugins, run } = setUp(t);
  const path = run("one.sock");
  await using plugin = await openPlugin(path, volumes);
  const post = `Post "http://${encodeURIComponent(path)}/VolumeDriver.Create": `;
  const cases: readonly [Reply, string | RegExp][] = [
    ["hang", `${post}context deadline exceeded`],
    ["drip", `${post}context deadline exceeded`],
    ["close", `${post}EOF`],
    ["garbage", "invalid character 'g' looking for beginning of value"],
    ["empty", "EOF"],
    ["endless", /^answer of more than \d+ bytes$/],
    [{ Err: "no space" }, "no space"],
    [{ status: 500, text: '{"Err":"no space"}' }, "VolumeDriver.Create: no space"],
    [{ status: 404, text: "404 page not found\n" }, "VolumeDriver.Create: 404 page not found"],
    [{ status: 500, text: "x".repeat(100_000) }, /^VolumeDriver.Create: x{4096}$/],
    [{ Err: 7 }, "json: cannot unmarshal number into field Err of type string"],
    [{ status: 200, text: "[]" }, /cannot unmarshal array/],
    [{ status: 200, text: "{" }, /^invalid JSON/],
  ];
  for (const [reply, message] of cases) {
    plugin.answer("VolumeDriver.Create", reply);
    await assert.rejects(volumeDriver(await plugins.find("one", "VolumeDriver")).create("v", {}), { message }, JSON.stringify(reply).slice(0, 80));
  }
  const creates = plugin.methods().filter((method) => method === "VolumeDriver.Create");
  assert.equal(creates.length, cases.length, "nothing is asked twice");
});

test("a plugin that hangs when it is met holds nobody up for longer than the deadline, and other plugins not at all", async (t) => {
  const { plugins, run } = setUp(t);
  await using hanging = await openPlugin(run("hangs.sock"), { ...volumes, replies: { "Plugin.Activate": "hang" } });
  await using _ = await openPlugin(run("good.sock"), volumes);
  const message = `legacy plugin: Post "http://${encodeURIComponent(run("hangs.sock"))}/Plugin.Activate": context deadline exceeded`;
  await assert.rejects(plugins.find("hangs", "VolumeDriver"), { kind: "internal", facts: { unanswered: true }, message });
  assert.deepEqual((await plugins.all("VolumeDriver")).map(({ name }) => name), ["good"]);
  assert.equal(hanging.calls.length, 1, "who lists plugins does not wait for it again");
  hanging.answer("Plugin.Activate", volumes);
  assert.equal((await plugins.find("hangs", "VolumeDriver")).name, "hangs", "who asks for it by name does");
  assert.deepEqual((await plugins.all("VolumeDriver")).map(({ name }) => name), ["good", "hangs"]);
});

test("a socket where nobody listens: tried again for a while, then Docker's words", async (t) => {
  const { plugins, run } = setUp(t);
  await leaveSocket(run("dead.sock"));
  const message = `legacy plugin: Post "http://${encodeURIComponent(run("dead.sock"))}/Plugin.Activate": dial unix ${run("dead.sock")}: connect: connection refused`;
  await assert.rejects(plugins.find("dead", "VolumeDriver"), { kind: "internal", facts: { unanswered: true }, message });
});

test("one that is restarted is waited for, in the middle of a call too", async (t) => {
  const { plugins, run } = setUp(t, { deadlineMs: () => 10_000, connectMs: 10_000 });
  const first = await openPlugin(run("one.sock"), volumes);
  const plugin = await plugins.find("one", "VolumeDriver");
  await first[Symbol.asyncDispose]();
  await leaveSocket(run("one.sock"));
  const answer = plugin.call("VolumeDriver.List", {});
  await using again = await openPlugin(run("one.sock"), volumes);
  assert.deepEqual(await answer, {});
  assert.deepEqual(again.methods(), ["VolumeDriver.List"]);
});

test("one that something belongs to is waited for until it is there; any other is misspelt", async (t) => {
  const { plugins, run } = setUp(t, { connectMs: 10_000, expected: (name) => name === "late" });
  const late = plugins.find("late", "VolumeDriver");
  await assert.rejects(plugins.find("misspelt", "VolumeDriver"), { kind: "not-found" });
  await using _ = await openPlugin(run("late.sock"), volumes);
  assert.equal((await late).name, "late");
});

test("the files are read again: a plugin that has moved is met anew, one that was taken away is gone", async (t) => {
  const { plugins, root, run } = setUp(t);
  await using here = await openPlugin(run("one.sock"), volumes);
  await plugins.find("one", "VolumeDriver");
  mkdirSync(join(root, "run", "one"));
  renameSync(run("one.sock"), run("one/one.sock"));
  assert.equal((await plugins.find("one", "VolumeDriver")).address, `unix://${run("one/one.sock")}`);
  assert.deepEqual(here.methods(), ["Plugin.Activate", "Plugin.Activate"]);
  rmSync(run("one"), { recursive: true });
  await assert.rejects(plugins.find("one", "VolumeDriver"), { kind: "not-found" });
});

test("a description that says nothing of use", async (t) => {
  const { plugins, describe } = setUp(t);
  const cases: readonly [string, string, RegExp][] = [
    ["a.spec", "/run/x.sock", /^legacy plugin: Unknown protocol/],
    ["b.spec", "gopher://x", /^legacy plugin: Unknown protocol/],
    ["c.json", "nonsense", /^legacy plugin: /],
    ["d.json", "{}", /^legacy plugin: Unknown protocol/],
    ["e.spec", "tcp://", /^legacy plugin: .*invalid address/],
  ];
  for (const [file, content, message] of cases) {
    describe(file, content);
    await assert.rejects(plugins.find(file.slice(0, 1), "VolumeDriver"), { kind: "internal", message });
  }
});

test("TLS: a plugin is who its description says, or is not talked to", async (t) => {
  const { plugins, root, describe } = setUp(t);
  const { port, close } = await freePort();
  await close();
  const [mine, other] = [join(root, "mine.pem"), join(root, "other.pem")];
  const authority = openAuthority();
  writeFileSync(mine, authority.cert);
  writeFileSync(other, openAuthority("another").cert);
  await using plugin = await openPlugin(port, { ...volumes, tls: authority.issue({ hosts: ["127.0.0.1"] }) });
  const addr = `https://127.0.0.1:${port}`;
  describe("known.json", JSON.stringify({ Addr: addr, TLSConfig: { CAFile: mine } }));
  describe("stranger.json", JSON.stringify({ Addr: addr, TLSConfig: { CAFile: other } }));
  describe("unchecked.json", JSON.stringify({ Addr: addr, TLSConfig: { InsecureSkipVerify: true } }));
  describe("plain.spec", `tcp://127.0.0.1:${port}`);
  assert.equal((await plugins.find("known", "VolumeDriver")).address, addr);
  assert.equal((await plugins.find("unchecked", "VolumeDriver")).address, addr);
  await assert.rejects(plugins.find("stranger", "VolumeDriver"), { kind: "internal", message: /certificate|self-signed/ });
  await assert.rejects(plugins.find("plain", "VolumeDriver"), { kind: "internal" });
  assert.equal(plugin.calls.length, 2);
});

test("volumes: what a plugin says is checked, and read as Go reads it", async (t) => {
  const { plugins, run } = setUp(t);
  await using plugin = await openPlugin(run("one.sock"), {
    ...volumes,
    replies: {
      "VolumeDriver.Capabilities": { capabilities: { scope: "GLOBAL" } },
      "VolumeDriver.Get": ({ Name }) => (Name === "a" ? { Volume: { Name, mountpoint: "/m/a", Status: { k: 1 } } } : { Err: "who?" }),
      "VolumeDriver.List": { Volumes: [{ Name: "a", Mountpoint: "/m/a" }, { Name: "" }, null, 7, { Name: "b", Mountpoint: "relative" }] },
      "VolumeDriver.Mount": ({ Name }) => ({ Mountpoint: Name === "a" ? "/m/a" : "../etc" }),
      "VolumeDriver.Path": { Mountpoint: "/m/a" },
    },
  });
  const driver = volumeDriver(await plugins.find("one", "VolumeDriver"));
  assert.deepEqual(await driver.capabilities(), { scope: "global" });
  assert.deepEqual(await driver.get("a"), { name: "a", mountpoint: "/m/a", createdAt: "", status: { k: 1 } });
  assert.equal(await driver.get("b"), undefined);
  assert.deepEqual(await driver.list(), [{ name: "a", mountpoint: "/m/a", createdAt: "" }, { name: "b", mountpoint: "", createdAt: "" }]);
  assert.equal(await driver.path("a"), "/m/a");
  assert.equal(await driver.mount("a", "c1"), "/m/a");
  await driver.create("a", { size: "1g" });
  await driver.create("b", {});
  await assert.rejects(driver.mount("b", "c2"), { message: /not an absolute path/ });
  const sent = plugin.calls.filter(({ method }) => /Create|Mount$|Unmount/.test(method)).map(({ method, body }) => [method, body]);
  assert.deepEqual(sent, [
    ["VolumeDriver.Mount", { Name: "a", ID: "c1" }],
    ["VolumeDriver.Create", { Name: "a", Opts: { size: "1g" } }],
    ["VolumeDriver.Create", { Name: "b", Opts: null }],
    ["VolumeDriver.Mount", { Name: "b", ID: "c2" }],
    ["VolumeDriver.Unmount", { Name: "b", ID: "c2" }],
  ]);
});

/** A path that was listened on, and is not any more. */
async function leaveSocket(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.old`, resolve));
  renameSync(`${path}.old`, path);
  await new Promise((resolve) => server.close(resolve));
}

async function freePort(): Promise<{ port: number; close: () => Promise<unknown> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as { port: number }).port, close: () => new Promise((resolve) => server.close(resolve)) };
}
