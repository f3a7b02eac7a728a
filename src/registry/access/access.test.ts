/** Accounts from outside: requests to a registry, by somebody who may, who may not, and who pretends. */
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hashSync } from "bcryptjs";
import { SignJWT, exportJWK, type JWTHeaderParameters } from "jose";
import { digestOf, pushImage, startRegistry, type TestRegistry } from "../../../test/fixtures/registry.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-access-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const write = (name: string, value: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
  return path;
};

const accounts = { ann: "ann's secret", bob: "bob's", root: "r:o:o:t" };
const htpasswdOf = (of: Record<string, string>) => Object.entries(of).map(([name, password]) => `${name}:${hashSync(password, 4)}\n`).join("");
const ann = { user: `ann:${accounts.ann}` };
const bob = { user: `bob:${accounts.bob}` };
const root = { user: `root:${accounts.root}` };

const policy = {
  groups: { builders: ["ann"] },
  rules: [
    { repositories: ["public/**"], who: ["anyone"], may: ["read"] },
    { repositories: ["team/*", "public/**"], who: ["group:builders"], may: ["write"] },
    { repositories: ["home/{user}/**"], who: ["users"], may: ["write", "delete"] },
    { who: ["user:root"], may: ["read", "write", "delete", "list"] },
  ],
};

const issuerKeys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const otherKeys = generateKeyPairSync("rsa", { modulusLength: 2048 });
const issuerPem = issuerKeys.publicKey.export({ type: "spki", format: "pem" }) as string;

let registry: TestRegistry;
let image: string;
before(async () => {
  const jwks = write("issuer.json", { keys: [{ ...(await exportJWK(issuerKeys.publicKey)), kid: "ci", alg: "RS256" }] });
  registry = await startRegistry({
    htpasswd: write("htpasswd", htpasswdOf(accounts)),
    policy: write("policy.json", policy),
    "token-key": join(folder, "keys/token.key"),
    issuers: [{ issuer: "https://ci.test", audience: "registry.test", keys: jwks }],
  });
  image = await pushImage(registry, "team/app", "1", [Buffer.from("private bytes")], ann);
  await pushImage(registry, "public/app", "1", [Buffer.from("public bytes")], ann);
});
after(() => registry[Symbol.asyncDispose]());

const status = async (method: string, path: string, as: Parameters<TestRegistry["fetch"]>[2] = {}) => (await registry.fetch(method, path, as)).status;
const challengeOf = async (method: string, path: string, as = {}) => (await registry.fetch(method, path, as)).headers["www-authenticate"];
const tokenFor = async (scope: string, as: Parameters<TestRegistry["fetch"]>[2] = {}): Promise<string> => (await registry.fetch("GET", `/token?service=gantry-registry&scope=${encodeURIComponent(scope)}`, as)).json().token;
const claimsOf = (token: string): { access: unknown; sub: string } => JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString());

