import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fail, Failure } from "#base/errors.ts";
import { openLog } from "#base/log.ts";
import { type Digest, digits } from "#spec/digest.ts";
import { type Descriptor, MEDIA } from "#spec/image.ts";
import { parseReference } from "#spec/reference.ts";
import { addBundle, addSignature, addSimple, type Beside, bundleOf, digestOf, keyPair, nothingBeside, randomDigest, signBytes, simplePayload, sourceOf } from "./trust-fixture.ts";
import { approvalLabels, openTrust, type Refusal, type SignatureSource } from "./trust.ts";

const never = new AbortController().signal;
const team = keyPair();
const other = keyPair();
const app = parseReference("registry.example/team/app:1");
const descriptor = (digest: Digest): Descriptor => ({ mediaType: MEDIA.ociManifest, digest, size: 100 });

async function open(t: TestContext, rules: object[], files: Record<string, string> = { "team.pub": team.pem }) {
  const folder = mkdtempSync("/tmp/gantry-trust-");
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const path = join(folder, "policy.json");
  writeFileSync(path, JSON.stringify({ default: "deny", rules }));
  const told: Refusal[] = [];
  const trust = await openTrust({ path, log: openLog({ level: "fatal", format: "text" }), refused: (refusal) => told.push(refusal) });
  const check = (digest: Digest, beside: Beside | SignatureSource) => trust.check(app, descriptor(digest), "tags" in beside ? sourceOf(beside) : beside, never);
  return { trust, told, path, check, folder };
}

const verifyTeam = { name: "team", images: ["registry.example/team/**"], action: "verify", signedBy: [{ key: "team.pub" }] };
const forbidden = (message: RegExp) => (error: unknown) => error instanceof Failure && error.kind === "forbidden" && message.test(error.message);

for (const shape of ["simple", "bundle"] as const) {
  test(`a ${shape} signature over the digest, by a key of the rule, and no other`, async (t) => {
    const { check, told } = await open(t, [verifyTeam]);
    const digest = randomDigest();
    const good = nothingBeside();
    addSignature(good, digest, shape, team.privateKey);
    assert.match((await check(digest, good)).signer!, /^key sha256:[0-9a-f]{64}$/);
    const foreign = nothingBeside();
    addSignature(foreign, digest, shape, other.privateKey);
    await assert.rejects(check(digest, foreign), forbidden(/^pull registry\.example\/team\/app:1 \(sha256:[0-9a-f]{64}\): refused by rule "team" of .*policy\.json: none of its 1 signatures counts; one by key sha256:.* is needed .*; have it signed/));
    assert.equal(told.length, 1);
    assert.deepEqual([told[0]!.act, told[0]!.reference, told[0]!.digest, told[0]!.rule], ["pull", "registry.example/team/app:1", digest, "team"]);
  });

  test(`a ${shape} signature of another image, put beside this one, does not count`, async (t) => {
    const { check } = await open(t, [verifyTeam]);
    const [digest, signed] = [randomDigest(), randomDigest()];
    const beside = nothingBeside();
    const payload = simplePayload(signed);
    if (shape === "simple") addSimple(beside, digest, [{ bytes: payload, signature: signBytes(payload, team.privateKey) }]);
    else addBundle(beside, digest, bundleOf(signed, team.privateKey));
    await assert.rejects(check(digest, beside), forbidden(shape === "simple" ? /a signature is over sha256:/ : /over another digest/));
  });
}

