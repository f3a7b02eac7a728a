import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { readConfig } from "../connect/config.ts";
import { authHeader, DOCKER_HUB, openStore } from "./credentials.ts";

const root = mkdtempSync("/tmp/credentials-");
after(() => rmSync(root, { recursive: true }));

/** A folder with config.json, and helpers by name: scripts. */
function place(config: object, helpers: Readonly<Record<string, string>> = {}, more: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(root, "p-"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  for (const [name, script] of Object.entries(helpers)) {
    writeFileSync(join(folder, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, `docker-credential-${name}`), 0o755);
  }
  return { folder, env: { PATH: `${folder}:/usr/bin:/bin`, ...more }, config: () => readConfig(folder, assert.fail), file: () => JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown> };
}

const auth = (text: string) => ({ auth: Buffer.from(text).toString("base64") });
const decoded = (header: string | undefined) => (header === undefined ? undefined : (JSON.parse(Buffer.from(header, "base64url").toString()) as unknown));

test("only the credentials of the registry in question are found", async () => {
  const here = place({ auths: { "one:5000": auth("ann:a"), [DOCKER_HUB]: auth("hub:h"), "https://two/v1/": auth("bob:b:c"), "three": {}, "four": { identitytoken: "t", ...auth("<x>:") } } });
  assert.deepEqual(decoded(await authHeader(here, "one:5000")), { username: "ann", password: "a", serveraddress: "one:5000" });
  assert.deepEqual(decoded(await authHeader(here, "docker.io")), { username: "hub", password: "h", serveraddress: DOCKER_HUB });
  assert.deepEqual(decoded(await authHeader(here, "two")), { username: "bob", password: "b:c", serveraddress: "two" });
  assert.deepEqual(decoded(await authHeader(here, "four")), { username: "<x>", password: "", identitytoken: "t", serveraddress: "four" });
  for (const none of ["one", "one:5001", "three", "five", "one:5000.evil", "__proto__"]) assert.equal(await authHeader(here, none), undefined, none);
});

test("what is put can be found again, stands in a private file, and is gone when erased, in whatever form it was", async () => {
  const here = place({ psFormat: "x", auths: { "https://one:5000/v2/": auth("old:old"), other: auth("o:o") } });
  await openStore(here, "one:5000").put("one:5000", { username: "ann", password: "p" });
  assert.deepEqual(await openStore(here, "one:5000").get("one:5000"), { username: "ann", password: "p" });
  assert.equal(here.file()["psFormat"], "x");
  assert.equal(statSync(join(here.folder, "config.json")).mode & 0o777, 0o600);
  await openStore(here, "one:5000").erase("one:5000");
  assert.deepEqual(here.file()["auths"], { other: auth("o:o") });
  await openStore(here, "other").erase("other");
  assert.equal("auths" in here.file(), false);
});

test("a helper keeps them: the one for the registry before the one for all", async () => {
  const answer = (name: string) => `read server; echo "$1 $server" >>"$(dirname "$0")/asked"; [ "$1" = get ] && echo '{"Username":"${name}","Secret":"s"}'; exit 0`;
  const here = place({ credsStore: "all", credHelpers: { "one:5000": "own" }, auths: { "one:5000": auth("plain:p") } }, { all: answer("all"), own: answer("own") });
  assert.deepEqual(await openStore(here, "one:5000").get("one:5000"), { username: "own", password: "s" });
  assert.deepEqual(decoded(await authHeader(here, "docker.io")), { username: "all", password: "s", serveraddress: DOCKER_HUB });
  await openStore(here, "two").put("two", { username: "u", password: "p" });
  assert.deepEqual(here.file()["auths"], { "one:5000": auth("plain:p"), two: {} });
  await openStore(here, "two").erase("two");
  assert.deepEqual(readFileSync(join(here.folder, "asked"), "utf8").trim().split("\n"), [
    "get one:5000", `get ${DOCKER_HUB}`, 'store {"ServerURL":"two","Username":"u","Secret":"p"}', "erase two",
  ]);
});

test("an identity token goes to a helper, and comes back, under docker's name for one", async () => {
  const here = place({ credsStore: "token" }, { token: 'echo \'{"Username":"<token>","Secret":"refresh"}\'' });
  assert.deepEqual(await openStore(here, "one").get("one"), { username: "", password: "", identitytoken: "refresh" });
});

test("a helper that has none says so, and that is no error", async () => {
  const here = place({ credsStore: "none" }, { none: 'echo "credentials not found in native keychain"; exit 1' });
  assert.equal(await authHeader(here, "one"), undefined);
});

const broken: readonly (readonly [what: string, script: string | undefined, message: RegExp])[] = [
  ["is not there", undefined, /^docker-credential-bad get: executable file not found in \$PATH/],
  ["fails", "echo locked >&2; exit 3", /^docker-credential-bad get: exit status 3: locked/],
  ["is killed", "kill -9 $$", /^docker-credential-bad get: signal SIGKILL/],
  ["does not answer with JSON", "echo hello", /docker-credential-bad did not answer with JSON/],
  ["answers with something else", "echo '{\"Username\":1}'", /docker-credential-bad did not answer with Username and Secret/],
];
for (const [what, script, message] of broken) {
  test(`RC-05: a helper that ${what} is an error, and nobody else's credentials are taken`, async () => {
    const here = place({ credHelpers: { one: "bad" }, auths: { one: auth("plain:p"), [DOCKER_HUB]: auth("hub:h") } }, script === undefined ? {} : { bad: script });
    await assert.rejects(authHeader(here, "one"), { kind: "unavailable", message });
  });
}

test("a helper's name is a name, not a path", async () => {
  const here = place({ credsStore: "../../bin/sh" });
  await assert.rejects(authHeader(here, "one"), { kind: "invalid" });
});

test("DOCKER_AUTH_CONFIG comes before the file, for the registries it names", async () => {
  const here = place({ auths: { one: auth("file:f"), two: auth("file:f") } }, {}, { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { one: auth("env:e") } }) });
  assert.equal((await openStore(here, "one").get("one"))?.username, "env");
  assert.equal((await openStore(here, "two").get("two"))?.username, "file");
  const wrong = place({}, {}, { DOCKER_AUTH_CONFIG: "{" });
  await assert.rejects(authHeader(wrong, "one"), { kind: "invalid", message: /DOCKER_AUTH_CONFIG/ });
});
