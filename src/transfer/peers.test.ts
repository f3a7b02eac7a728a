/** Against real registries: Debian's docker-registry, without TLS and accounts and with both; and our own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { hashSync } from "bcryptjs";
import { sha256 } from "#base/digest.ts";
import { MEDIA } from "#spec/image.ts";
import { openAuthority } from "../../test/fixtures/certificates.ts";
import { openTestProxy } from "./proxy-fixture.ts";
import { noise, openTestRegistry, putImage, putIndex, putManifest } from "./registry-fixture.ts";
import { failure, never, password, testTransfer, type TestTransfer } from "./transfer-fixture.ts";
import type { Credentials } from "./transfer.ts";

const DEBIAN = ["/usr/bin/docker-registry", "/usr/local/bin/docker-registry"].find((path) => existsSync(path));
const OURS = fileURLToPath(new URL("../bin/registry.ts", import.meta.url));
const me = password("me", "the password");

type Opened = { readonly made: TestTransfer; readonly host: string; readonly credentials?: Credentials };
type Peer = { readonly name: string; readonly missing: string | false; readonly referrers: boolean; open(t: TestContext, relay?: Relay): Promise<Opened> };
/** Cuts the first connection on which so many bytes went to the registry. */
type Relay = { readonly cutAfter: number; cuts: number };

const peers: readonly Peer[] = [
  { name: "docker-registry", missing: DEBIAN === undefined && "docker-registry is not on this machine", referrers: false, open: openPlain },
  { name: "docker-registry with TLS and accounts", missing: DEBIAN === undefined && "docker-registry is not on this machine", referrers: false, open: openSecured },
  { name: "gantry-registry", missing: false, referrers: true, open: openOurs },
];

const linux = (architecture: string) => ({ os: "linux", architecture });

for (const peer of peers) {
  test(`${peer.name}: what is pushed is pulled with the same digests, by tag and by digest; 20 layers; an index; mounts, tags, delete`, { skip: peer.missing }, async (t) => {
    const { made, host, credentials } = await peer.open(t);
    const { transfer, pull, leases } = made;
    const source = await openTestRegistry(t);
    const remote = (path: string) => made.open(host, path, credentials);
    const put = (architecture: string, layers: Buffer[]) => ({ ...putImage(source, "a", architecture, { layers, platform: linux(architecture) }), platform: linux(architecture) });
    const large = [noise(9_000_000, 5), noise(300_000, 6)];
    const images = [put("amd64", large), put("arm64", [large[0]!, ...Array.from({ length: 19 }, (_, at) => noise(2000, 100 + at))])];
    const index = putIndex(source, "a", "all", images);
    await pull(made.open(source.host, "a"), "all", { platforms: "all" });
    assert.equal((await transfer.push(remote("team/app"), index, { tag: "1", platforms: "all", signal: never() })).digest, index.digest);
    const again: string[] = [];
    await transfer.push(remote("team/other"), index, { tag: "1", platforms: "all", signal: never(), sources: () => ["team/app"], progress: ({ kind }) => void again.push(kind) });
    assert.equal(again.filter((kind) => kind === "mounted" || kind === "exists").length, 23);
    assert.ok(!again.includes("pushed"));

    const other = await testTransfer(t, await settingsOf(made));
    for (const name of ["1", index.digest]) {
      const { digest } = await other.pull(other.open(host, "team/other", credentials), name, { platforms: "all" });
      assert.equal(digest, index.digest);
    }
    assert.equal(other.content.list().length, made.content.list().length);
    for (const { layers } of images) for (const { digest } of layers) assert.equal(sha256(await other.content.read(digest, 2 ** 30)), digest);

    const tags: string[] = [];
    await transfer.push(remote("team/app"), images[0]!, { tag: "amd64", platforms: "all", signal: never() });
    for await (const tag of remote("team/app").tags(never())) tags.push(tag);
    assert.deepEqual(tags.toSorted(), ["1", "amd64"]);
    await remote("team/other").delete(index.digest, never());
    await assert.rejects(remote("team/other").resolve("1", never()), failure("not-found", /manifest unknown/));
    await assert.rejects(remote("team/none").resolve("1", never()), failure("not-found", /404/));
    leases.open()[Symbol.dispose]();
  });

  test(`${peer.name}: an upload that is cut goes on; a download too, from what is on the disk; referrers`, { skip: peer.missing }, async (t) => {
    const relay = { cutAfter: 4_000_000, cuts: 0 };
    const { made, host, credentials } = await peer.open(t, relay);
    const source = await openTestRegistry(t);
    const image = putImage(source, "a", "1", { layers: [noise(12_000_000, 7)] });
    await made.pull(made.open(source.host, "a"), "1");
    const remote = () => made.open(host, "a", credentials);
    await made.transfer.push(remote(), image, { tag: "1", platforms: "all", signal: never() });
    assert.deepEqual(relay.cuts, 1, "the upload was cut");
    let cut = 0;
    const gone = new AbortController();
    const first = await testTransfer(t, await settingsOf(made));
    const interrupted = first.pull(first.open(host, "a", credentials), "1", { signal: gone.signal, tee: () => ({ write: async (chunk) => void ((cut += chunk.length) > 8_000_000 && gone.abort()), end: () => {}, abort: () => {} }) });
    await assert.rejects(interrupted, { name: "AbortError" });
    const [kept] = await first.content.partials();
    assert.ok(kept !== undefined && kept.size > 1_000_000 && kept.size < 12_000_000);
    const { events } = await first.pull(first.open(host, "a", credentials), "1");
    assert.ok(events.some((event) => event.kind === "progress" && event.resumedAt === kept.size));
    assert.equal(sha256(await first.content.read(image.layers[0]!.digest, 2 ** 30)), image.layers[0]!.digest);

    const signature = putManifest(source, "a", "sig", MEDIA.ociManifest, { schemaVersion: 2, mediaType: MEDIA.ociManifest, artifactType: "application/x.sig", config: image.layers[0], layers: [], subject: { mediaType: image.mediaType, digest: image.digest, size: image.size } });
    await made.pull(made.open(source.host, "a"), "sig");
    await made.transfer.push(remote(), signature, { platforms: "all", signal: never() });
    assert.deepEqual((await remote().referrers(image.digest, never(), "application/x.sig")).map(({ digest }) => digest), [signature.digest]);
    const hasTag = await remote().resolve(`sha256-${image.digest.slice(7)}`, never()).then(() => true, () => false);
    assert.equal(hasTag, !peer.referrers, "the tag stands for the API only where there is none");
  });
}