test("of many signatures one that counts is enough, whatever the others are", async (t) => {
  const { check } = await open(t, [verifyTeam]);
  const digest = randomDigest();
  const beside = nothingBeside();
  const payload = simplePayload(digest);
  addSimple(beside, digest, [{ bytes: Buffer.from("no JSON"), signature: "AAAA" }, { bytes: payload }, { bytes: payload, signature: "%%%" }, { bytes: payload, signature: signBytes(payload, other.privateKey) }]);
  await assert.rejects(check(digest, beside), forbidden(/none of its 4 signatures/));
  addBundle(beside, digest, Buffer.from("{}"));
  addBundle(beside, digest, Buffer.from("not JSON"));
  addBundle(beside, digest, { ...bundleOf(digest, team.privateKey), verificationMaterial: { certificate: { rawBytes: "AAAA" }, tlogEntries: [] } });
  await assert.rejects(check(digest, beside), forbidden(/none of its 7 signatures/));
  addBundle(beside, digest, bundleOf(digest, team.privateKey));
  assert.match((await check(digest, beside)).signer!, /^key/);
});

test("what the same key signed for another purpose does not count", async (t) => {
  const { check } = await open(t, [verifyTeam]);
  const digest = randomDigest();
  const attested = nothingBeside();
  addBundle(attested, digest, bundleOf(digest, team.privateKey, { predicateType: "https://spdx.dev/Document" }));
  addBundle(attested, digest, bundleOf(digest, team.privateKey, { payloadType: "application/json" }));
  await assert.rejects(check(digest, attested), forbidden(/spdx.*approves nothing.*application\/json/));
  const typed = nothingBeside();
  const payload = simplePayload(digest, "x", "atomic container signature");
  addSimple(typed, digest, [{ bytes: payload, signature: signBytes(payload, team.privateKey) }]);
  await assert.rejects(check(digest, typed), forbidden(/no cosign container image signature/));
});

test("a payload that was changed after it was signed does not count", async (t) => {
  const { check } = await open(t, [verifyTeam]);
  const [digest, before] = [randomDigest(), randomDigest()];
  const beside = nothingBeside();
  addSimple(beside, digest, [{ bytes: simplePayload(digest), signature: signBytes(simplePayload(before), team.privateKey) }]);
  const bundle = bundleOf(before, team.privateKey) as { dsseEnvelope: { payload: string } };
  bundle.dsseEnvelope.payload = Buffer.from(Buffer.from(bundle.dsseEnvelope.payload, "base64").toString().replace(digits(before), digits(digest))).toString("base64");
  addBundle(beside, digest, bundle);
  await assert.rejects(check(digest, beside), forbidden(/none of its 2 signatures/));
});

test("without a signature, and without a registry, there is none", async (t) => {
  const { trust, check } = await open(t, [verifyTeam]);
  await assert.rejects(check(randomDigest(), nothingBeside()), forbidden(/it has no signature; one by key/));
  await assert.rejects(trust.check(app, descriptor(randomDigest()), undefined, never), forbidden(/no registry to ask/));
});

test("a registry that does not answer vouches for nothing; a large or endless list is cut", async (t) => {
  const { check } = await open(t, [verifyTeam]);
  const silent = { ...sourceOf(nothingBeside()), manifest: () => Promise.reject(fail("unavailable", "GET …: no answer")) };
  await assert.rejects(check(randomDigest(), silent), { kind: "unavailable" });
  const digest = randomDigest();
  const beside = nothingBeside();
  for (let at = 0; at < 60; at++) addBundle(beside, digest, bundleOf(digest, other.privateKey, { subject: String(at) }));
  addBundle(beside, digest, bundleOf(digest, team.privateKey));
  const asked: string[] = [];
  await assert.rejects(check(digest, sourceOf(beside, asked)), forbidden(/none of its 50/));
  assert.ok(asked.length <= 103, String(asked.length));
  const huge = { ...sourceOf(beside), referrers: async () => [], manifest: async () => ({ descriptor: descriptor(digest), bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, config: descriptor(digest), layers: [{ mediaType: "application/vnd.dev.cosign.simplesigning.v1+json", digest, size: 2 ** 40, annotations: { "dev.cosignproject.cosign/signature": "AAAA" } }] })) }) };
  await assert.rejects(check(digest, huge), forbidden(/a signature of 1099511627776 bytes/));
});

