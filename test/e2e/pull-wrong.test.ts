/**
 * Pulls from registries that lie, break off, stall or refuse: a clear error each, nothing tagged, nothing left behind.
 * Rows IMG-02, IMG-08, IMG-10 and IMG-12 of the catalogue, and what else can go wrong between a client and a registry.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { noise, openTestRegistry, putBlob, putImage, putIndex, putManifest, type TestRegistry, type TestRegistryOptions } from "../../src/transfer/registry-fixture.ts";
import { busyboxMissing } from "../fixtures/image.ts";
import { tar } from "../fixtures/tar.ts";
import { onPath } from "../packages.ts";
import { stories, type Scene } from "./harness.ts";
import { clientsHere, openClient } from "./harness/client.ts";
import { openEngine, peer } from "./harness/engine.ts";

const { story, engine } = stories("wrong pulls", { flags: ["--registry-timeout", "1", "--max-download-attempts", "2"] });
/** What is wrong is the engine's to say: most are told by one client. */
const [first = "docker"] = clientsHere();

/** Another one each time: what an earlier story left to go on with is no story's business. */
let layers = 0;
const newLayer = () => gzipSync(tar([{ path: "file", data: `content ${++layers} ${process.pid}` }]));
const large = gzipSync(tar([{ path: "noise", data: noise(300_000) }]));

async function registryOf(options: TestRegistryOptions = {}): Promise<TestRegistry & AsyncDisposable> {
  const ends = new AsyncDisposableStack();
  const registry = await openTestRegistry({ after: (end) => ends.defer(end) }, options);
  return Object.assign(registry, { [Symbol.asyncDispose]: () => ends.disposeAsync() });
}

/** What a failed pull must not add to. */
function look(): { blobs: string[]; snapshots: number } {
  const list = (...path: string[]) => readdirSync(join(engine().place.dataRoot, ...path));
  return { blobs: list("content", "blobs", "sha256").toSorted(), snapshots: list("snapshots").length };
}

type Trouble = {
  readonly message: RegExp;
  readonly options?: TestRegistryOptions;
  /** Makes the repository "app:1" what it should not be; what is pulled, if it is not "HOST/app:1". */
  prepare(registry: TestRegistry): string | void;
  readonly flags?: readonly string[];
  /** What came may be kept for the next attempt, which is good. */
  readonly resumes?: true;
};

async function pull({ cli }: Scene, { message, options, prepare, flags = [], resumes }: Trouble): Promise<void> {
  await using registry = await registryOf(options);
  const name = prepare(registry) ?? `${registry.host}/app:1`;
  const names = await cli.ok("images", "-a", "--no-trunc");
  const before = look();
  const { stderr, stdout } = await cli.fails(1, message, "pull", ...flags, name);
  assert.match(stderr, /app:1|app:none|\/app: |\/v2\/app\/|\/app, repo|no matching manifest/, "what was pulled is said");
  assert.doesNotMatch(`${stderr}${stdout}`, /undefined|TypeError|\bat .*\.ts:\d/);
  assert.equal(await cli.ok("images", "-a", "--no-trunc"), names, "something was named");
  const { blobs, snapshots } = look();
  if (resumes !== true) assert.deepEqual(blobs.filter((blob) => !before.blobs.includes(blob)), [], "something was left behind");
  assert.ok(snapshots <= before.snapshots, "a snapshot was left behind");
  const check = await engine().api("POST", "/gantry/check");
  assert.equal(check.status, 200);
  assert.doesNotMatch(String(check.body), /"problem"/);
  assert.match(String(check.body), /"counts"/);
  if (resumes !== true) return;
  registry.tamper = undefined;
  await cli.ok("pull", name);
  await cli.ok("rmi", name);
}

function trouble(name: string, trouble: Trouble): void {
  story(name, (scene) => pull(scene, trouble), { only: first, skip: peer === "gantry" ? false : "for our engine" });
}

