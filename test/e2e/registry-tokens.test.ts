/** Our registry with accounts, tokens and a policy, and copies of another registry, as clients of the field use them. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { hashSync } from "bcryptjs";
import { pushImage, startRegistry, type TestRegistry } from "../fixtures/registry.ts";
import { tar } from "../fixtures/tar.ts";
import { onPath } from "../packages.ts";
import { stories, type Scene } from "./harness.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-tokens-"));
const write = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

const policy = {
  rules: [
    { repositories: ["public/**", "hub/**"], who: ["anyone"], may: ["read"] },
    { repositories: ["public/**", "team/**"], who: ["user:ann"], may: ["write", "delete"] },
    { repositories: ["home/{user}/**"], who: ["users"], may: ["write"] },
  ],
};

let registry: TestRegistry;
let upstream: TestRegistry;
before(async () => {
  upstream = await startRegistry();
  const htpasswd = write("htpasswd", `ann:${hashSync("secret", 4)}\nbob:${hashSync("other", 4)}\n`);
  registry = await startRegistry({ htpasswd, policy: write("policy.json", JSON.stringify(policy)), audit: join(folder, "audit"), upstreams: [{ prefix: "hub", registry: upstream.host, ttl: "0s" }] });
});
after(async () => {
  await registry?.[Symbol.asyncDispose]();
  await upstream?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

// After the hooks above: the registries end before the engine is looked at, and its connections with them.
const { story } = stories("registry with tokens");

const configOf = ({ engine }: Pick<Scene, "engine">) => join(engine.place.folder, "config/config.json");
const login = async ({ cli }: Scene, name: string, password: string) => {
  const { code, stderr } = await cli.with({ input: password })("login", "-u", name, "--password-stdin", registry.host);
  assert.equal(code, 0, stderr);
};
const denied = /denied|unauthorized/;

story("whoever logged in pushes, by a token and not by the password; whoever did not may pull what is public", async (scene) => {
  const { cli } = scene;
  rmSync(configOf(scene), { force: true });
  const [open, closed] = [`${registry.host}/public/${cli.name}:1`, `${registry.host}/team/${cli.name}:1`];
  for (const name of [open, closed]) await cli.ok("tag", "busybox", name);
  await cli.fails(1, denied, "push", open);
  await login(scene, "ann", "secret");
  const kept = readFileSync(configOf(scene), "utf8");
  if (cli.name === "docker") assert.match(kept, /"identitytoken"/);
  for (const name of [open, closed]) await cli.ok("push", "-q", name);
  await cli.ok("logout", registry.host);
  for (const name of [open, closed]) await cli.ok("rmi", name);
  await cli.ok("pull", "-q", open);
  assert.equal(await cli.ok("run", "--rm", open, "echo", "here"), "here");
  await cli.fails(1, denied, "pull", closed);
  await cli.fails(1, denied, "push", open);
  await login(scene, "bob", "other");
  await cli.fails(1, denied, "pull", closed);
  const own = `${registry.host}/home/bob/${cli.name}:1`;
  await cli.ok("tag", "busybox", own);
  await cli.ok("push", "-q", own);
  const said = readFileSync(join(folder, "audit"), "utf8");
  assert.match(said, new RegExp(`"who":"bob","what":"(push|mount)","result":"done".*"repository":"home/bob/${cli.name}"`));
  assert.equal(said.includes("secret"), false);
  await cli.ok("logout", registry.host);
  for (const name of [open, own]) await cli.ok("rmi", name);
});

story("an image of another registry comes through ours, and stays when that one is gone", async ({ cli }) => {
  await using other = await startRegistry();
  const copies = await startRegistry({ upstreams: [{ prefix: "hub", registry: other.host, ttl: "0s" }] });
  try {
    const [there, here] = [`${other.host}/some/${cli.name}:1`, `${copies.host}/hub/some/${cli.name}:1`];
    await cli.ok("tag", "busybox", there);
    await cli.ok("push", "-q", there);
    await cli.ok("rmi", there);
    await cli.ok("pull", "-q", here);
    await cli.fails(1, /copy of an upstream|unsupported|405|not done|denied/i, "push", here);
    await cli.ok("rmi", here);
    await other[Symbol.asyncDispose]();
    await cli.ok("pull", "-q", here);
    assert.equal(await cli.ok("run", "--rm", here, "echo", "still here"), "still here");
    await cli.ok("rmi", here);
  } finally {
    await copies[Symbol.asyncDispose]();
  }
}, { only: onPath("docker") ? "docker" : "gantry" });

const run = promisify(execFile);

test("skopeo copies with and without an account, and is refused where it must be", { skip: onPath("skopeo") ? false : "skopeo is not on this machine" }, async () => {
  const layout = await layoutOf();
  const at = (name: string) => `docker://${registry.host}/${name}`;
  const skopeo = (...argv: string[]) => run("skopeo", ["--command-timeout", "30s", ...argv], { env: { ...process.env, REGISTRY_AUTH_FILE: write("auth.json", "{}") } });
  await skopeo("copy", "--dest-tls-verify=false", "--dest-creds", "ann:secret", layout, at("public/skopeo:1"));
  const { stdout } = await skopeo("inspect", "--tls-verify=false", at("public/skopeo:1"));
  assert.deepEqual(JSON.parse(stdout).RepoTags, ["1"]);
  await skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--dest-creds", "bob:other", at("public/skopeo:1"), at("home/bob/skopeo:1"));
  await assert.rejects(skopeo("copy", "--dest-tls-verify=false", "--dest-creds", "bob:other", layout, at("team/skopeo:1")), denied);
  await assert.rejects(skopeo("copy", "--dest-tls-verify=false", "--dest-creds", "ann:wrong", layout, at("team/skopeo:1")), /invalid username\/password|unauthorized/);
  await skopeo("delete", "--tls-verify=false", "--creds", "ann:secret", at("public/skopeo:1"));
  await assert.rejects(skopeo("inspect", "--tls-verify=false", at("public/skopeo:1")), /manifest unknown|not found/i);
});

test("podman logs in, pushes and pulls", { skip: onPath("podman") ? false : "podman is not on this machine" }, async () => {
  const home = mkdtempSync(join(tmpdir(), "gantry-podman-"));
  const podman = (...argv: string[]) => run("podman", ["--root", join(home, "root"), "--runroot", join(home, "run"), "--storage-driver", "vfs", ...argv], { env: { ...process.env, REGISTRY_AUTH_FILE: join(home, "auth.json") } });
  try {
    writeFileSync(join(home, "auth.json"), "{}");
    const name = `${registry.host}/team/podman:1`;
    await podman("login", "--tls-verify=false", "-u", "ann", "-p", "secret", registry.host);
    await pushImage(upstream, "podman", "1", [Buffer.from(tar([{ path: "file", data: "content" }]))]);
    const { stdout } = await podman("pull", "-q", "--tls-verify=false", `${upstream.host}/podman:1`);
    await podman("push", "-q", "--tls-verify=false", stdout.trim(), name);
    await podman("rmi", "-f", stdout.trim());
    assert.match((await podman("pull", "-q", "--tls-verify=false", name)).stdout, /^[0-9a-f]{64}$/m);
    await podman("logout", registry.host);
    await assert.rejects(podman("pull", "-q", "--tls-verify=false", name), denied);
  } finally {
    await podman("rmi", "-a", "-f").catch(() => {});
    rmSync(home, { recursive: true, force: true });
  }
});

/** An image in a folder, made through the registry that everybody may push to. */
async function layoutOf(): Promise<string> {
  await pushImage(upstream, "made", "1", [Buffer.from(tar([{ path: "file", data: "content" }]))]);
  const path = join(folder, "layout");
  await run("skopeo", ["copy", "--src-tls-verify=false", `docker://${upstream.host}/made:1`, `oci:${path}:1`]);
  return `oci:${path}:1`;
}
