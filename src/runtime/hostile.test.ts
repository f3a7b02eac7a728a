/** Images and neighbours that mean harm: what compiled programs do with them. The names are those of the catalogue's rows. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { openKernel } from "#linux/host.ts";
import { base, cell, failure, run, scratch, skip, type Wish } from "../../test/fixtures/box.ts";

const canary = join(scratch, "canary");
mkdirSync(join(canary, "dir"), { recursive: true });
const seen = () => JSON.stringify(readdirSync(canary, { recursive: true }).map((name) => [name, statSync(join(canary, String(name)))]), (key, value) => (/^atime/.test(key) ? undefined : value));

for (const [title, prepare] of [
  ["RT-02: /proc is a link", (upper) => (mkdirSync(join(upper, "fake")), symlinkSync("/fake", join(upper, "proc")))],
  ["RT-02: /proc is a file", (upper) => writeFileSync(join(upper, "proc"), "")],
  ["RT-02: /sys is a link out", (upper) => symlinkSync(`../../../..${canary}/dir`, join(upper, "sys"))],
  ["RT-07: /dev is a link out", (upper) => symlinkSync(join(canary, "dir"), join(upper, "dev"))],
] satisfies [string, (upper: string) => void][]) {
  test(`${title}: refused, and nothing outside is touched`, { skip }, async () => {
    const before = seen();
    assert.match(await failure(run("true", { prepare })), /must be an ordinary directory|"(proc|sys|dev)".*(ELOOP|ENOTDIR)/);
    assert.equal(seen(), before);
  });
}

test("RT-01, RT-09, RT-13: links in the image at mount points and on the way to them stay inside", { skip }, async () => {
  const before = seen();
  const source = join(scratch, "secret");
  writeFileSync(source, "secret\n");
  const output = await run("cat /etc/hosts /link/sub/one", {
    prepare: (upper) => {
      mkdirSync(join(upper, "etc"));
      mkdirSync(join(upper, `${dirname(canary)}`), { recursive: true });
      symlinkSync(canary, join(upper, "etc/hosts"));
      symlinkSync(`../../../../..${canary}/dir`, join(upper, "link"));
    },
    mounts: [
      { destination: "/etc/hosts", type: "bind", source, options: ["bind"] },
      { destination: "/link/sub/one", type: "bind", source, options: ["bind"] },
    ],
  }).catch((error: Error) => error.message);
  assert.match(output, /^secret\nsecret\n$|ELOOP|ENOENT|ENOTDIR/);
  assert.equal(seen(), before);
});

test("RT-03: nothing may stand over /proc, by name or by a link", { skip }, async () => {
  const bind = (destination: string): Wish => ({ mounts: [{ destination, type: "bind", source: canary, options: ["bind"] }] });
  for (const destination of ["/proc", "/proc/self/attr", "/proc/sys", "//proc/./sys/"]) {
    assert.match(await failure(run("true", bind(destination))), /cannot be mounted because it is inside \/proc/, destination);
  }
  const output = await run("ls -d /proc/self/status; ls /proc/sys | grep -c kernel", { ...bind("/trick/sys"), prepare: (upper) => (mkdirSync(join(upper, "proc")), symlinkSync("/proc", join(upper, "trick"))) });
  assert.equal(output, "/proc/self/status\n1\n");
});

test("ID-02, RT-12: a working directory that leads through a descriptor or out is refused or stays inside", { skip }, async () => {
  const before = seen();
  for (const number of [3, 7, 8, 12]) assert.match(await failure(run("pwd", { process: { cwd: `/proc/self/fd/${number}` } })), /ELOOP|ENOENT|ENOTDIR|EACCES/);
  const link = (upper: string) => symlinkSync("/proc/self/fd/0", join(upper, "w"));
  assert.match(await failure(run("pwd", { process: { cwd: "/w" }, prepare: link })), /ELOOP|ENOENT|ENOTDIR|EEXIST/);
  const out = await run("pwd", { process: { cwd: "/out/new" }, prepare: (upper) => symlinkSync(join(canary, "dir"), join(upper, "out")) }).catch((error: Error) => error.message);
  assert.match(out, new RegExp(`^${canary}/dir/new\n$|ENOTDIR|ENOENT|EEXIST|ELOOP`));
  assert.equal(seen(), before);
});

test("RT-04: a null device of the image is never what masks", { skip }, async () => {
  const output = await run("ls -ln /proc/keys | tr -s ' ' | cut -d' ' -f5,6; echo x > /proc/keys; cat /canary", {
    prepare: (upper) => {
      mkdirSync(join(upper, "dev"));
      writeFileSync(join(upper, "canary"), "untouched\n");
      symlinkSync("/canary", join(upper, "dev/null"));
    },
  });
  assert.equal(output, "1, 3\nuntouched\n");
});

test("what masks a file is not the host's: its mode cannot be changed from inside", { skip }, async () => {
  const device = () => statSync("/dev/null").mode;
  const before = device();
  assert.equal(await run("chmod 600 /proc/keys 2>&1 | grep -o Read-only; chown 5 /proc/keys 2>&1 | grep -o Read-only"), "Read-only\nRead-only\n");
  assert.equal(device(), before);
});

test("RT-18: many masked directories cost one file system", { skip }, async () => {
  const output = await run("stat -c %d /sys/firmware /sys/module | sort -u | wc -l; touch /sys/firmware/x 2>&1 | grep -o Read-only", { linux: { maskedPaths: ["/sys/firmware", "/sys/module", "/sys/class"] } });
  assert.equal(output, "1\nRead-only\n");
});

test("RT-01: a race for the way to a mount point leads nowhere else", { skip }, async () => {
  const before = seen();
  const volume = mkdtempSync(join(scratch, "raced-"));
  mkdirSync(join(volume, "a"));
  symlinkSync(join(canary, "dir"), join(volume, "b"));
  const racer = await openKernel({ cell });
  const swap = { op: "rename", fromPath: join(volume, "a"), path: join(volume, "b"), flags: 2 /* RENAME_EXCHANGE */ } as const;
  let racing = true;
  const race = (async () => {
    for (; racing; ) await racer.perform(Array(2001).fill(swap));
  })();
  const outcomes = new Set<string>();
  for (let attempt = 0; attempt < 40; attempt++) {
    const result = await run("cat /v/a/x/mark", {
      mounts: [
        { destination: "/v", type: "bind", source: volume, options: ["bind"] },
        { destination: "/v/a/x", type: "bind", source: base, options: ["bind"] },
        { destination: "/v/a/x/mark", type: "tmpfs", source: "tmpfs" },
      ],
    }).then(() => "started", (error: NodeJS.ErrnoException) => error.code ?? "unknown");
    outcomes.add(result);
  }
  racing = false;
  await race;
  await racer[Symbol.asyncDispose]();
  assert.equal(seen(), before);
  assert.deepEqual([...outcomes].filter((one) => !["started", "ENOENT", "ENOTDIR", "ELOOP", "EEXIST", "EROFS", "EACCES"].includes(one)), []);
});