const image = (registry: TestRegistry) => putImage(registry, "app", "1", { layers: [newLayer()] });
/** The image's manifest, said differently. */
function manifest(registry: TestRegistry, change: (document: Record<string, unknown> & { layers: Record<string, unknown>[]; config: Record<string, unknown> }) => unknown, type?: string): void {
  const { digest } = image(registry);
  const { bytes, type: own } = registry.manifests.get(`app:${digest}`)!;
  putManifest(registry, "app", "1", type ?? own, change(JSON.parse(bytes.toString())) as object);
}
const onBlobs = (registry: TestRegistry, tamper: NonNullable<ReturnType<NonNullable<TestRegistry["tamper"]>>>) => {
  image(registry);
  registry.tamper = ({ path }) => (path.includes("/blobs/") ? tamper : undefined);
};

trouble("a name that nobody has", { message: /manifest for .*\/app:none not found.*manifest unknown/s, prepare: (registry) => (image(registry), `${registry.host}/app:none`) });
trouble("a repository without access", { message: /pull access denied for .*\/app, repository does not exist or may require 'docker login'/, options: { auth: { scheme: "bearer", users: { ann: "secret" } } }, prepare: (registry) => void image(registry) });
trouble("a repository without access, the old way", { message: /pull access denied for .*may require 'docker login'/, options: { auth: { scheme: "basic", users: { ann: "secret" } } }, prepare: (registry) => void image(registry) });
trouble("an access that is refused", { message: /403|denied/, prepare: (registry) => (image(registry), void (registry.tamper = ({ path }) => (path.includes("/manifests/") ? { status: 403, body: Buffer.from('{"errors":[{"code":"DENIED","message":"not for you\\u001b[31m"}]}') } : undefined))) });
trouble("blobs of other bytes than their digests say", { message: /sha256:[0-9a-f]{64}/, prepare: (registry) => onBlobs(registry, { body: (real) => Buffer.from(real).fill(0x55, 5, 9) }) });
trouble("a body that breaks off", { message: /cut|closed|ended|reset|broke/i, prepare: (registry) => onBlobs(registry, { cutAfter: 0.5, noRange: true }), resumes: true });
trouble("a body that is longer than announced by the manifest", { message: /more|longer|larger|size|bytes/, prepare: (registry) => onBlobs(registry, { body: (real) => Buffer.concat([real, Buffer.alloc(1000)]) }) });
trouble("a blob without an end", { message: /more|longer|larger|size|bytes/, prepare: (registry) => onBlobs(registry, { stall: "endless" }) });
trouble("a manifest without an end", { message: /4194304|4 MiB|limit/, prepare: (registry) => (image(registry), void (registry.tamper = ({ path, method }) => (path.includes("/manifests/") && method === "GET" ? { stall: "endless" } : undefined))) });
trouble("a registry that says nothing", { message: /no answer|no data|timed? ?out|came for 1 second/i, prepare: (registry) => (image(registry), void (registry.tamper = () => ({ stall: "head" }))), resumes: true });
trouble("blobs that begin and do not go on", { message: /no data came for 1 second/, prepare: (registry) => onBlobs(registry, { stall: "body" }), resumes: true });
trouble("blobs of a few bytes a second", { message: /too slowly/, prepare: (registry) => (putImage(registry, "app", "1", { layers: [large] }), void (registry.tamper = ({ path }) => (path.includes("/blobs/") ? { pace: 50 } : undefined))), resumes: true });
trouble("a server that fails", { message: /50[03]/, prepare: (registry) => (image(registry), void (registry.tamper = () => ({ status: 503, body: Buffer.from("down for maintenance") }))), resumes: true });
trouble("a manifest of schema 1", { message: /schema ?(version )?1|schemaVersion|v1/i, prepare: (registry) => void putManifest(registry, "app", "1", "application/vnd.docker.distribution.manifest.v1+prettyjws", { schemaVersion: 1, name: "app", tag: "1", fsLayers: [], history: [], signatures: [] }) });
trouble("an index without this platform", {
  message: /no match|does not provide the specified platform|no manifest for/i,
  prepare(registry) {
    const other = putImage(registry, "app", "s390x", { layers: [newLayer()], platform: { os: "linux", architecture: "s390x" } });
    putIndex(registry, "app", "1", [{ ...other, platform: { os: "linux", architecture: "s390x" } }]);
  },
});
trouble("an image of another platform than the one asked for", { message: /does not provide the specified platform \(linux\/arm64/, flags: ["--platform", "linux/arm64"], prepare: (registry) => void image(registry) });
trouble("a registry that is not there", { message: /ECONNREFUSED|connection refused/i, prepare: () => "127.0.0.1:9/app:1" });

const index = { manifests: [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: `sha256:${"a".repeat(64)}`, size: 7 }] };
trouble("IMG-02 a document that is a manifest and an index", { message: /may be read as something else/, prepare: (registry) => manifest(registry, (document) => ({ ...document, ...index })) });
trouble("IMG-02 a manifest that is sent as an index", { message: /was said to be|media type/, prepare: (registry) => manifest(registry, (document) => document, "application/vnd.oci.image.index.v1+json") });
trouble("IMG-02 a manifest whose own type is another", { message: /was said to be|media type/, prepare: (registry) => manifest(registry, (document) => ({ ...document, mediaType: "application/vnd.docker.distribution.manifest.v2+json" }), "application/vnd.oci.image.manifest.v1+json") });
trouble("IMG-02 a manifest that is sent as a page", { message: /text\/html/, prepare: (registry) => manifest(registry, (document) => document, "text/html") });
trouble("IMG-08 another document than the digest that was asked for", {
  message: /digest|sha256/,
  prepare(registry) {
    const wanted = image(registry).digest;
    const other = putImage(registry, "app", "2", { layers: [gzipSync(tar([{ path: "other", data: "x" }]))] });
    registry.manifests.set(`app:${wanted}`, registry.manifests.get(`app:${other.digest}`)!);
    return `${registry.host}/app@${wanted}`;
  },
});
for (const digest of ["sha256:../../x", `sha256:${"A".repeat(64)}`, `sha512:${"a".repeat(64)}`, `md5:${"a".repeat(32)}`, ""]) {
  trouble(`IMG-08 a layer whose digest is ${JSON.stringify(digest).slice(0, 20)}`, { message: /no sha256 digest/, prepare: (registry) => manifest(registry, (document) => ({ ...document, layers: [{ ...document.layers[0], digest }] })) });
}
trouble("IMG-08 a document that is said to have another digest than it has", {
  message: /digest/,
  prepare(registry) {
    const { digest } = image(registry);
    const { bytes, type } = registry.manifests.get(`app:${digest}`)!;
    const claimed = `sha256:${"a".repeat(64)}`;
    registry.tamper = ({ path }) => (path.includes("/manifests/") ? { status: 200, headers: { "docker-content-digest": claimed, "content-type": type }, body: bytes } : undefined);
  },
});
trouble("IMG-10 a manifest of more than 4 MiB", { message: /4194304|4 MiB|limit/, prepare: (registry) => manifest(registry, (document) => ({ ...document, annotations: { x: "y".repeat(5 * 2 ** 20) } })) });
for (const size of [2 ** 40, -1, 2 ** 63, "10", 0, 5]) {
  trouble(`IMG-12 a layer that claims ${JSON.stringify(size)} bytes`, { message: /size|bytes|2\^53|what came has the digest/, prepare: (registry) => manifest(registry, (document) => ({ ...document, layers: [{ ...document.layers[0], size }] })) });
}
trouble("IMG-12 a configuration that claims 2^40 bytes", { message: /size|bytes|limit/, prepare: (registry) => manifest(registry, (document) => ({ ...document, config: { ...document.config, size: 2 ** 40 } })) });
trouble("a layer that is no archive", { message: /archive|checksum/, prepare: (registry) => void putImage(registry, "app", "1", { layers: [noise(5000)] }) });
trouble("a configuration that is no image's", { message: /configuration|rootfs|diff IDs|image/, prepare: (registry) => manifest(registry, (document) => ({ ...document, config: { ...putBlob(registry, "application/vnd.oci.image.config.v1+json", Buffer.from("[]")) } })) });

