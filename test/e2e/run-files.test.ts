import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { stories } from "./harness.ts";

const { story } = stories("run: files");

story("-v binds a folder, read-write and :ro", async ({ cli, folder, file }) => {
  file("in", "from the host\n");
  assert.equal(await cli.ok("run", "--rm", "-v", `${folder}:/data`, "busybox", "sh", "-c", "cat /data/in; echo back >/data/out"), "from the host");
  assert.equal(readFileSync(join(folder, "out"), "utf8"), "back\n");
  await cli.fails(1, /Read-only file system/, "run", "--rm", "-v", `${folder}:/data:ro`, "busybox", "touch", "/data/x");
});

story("-v makes a missing folder of the host, --mount does not", async ({ cli, folder }) => {
  await cli.ok("run", "--rm", "-v", `${folder}/new:/data`, "busybox", "true");
  assert.ok(statSync(join(folder, "new")).isDirectory());
  await cli.fails(125, /bind source path does not exist: .*absent/, "run", "--rm", "--mount", `type=bind,src=${folder}/absent,dst=/data`, "busybox", "true");
});

story("a file is bound over a file", async ({ cli, file }) => {
  const path = file("hosts", "just this\n");
  assert.equal(await cli.ok("run", "--rm", "-v", `${path}:/etc/passwd:ro`, "busybox", "cat", "/etc/passwd"), "just this");
  assert.equal(await cli.ok("run", "--rm", "-v", `${path}:/made/on/demand`, "busybox", "cat", "/made/on/demand"), "just this");
});

story("a link in the container is not followed out of it", async ({ cli, folder }) => {
  mkdirSync(join(folder, "a"));
  symlinkSync("/etc", join(folder, "a/link"));
  const hosts = readFileSync("/etc/passwd", "utf8");
  await cli("run", "--rm", "-v", `${folder}/a:/a`, "-v", `${folder}:/a/link/passwd.d`, "busybox", "true");
  assert.equal(readFileSync("/etc/passwd", "utf8"), hosts);
  assert.throws(() => statSync("/etc/passwd.d"));
});

story("a named volume is made on demand, filled from the image, and kept", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "-v", "kept:/home", "busybox", "sh", "-c", "ls /home; echo x >/home/new"), "ann");
  assert.equal(await cli.ok("run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/new"), "x");
  assert.equal(await cli.ok("run", "--rm", "-v", "kept:/data", "busybox", "stat", "-c", "%u", "/data/ann"), "1000");
  assert.equal(await cli.ok("run", "--rm", "-v", "bare:/home:nocopy", "busybox", "ls", "/home"), "");
});

story("--mount type=volume, and its options", async ({ cli }) => {
  await cli.ok("run", "--rm", "--mount", "type=volume,src=mm,dst=/data", "busybox", "touch", "/data/x");
  await cli.fails(1, /Read-only file system/, "run", "--rm", "--mount", "type=volume,src=mm,dst=/data,readonly", "busybox", "touch", "/data/y");
  await cli.fails(125, /target is required/, "run", "--rm", "--mount", "type=volume,src=mm", "busybox", "true");
  await cli.fails(125, /Duplicate mount point: \/data/, "run", "--rm", "-v", "mm:/data", "-v", "nn:/data", "busybox", "true");
});

story("an anonymous volume goes with its container, with --rm and rm -v", async ({ cli, engine }) => {
  const volumes = async (): Promise<number> => ((await engine.api("GET", "/volumes")).body as { Volumes: unknown[] | null }).Volumes?.length ?? 0;
  await cli.ok("run", "--rm", "-v", "/data", "busybox", "touch", "/data/x");
  assert.equal(await volumes(), 0);
  const id = await cli.ok("run", "-d", "-v", "/data", "busybox", "true");
  await cli.ok("wait", id);
  assert.equal(await volumes(), 1);
  await cli.ok("rm", "-v", id);
  assert.equal(await volumes(), 0);
});

story("--volumes-from: all of them, :ro too", async ({ cli, folder }) => {
  await cli.ok("create", "--name", "source", "-v", "shared:/one", "-v", `${folder}:/two`, "busybox");
  await cli.ok("run", "--rm", "--volumes-from", "source", "busybox", "sh", "-c", "touch /one/x /two/y");
  assert.equal(await cli.ok("run", "--rm", "--volumes-from", "source:ro", "busybox", "sh", "-c", "ls /one /two; touch /one/z || true"), "/one:\nx\n\n/two:\ny");
  await cli.fails(125, /No such container: nosuch/, "run", "--rm", "--volumes-from", "nosuch", "busybox", "true");
});

story("--tmpfs and --mount type=tmpfs", async ({ cli }) => {
  const mount = await cli.ok("run", "--rm", "--tmpfs", "/scratch:size=1m,mode=1770", "busybox", "sh", "-c", "grep ' /scratch ' /proc/mounts; stat -c %a /scratch");
  assert.match(mount, /^tmpfs \/scratch tmpfs rw,nosuid,nodev,noexec,.*size=1024k,mode=1770.*\n1770$/);
  assert.match(await cli.ok("run", "--rm", "--mount", "type=tmpfs,dst=/scratch,tmpfs-size=2m", "busybox", "df", "-k", "/scratch"), /2048/);
  assert.match(await cli.ok("run", "--rm", "--tmpfs", "/scratch:exec", "busybox", "grep", " /scratch ", "/proc/mounts"), /rw,nosuid,nodev,relatime/);
});

story("--read-only: nothing but volumes and tmpfs can be written", async ({ cli }) => {
  await cli.fails(1, /Read-only file system/, "run", "--rm", "--read-only", "busybox", "touch", "/x");
  await cli.ok("run", "--rm", "--read-only", "-v", "rw:/data", "--tmpfs", "/t", "busybox", "touch", "/data/x", "/t/x", "/dev/shm/x");
});

story("what a container writes is its own, and stays with it", async ({ cli }) => {
  const id = await cli.ok("create", "busybox", "sh", "-c", "cat /new 2>/dev/null || echo first; echo second >/new");
  assert.equal(await cli.ok("start", "-a", id), "first");
  assert.equal(await cli.ok("start", "-a", id), "second");
  await cli.fails(1, /No such file/, "run", "--rm", "busybox", "cat", "/new");
});

const badMounts: [argv: string[], message: RegExp][] = [
  [["-v", "/a:relative"], /invalid mount path: 'relative' mount path must be absolute|invalid volume specification/],
  [["-v", "a/b:/x"], /includes invalid characters for a local volume name/],
  [["-v", "/a:/b:nope"], /invalid mode: nope/],
  [["-v", ":/b"], /invalid volume specification|empty section between colons/],
  [["-v", "/a:/"], /destination can't be '\/'/],
  [["--mount", "type=nope,dst=/x"], /mount type unknown|invalid mount config for type "nope"|unknown mount type/],
  [["--mount", "type=bind,dst=/x"], /source|bind source/i],
  [["--mount", "type=bind,src=/tmp,dst=/x,nope=1"], /unexpected key 'nope'|unknown option/],
  [["--tmpfs", "/x:nope"], /[Ii]nvalid tmpfs option/],
];
story("wrong mounts are refused with Docker's words", async ({ cli }) => {
  for (const [argv, message] of badMounts) await cli.fails(125, message, "run", "--rm", ...argv, "busybox", "true");
});
