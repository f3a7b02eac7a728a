import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { onPath } from "../packages.ts";
import { peer, type Scene, stories } from "./harness.ts";
import { openRegistry, type Registry } from "./harness/registry.ts";

const { story } = stories("registry with accounts");

let registry: Registry;
let secure: Registry | undefined;
before(async () => {
  registry = await openRegistry({ accounts: { ann: "secret" } });
  secure = onPath("openssl") ? await openRegistry({ accounts: { ann: "secret" }, tls: true }) : undefined;
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  await secure?.[Symbol.asyncDispose]();
});

const configOf = ({ engine }: Pick<Scene, "engine">) => join(engine.place.folder, "config/config.json");
const forget = (scene: Pick<Scene, "engine">) => rmSync(configOf(scene), { force: true });
const denied = /denied|no basic auth credentials|unauthorized/;

story("login, push, pull, logout; without it both are refused, and the request that failed is named", async ({ cli, engine }) => {
  forget({ engine });
  const name = `${registry.host}/private:${cli.name}`;
  await cli.ok("tag", "busybox", name);
  await cli.fails(1, denied, "push", name);
  const login = await cli.with({ input: "secret\n" })("login", "-u", "ann", "--password-stdin", registry.host);
  assert.deepEqual([login.code, login.stdout], [0, "Login Succeeded\n"]);
  assert.match(login.stderr, /^\n?WARNING! Your (credentials are|password will be) stored unencrypted in /);
  assert.deepEqual(JSON.parse(readFileSync(configOf({ engine }), "utf8")).auths, { [registry.host]: { auth: Buffer.from("ann:secret").toString("base64") } });
  await cli.ok("push", "-q", name);
  await cli.ok("rmi", name);
  await cli.ok("pull", "-q", name);
  assert.equal(await cli.ok("logout", registry.host), `Removing login credentials for ${registry.host}`);
  assert.equal(readFileSync(configOf({ engine }), "utf8").includes("ann"), false);
  await cli.ok("rmi", name);
  const refused = await cli.fails(1, denied, "pull", name);
  if (peer === "gantry") assert.match(refused.stderr, new RegExp(`pull access denied for ${registry.host}/private, repository does not exist or may require 'docker login': HEAD http://${registry.host}/v2/private/manifests/`));
});

story("the same over TLS: push, remove here, pull by tag and digest, run", async ({ cli, engine }) => {
  forget({ engine });
  const name = `${secure!.host}/private:${cli.name}`;
  await cli.ok("tag", "busybox", name);
  await cli.fails(1, denied, "push", name);
  assert.equal((await cli.with({ input: "secret" })("login", "-u", "ann", "--password-stdin", `https://${secure!.host}/v2/`)).code, 0);
  const digest = /digest: (sha256:[0-9a-f]{64})/.exec(await cli.ok("push", name))![1]!;
  await cli.ok("rmi", name);
  await cli.ok("pull", "-q", name);
  assert.equal(await cli.ok("run", "--rm", name, "echo", "by tag"), "by tag");
  await cli.ok("rmi", name);
  const pinned = `${secure!.host}/private@${digest}`;
  assert.equal(await cli.ok("run", "--rm", "-q", pinned, "echo", "by digest"), "by digest");
  await cli.ok("rmi", pinned);
  await cli.ok("logout", secure!.host);
}, { skip: !onPath("openssl") && "openssl is not on this machine" });

story("a wrong password is refused, and not kept", async ({ cli, engine }) => {
  forget({ engine });
  const login = await cli.with({ input: "wrong" })("login", "-u", "ann", "--password-stdin", registry.host);
  assert.equal(login.code, 1);
  assert.match(login.stderr, /401|unauthorized/i);
  assert.equal(existsSync(configOf({ engine })) && readFileSync(configOf({ engine }), "utf8").includes(registry.host), false);
});

