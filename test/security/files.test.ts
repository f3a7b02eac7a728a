/** Files of containers that mean harm: rows CP of the catalogue. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { bzip2Archive, xzArchive } from "../fixtures/compressed.ts";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { root } from "../e2e/harness/engine.ts";
import { tar, type Entry } from "../fixtures/tar.ts";
import { attacks, type Scene } from "./attack.ts";
import { call } from "./engine-call.ts";

const { attack } = attacks("files");

/** What the canary's files hold, and nothing of its paths. */
const SECRET = "canary\n";
const ROUNDS = 150;

const archive = (id: string, path: string) => `/containers/${id}/archive?path=${encodeURIComponent(path)}`;
const mountsOf = (canary: string) => readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter((line) => line.includes(canary));
const started = async ({ cli }: Scene, ...argv: string[]): Promise<string> => {
  const id = (await cli.ok("run", "-d", "--network", "none", ...argv)).trim();
  await cli.ok("exec", id, "sh", "-c", "until [ -e /ready ]; do :; done");
  return id;
};

attack("CP-01 a directory becomes a link while files are copied through it", async (scene) => {
  const { engine, canary } = scene;
  const id = await started(scene, "box", "sh", "-c", `mkdir -p /a/b; echo own > /a/b/file; ln -s ${canary} /a/x; touch /ready; exec inside race /a/b /a/x`);
  const evil = tar([{ path: "file", data: "evil", mode: 0o777 }, { path: "dir/inner", data: "evil" }]);
  let there = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const read = await call(engine, "GET", archive(id, "/a/b/file"));
    assert.ok([200, 404, 400].includes(read.status), String(read.body));
    assert.ok(!read.body.includes(SECRET), "copied out of the host");
    if (read.status === 200) there++;
    const wrote = await call(engine, "PUT", archive(id, "/a/b"), { body: evil });
    assert.ok([200, 400, 404, 409].includes(wrote.status), String(wrote.body));
  }
  assert.ok(there > 0, "some of them found the directory");
});