story("a certificate that is no longer valid", async (scene) => {
  const { folder, cli } = scene;
  const host = `${engine().place.subnet}.1`;
  const expired = expiredCertificate(folder, host);
  await using registry = await registryOf({ host, tls: expired });
  const certs = join(engine().place.folder, "certs.d", registry.host);
  mkdirSync(certs, { recursive: true });
  // The authority is known, so that the date is what is wrong; without it, that is said.
  image(registry);
  await cli.fails(1, /self.signed|unable to verify|certificate|expired/i, "pull", `${registry.host}/app:1`);
  writeFileSync(join(certs, "ca.crt"), expired.cert);
  await cli.fails(1, /certificate has expired/i, "pull", `${registry.host}/app:1`);
}, { only: "gantry-engine", skip: onPath("openssl") ? false : "openssl, which makes certificates, is not here" });

story("credential helpers that fail, say nonsense, or are not there", async ({ cli, folder }) => {
  await using registry = await registryOf({ auth: { scheme: "basic", users: { ann: "secret" }, anonymous: false } });
  image(registry);
  const bin = join(folder, "bin");
  const config = join(folder, "config");
  mkdirSync(bin);
  mkdirSync(config);
  const helper = (script: string) => {
    writeFileSync(join(bin, "docker-credential-broken"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, "docker-credential-broken"), 0o755);
  };
  const env = { DOCKER_CONFIG: config, PATH: `${bin}:${process.env["PATH"]}` };
  for (const [script, message] of [["echo vault is sealed >&2; exit 1", /credential|denied/], ["echo not json", /credential|invalid|denied/], ["exit 127", /credential|denied/], ["kill -9 $$", /credential|denied/]] as const) {
    helper(script);
    writeFileSync(join(config, "config.json"), JSON.stringify({ credHelpers: { [registry.host]: "broken" } }));
    const { code, stderr } = await cli.with({ env })("pull", `${registry.host}/app:1`);
    assert.equal(code, 1, script);
    assert.match(stderr, message, script);
  }
  writeFileSync(join(config, "config.json"), JSON.stringify({ credsStore: "nowhere" }));
  const { code, stderr } = await cli.with({ env })("pull", `${registry.host}/app:1`);
  assert.equal(code, 1);
  assert.match(stderr, /docker-credential-nowhere|denied/);
}, { only: "gantry-engine" });

