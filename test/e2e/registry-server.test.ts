/** gantry-registry as a program: with the clients of others, over TLS with accounts, killed, told to stop. */
import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { request as plain, type IncomingHttpHeaders } from "node:http";
import { request as secure } from "node:https";
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { hashSync } from "bcryptjs";
import { ociArchive } from "../fixtures/image.ts";
import { tar } from "../fixtures/tar.ts";
import { onPath } from "../packages.ts";
import { root } from "../sources.ts";
import { freePort } from "./harness/registry.ts";

const folder = mkdtempSync("/tmp/registry-server-");
after(() => rmSync(folder, { recursive: true, force: true }));
const run = promisify(execFile);
const missing = (...programs: string[]): string | false => programs.filter((program) => !onPath(program)).map((program) => `${program} is not on this machine`).join(", ") || false;

type Server = AsyncDisposable & { readonly port: number; readonly child: ChildProcess; readonly store: string; ended(): Promise<number | null> };

async function start(name: string, ...flags: string[]): Promise<Server> {
  const port = await freePort();
  const store = join(folder, name);
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", join(root, "src/bin/registry.ts"), "serve", "--listen", `127.0.0.1:${port}`, "--root", store, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  const exit = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr!.on("data", (chunk) => void ((said += String(chunk)).includes("msg=listening") && resolve()));
    void exit.then(() => reject(new Error(`the registry did not start: ${said}`)));
  });
  let told = false;
  const ended = async () => {
    // A second signal would not wait for what is under way.
    if (!told && child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
    told = true;
    return await exit;
  };
  return { port, child, store, ended, [Symbol.asyncDispose]: async () => void (await ended()) };
}

/** An image, as a layout that skopeo reads. */
async function makeLayout(): Promise<{ path: string; layer: Buffer }> {
  const path = join(folder, `layout-${randomBytes(4).toString("hex")}`);
  mkdirSync(path);
  const layer = tar([{ path: "file", data: randomBytes(100_000).toString("hex") }]);
  writeFileSync(`${path}.tar`, ociArchive("image:1", layer));
  await run("tar", ["-xf", `${path}.tar`, "-C", path]);
  return { path, layer };
}

test("skopeo pushes and pulls, copies between repositories, and reads the store's folder as an OCI layout", { skip: missing("skopeo", "tar") }, async () => {
  await using server = await start("skopeo");
  const { path } = await makeLayout();
  const at = (name: string) => `docker://127.0.0.1:${server.port}/${name}`;
  const [from, to] = ["--src-tls-verify=false", "--dest-tls-verify=false"];
  await run("skopeo", ["copy", to, `oci:${path}`, at("team/app:1")]);
  await run("skopeo", ["copy", from, to, at("team/app:1"), at("other/app:2")]);
  await run("skopeo", ["copy", from, at("other/app:2"), `oci:${join(folder, "pulled")}:1`]);
  const inspect = async (where: string) => JSON.parse((await run("skopeo", ["inspect", ...(where.startsWith("docker:") ? ["--tls-verify=false"] : []), where])).stdout) as { Digest: string };
  const { Digest } = await inspect(`oci:${path}`);
  for (const where of [at("team/app:1"), at("other/app:2"), `oci:${join(folder, "pulled")}:1`]) assert.equal((await inspect(where)).Digest, Digest, where);
  await run("skopeo", ["delete", "--tls-verify=false", at("other/app:2")]);
  await assert.rejects(inspect(at("other/app:2")), /manifest unknown/);
  // At the latest at its end the store says in a layout's words what its tags are.
  assert.equal(await server.ended(), 0);
  assert.equal((await inspect(`oci:${server.store}:team/app:1`)).Digest, Digest);
  await assert.rejects(inspect(`oci:${server.store}:other/app:2`));
  await run("skopeo", ["copy", `oci:${server.store}:team/app:1`, `oci:${join(folder, "from-store")}:1`]);
});

