/** cp, diff, export and commit, as users do them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { tar } from "../fixtures/tar.ts";
import { peer, stories } from "./harness.ts";

const { story } = stories("files");

const up = async (cli: { ok(...argv: string[]): Promise<string> }, ...more: string[]): Promise<string> =>
  (await cli.ok("run", "-d", "--network", "none", ...more, "busybox", "sh", "-c", "mkdir -p /t/dir; echo one > /t/file; echo two > /t/dir/inner; ln -s dir /t/link; ln -s /t/file /t/flink; touch /ready; exec sleep 100000")).trim();

/** Until its shell has made its files. */
async function ready(cli: Parameters<typeof up>[0], id: string): Promise<string> {
  await cli.ok("exec", id, "sh", "-c", "until [ -e /ready ]; do :; done");
  return id;
}

const names = (text: string): string[] => text.split("\n").filter((line) => line !== "").toSorted();
const listed = (archive: Buffer): string[] => names(execFileSync("tar", ["-t"], { input: archive, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] }));

story("cp out: files, directories, their content, under other names", async ({ cli, folder }) => {
  const id = await ready(cli, await up(cli));
  const at = (name: string) => join(folder, name);
  const { stderr } = await cli("cp", "--quiet=false", `${id}:/t/file`, folder);
  assert.match(stderr, /^Successfully copied \d+(\.\d+)?kB to \/tmp\/story-/m);
  assert.equal(readFileSync(at("file"), "utf8"), "one\n");
  await cli.ok("cp", "-q", `${id}:/t/file`, at("renamed"));
  await cli.ok("cp", "-q", `${id}:/t/file`, at("renamed"));
  assert.equal(readFileSync(at("renamed"), "utf8"), "one\n");
  await cli.ok("cp", "-q", `${id}:/t/dir`, folder);
  await cli.ok("cp", "-q", `${id}:/t/dir`, at("other"));
  await cli.ok("cp", "-q", `${id}:/t/dir/.`, at("content"));
  mkdirSync(at("here"));
  await cli.ok("cp", "-q", `${id}:/t/dir/.`, at("here"));
  await cli.ok("cp", "-q", `${id}:/t/dir`, at("here/"));
  for (const path of ["dir/inner", "other/inner", "content/inner", "here/inner", "here/dir/inner"]) assert.equal(readFileSync(at(path), "utf8"), "two\n", path);
  await cli.ok("cp", "-q", `${id}:/t/link`, at("aslink"));
  assert.equal(readlinkSync(at("aslink")), "dir");
  await cli.ok("cp", "-q", "-L", `${id}:/t/flink`, at("followed"));
  assert.equal(readFileSync(at("followed"), "utf8"), "one\n");
  await cli.fails(1, /Could not find the file \/t\/nope in container/, "cp", `${id}:/t/nope`, folder);
  await cli.fails(1, /no such directory/, "cp", `${id}:/t/file`, `${at("absent")}/`);
  await cli.fails(1, /cannot copy directory/, "cp", `${id}:/t/dir`, at("file"));
  await cli.fails(1, /invalid output path: directory ".*\/no" does not exist/, "cp", `${id}:/t/file`, at("no/such"));
});

