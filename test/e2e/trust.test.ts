/** The trust policy: what may be pulled, loaded and run, by whom it has to be signed, and how a refusal reads. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { gzipSync } from "node:zlib";
import type { Digest } from "../../src/spec/digest.ts";
import { openTestRegistry, putImage } from "../../src/transfer/registry-fixture.ts";
import { addSignature, keyPair, nothingBeside, type Pair, type Shape } from "../../src/transfer/trust/trust-fixture.ts";
import { busyboxLayer, busyboxMissing, imageArchive } from "../fixtures/image.ts";
import { tar } from "../fixtures/tar.ts";
import { peer, stories } from "./harness.ts";
import { clientsHere } from "./harness/client.ts";

const ends = new AsyncDisposableStack();
after(() => ends.disposeAsync());
const registry = await openTestRegistry({ after: (end) => ends.defer(end) });
const { host } = registry;
const folder = mkdtempSync("/tmp/trust-");
ends.defer(() => rmSync(folder, { recursive: true }));
const policyPath = join(folder, "policy.json");
const [team, other] = [keyPair(), keyPair()];
writeFileSync(join(folder, "team.pub"), team.pem);

const verified = { name: "team", images: [`${host}/team/**`], action: "verify", signedBy: [{ key: "team.pub" }] };
const rules = [{ name: "here", images: ["docker.io/library/*"], action: "allow" }, { name: "open", images: [`${host}/open/*`], action: "allow" }, verified];
const writePolicy = (policy: object) => writeFileSync(policyPath, JSON.stringify(policy));
writePolicy({ default: "deny", rules });

const { story, engine } = stories("trust", { flags: ["--trust-policy", policyPath] });
const skip = peer === "gantry" ? false : "for our engine";
const options = { only: "gantry-engine", skip } as const;
/** The engine's doing, whoever asks. */
const byOne = { only: clientsHere()[0] ?? "docker", skip } as const;

let images = 0;
const base = busyboxMissing === undefined ? gzipSync(busyboxLayer()) : Buffer.alloc(0);
/** A new image under that tag; its digest. */
function putNew(repository: string, tag = "1"): Digest {
  return putImage(registry, repository, tag, { layers: [base, gzipSync(tar([{ path: "which", data: String(++images) }]))] }).digest;
}

function sign(repository: string, digest: Digest, shape: Shape, by: Pair = team): void {
  const beside = nothingBeside();
  addSignature(beside, digest, shape, by.privateKey);
  for (const [reference, { descriptor, bytes }] of beside.tags) registry.manifests.set(`${repository}:${reference}`, { type: descriptor.mediaType, bytes });
  for (const [blob, bytes] of beside.blobs) registry.blobs.set(blob, bytes);
}

const asked = (pattern: RegExp) => registry.requests.filter(({ path }) => pattern.test(path)).length;

for (const shape of ["simple", "bundle"] as const) {
  story(`an image with a ${shape} signature is pulled and runs, also after a restart`, async ({ cli }) => {
    const repository = `team/${shape}`;
    const name = `${host}/${repository}:1`;
    sign(repository, putNew(repository), shape);
    await cli.ok("pull", name);
    assert.equal(await cli.ok("run", "--rm", name, "cat", "/which"), String(images));
    await engine().stop();
    await engine().start();
    assert.equal(await cli.ok("run", "--rm", name, "cat", "/which"), String(images));
    await cli.ok("rmi", name);
  }, byOne);
}