test("keys of other kinds: RSA, Ed25519; what is no public key is refused when the policy is read", async (t) => {
  for (const { publicKey, privateKey } of [generateKeyPairSync("rsa", { modulusLength: 2048 }), generateKeyPairSync("ed25519"), generateKeyPairSync("ec", { namedCurve: "P-384" })]) {
    const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
    const { check } = await open(t, [verifyTeam], { "team.pub": pem });
    const digest = randomDigest();
    const beside = nothingBeside();
    const bytes = simplePayload(digest);
    addSimple(beside, digest, [{ bytes, signature: sign(privateKey.asymmetricKeyType === "ed25519" ? null : "sha256", bytes, privateKey).toString("base64") }]);
    assert.ok((await check(digest, beside)).signer);
  }
  const secret = team.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
  for (const [text, message] of [[secret, /private key/], ["x", /read the key/]] as const) await assert.rejects(open(t, [verifyTeam], { "team.pub": text }), message);
  await assert.rejects(open(t, [verifyTeam], {}), /read the key .*no such file/);
});

test("an identity, by a pinned root: this one, not one that looks alike, not by another root", async (t) => {
  const { digest, issuer, identity, root, bundle, lookalike } = JSON.parse(readFileSync(join(import.meta.dirname, "../../../test/fixtures/keyless.json"), "utf8"));
  const rule = (wanted: object) => ({ ...verifyTeam, signedBy: [{ keyless: { root: "root.json", issuer, identity, ...wanted } }] });
  const beside = (...bundles: object[]) => {
    const made = nothingBeside();
    for (const each of bundles) addBundle(made, digest, each);
    return made;
  };
  const files = { "root.json": JSON.stringify(root) };
  const { check } = await open(t, [rule({})], files);
  assert.equal((await check(digest, beside(lookalike, bundle))).signer, `identity ${identity} of ${issuer}`);
  await assert.rejects(check(digest, beside(lookalike)), forbidden(/signed by xdev@example\.com/));
  await assert.rejects(check(digest, beside(bundleOf(digest, team.privateKey))), forbidden(/signed by a key/));
  const stripped = structuredClone(bundle);
  stripped.verificationMaterial.tlogEntries = [];
  await assert.rejects(check(digest, beside(stripped)), forbidden(/timestamps|tlog/));
  const moved = structuredClone(bundle);
  moved.dsseEnvelope.signatures[0].sig = signBytes(Buffer.from("x"), team.privateKey);
  await assert.rejects(check(digest, beside(moved)), forbidden(/mismatch|verification failed/));
  await assert.rejects((await open(t, [rule({ issuer: "https://accounts.example.org" })], files)).check(digest, beside(bundle)), forbidden(/signed by dev@example\.com of https:\/\/accounts\.example\.com/));
  const foreign = structuredClone(root);
  foreign.tlogs[0].publicKey.rawBytes = team.publicKey.export({ type: "spki", format: "der" }).toString("base64");
  await assert.rejects((await open(t, [rule({})], { "root.json": JSON.stringify(foreign) })).check(digest, beside(bundle)), forbidden(/none of its 1/));
  await assert.rejects(open(t, [rule({})], { "root.json": "{}" }), /trusted root/);
});

test("by name alone: before a registry is asked, and for archives", async (t) => {
  const { trust } = await open(t, [verifyTeam, { name: "free", images: ["docker.io/library/*"], action: "allow" }]);
  trust.admit("pull", parseReference("busybox"));
  trust.admit("pull", app);
  trust.admit("load", parseReference("busybox"));
  assert.throws(() => trust.admit("load", app), forbidden(/load registry\.example\/team\/app:1: refused by rule "team".*archive brings none; pull it/));
  assert.throws(() => trust.admit("pull", parseReference("evil.example/x")), forbidden(/pull evil\.example\/x: refused by the default of .*no rule allows this repository/));
});