story("cp in: files, directories, their content, under other names", async ({ cli, folder, file }) => {
  const id = await ready(cli, await up(cli));
  const cat = (path: string) => cli.ok("exec", id, "cat", path);
  file("f", "new\n");
  mkdirSync(join(folder, "d/sub"), { recursive: true });
  writeFileSync(join(folder, "d/sub/x"), "x\n");
  symlinkSync("sub/x", join(folder, "d/l"));
  chmodSync(join(folder, "f"), 0o751);
  const { stderr } = await cli("cp", "--quiet=false", join(folder, "f"), `${id}:/t`);
  assert.match(stderr, new RegExp(`^Successfully copied \\d+(\\.\\d+)?kB to ${id}:/t$`, "m"));
  assert.equal(await cat("/t/f"), "new");
  assert.match(await cli.ok("exec", id, "stat", "-c", "%a %u:%g", "/t/f"), /^751 0:0$/);
  await cli.ok("cp", "-q", join(folder, "f"), `${id}:/t/g`);
  await cli.ok("cp", "-q", join(folder, "f"), `${id}:/t/file`);
  assert.equal(await cat("/t/file"), "new");
  await cli.ok("cp", "-q", join(folder, "d"), `${id}:/t/dir`);
  await cli.ok("cp", "-q", join(folder, "d"), `${id}:/t/newdir`);
  await cli.ok("cp", "-q", `${folder}/d/.`, `${id}:/t/dir`);
  await cli.ok("cp", "-q", join(folder, "d"), `${id}:/t/link`);
  for (const path of ["/t/dir/d/sub/x", "/t/newdir/sub/x", "/t/dir/sub/x", "/t/dir/d/l"]) assert.equal(await cat(path), "x", path);
  await cli.fails(1, /no such directory/, "cp", join(folder, "f"), `${id}:/absent/`);
  await cli.fails(1, /Could not find the file \/absent in container/, "cp", join(folder, "f"), `${id}:/absent/x`);
  await cli.fails(1, /cannot copy directory/, "cp", join(folder, "d"), `${id}:/t/file`);
  await cli.fails(1, /no such file or directory/, "cp", join(folder, "absent"), `${id}:/t`);
  await cli.fails(1, /copying between containers is not supported/, "cp", `${id}:/t/file`, `${id}:/u`);
  await cli.fails(1, /must specify at least one container source/, "cp", "/a", "/b");
});

story("what has another type is not replaced", async ({ cli, folder }) => {
  const id = await ready(cli, await up(cli));
  mkdirSync(join(folder, "a/file"), { recursive: true });
  writeFileSync(join(folder, "dir"), "no directory");
  await cli.fails(1, /cannot overwrite non-directory "\/t\/file" with directory "\/t"/, "cp", `${folder}/a/.`, `${id}:/t`);
  const archive = tar([{ path: "dir", data: "no directory" }]);
  const { code, stderr } = await cli.with({ input: archive })("cp", "-", `${id}:/t`);
  assert.equal(code, 1);
  assert.match(stderr, /cannot overwrite directory "\/t\/dir" with non-directory "\/t"/);
  assert.equal(await cli.ok("exec", id, "cat", "/t/dir/inner"), "two");
});

story("archives through standard input and output, compressed or not", async ({ cli, engine, file }) => {
  const id = await ready(cli, await up(cli));
  const entries = tar([{ path: "in/" }, { path: "in/a", data: "a\n", uid: 12, gid: 34 }, { path: "in/b", link: "a" }, { path: "in/c", hard: "in/a", uid: 12, gid: 34 }]);
  for (const [at, bytes] of [entries, gzipSync(entries), ...(peer === "gantry" ? [zstdCompressSync(entries)] : [])].entries()) {
    await cli.ok("exec", id, "rm", "-rf", "/t/in");
    const { code, stderr } = await cli.with({ input: bytes })("cp", "-", `${id}:/t`);
    assert.equal(code, 0, `${at}: ${stderr}`);
    assert.equal(await cli.ok("exec", id, "sh", "-c", "cat /t/in/b; stat -c '%u:%g %h' /t/in/c"), "a\n12:34 2");
  }
  const output = file("out.tar", "");
  execFileSync("sh", ["-c", `"$0" cp "$1:/t/in" - > "$2"`, cli.name === "docker" ? "docker" : join(import.meta.dirname, "../../gantry"), id, output], { env: { ...process.env, DOCKER_HOST: `unix://${engine.place.socket}` } });
  assert.deepEqual(listed(readFileSync(output)), ["in/", "in/a", "in/b", "in/c"]);
  const broken = await cli.with({ input: "no archive at all, however long it may be".repeat(40) })("cp", "-", `${id}:/t`);
  assert.equal(broken.code, 1);
  await cli.fails(1, /must be a directory/, "cp", "-", `${id}:/t/file`);
});