test("podman pushes and pulls", { skip: missing("podman") || (process.getuid?.() !== 0 && "podman's store needs root here") }, async () => {
  await using server = await start("podman");
  const podman = async (...argv: string[]) => (await run("podman", ["--root", join(folder, "p"), "--runroot", join(folder, "pr"), ...argv])).stdout.trim();
  const name = `127.0.0.1:${server.port}/team/app:1`;
  const archive = join(folder, "rootfs.tar");
  writeFileSync(archive, tar([{ path: "file", data: "from podman" }]));
  try {
    const id = await podman("import", "-q", archive, name);
    await podman("push", "-q", "--tls-verify=false", name);
    await podman("rmi", "-f", id);
    assert.equal(await podman("pull", "-q", "--tls-verify=false", name), id.replace("sha256:", ""));
  } finally {
    await podman("rmi", "-a", "-f").catch(() => {});
    // What it left mounted would keep the folder.
    await run("umount", ["-R", join(folder, "p/overlay")]).catch(() => {});
  }
});

test("the official engine pushes, mounts and pulls", { skip: missing("docker", "dockerd") || (process.getuid?.() !== 0 && "dockerd needs root"), timeout: 120_000 }, async () => {
  await using server = await start("docker");
  const socket = `unix://${folder}/d.sock`;
  const engine = spawn("dockerd", ["--data-root", join(folder, "d"), "--exec-root", join(folder, "dx"), "-H", socket, "--pidfile", join(folder, "d.pid"), "--bridge", "none", "--iptables=false"], { stdio: "ignore" });
  const ended = new Promise((resolve) => engine.once("exit", resolve));
  const docker = async (...argv: string[]) => (await run("docker", ["-H", socket, ...argv])).stdout.trim();
  try {
    for (let round = 0; !(await docker("version").then(() => true, () => false)); round++) {
      if (round === 300 || engine.exitCode !== null) throw new Error("dockerd did not start");
      await pause(100);
    }
    const archive = join(folder, "docker.tar");
    writeFileSync(archive, tar([{ path: "file", data: "from docker" }]));
    const name = `127.0.0.1:${server.port}/team/app`;
    const id = await docker("import", archive, `${name}:1`);
    const pushed = await docker("push", `${name}:1`);
    const digest = /digest: (sha256:\w+)/.exec(pushed)?.[1];
    await docker("tag", `${name}:1`, `127.0.0.1:${server.port}/team/copy:1`);
    assert.match(await docker("push", `127.0.0.1:${server.port}/team/copy:1`), /: Mounted from team\/app\n/);
    await docker("rmi", "-f", id);
    assert.match(await docker("pull", `${name}@${digest}`), /Downloaded newer image/);
    await docker("pull", `${name}:1`);
    assert.equal(await docker("image", "inspect", "-f", "{{.Id}}", `${name}:1`), id);
    await assert.rejects(docker("pull", `${name}:none`), /manifest unknown/);
  } finally {
    engine.kill("SIGTERM");
    await ended;
  }
});

test("over TLS with accounts: who is nobody hears nothing, and the certificate is read again", { skip: missing("openssl") }, async () => {
  const files = (name: string) => ({ cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) });
  const make = async (serial: string) => {
    const { cert, key } = files("tls");
    await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-set_serial", serial, "-keyout", key, "-out", cert]);
    return { cert, key };
  };
  const { cert, key } = await make("11");
  const accounts = join(folder, "htpasswd");
  writeFileSync(accounts, `ann:${hashSync("secret", 4)}\n`);
  await using server = await start("tls", "--tls-cert", cert, "--tls-key", key, "--htpasswd", accounts);
  const ask = (path: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: IncomingHttpHeaders; serial: string }> =>
    new Promise((resolve, reject) => {
      const out = secure({ host: "localhost", port: server.port, path, headers, ca: readFileSync(cert), agent: false }, (answer) => {
        const { serialNumber } = (answer.socket as import("node:tls").TLSSocket).getPeerCertificate();
        answer.resume().on("end", () => resolve({ status: answer.statusCode!, headers: answer.headers, serial: serialNumber }));
      });
      out.on("error", reject).end();
    });
  const nobody = await ask("/v2/");
  assert.equal(nobody.status, 401);
  assert.match(String(nobody.headers["www-authenticate"]), /^Basic realm=/);
  assert.equal((await ask("/v2/team/app/tags/list")).status, 401);
  const ann = { authorization: `Basic ${Buffer.from("ann:secret").toString("base64")}` };
  assert.equal((await ask("/v2/", ann)).status, 200);
  assert.equal((await ask("/v2/team/app/tags/list", ann)).status, 404);
  await make("22");
  server.child.kill("SIGHUP");
  const seen = async (): Promise<string> => await ask("/v2/", ann).then(({ serial }) => serial, () => "");
  for (let round = 0; round < 100 && (await seen()) !== "16"; round++) await pause(20);
  assert.equal(await seen(), "16", "22 in hexadecimal");
});