attack("CP-02 libraries of the container are not loaded by what copies its files", async (scene) => {
  const { engine, canary, evil } = scene;
  const source = join(mkdtempSync("/tmp/nss-"), "nss.c");
  writeFileSync(source, `#include <fcntl.h>\n__attribute__((constructor)) static void own(void) { open("${canary}/owned", O_CREAT, 0644); open("/owned", O_CREAT, 0644); }\n`);
  execFileSync("cc", ["-shared", "-fPIC", "-w", "-o", `${source}.so`, source]);
  const library = readFileSync(`${source}.so`);
  rmSync(join(source, ".."), { recursive: true });
  const names = ["lib", "lib64", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"].flatMap((folder) => ["libnss_files.so.2", "libc.so.6", "libnss_compat.so.2"].map((name): Entry => ({ path: `${folder}/${name}`, data: library, mode: 0o755 })));
  const image = await evil([...names, { path: "etc/passwd", data: "someone:x:1234:5678::/:/bin/sh\n" }, { path: "etc/nsswitch.conf", data: "passwd: files\n" }]);
  const id = await started(scene, "--user", "someone", "--tmpfs", "/ready", image, "sleep", "100000");
  const body = tar([{ path: "file", data: "x" }]);
  assert.equal((await call(engine, "PUT", `${archive(id, "/tmp")}&copyUIDGID=1`, { body })).status, 200);
  assert.equal((await call(engine, "GET", archive(id, "/tmp/file"))).status, 200);
  assert.equal((await call(engine, "HEAD", archive(id, "/owned"))).status, 404);
  const cell = readFileSync(join(root, "build/cell"));
  const headers = Array.from({ length: cell.readUInt16LE(56) }, (_, index) => cell.readUInt32LE(Number(cell.readBigUInt64LE(32)) + index * cell.readUInt16LE(54)));
  assert.ok(!headers.includes(3), "cell has no interpreter: it is static");
});

attack("CP-03 modes and owners of what a link leads to are left alone", async (scene) => {
  const { engine, canary } = scene;
  const id = await started(scene, "box", "sh", "-c", `ln -s ${canary}/file /x; ln -s ${canary}/dir /d; touch /ready; exec sleep 100000`);
  const entries: Entry[][] = [
    [{ path: "x", data: "evil", mode: 0o777, uid: 5 }],
    [{ path: "y", link: `${canary}/file` }, { path: "z", hard: "y" }, { path: "z", data: "evil", mode: 0o777 }],
    [{ path: "y", link: `${canary}/file` }, { path: "z", hard: "y", mode: 0o777, uid: 5 }],
    [{ path: "d/", mode: 0o777 }, { path: "d/inner", data: "evil" }],
    [{ path: "l", link: canary }, { path: "l/file", data: "evil" }],
    [{ path: `../../../..${canary}/file`, data: "evil" }, { path: `${canary}/file`, data: "evil" }, { path: "h", hard: `../../..${canary}/file` }],
  ];
  for (const list of entries) {
    const { status, body } = await call(engine, "PUT", archive(id, "/"), { body: tar(list) });
    assert.ok([200, 400, 404, 409].includes(status), String(body));
  }
});

attack("CP-04 what is compressed is not given to programs of the container", async (scene) => {
  const { engine, canary, evil } = scene;
  const trojan = Buffer.from(`#!/bin/sh\necho > /owned\necho > ${canary}/owned\n`);
  const programs = ["xz", "unxz", "bzip2", "bunzip2", "gzip", "gunzip", "unpigz", "pigz", "zstd", "unzstd", "tar"];
  const image = await evil(programs.flatMap((name) => ["usr/local/sbin", "usr/bin", "sbin"].map((folder): Entry => ({ path: `${folder}/${name}`, data: trojan, mode: 0o755 }))));
  const id = await started(scene, image, "sh", "-c", "touch /ready; exec sleep 100000");
  const plain = tar([{ path: "arrived", data: "x" }]);
  for (const [name, body, status] of [["gzip", gzipSync(plain), 200], ["zstd", zstdCompressSync(plain), 200], ["bzip2", bzip2Archive, 200], ["xz", xzArchive, 200]] as const) {
    const answer = await call(engine, "PUT", archive(id, "/tmp"), { body });
    assert.equal(answer.status, status, `${name}: ${answer.body}`);
  }
  for (const name of ["arrived", "packed"]) assert.equal((await call(engine, "GET", archive(id, `/tmp/${name}`))).status, 200, name);
  assert.equal((await call(engine, "HEAD", archive(id, "/owned"))).status, 404);
});

attack("CP-05 CP-06 mount points of what is looked at are exchanged meanwhile: nothing is made or mounted outside", async (scene) => {
  const { cli, engine, canary } = scene;
  await started(scene, "--name", "racer", "-v", "shared:/V", "box", "sh", "-c", `mkdir -p /V/a/new/deep; ln -s ${canary} /V/b; touch /ready; exec inside race /V/a /V/b`);
  const still = (await cli.ok("create", "-v", "shared:/V", "-v", "fresh:/V/a/new/deep", "-v", `${canary}/dir:/V/a/dir:ro`, "box", "true")).trim();
  const own = await started(scene, "-v", "one:/m/a/vol", "box", "sh", "-c", `mkdir -p /m; ln -s ${canary} /m/b; touch /ready; exec inside race /m/a /m/b`);
  const body = tar([{ path: "file", data: "evil" }]);
  for (let round = 0; round < ROUNDS / 3; round++) {
    for (const [id, path] of [[still, "/V/a/new/deep"], [own, "/m/a/vol"]] as const) {
      const wrote = await call(engine, "PUT", archive(id, path), { body });
      assert.ok([200, 400, 404, 409, 500].includes(wrote.status));
      const read = await call(engine, "GET", archive(id, `${path}/file`));
      assert.ok(!read.body.includes(SECRET));
    }
    assert.deepEqual(mountsOf(canary), []);
  }
});

attack("CP-07 absolute links on the way, and what is mounted below them", async (scene) => {
  const { cli, engine, evil } = scene;
  const image = await evil([{ path: "run/" }, { path: "var/" }, { path: "var/run", link: "/run" }]);
  const running = await started(scene, "-v", "below:/var/run/x", image, "sh", "-c", "touch /ready; exec sleep 100000");
  const stopped = (await cli.ok("create", "-v", "below:/var/run/x", image, "true")).trim();
  for (const [id, name] of [[running, "one"], [stopped, "two"]] as const) {
    assert.equal((await call(engine, "PUT", archive(id, "/var/run/x"), { body: tar([{ path: name, data: name }]) })).status, 200);
    for (const path of [`/var/run/x/${name}`, `/run/x/${name}`]) {
      const { status, body } = await call(engine, "GET", archive(id, path));
      assert.equal(status, 200, path);
      assert.equal(body.toString("latin1", 512, 512 + name.length), name);
    }
  }
  assert.equal(await cli.ok("exec", running, "sh", "-c", "cat /run/x/one /run/x/two"), "onetwo");
});

attack("CP-08 an archive of an evil engine is unpacked in the destination or not at all", async ({ canary }) => {
  const folder = mkdtempSync("/tmp/escape-");
  let served = tar([]);
  const stat = Buffer.from(JSON.stringify({ name: "x", size: 0, mode: 2 ** 31 + 0o755, mtime: "2020-01-01T00:00:00Z", linkTarget: "" })).toString("base64");
  const server = createServer((request, response) => {
    response.setHeader("Api-Version", "1.47");
    if (request.url?.includes("/archive") !== true) return void response.end("OK");
    response.setHeader("X-Docker-Container-Path-Stat", stat);
    response.end(request.method === "HEAD" ? undefined : served);
  });
  await new Promise<void>((resolve) => server.listen(join(folder, "sock"), resolve));
  const cp = async (to: string): Promise<{ code: number; text: string }> => {
    const { spawn } = await import("node:child_process");
    const child = spawn(join(root, "gantry"), ["-H", `unix://${folder}/sock`, "cp", "c:/x", to], { stdio: ["ignore", "ignore", "pipe"] });
    let text = "";
    child.stderr.on("data", (chunk: Buffer) => (text += String(chunk)));
    return new Promise((resolve) => child.once("close", (code) => resolve({ code: code ?? -1, text })));
  };
  const escapes: Entry[][] = [
    [{ path: "x/" }, { path: "x/a", link: canary }, { path: "x/a/file", data: "evil" }],
    [{ path: "x/" }, { path: "x/a", link: "../../.." }, { path: `x/a${canary}/file`, data: "evil" }],
    [{ path: "x/" }, { path: "x/b", hard: `../../..${canary}/file` }, { path: "x/b", data: "evil" }],
    [{ path: "x/" }, { path: "x/b", hard: `${canary}/file` }],
    [{ path: `${canary}/file`, data: "evil" }],
    [{ path: `x/../../..${canary}/file`, data: "evil" }],
    [{ path: "other", data: "evil" }],
    [{ path: "x", link: canary }, { path: "x/file", data: "evil" }],
    [{ path: "x/" }, { path: "x/there/inner", data: "evil" }],
  ];
  try {
    for (const [index, entries] of escapes.entries()) {
      const to = join(folder, `dest${index}`);
      mkdirSync(join(to, "x"), { recursive: true });
      symlinkSync(`${canary}/dir`, join(to, "x/there"));
      served = tar(entries);
      const { code, text } = await cp(to);
      assert.equal(code, 1, `${index}: ${text}`);
      assert.match(text, /not what was asked for|is not followed|cannot overwrite/, String(index));
      assert.ok(!readdirSync(folder).includes("other"));
    }
    // The destination itself may be a link: the user has named it.
    mkdirSync(join(folder, "real"));
    symlinkSync("real", join(folder, "link"));
    served = tar([{ path: "x/" }, { path: "x/f", data: "good" }, { path: "x/g", hard: "x/f" }, { path: "x/l", link: canary }]);
    assert.equal((await cp(join(folder, "link"))).code, 0);
    assert.equal(readFileSync(join(folder, "real/x/g"), "utf8"), "good");
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});

attack("CP-09 links are archived as links, and a tree that changes is read as what it is", async (scene) => {
  const { cli, engine, canary } = scene;
  const id = await started(scene, "-v", "raced:/v", "box", "sh", "-c", `for d in / /v/; do echo own > $d"one"; ln -s ${canary}/file $d"two"; mkdir $d"d1"; echo own > $d"d1/file"; ln -s ${canary} $d"d2"; done; touch /ready; inside race /one /two & inside race /d1 /d2 & inside race /v/d1 /v/d2 & exec inside race /v/one /v/two`);
  for (let round = 0; round < 15; round++) {
    for (const path of [`/containers/${id}/export`, archive(id, "/v"), archive(id, "/d1"), archive(id, "/v/one")]) {
      const { status, body } = await call(engine, "GET", path);
      // A directory that has just become a link is none.
      assert.ok(status === 200 || status === 404 || /not a directory/.test(String(body)), String(body));
      assert.ok(!body.includes(SECRET) && !body.includes("inner\n"), path);
    }
    assert.equal((await call(engine, "GET", `/containers/${id}/changes`)).status, 200);
  }
  await cli.ok("commit", "--pause=false", id, "raced:1");
  const saved = await call(engine, "GET", "/images/raced:1/get");
  assert.ok(saved.status === 200 && !saved.body.includes(SECRET));
  await cli.ok("rmi", "raced:1");
});

attack("CP-10 a log that is a link is not read; ids lead to no other folder", async (scene) => {
  const { cli, engine, canary } = scene;
  const id = await started(scene, "box", "sh", "-c", "echo logged; touch /ready; exec sleep 100000");
  const log = await cli.ok("inspect", "-f", "{{.LogPath}}", id);
  const before = readFileSync(log);
  unlinkSync(log);
  symlinkSync(`${canary}/file`, log);
  const { stdout, stderr } = await cli("logs", id);
  assert.ok(!`${stdout}${stderr}`.includes(SECRET));
  unlinkSync(log);
  writeFileSync(log, before);
  for (const name of ["..%2f..%2fetc", "%2e%2e", `..%2f${id}`]) {
    const { status } = await call(engine, "GET", `/containers/${name}/archive?path=/`);
    assert.ok(status === 404 || status === 400, name);
  }
  for (const path of [`../../../../../..${canary}/file`, `/..${canary}/file`, `/proc/1/root${canary}/file`, `/proc/self/root${canary}/file`]) {
    assert.equal((await call(engine, "GET", archive(id, path))).status, 404, path);
  }
});

attack("CP-11 devices, FIFOs, sockets, holes, depth and names of any bytes", async (scene) => {
  const { cli, engine } = scene;
  const long = "n".repeat(255);
  const script = `mkdir /s; cd /s; mkfifo fifo; inside socket sock; mknod null c 1 3; truncate -s 1024G hole; printf x > "$(printf 'a\\nb')"; printf x > "$(printf '\\377\\376')"; printf x > ${long}; mkdir many; for i in $(seq 1 2000); do : > many/$i; done; touch /ready; exec sleep 100000`;
  const id = await started(scene, "box", "sh", "-c", script);
  const began = Date.now();
  // A hole of 1 TiB is left when the client has enough, and holds nobody up.
  const hole = await call(engine, "GET", archive(id, "/s/hole"), { most: 40_000_000 });
  assert.ok(hole.body.length >= 40_000_000 && hole.body.subarray(4096, 1_000_000).equals(Buffer.alloc(1_000_000 - 4096)));
  await cli.ok("exec", id, "rm", "/s/hole");
  const copied = await call(engine, "GET", archive(id, "/s"));
  const names = execFileSync("tar", ["-t", "--quoting-style=escape"], { input: copied.body, encoding: "latin1" }).split("\n");
  for (const name of ["s/fifo", "s/null", "s/a\\nb", "s/\\377\\376", `s/${long}`, "s/many/2000"]) assert.ok(names.includes(name), name);
  assert.ok(!names.includes("s/sock"));
  const deep = await started(scene, "box", "sh", "-c", "mkdir /deep; inside deep /deep 4000; touch /ready; exec sleep 100000");
  const exported = await call(engine, "GET", `/containers/${deep}/export`);
  const depth = execFileSync("tar", ["-t"], { input: exported.body, encoding: "latin1", maxBuffer: 2 ** 30 }).split("\n").filter((name) => name.startsWith("deep/")).length;
  assert.equal(depth, 4002, "deep/, 4000 below it, and the file");
  const changes = await call(engine, "GET", `/containers/${deep}/changes`);
  assert.equal((JSON.parse(String(changes.body)) as { Path: string }[]).filter(({ Path }) => Path.startsWith("/deep")).length, 4002);
  const { code, stderr } = await cli("commit", deep, "odd:1");
  assert.ok(code === 1 && /no path of more than 1024 components/.test(stderr), `deeper than a layer may be: ${stderr}`);
  await cli.ok("commit", id, "odd:1");
  const inside = await cli.ok("run", "--rm", "odd:1", "sh", "-c", "cd /s; ls many | wc -l; printf '%s' * | od -An -tx1 | tr -d ' \\n' | grep -c fffe; test -p fifo && test -c null && test ! -e sock && echo kinds");
  assert.deepEqual(inside.split("\n").map((line) => line.trim()), ["2000", "1", "kinds"]);
  await cli.ok("rmi", "odd:1");
  assert.ok(Date.now() - began < 50_000, "nothing hung");
});