story("a container that does not run, and its volumes", async ({ cli, folder, file }) => {
  const id = (await cli.ok("create", "-v", "cpdata:/data", "-v", "cpro:/ro:ro", "busybox", "cat", "/data/f", "/f")).trim();
  await cli.ok("cp", "-q", file("f", "words\n"), `${id}:/data`);
  await cli.ok("cp", "-q", join(folder, "f"), `${id}:/f`);
  await cli.ok("cp", "-q", `${id}:/data/f`, join(folder, "back"));
  assert.equal(readFileSync(join(folder, "back"), "utf8"), "words\n");
  await cli.fails(1, /mounted volume is marked read-only/, "cp", join(folder, "f"), `${id}:/ro/f`);
  assert.equal(await cli.ok("start", "-a", id), "words\nwords");
  assert.equal(await cli.ok("run", "--rm", "-v", "cpdata:/x", "busybox", "cat", "/x/f"), "words");
  await cli.ok("cp", "-q", `${id}:/f`, join(folder, "after"));
  await cli.ok("rm", "-v", id);
});

story("a root that is read-only", async ({ cli, folder, file }) => {
  const id = await cli.ok("run", "-d", "--read-only", "-v", "cpw:/w", "--network", "none", "busybox", "sleep", "100000");
  await cli.fails(1, /container rootfs is marked read-only/, "cp", file("f", "x"), `${id}:/`);
  await cli.ok("cp", "-q", join(folder, "f"), `${id}:/w/`);
  assert.equal(await cli.ok("exec", id, "cat", "/w/f"), "x");
});

story("cp sees what the container has mounted: hosts, binds, tmpfs", async ({ cli, folder, file }) => {
  mkdirSync(join(folder, "bind"));
  const id = await cli.ok("run", "-d", "-v", `${folder}/bind:/var/run`, "--tmpfs", "/scratch", "--network", "none", "busybox", "sh", "-c", "echo seen > /scratch/s; exec sleep 100000");
  await cli.ok("cp", "-q", file("f", "bound"), `${id}:/var/run/g`);
  assert.equal(readFileSync(join(folder, "bind/g"), "utf8"), "bound");
  assert.equal(await cli.ok("exec", id, "cat", "/var/run/g"), "bound");
  await cli.ok("cp", "-q", `${id}:/etc/hosts`, join(folder, "hosts"));
  assert.equal(readFileSync(join(folder, "hosts"), "utf8").trim(), await cli.ok("exec", id, "cat", "/etc/hosts"));
  await cli.fails(1, /Could not find the file \/proc\/cpuinfo/, "cp", `${id}:/proc/cpuinfo`, folder);
  if (peer === "gantry") {
    await cli.ok("cp", "-q", `${id}:/scratch/s`, join(folder, "s"));
    assert.equal(readFileSync(join(folder, "s"), "utf8"), "seen\n");
  }
});

story("cp -a gives files to the container's user", async ({ cli, file, folder }) => {
  const id = await cli.ok("run", "-d", "--user", "12:34", "--network", "none", "busybox", "sleep", "100000");
  await cli.ok("cp", "-q", "-a", file("f", "x"), `${id}:/tmp`);
  assert.equal(await cli.ok("exec", id, "stat", "-c", "%u:%g", "/tmp/f"), "12:34");
  await cli.ok("cp", "-q", join(folder, "f"), `${id}:/tmp/g`);
  assert.equal(await cli.ok("exec", id, "stat", "-c", "%u:%g", "/tmp/g"), "0:0");
}, { only: "gantry-engine" });

story("diff tells what was added, changed and deleted", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "mkdir -p /new/deep; echo x > /new/deep/f; rm /bin/dd; echo > /etc/passwd; touch /ready; exec sleep 100000");
  await ready(cli, id);
  assert.deepEqual(names(await cli.ok("diff", id)), names("A /new\nA /new/deep\nA /new/deep/f\nC /bin\nD /bin/dd\nC /etc\nA /etc/passwd\nA /ready\n".replace("A /etc/passwd", (await cli.ok("run", "--rm", "busybox", "sh", "-c", "test -e /etc/passwd && echo C || echo A")) + " /etc/passwd")));
  const untouched = (await cli.ok("create", "busybox", "true")).trim();
  assert.equal(await cli.ok("diff", untouched), "");
  await cli.fails(1, /No such container: nope/, "diff", "nope");
});