test("docker-registry with TLS and accounts: wrong passwords, and none", { skip: DEBIAN === undefined && "docker-registry is not on this machine" }, async (t) => {
  const { made, host } = await openSecured(t);
  await assert.rejects(made.open(host, "a").resolve("1", never()), failure("forbidden", /401 Unauthorized.*: no credentials were sent/));
  await assert.rejects(made.open(host, "a", password("me", "wrong")).resolve("1", never()), failure("forbidden", /401 Unauthorized/));
  await assert.rejects(made.transfer.login(host, password("me", "wrong"), never()), failure("unauthorized", /unauthorized: incorrect username or password/));
  assert.deepEqual(await made.transfer.login(host, me, never()), {});
});

const settings = new WeakMap<TestTransfer, Parameters<typeof testTransfer>[1]>();
const settingsOf = async (made: TestTransfer) => settings.get(made);

async function openPlain(t: TestContext, relay?: Relay): Promise<Opened> {
  const port = await through(t, await startDebian(t, "", ""), relay);
  return { made: await testTransfer(t), host: `127.0.0.1:${port}` };
}

async function openOurs(t: TestContext, relay?: Relay): Promise<Opened> {
  const [folder, port] = [await temporary(t), await freePort()];
  await start(t, port, process.execPath, ["--disable-warning=ExperimentalWarning", OURS, "serve", "--listen", `127.0.0.1:${port}`, "--root", join(folder, "root"), "--delete"]);
  return { made: await testTransfer(t), host: `127.0.0.1:${await through(t, port, relay)}` };
}

/** Under a name of its own, which a proxy knows: loopback would be trusted as it is. */
async function openSecured(t: TestContext, relay?: Relay): Promise<Opened> {
  const folder = await temporary(t);
  const authority = openAuthority();
  const { cert, key } = authority.issue({ hosts: ["registry.example"] });
  const [certs, htpasswd] = [join(folder, "certs"), join(folder, "htpasswd")];
  await mkdir(join(certs, "registry.example"), { recursive: true });
  await Promise.all([writeFile(join(certs, "registry.example/ca.crt"), authority.cert), writeFile(join(folder, "cert"), cert), writeFile(join(folder, "key"), key), writeFile(htpasswd, `me:${hashSync("the password", 4)}\n`)]);
  const port = await startDebian(t, `  tls:\n    certificate: ${folder}/cert\n    key: ${folder}/key\n`, `auth:\n  htpasswd:\n    realm: test\n    path: ${htpasswd}\n`);
  const proxy = await openTestProxy(t, { "registry.example:443": `127.0.0.1:${await through(t, port, relay)}` });
  const own = { proxies: { http: "", https: proxy.url, no: "" }, hostFolders: [certs] };
  const made = await testTransfer(t, own);
  settings.set(made, own);
  return { made, host: "registry.example", credentials: me };
}

async function startDebian(t: TestContext, http: string, auth: string): Promise<number> {
  const [folder, port] = [await temporary(t), await freePort()];
  const config = join(folder, "config.yml");
  await mkdir(join(folder, "root"));
  await writeFile(config, `version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/root\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:${port}\n  relativeurls: true\n${http}${auth}`);
  await start(t, port, DEBIAN!, ["serve", config]);
  return port;
}

async function start(t: TestContext, port: number, program: string, argv: readonly string[]): Promise<void> {
  const child: ChildProcess = spawn(program, argv, { stdio: "ignore", env: { ...process.env, OTEL_TRACES_EXPORTER: "none" } });
  t.after(async () => {
    if (child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  });
  while (!(await connects(port))) {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket.destroy() !== undefined));
    socket.on("error", () => resolve(false));
  });
}

/** The port of a relay to that port; without one, the port itself. */
async function through(t: TestContext, port: number, relay: Relay | undefined): Promise<number> {
  if (relay === undefined) return port;
  const server = createServer((from) => {
    const to = connect(port, "127.0.0.1");
    let sent = 0;
    from.on("data", (chunk) => {
      sent += chunk.length;
      if (relay.cuts > 0 || sent < relay.cutAfter) return;
      relay.cuts += 1;
      from.destroy();
      to.end();
    });
    from.pipe(to).pipe(from);
    from.on("error", () => to.destroy()).on("close", () => to.end());
    to.on("error", () => from.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp("/tmp/gantry-peer-");
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