test("what is here runs by its names, and by what was verified when they came", async (t) => {
  const { trust, check, folder, path } = await open(t, [verifyTeam, { name: "free", images: ["docker.io/library/*"], action: "allow" }], { "team.pub": team.pem, "other.pub": other.pem });
  const digest = digestOf(Buffer.from("x"));
  const beside = nothingBeside();
  addSignature(beside, digest, "simple", team.privateKey);
  const labels = approvalLabels(await check(digest, beside), digest);
  const run = (...names: [string, Record<string, string>?][]) => trust.run({ ref: "it", digest, names: names.map(([name, found = {}]) => ({ reference: parseReference(name), labels: found })) });
  run(["busybox"]);
  run(["registry.example/team/app:1", labels]);
  run(["evil.example/x"], ["busybox"]);
  assert.throws(() => run(["evil.example/x"]), forbidden(/run it \(sha256:.*no rule allows/));
  assert.throws(() => run(["registry.example/team/app:1"]), forbidden(/rule "team".*none was verified when it came here; pull it/));
  const moved = { ref: "it", digest: randomDigest(), names: [{ reference: app, labels }] };
  assert.throws(() => trust.run(moved), forbidden(/none was verified/), "the name was verified, and then moved");
  assert.throws(() => run(), forbidden(/it has no name/));
  writeFileSync(path, JSON.stringify({ default: "deny", rules: [{ ...verifyTeam, signedBy: [{ key: join(folder, "other.pub") }] }] }));
  await trust.reload(path);
  assert.throws(() => run(["registry.example/team/app:1", labels]), forbidden(/no signer of the rule now/));
  writeFileSync(path, "{");
  await assert.rejects(trust.reload(path), { kind: "invalid" });
  assert.throws(() => run(["evil.example/x"]), forbidden(/no rule allows/), "the old policy holds");
});

test("a policy or a key that others may write is not taken", async (t) => {
  const { path, trust, folder } = await open(t, [verifyTeam]);
  for (const file of [path, join(folder, "team.pub")]) {
    chmodSync(file, 0o664);
    await assert.rejects(trust.reload(path), { kind: "invalid", message: /may be written by others than its owner \(mode 0664\)/ });
    chmodSync(file, 0o644);
  }
  await trust.reload(path);
});

test("an explanation says the same, and refuses nothing", async (t) => {
  const { trust, told } = await open(t, [verifyTeam, { name: "free", images: ["docker.io/library/*"], action: "allow" }]);
  const digest = randomDigest();
  const beside = nothingBeside();
  const explain = (name: string) => trust.explain(parseReference(name), descriptor(digest), sourceOf(beside), never);
  const brief = async (name: string) => {
    const { rule, action, allowed, reason } = await explain(name);
    return [rule, action, allowed, reason === ""];
  };
  assert.deepEqual(await brief("registry.example/team/app:1"), ["team", "verify", false, false]);
  addSignature(beside, digest, "bundle", team.privateKey);
  assert.deepEqual(await brief("registry.example/team/app:1"), ["team", "verify", true, true]);
  assert.deepEqual(await brief("busybox"), ["free", "allow", true, true]);
  assert.deepEqual(await brief("evil.example/x"), ["default", "deny", false, false]);
  assert.deepEqual(told, []);
});

test("without a policy nothing is asked; a policy that is named has to be there", async () => {
  const log = openLog({ level: "fatal", format: "text" });
  const trust = await openTrust({ path: "/etc/gantry/policy.json", log, refused: () => assert.fail() });
  if (trust.policy() === undefined) {
    const asked: string[] = [];
    assert.deepEqual(await trust.check(app, descriptor(randomDigest()), sourceOf(nothingBeside(), asked), never), { rule: "" });
    assert.deepEqual(asked, []);
    trust.run({ ref: "x", digest: randomDigest(), names: [] });
  }
  await assert.rejects(openTrust({ path: "/nowhere/policy.json", log, refused: () => assert.fail() }), /read the trust policy: .*no such file/);
});