story("export is the whole root, flat, without what is mounted", async ({ cli, folder }) => {
  const id = await ready(cli, await up(cli, "-v", "exported:/v"));
  await cli.ok("exec", id, "sh", "-c", "echo hidden > /v/hidden");
  const path = join(folder, "out.tar");
  await cli.ok("export", "-o", path, id);
  const list = listed(readFileSync(path));
  for (const name of ["bin/busybox", "t/", "t/dir/inner", "t/link", "proc/", "dev/", "v/", ".dockerenv"]) assert.ok(list.includes(name), name);
  for (const name of ["v/hidden", "/", "./", "dev/null", "proc/1/"]) assert.ok(!list.includes(name), name);
  await cli.ok("import", path, "flat:1");
  assert.equal(await cli.ok("run", "--rm", "flat:1", "cat", "/t/dir/inner"), "two");
  await cli.ok("rmi", "flat:1");
  await cli.fails(1, /failed to export container: invalid output path: stat .*no: no such file or directory/, "export", "-o", join(folder, "no/such"), id);
});

/** The head and the body of an answer in HTTP/1.0, which has no chunks; cut after `most` bytes. */
function rawly(socket: string, path: string, most = Infinity): Promise<{ head: string; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const connection = connect(socket, () => connection.write(`GET ${path} HTTP/1.0\r\nHost: x\r\n\r\n`));
    connection.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if ((length += chunk.length) >= most) connection.destroy();
    });
    connection.on("error", reject).on("close", () => {
      const all = Buffer.concat(chunks);
      const end = all.indexOf("\r\n\r\n");
      resolve({ head: all.subarray(0, end).toString(), body: all.subarray(end + 4) });
    });
  });
}

story("an export is the same by HTTP/1.0, and one that is left midway leaves the next one alone", async ({ cli, engine, folder }) => {
  const id = await ready(cli, await up(cli));
  await cli.ok("exec", id, "sh", "-c", "seq 1 300000 > /t/large; dd if=/dev/zero of=/t/sparse bs=1 count=1 seek=3000000");
  const path = join(folder, "out.tar");
  await cli.ok("export", "-o", path, id);
  const { head, body } = await rawly(engine.place.socket, `/v1.41/containers/${id}/export`);
  assert.match(head, /^HTTP\/1\.\d 200 OK/);
  assert.ok(!/chunked/i.test(head), head);
  assert.ok(body.equals(readFileSync(path)));
  for (let round = 0; round < 3; round++) await leave(engine.place.socket, `/v1.41/containers/${id}/export`);
  await cli.ok("export", "-o", path, id);
  assert.ok(body.equals(readFileSync(path)));
  await cli.ok("rm", "-f", id);
}, { only: "gantry-engine" });

/** Asks by HTTP/1.1, and goes away at the first bytes. */
function leave(socket: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, path }, (answer) => {
      answer.once("data", () => answer.destroy());
      answer.on("close", resolve).on("error", () => {});
    });
    asked.on("error", reject).end();
  });
}