const compiler = spawnSync("cc", ["--version"]).status === 0 && process.arch === "x64" ? false : "a C compiler for x86-64 is needed";

test("ID-20: the kernel itself, asked in three ways: 64-bit, 32-bit, x32", { skip: skip || compiler }, async () => {
  const source = join(scratch, "ways.c");
  writeFileSync(source, `#include <stdio.h>
    static long wide(long n, long a) { long r; __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(0), "d"(0) : "rcx", "r11", "memory"); return r; }
    static long narrow(long n, long a) { long r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(0), "d"(0) : "memory"); return (int)r; }
    int main(void) {
      long calls[][3] = { { 250, 288, 0 }, { 435, 435, 0 }, { 272, 310, 0x10000000 }, { 41, 359, 38 }, { 41, 359, 40 }, { 425, 425, 8 }, { 39, 20, 0 } };
      for (int i = 0; i < 7; i++) printf("%ld %ld %ld\\n", wide(calls[i][0], calls[i][2]) > 0 ? 0 : wide(calls[i][0], calls[i][2]), narrow(calls[i][1], calls[i][2]) > 0 ? 0 : narrow(calls[i][1], calls[i][2]), i < 2 ? wide(calls[i][0] | 0x40000000, calls[i][2]) : 0);
    }`);
  execFileSync("cc", ["-static", "-O1", "-o", join(scratch, "ways"), source]);
  const output = await run("/ways", { mounts: [{ destination: "/ways", type: "bind", source: join(scratch, "ways"), options: ["bind", "ro"] }] });
  const lines = output.trim().split("\n");
  assert.equal(lines[0]?.split(" ").slice(0, 2).join(), "-1,-1", "keyctl");
  assert.equal(lines[1]?.split(" ").slice(0, 2).join(), "-38,-38", "clone3");
  assert.deepEqual(lines.slice(2).map((line) => line.split(" ").slice(0, 2).join()), ["-1,-1", "-1,-1", "-1,-1", "-1,-1", "0,0"], "unshare a user namespace, AF_ALG, AF_VSOCK, io_uring; getpid");
  assert.match(lines[0] ?? "", / -1$| -38$/);
  assert.match(lines[1] ?? "", / -38$/);
});