test("a challenge says where tokens are had, of whom, and for what", async () => {
  const realm = `Bearer realm="http://${registry.host}/token",service="gantry-registry"`;
  assert.equal(await challengeOf("GET", "/v2/"), realm);
  assert.equal(await challengeOf("GET", "/v2/team/app/manifests/1"), `${realm},scope="repository:team/app:pull"`);
  assert.equal(await challengeOf("PUT", "/v2/team/app/manifests/1"), `${realm},scope="repository:team/app:pull,push"`);
  assert.equal(await challengeOf("DELETE", "/v2/team/app/manifests/1"), `${realm},scope="repository:team/app:delete"`);
  assert.equal(await challengeOf("GET", "/v2/_catalog"), `${realm},scope="registry:catalog:*"`);
  assert.equal(await challengeOf("POST", `/v2/team/app/blobs/uploads/?mount=${digestOf("x")}&from=other/app`), `${realm},scope="repository:team/app:pull,push repository:other/app:pull"`);
  assert.equal(await challengeOf("GET", "/v2/", { headers: { "x-forwarded-proto": "https" } }), realm.replace("http:", "https:"));
  assert.equal(await challengeOf("GET", "/v2/", { headers: { host: 'evil"\\x' } }).then((header) => /["\\]x/.test(header ?? "")), false);
  assert.equal(await challengeOf("GET", "/v2/", { token: "nonsense" }), `${realm},error="invalid_token"`);
});

test("who may do what is the policy's, by password", async () => {
  assert.equal(await status("GET", "/v2/", ann), 200);
  assert.equal(await status("GET", "/v2/team/app/manifests/1", ann), 200);
  assert.equal(await status("GET", "/v2/team/app/manifests/1", bob), 403);
  assert.equal(await status("GET", "/v2/public/app/manifests/1"), 200);
  assert.equal(await status("POST", "/v2/public/app/blobs/uploads/"), 401);
  assert.equal(await status("POST", "/v2/public/app/blobs/uploads/", bob), 403);
  assert.equal(await status("DELETE", "/v2/team/app/manifests/1", ann), 403);
  assert.equal(await status("POST", "/v2/home/bob/x/blobs/uploads/", bob), 202);
  assert.equal(await status("POST", "/v2/home/ann/x/blobs/uploads/", bob), 403);
  assert.equal(await status("GET", "/v2/_catalog", ann), 403);
  assert.deepEqual((await registry.fetch("GET", "/v2/_catalog", root)).json().repositories, ["public/app", "team/app"]);
});

test("a wrong password, a name that there is not, and what is no header are all refused alike", async () => {
  for (const header of [`Basic ${Buffer.from("ann:wrong").toString("base64")}`, `Basic ${Buffer.from("eve:x").toString("base64")}`, "Basic !", "Basic", "Digest x", `Basic ${Buffer.from("ann").toString("base64")}`, `Basic ${Buffer.from(`ann:${accounts.ann}${"x".repeat(80)}`).toString("base64")}`]) {
    assert.equal(await status("GET", "/v2/public/app/manifests/1", { headers: { authorization: header } }), 401, header);
  }
});

test("a token is for what was asked and is allowed, and for nothing else", async () => {
  const token = await tokenFor("repository:team/app:pull,push,delete repository:home/ann/x:* registry:catalog:*", ann);
  assert.deepEqual(claimsOf(token).access, [
    { type: "repository", name: "team/app", actions: ["pull", "push"] },
    { type: "repository", name: "home/ann/x", actions: ["pull", "push", "delete"] },
  ]);
  assert.equal(await status("GET", "/v2/", { token }), 200);
  assert.equal(await status("GET", "/v2/team/app/manifests/1", { token }), 200);
  assert.equal(await status("GET", "/v2/team/app/manifests/1", { token }), 200);
  assert.match((await challengeOf("GET", "/v2/public/app/manifests/1", { token })) ?? "", /scope="repository:public\/app:pull",error="insufficient_scope"/);
  assert.equal(await status("GET", "/v2/_catalog", { token }), 401);
  const nobody = await tokenFor("repository:public/app:pull,push");
  assert.deepEqual([claimsOf(nobody).sub, claimsOf(nobody).access], ["", [{ type: "repository", name: "public/app", actions: ["pull"] }]]);
  assert.equal(await status("GET", "/v2/public/app/manifests/1", { token: nobody }), 200);
  assert.equal(await status("GET", "/v2/", { token: nobody }), 200);
  assert.deepEqual((await registry.fetch("GET", "/v2/_catalog", { token: await tokenFor("registry:catalog:*", root) })).json().repositories, ["public/app", "team/app"]);
});

test("a refresh token is as good as the password, until the password changes", async () => {
  await using own = await startRegistry({ htpasswd: write("changing", htpasswdOf({ ann: "one" })), tokens: true });
  const login = await own.fetch("GET", "/token?service=gantry-registry&offline_token=true", { user: "ann:one" });
  const refresh = login.json().refresh_token as string;
  const form = (fields: Record<string, string>) => ({ body: new URLSearchParams(fields).toString(), headers: { "content-type": "application/x-www-form-urlencoded" } });
  const asked = { grant_type: "refresh_token", service: "gantry-registry", client_id: "test", scope: "repository:a/b:pull,push" };
  const fresh = await own.fetch("POST", "/token", form({ ...asked, refresh_token: refresh }));
  assert.equal(fresh.status, 200);
  assert.equal(fresh.json().refresh_token, refresh);
  assert.equal((await own.fetch("POST", "/v2/a/b/blobs/uploads/", { token: fresh.json().access_token })).status, 202);
  // A refresh token opens no repository, an access token is no refresh token.
  assert.equal((await own.fetch("GET", "/v2/", { token: refresh })).status, 401);
  assert.equal((await own.fetch("POST", "/token", form({ ...asked, refresh_token: fresh.json().access_token }))).status, 401);
  const byPassword = await own.fetch("POST", "/token", form({ grant_type: "password", service: "gantry-registry", client_id: "test", username: "ann", password: "one", access_type: "offline" }));
  assert.equal(typeof byPassword.json().refresh_token, "string");
  assert.equal((await own.fetch("POST", "/token", form({ grant_type: "magic" }))).status, 400);
  assert.equal((await own.fetch("GET", "/token?service=other", { user: "ann:one" })).status, 400);
  assert.equal((await own.fetch("POST", "/token", { body: "x".repeat(100_000) })).status, 400);
  write("changing", htpasswdOf({ ann: "two" }));
  await until(async () => (await own.fetch("POST", "/token", form({ ...asked, refresh_token: refresh }))).status === 401);
  assert.equal((await own.fetch("GET", "/v2/", { user: "ann:one" })).status, 401);
  assert.equal((await own.fetch("GET", "/v2/", { user: "ann:two" })).status, 200);
  // An access token lives on for minutes, but not longer than the account.
  const access = fresh.json().access_token as string;
  assert.equal((await own.fetch("POST", "/v2/a/b/blobs/uploads/", { token: access })).status, 202);
  write("changing", htpasswdOf({ bob: "x" }));
  await until(async () => (await own.fetch("POST", "/v2/a/b/blobs/uploads/", { token: access })).status === 401);
});

test("RS-02: a token that brings its own key, has no or another signature, is late or for somebody else, opens nothing", async () => {
  const claims = { access: [{ type: "repository", name: "team/app", actions: ["pull", "push", "delete"] }] };
  const make = (header: Partial<JWTHeaderParameters> = {}, change: { iss?: string; aud?: string; exp?: number; nbf?: number; access?: unknown } = {}, key = issuerKeys.privateKey) =>
    new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg: "RS256", kid: "ci", ...header }).setIssuer(change.iss ?? "https://ci.test").setAudience(change.aud ?? "registry.test").setSubject("ci").setExpirationTime(change.exp ?? Math.floor(Date.now() / 1000) + 300).sign(key);
  const opens = async (token: string) => await status("GET", "/v2/team/app/manifests/1", { token });
  assert.equal(await opens(await make()), 200, "the issuer's own token must open it, else this test shows nothing");

  const ownJwk = await exportJWK(otherKeys.publicKey);
  const past = Math.floor(Date.now() / 1000) - 3600;
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const payload = encode({ iss: "https://ci.test", aud: "registry.test", sub: "ci", exp: Math.floor(Date.now() / 1000) + 300, ...claims });
  const byHmac = (header: unknown, secret: string) => {
    const head = `${encode(header)}.${payload}`;
    return `${head}.${createHmac("sha256", secret).update(head).digest("base64url")}`;
  };
  const good = await make();
  const forged: Record<string, string> = {
    "a key in the header": await make({ jwk: ownJwk }, {}, otherKeys.privateKey),
    "a key in the header, without kid": await make({ jwk: ownJwk, kid: undefined as never }, {}, otherKeys.privateKey),
    "a certificate chain in the header": await make({ x5c: [issuerPem.replaceAll(/-----[^-]+-----|\n/g, "")] }, {}, otherKeys.privateKey),
    "an address of keys in the header": await make({ jku: `http://${registry.host}/jwks` }, {}, otherKeys.privateKey),
    "no signature": `${encode({ alg: "none" })}.${payload}.`,
    "no signature, in other letters": `${encode({ alg: "None", kid: "ci" })}.${payload}.`,
    "HMAC with the public key": byHmac({ alg: "HS256", kid: "ci" }, issuerPem),
    "HMAC with nothing": byHmac({ alg: "HS256", kid: "ci" }, ""),
    "HMAC with a file that everybody has": byHmac({ alg: "HS256", kid: "../../../../dev/null" }, ""),
    "a kid that is a path": await make({ kid: "../../" }),
    "a kid that is another's": await make({ kid: randomUUID() }),
    "a header that is critical and unknown": await make({ crit: ["exp"], exp: 1 } as never).catch(() => `${encode({ alg: "RS256", kid: "ci", crit: ["x"], x: 1 })}.${good.split(".")[1]}.${good.split(".")[2]}`),
    "another's signature": await make({}, {}, otherKeys.privateKey),
    "another payload": `${good.split(".")[0]}.${payload}x.${good.split(".")[2]}`,
    expired: await make({}, { exp: past }),
    "not valid yet": await make({}, { nbf: Math.floor(Date.now() / 1000) + 3600 }),
    "for another registry": await make({}, { aud: "other.test" }),
    "of another issuer": await make({}, { iss: "https://evil.test" }),
    "in our own name": await make({}, { iss: "gantry-registry", aud: "gantry-registry" }),
    "for another repository": await make({}, { access: [{ type: "repository", name: "team/other", actions: ["pull"] }] }),
    "for another action": await make({}, { access: [{ type: "repository", name: "team/app", actions: ["push"] }] }),
    "for nothing": await make({}, { access: [] }),
    "for something that is no list": await make({}, { access: { type: "repository", name: "team/app", actions: "pull" } }),
    "with actions that are no list": await make({}, { access: [{ type: "repository", name: "team/app", actions: "pull" }] }),
    "of our key, for a refresh": (await registry.fetch("GET", "/token?offline_token=true", ann)).json().refresh_token,
    empty: "",
    "no token at all": "a.b.c",
    "very long": "a".repeat(11_000),
  };
  for (const [what, token] of Object.entries(forged)) assert.equal(await opens(token), 401, what);
  // Ours, changed in one letter of each part.
  const ours = await tokenFor("repository:team/app:pull", ann);
  assert.equal(await opens(ours), 200);
  for (const part of [0, 1, 2]) {
    const parts = ours.split(".");
    parts[part] = parts[part]!.replace(/^(.{12})(.)/, (_, head: string, sign: string) => head + (sign === "A" ? "B" : "A"));
    assert.equal(await opens(parts.join(".")), 401, `part ${part}`);
  }
});

test("RS-03: whoever may not read a repository can neither see its blobs nor mount them", async () => {
  const blob = digestOf("private bytes");
  const mount = `/v2/home/bob/x/blobs/uploads/?mount=${blob}&from=team/app`;
  for (const as of [bob, { token: await tokenFor("repository:home/bob/x:pull,push repository:team/app:pull repository:team/app:push", bob) }]) {
    assert.notEqual(await status("HEAD", `/v2/team/app/blobs/${blob}`, as), 200);
    assert.notEqual(await status("GET", `/v2/team/app/blobs/${blob}`, as), 200);
    assert.equal(await status("POST", mount, as), 202, "an upload of his own, as if there were no such blob");
    assert.equal(await status("GET", `/v2/home/bob/x/blobs/${blob}`, as), 404);
  }
  // A token of hers who may, for the target alone.
  const narrow = await tokenFor("repository:home/ann/x:pull,push", ann);
  assert.equal(await status("POST", mount.replace("home/bob", "home/ann"), { token: narrow }), 202);
  const wide = await tokenFor("repository:home/ann/x:pull,push repository:team/app:pull", ann);
  assert.equal(await status("POST", mount.replace("home/bob", "home/ann"), { token: wide }), 201);
  assert.equal(await status("POST", mount.replace("home/bob", "home/ann"), ann), 201);
  assert.equal(await status("GET", `/v2/home/bob/x/blobs/${blob}`, bob), 404);
});

test("whoever guesses must wait, for one name and from one address; who was right already need not", async () => {
  await using own = await startRegistry({ htpasswd: write("guessed", htpasswdOf({ ann: "one", bob: "two" })) });
  assert.equal((await own.fetch("GET", "/v2/", { user: "ann:one" })).status, 200);
  assert.equal((await own.fetch("GET", "/v2/")).headers["www-authenticate"], 'Basic realm="gantry-registry"');
  for (let guess = 0; guess < 10; guess++) assert.equal((await own.fetch("GET", "/v2/", { user: `ann:${guess}` })).status, 401);
  const refused = await own.fetch("GET", "/v2/", { user: "ann:11" });
  assert.match(refused.text, /too many failed logins: try again in \d+ seconds/);
  assert.equal((await own.fetch("GET", "/v2/", { user: "ann:one" })).status, 200);
  assert.equal((await own.fetch("GET", "/v2/", { user: "bob:two" })).status, 200);
});

test("anonymous pull for all, with a flag and no policy", async () => {
  await using own = await startRegistry({ htpasswd: write("simple", htpasswdOf({ ann: "one" })), "anonymous-pull": true });
  await pushImage(own, "a/b", "1", [Buffer.from("x")], { user: "ann:one" });
  assert.equal((await own.fetch("GET", "/v2/a/b/manifests/1")).status, 200);
  assert.match((await own.fetch("POST", "/v2/a/b/blobs/uploads/")).headers["www-authenticate"] ?? "", /^Bearer .*scope="repository:a\/b:pull,push"/);
  assert.match((await own.fetch("GET", "/v2/")).headers["www-authenticate"] ?? "", /^Bearer /);
});

test("the key of tokens is its owner's alone, and no secret is ever in the log", () => {
  assert.equal(statSync(join(folder, "keys/token.key")).mode & 0o777, 0o600);
  const { d } = JSON.parse(readFileSync(join(folder, "keys/token.key"), "utf8")) as { d: string };
  const log = registry.log.join("");
  for (const secret of [d, ...Object.values(accounts), Buffer.from(`ann:${accounts.ann}`).toString("base64")]) assert.equal(log.includes(secret), false);
  assert.match(image, /^sha256:/);
});

/** Files are looked at once a second. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + 20_000;
  while (!(await holds())) assert.ok(Date.now() < limit, "it did not come to hold in 20 s");
}