story("commit makes an image that runs, with what was said of it", async ({ cli }) => {
  const id = await ready(cli, await up(cli, "--env", "A=1", "--label", "l=m"));
  await cli.ok("exec", id, "sh", "-c", "rm /bin/dd; rm -rf /t/dir; mkdir /t/dir; echo three > /t/dir/other");
  const made = (await cli.ok("commit", "-a", "me", "-m", "a word", "-c", 'CMD ["cat", "/t/file"]', "-c", "ENV B=2", "-c", "EXPOSE 80", "-c", "WORKDIR /t", "-c", "USER 12", ...(peer === "gantry" ? ["-c", "STOPSIGNAL SIGINT"] : []), "-c", "VOLUME /data", "-c", 'ENTRYPOINT ["env"]', "-c", "ONBUILD RUN x", "-c", "HEALTHCHECK --interval=5s CMD true", id, "made:1")).trim();
  assert.match(made, /^sha256:[0-9a-f]{64}$/);
  const shown = JSON.parse(await cli.ok("image", "inspect", "made:1")) as { Id: string; Author: string; Comment: string; Config: Record<string, unknown> }[];
  assert.deepEqual([shown[0]?.Id, shown[0]?.Author, shown[0]?.Comment], [made, "me", "a word"]);
  const { Cmd, Entrypoint, ExposedPorts, WorkingDir, User, StopSignal, Volumes, Labels, OnBuild, Env, Healthcheck } = shown[0]!.Config;
  assert.deepEqual(
    { Cmd, Entrypoint, ExposedPorts, WorkingDir, User, StopSignal, Volumes, Labels, OnBuild, Healthcheck },
    { Cmd: ["cat", "/t/file"], Entrypoint: ["env"], ExposedPorts: { "80/tcp": {} }, WorkingDir: "/t", User: "12", ...(peer === "gantry" ? { StopSignal: "SIGINT" } : { StopSignal: undefined }), Volumes: { "/data": {} }, Labels: { l: "m" }, OnBuild: ["RUN x"], Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 5_000_000_000 } },
  );
  assert.ok((Env as string[]).includes("A=1") && (Env as string[]).includes("B=2"));
  assert.equal(await cli.ok("run", "--rm", "made:1"), "one");
  assert.equal(await cli.ok("run", "--rm", "--entrypoint", "sh", "made:1", "-c", "ls /t/dir; ls /bin/dd 2>&1 | wc -l; cat /t/link/other"), "other\n1\nthree");
  assert.match(await cli.ok("history", "--format", "{{.Comment}}", "made:1"), /^a word\n/);
  const again = (await cli.ok("commit", "--pause=false", id)).trim();
  assert.equal(await cli.ok("run", "--rm", again, "cat", "/t/file"), "one");
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Status}}", id), "running");
  await cli.fails(1, /run is not a valid change command/, "commit", "-c", "RUN x", id);
  await cli.fails(1, /repository name .*must be lowercase/, "commit", id, "BAD");
  await cli.fails(1, /No such container: nope/, "commit", "nope");
  await cli.ok("rmi", "-f", again, "made:1");
});

story("a commit of a commit, saved and loaded", async ({ cli, folder }) => {
  const first = await cli.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "echo 1 > /one; touch /ready; exec sleep 100000");
  await ready(cli, first);
  await cli.ok("commit", first, "chain:1");
  const second = (await cli.ok("create", "chain:1", "sh", "-c", "rm /one; echo 2 > /two")).trim();
  await cli.ok("start", "-a", second);
  await cli.ok("commit", second, "chain:2");
  await cli.ok("save", "-o", join(folder, "chain.tar"), "chain:2");
  await cli.ok("rm", "-f", first, second);
  await cli.ok("rmi", "-f", "chain:1", "chain:2");
  await cli.ok("load", "-i", join(folder, "chain.tar"));
  assert.equal(await cli.ok("run", "--rm", "chain:2", "sh", "-c", "cat /two; test -e /one || echo gone"), "2\ngone");
  await cli.ok("rmi", "chain:2");
});

story("what is copied out belongs to who copies, with its modes and times", async ({ cli, folder }) => {
  const id = await cli.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "mkdir /d; echo x > /d/f; chmod 640 /d/f; touch -d '2001-02-03 04:05:06' /d/f /d; ln /d/f /d/h; touch /ready; exec sleep 100000");
  await ready(cli, id);
  await cli.ok("cp", "-q", `${id}:/d`, folder);
  const { mode, mtime, ino, nlink } = statSync(join(folder, "d/f"));
  assert.deepEqual([mode & 0o777, mtime.toISOString(), nlink], [0o640, "2001-02-03T04:05:06.000Z", 2]);
  assert.equal(statSync(join(folder, "d/h")).ino, ino);
  assert.deepEqual(readdirSync(join(folder, "d")).toSorted(), ["f", "h"]);
  assert.ok(lstatSync(join(folder, "d")).isDirectory() && existsSync(join(folder, "d/f")));
  rmSync(join(folder, "d"), { recursive: true });
});