test("killed at any moment, it has what it acknowledged", async () => {
  const acknowledged = new Map<string, { digest: string; layer: Buffer }>();
  let server = await start("killed");
  try {
    for (let life = 0; life < 3; life++) {
      const dead = server;
      let over = false;
      const pushing = Array.from({ length: 4 }, async (_, worker) => {
        for (let round = 0; !over; round++) {
          const layer = randomBytes(50_000);
          const tag = `t${life}-${worker}-${round}`;
          const digest = await pushImage(dead.port, tag, layer).catch(() => undefined);
          if (digest === undefined) return;
          acknowledged.set(tag, { digest, layer });
        }
      });
      const enough = acknowledged.size + 12;
      while (acknowledged.size < enough) await pause(5);
      dead.child.kill("SIGKILL");
      over = true;
      await Promise.all(pushing);
      await dead.ended();
      server = await start("killed");
    }
    for (const [tag, { digest, layer }] of acknowledged) {
      const manifest = await ask(server.port, "GET", `/v2/team/app/manifests/${tag}`);
      assert.equal(manifest.headers["docker-content-digest"], digest, tag);
      assert.ok((await ask(server.port, "GET", `/v2/team/app/blobs/${digestOf(layer)}`)).body.equals(layer));
    }
  } finally {
    await server.ended();
  }
  const { stdout } = await run(process.execPath, ["--disable-warning=ExperimentalWarning", join(root, "src/bin/registry.ts"), "gc", "--root", join(folder, "killed"), "--dry-run", "--gc-grace", "0s"]);
  assert.match(stdout, /Would take away 0 tags, 0 manifests/);
});

test("told to stop, it ends what it began", async () => {
  await using server = await start("stopped");
  const bytes = randomBytes(3_000_000);
  const { headers } = await ask(server.port, "POST", "/v2/team/app/blobs/uploads/");
  const answer = new Promise<number>((resolve, reject) => {
    const out = plain({ host: "127.0.0.1", port: server.port, method: "PUT", path: `${headers.location}?digest=${digestOf(bytes)}`, headers: { "content-length": bytes.length, expect: "100-continue" } }, (found) => resolve(found.resume().statusCode!));
    out.on("error", reject);
    // It has read the request: now it is told to stop, and then the body comes.
    out.on("continue", () => {
      void server.ended();
      out.end(bytes);
    });
  });
  assert.equal(await answer, 201);
  assert.equal(await server.ended(), 0);
  assert.ok(existsSync(join(server.store, "blobs/sha256", digestOf(bytes).slice(7))));
});

test("what cannot be is said in a line", async () => {
  const fails = async (...argv: string[]): Promise<string> => await run(join(root, "gantry"), ["registry", ...argv]).then(() => "", (error: { stderr: string }) => error.stderr);
  assert.match(await fails("serve", "--listen", "0.0.0.0:5000", "--root", folder), /^gantry registry: --listen 0\.0\.0\.0:5000: without TLS the registry listens on loopback only/);
  assert.match(await fails("serve", "--root", "/dev/null/nothing"), /^gantry registry: /);
  assert.match(await fails("serve"), /--root/);
  assert.match(await fails("dance"), /there is no command "dance"/);
});

const digestOf = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer };

function ask(port: number, method: string, path: string, body?: Buffer, type = "application/octet-stream"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const out = plain({ host: "127.0.0.1", port, method, path, headers: { "content-length": body?.length ?? 0, "content-type": type } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => void parts.push(chunk)).on("error", reject);
      answer.on("end", () => resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(parts) }));
    });
    out.on("error", reject).end(body);
  });
}

/** @throws when it was not acknowledged */
async function pushImage(port: number, tag: string, layer: Buffer): Promise<string> {
  const config = Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", tag }));
  const part = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });
  for (const bytes of [config, layer]) assert.equal((await ask(port, "POST", `/v2/team/app/blobs/uploads/?digest=${digestOf(bytes)}`, bytes)).status, 201);
  const type = "application/vnd.oci.image.manifest.v1+json";
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, config: part("application/vnd.oci.image.config.v1+json", config), layers: [part("application/vnd.oci.image.layer.v1.tar", layer)] }));
  assert.equal((await ask(port, "PUT", `/v2/team/app/manifests/${tag}`, manifest, type)).status, 201);
  return digestOf(manifest);
}