const wrong: readonly (readonly [argv: readonly string[], message: RegExp])[] = [
  [["-u", "ann", "-p", "x", "--password-stdin"], /conflicting options: cannot specify both --password and --password-stdin|mutually exclusive/],
  [["--password-stdin"], /the --password-stdin option requires --username to be set|Must provide --username/],
  [["-u", "ann"], /Cannot perform an interactive login from a non TTY device/],
  [["-u", "ann", "-p", "wrong"], /WARNING! Using --password via the CLI is insecure\. Use --password-stdin\.\n[^]*(401|unauthorized)/i],
];
for (const [argv, message] of wrong) {
  story(`login ${argv.join(" ")}`, async ({ cli, engine }) => {
    forget({ engine });
    await cli.fails(1, message, "login", ...argv, registry.host);
  });
}

story("a credential helper keeps the password, and is asked for this registry's alone", async ({ cli, engine, folder }) => {
  forget({ engine });
  const helper = join(folder, "docker-credential-story");
  writeFileSync(helper, `#!/bin/sh\ninput=$(cat)\necho "$1 $input" >>${folder}/asked\ncase $1 in get) echo '{"ServerURL":"x","Username":"ann","Secret":"secret"}';; esac\n`);
  chmodSync(helper, 0o755);
  writeFileSync(configOf({ engine }), JSON.stringify({ credHelpers: { [registry.host]: "story" } }));
  const env = { PATH: `${folder}:${process.env["PATH"]}` };
  const name = `${registry.host}/helped:${cli.name}`;
  await cli.ok("tag", "busybox", name);
  const login = await cli.with({ env, input: "secret" })("login", "-u", "ann", "--password-stdin", registry.host);
  assert.deepEqual([login.code, login.stdout, login.stderr], [0, "Login Succeeded\n", ""]);
  const pushed = await cli.with({ env })("push", "-q", name);
  assert.equal(pushed.code, 0, pushed.stderr);
  assert.equal(readFileSync(configOf({ engine }), "utf8").includes("secret"), false);
  const asked = readFileSync(join(folder, "asked"), "utf8").trim().split("\n");
  assert.deepEqual(JSON.parse(asked.find((line) => line.startsWith("store "))!.slice(6)), { ServerURL: registry.host, Username: "ann", Secret: "secret" });
  assert.ok(asked.filter((line) => line.startsWith("get ")).every((line) => line === `get ${registry.host}`), asked.join("\n"));
  await cli.ok("rmi", name);
  forget({ engine });
});

story("RC-05: a helper that is broken is an error, and no request carries credentials", async ({ cli, engine }) => {
  writeFileSync(configOf({ engine }), JSON.stringify({ credHelpers: { [registry.host]: "is-not-there" }, auths: { [registry.host]: { auth: Buffer.from("ann:secret").toString("base64") } } }));
  registry.tap.forget();
  await cli.fails(1, /docker-credential-is-not-there get: executable file not found in \$PATH/, "pull", `${registry.host}/private:1`);
  assert.equal(registry.tap.seen.length, 0);
  forget({ engine });
}, { only: "gantry" });

story("RC-10: what a client sends as credentials stands in no log, no event and no error", async ({ engine }) => {
  const auth = Buffer.from(JSON.stringify({ username: "ann", password: "sentinel-5cret" })).toString("base64url");
  const { request } = await import("node:http");
  const answer = await new Promise<string>((resolve, reject) => {
    const sent = request({ socketPath: engine.place.socket, method: "POST", path: `/v1.45/images/create?fromImage=${registry.host}/private&tag=1`, headers: { "X-Registry-Auth": auth } }, async (response) => resolve((await response.setEncoding("utf8").toArray()).join("")));
    sent.on("error", reject).end();
  });
  assert.match(answer, /denied|unauthorized/);
  assert.equal(answer.includes("sentinel-5cret"), false);
  assert.equal(engine.log().includes("sentinel-5cret"), false);
  assert.equal(registry.tap.seen.some(({ headers }) => headers.authorization === `Basic ${Buffer.from("ann:sentinel-5cret").toString("base64")}`), true, "they did go to the registry");
}, { only: "gantry" });