const why = peer !== "gantry" ? "for our engine" : process.getuid?.() !== 0 ? "an engine needs root" : clientsHere().length === 0 ? "no client is here" : (busyboxMissing ?? false);

test("wrong pulls: a full disk is said to be full, nothing is left, and there is room again", { skip: why, timeout: 120_000 }, async () => {
  const full = await openEngine(["--max-download-attempts", "1"], "gantry");
  const { dataRoot } = full.place;
  await using registry = await registryOf();
  try {
    await full.stop();
    rmSync(dataRoot, { recursive: true });
    mkdirSync(dataRoot);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "none", dataRoot]);
    try {
      await full.start();
      const cli = openClient(clientsHere()[0]!, full);
      putImage(registry, "app", "large", { layers: [noise(30_000_000)] });
      putImage(registry, "app", "unpacks", { layers: [gzipSync(tar([{ path: "zeros", data: Buffer.alloc(40_000_000) }]))] });
      putImage(registry, "app", "small", { layers: [newLayer()] });
      const images = await cli.ok("images", "-a");
      for (const tag of ["large", "unpacks"]) {
        await cli.fails(1, /no space left on device/i, "pull", `${registry.host}/app:${tag}`);
        assert.equal(await cli.ok("images", "-a"), images);
      }
      await cli.ok("pull", `${registry.host}/app:small`);
    } finally {
      await full.stop();
      execFileSync("umount", [dataRoot]);
    }
  } finally {
    await full[Symbol.asyncDispose]();
  }
});

/** Its own authority, good for the year 2020. */
function expiredCertificate(folder: string, address: string): { cert: string; key: string } {
  const path = (name: string) => join(folder, name);
  const openssl = (...argv: string[]) => execFileSync("openssl", argv, { stdio: "pipe" });
  writeFileSync(path("index"), "");
  writeFileSync(path("config"), `[ca]\ndefault_ca = me\n[me]\ndatabase = ${path("index")}\nnew_certs_dir = ${folder}\nrand_serial = yes\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n[names]\nsubjectAltName = IP:${address}\nbasicConstraints = CA:true\n`);
  openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path("key"), "-out", path("request"), "-subj", "/CN=test");
  openssl("ca", "-batch", "-selfsign", "-notext", "-config", path("config"), "-extensions", "names", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-keyfile", path("key"), "-in", path("request"), "-out", path("cert"));
  return { cert: readFileSync(path("cert"), "utf8"), key: readFileSync(path("key"), "utf8") };
}