story("unsigned, signed by another, signed for another digest: refused before any layer is asked for", async ({ cli }) => {
  const names = await cli.ok("images", "-a", "-q");
  for (const [at, prepare] of [() => undefined, (digest: Digest) => sign("team/bad", digest, "simple", other), (digest: Digest) => sign("team/bad", digest, "bundle", other), () => sign("team/bad", putNew("team/bad", "elsewhere"), "simple")].entries()) {
    const digest = putNew("team/bad");
    prepare(digest);
    registry.requests.length = 0;
    const { stderr } = await cli.fails(1, /refused by rule "team" of .*policy\.json: .*; have it signed by a signer of that rule/, "pull", `${host}/team/bad:1`);
    assert.ok(stderr.includes(`pull ${host}/team/bad:1 (${digest})`), stderr);
    assert.ok(asked(/\/manifests\//) >= 1, "it was resolved");
    assert.equal(asked(new RegExp(`manifests/${digest}$`)) + registry.requests.filter(({ path }) => path.includes("/blobs/")).filter(({ path }) => registry.blobs.get(path.split("/").at(-1)!)!.length > 2000).length, 0, `${at}: layers were asked for`);
    assert.equal(await cli.ok("images", "-a", "-q"), names);
  }
}, options);

story("a repository that no rule allows is not even asked about", async ({ cli }) => {
  putNew("closed/app");
  registry.requests.length = 0;
  await cli.fails(1, /refused by the default of .*: no rule allows this repository; use an image the policy allows, or change the policy/, "pull", `${host}/closed/app:1`);
  assert.equal((await cli("run", "--rm", `${host}/closed/app:1`)).code, 125);
  assert.equal(registry.requests.length, 0);
  putNew("open/app");
  await cli.ok("pull", `${host}/open/app:1`);
  await cli.ok("run", "--rm", `${host}/open/app:1`, "true");
  await cli.ok("rmi", `${host}/open/app:1`);
}, byOne);

story("what was verified is what is fetched, though the tag moves meanwhile", async ({ cli }) => {
  const signed = putNew("team/moving");
  sign("team/moving", signed, "simple");
  const evil = putNew("team/moving", "evil");
  let resolved = 0;
  registry.tamper = ({ path }) => {
    if (!path.endsWith("/team/moving/manifests/1")) return undefined;
    const digest = resolved++ === 0 ? signed : evil;
    const { type, bytes } = registry.manifests.get(`team/moving:${digest}`)!;
    return { status: 200, headers: { "content-type": type, "docker-content-digest": digest }, body: bytes };
  };
  try {
    const text = await cli.ok("pull", `${host}/team/moving:1`);
    assert.ok(text.includes(`Digest: ${signed}`), text);
    assert.equal(await cli.ok("run", "--rm", `${host}/team/moving:1`, "cat", "/which"), String(images - 1));
    // The next one resolves anew, and finds the other.
    await cli.fails(1, /refused by rule "team"/, "pull", `${host}/team/moving:1`);
    assert.equal(await cli.ok("run", "--rm", `${host}/team/moving:1`, "cat", "/which"), String(images - 1), "the old one stays");
  } finally {
    registry.tamper = undefined;
  }
  await cli.ok("rmi", `${host}/team/moving:1`);
}, byOne);

story("no other way leads to a name that needs a signature: load, tag, import", async ({ cli, file }) => {
  const name = `${host}/team/app:1`;
  const archive = file("image.tar", imageArchive([name], [busyboxLayer()], { Cmd: ["true"] }));
  await cli.fails(1, /load .*team\/app:1: refused by rule "team".*an archive brings none; pull it from its registry/, "load", "-q", "-i", archive);
  assert.equal((await cli("image", "inspect", name)).code, 1);
  await cli.ok("tag", "busybox", name);
  await cli.fails(125, /run .*refused by rule "team".*none was verified when it came here; pull it from its registry/, "run", "--rm", name, "true");
  await cli.fails(1, /refused by rule "team"/, "create", name, "true");
  await cli.ok("run", "--rm", "busybox", "true");
  await cli.ok("rmi", name);
  await cli.ok("import", file("layer.tar", busyboxLayer()), name);
  await cli.fails(125, /refused by rule "team"/, "run", "--rm", name, "true");
  const [id = ""] = (await cli.ok("images", "-q", "--no-trunc", name)).split("\n");
  await cli.fails(125, /refused by rule "team"/, "run", "--rm", id, "true");
  await cli.ok("rmi", name);
}, byOne);

story("a refusal is in the log, and an event", async ({ cli }) => {
  const since = String(Date.now() / 1000 - 1);
  await cli("pull", "refused.example/app:1");
  const events = await cli.ok("events", "--since", since, "--until", String(Date.now() / 1000 + 1), "--filter", "event=refuse", "--format", "{{json .}}");
  const { Action, Actor } = JSON.parse(events.split("\n").find((line) => line.includes("refused.example/app:1")) ?? "null") as { Action: string; Actor: { Attributes: Record<string, string> } };
  assert.deepEqual([Action, Actor.Attributes["name"], Actor.Attributes["rule"], Actor.Attributes["act"]], ["refuse", "refused.example/app:1", "default", "pull"]);
  assert.match(engine().log(), /the trust policy refused an image.*refused\.example\/app:1/);
}, byOne);

story("policy show and check tell what would be", async ({ cli }) => {
  const digest = putNew("team/check");
  const shown = await cli.ok("trust", "policy", "show");
  for (const text of [policyPath, "Default:  deny", "team: verify", `${host}/team/**`, "signed by the key team.pub"]) assert.ok(shown.includes(text), `${text}: ${shown}`);
  const check = async (name: string) => {
    const { code, stdout } = await cli("trust", "policy", "check", "--format", "json", name);
    const { Rule, Action, Allowed, Digest: of } = JSON.parse(stdout) as Record<string, unknown>;
    return [code, Rule, Action, Allowed, of];
  };
  assert.deepEqual(await check(`${host}/team/check:1`), [1, "team", "verify", false, digest]);
  sign("team/check", digest, "bundle");
  assert.deepEqual(await check(`${host}/team/check:1`), [0, "team", "verify", true, digest]);
  assert.deepEqual(await check("busybox"), [0, "here", "allow", true, ""]);
  assert.deepEqual(await check("refused.example/app"), [1, "default", "deny", false, ""]);
  assert.match((await cli("trust", "policy", "check", `${host}/team/check:1`)).stdout, /^Allowed: {2}yes\nSigner: {3}key sha256:/m);
  assert.equal((await cli("image", "inspect", `${host}/team/check:1`)).code, 1, "nothing was pulled");
  assert.equal((await cli("trust", "policy", "nonsense")).code, 1);
}, { ...options, only: "gantry" });

story("a policy that is read again counts; one that cannot be read does not, and stops no engine", async ({ cli }) => {
  const reloaded = async (pattern: RegExp) => {
    const before = engine().log().length;
    process.kill(engine().pid, "SIGHUP");
    while (!pattern.test(engine().log().slice(before))) await new Promise((resolve) => setImmediate(resolve));
  };
  try {
    writePolicy({ default: "deny", rules: [] });
    await reloaded(/configuration read again/);
    await cli.fails(125, /refused by the default/, "run", "--rm", "busybox", "true");
    writeFileSync(policyPath, "{");
    await reloaded(/configuration not taken over.*trust policy/);
    await cli.fails(125, /refused by the default/, "run", "--rm", "busybox", "true");
  } finally {
    writePolicy({ default: "deny", rules });
    await reloaded(/configuration read again/);
  }
  await cli.ok("run", "--rm", "busybox", "true");
}, byOne);
