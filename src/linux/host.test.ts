import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync, linkSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { encodeProgram } from "./encode.ts";
import { openKernel } from "./host.ts";
import type { ProgramError } from "./linux.ts";
import type { Op } from "./ops.ts";

const cell = fileURLToPath(new URL("../../build/cell", import.meta.url));
const root = mkdtempSync("/tmp/gantry-host-");
const kernel = await openKernel({ cell });
const IN_ROOT = 0x10 | 0x02;
const NEWNS = 0x20000;

after(async () => {
  await kernel[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

const at = (name: string) => join(root, name);
const openRoot: Op = { op: "open", slot: 1, path: root, flags: 0o200000 | 0o10000000 };

test("outputs come back by the index of their op", async () => {
  writeFileSync(at("one"), "first");
  const outputs = await kernel.perform([
    { op: "close", slot: 9, tolerate: 9 },
    { op: "readFile", path: at("one"), max: 100 },
    { op: "stat", path: at("one") },
  ]);
  assert.equal(outputs.get(1)?.toString(), "first");
  assert.equal(outputs.get(2)?.readBigUInt64LE(24), 5n);
});

test("a failure names op and errno, and undoes what was done before, last first", async () => {
  const failure = await kernel
    .perform([
      { op: "mkdir", path: at("outer"), mode: 0o700, undo: [{ op: "unlink", path: at("outer"), flags: 0x200 }] },
      { op: "mkdir", path: at("outer/inner"), mode: 0o700, undo: [{ op: "unlink", path: at("outer/inner"), flags: 0x200 }] },
      { op: "open", slot: 1, path: at("nothing"), undo: [{ op: "unlink", path: at("one") }] },
    ])
    .then(() => assert.fail("it went through"), (error: ProgramError) => error);
  assert.deepEqual([failure.index, failure.code, failure.op?.op], [4, "ENOENT", "open"]);
  assert.match(failure.message, /nothing.*: ENOENT \(no such file or directory\), operation 4 of 6/);
  assert.ok(!existsSync(at("outer")));
  assert.ok(existsSync(at("one")), "the undo of the op that failed is not performed");
});

test("paths below a root never leave it, by links or dots", async () => {
  mkdirSync(at("jail"));
  symlinkSync("/", at("jail/out"));
  symlinkSync("../../../../..", at("jail/up"));
  const jail: Op = { op: "open", slot: 1, path: at("jail"), flags: 0o200000 | 0o10000000 };
  for (const path of ["out/etc/gantry-escape", "up/etc/gantry-escape", "../../etc/gantry-escape", "/etc/gantry-escape"]) {
    await kernel.perform([jail, { op: "mkdirAll", dir: 1, path, mode: 0o755 }]);
    await kernel.perform([jail, { op: "mkfileAll", dir: 1, path: path + "/file", mode: 0o644 }]);
  }
  assert.ok(!existsSync("/etc/gantry-escape"));
  assert.ok(statSync(at("jail/etc/gantry-escape/file")).isFile());
});

test("removeTree removes deep and wide trees, and not what links point to", async () => {
  mkdirSync(at("kept"));
  writeFileSync(at("kept/file"), "");
  mkdirSync(at("gone/" + "d/".repeat(300)), { recursive: true });
  symlinkSync(at("kept"), at("gone/link"));
  for (let i = 0; i < 500; i++) writeFileSync(at(`gone/d/${i}`), "");
  await kernel.perform([{ op: "removeTree", path: at("gone") }]);
  await kernel.perform([{ op: "removeTree", path: at("gone") }]);
  assert.ok(!existsSync(at("gone")));
  assert.ok(existsSync(at("kept/file")));
});

test("removeTree never crosses a mount", async () => {
  mkdirSync(at("tree/mounted"), { recursive: true });
  mkdirSync(at("source"));
  writeFileSync(at("source/precious"), "");
  await assert.rejects(
    kernel.perform(
      [
        { op: "unshare", flags: NEWNS },
        { op: "mountSetattr", path: "/", flags: 0x8000, propagation: 1 << 18 },
        { op: "mount", source: at("source"), path: at("tree/mounted"), flags: 4096 },
        { op: "removeTree", path: at("tree") },
      ],
      { forked: true },
    ),
    { code: "EBUSY" },
  );
  assert.ok(existsSync(at("source/precious")));
});

test("removeTree works on a mount of its own, below it", async () => {
  mkdirSync(at("disk"));
  await kernel.perform(
    [
      { op: "unshare", flags: NEWNS },
      { op: "mountSetattr", path: "/", flags: 0x8000, propagation: 1 << 18 },
      { op: "mount", source: "none", path: at("disk"), type: "tmpfs" },
      { op: "mkdirAll", path: at("disk/a/b"), mode: 0o755 },
      { op: "removeTree", path: at("disk/a") },
      { op: "mkdir", path: at("disk/a"), mode: 0o755 },
      { op: "usage", path: at("disk/a") },
    ],
    { forked: true },
  );
  await assert.rejects(kernel.perform([{ op: "removeTree", path: at("disk/") }]), { code: "EINVAL" });
});

test("copyTree keeps modes, times, links and special files", async () => {
  mkdirSync(at("from/sub"), { recursive: true });
  writeFileSync(at("from/sub/file"), "content", { mode: 0o640 });
  linkSync(at("from/sub/file"), at("from/again"));
  symlinkSync("sub/file", at("from/soft"));
  mkdirSync(at("to"));
  const copy: Op[] = [
    { op: "open", slot: 1, path: at("from"), flags: 0o200000 },
    { op: "open", slot: 2, path: at("to"), flags: 0o200000 },
    { op: "mknod", path: at("from/pipe"), mode: 0o010600, tolerate: 17 },
    { op: "copyTree", from: 1, slot: 2, flags: 1 },
  ];
  await kernel.perform(copy);
  assert.equal(readFileSync(at("to/again"), "utf8"), "content");
  assert.equal(statSync(at("to/again")).ino, statSync(at("to/sub/file")).ino);
  assert.equal(statSync(at("to/sub/file")).mode & 0o7777, 0o640);
  assert.equal(statSync(at("to/sub/file")).mtimeMs, statSync(at("from/sub/file")).mtimeMs);
  assert.equal(readlinkSync(at("to/soft")), "sub/file");
  assert.ok(lstatSync(at("to/pipe")).isFIFO());
  writeFileSync(at("to/again"), "changed");
  await kernel.perform(copy);
  assert.equal(readFileSync(at("to/again"), "utf8"), "changed", "a destination that is not empty is left alone");
});

test("reading is of regular files and bounded", async () => {
  await kernel.perform([{ op: "mknod", path: at("fifo"), mode: 0o010600 }]);
  await assert.rejects(kernel.perform([{ op: "readFile", path: at("fifo"), max: 10 }]), { code: "EINVAL" });
  await assert.rejects(kernel.perform([{ op: "readFile", path: "/dev/zero", max: 10 }]), { code: "EINVAL" });
  await assert.rejects(kernel.perform([{ op: "readFile", path: at("one"), max: 2 }]), { code: "EFBIG" });
  await assert.rejects(kernel.perform([{ op: "readFile", path: at("one"), max: 2 ** 40 }]), { code: "EINVAL" });
});

test("what changes a process for good stays in a forked child", async () => {
  await assert.rejects(kernel.perform([{ op: "unshare", flags: NEWNS }]), TypeError);
  await kernel.perform([{ op: "unshare", flags: NEWNS }, { op: "mount", source: "none", path: root, type: "tmpfs" }], { forked: true });
  assert.ok(existsSync(at("one")));
});

test("a stream performs ops as they come and ends at its first failure", async () => {
  const stream = await kernel.stream();
  for (let i = 0; i < 200; i++) await stream.push([openRoot, { op: "putFile", dir: 1, path: `stream/${i}`, mode: 0o644, uid: 0, gid: 0, sec: 7, data: "x".repeat(i) }]);
  await stream.end();
  assert.equal(statSync(at("stream/199")).size, 199);
  assert.equal(statSync(at("stream/199")).mtimeMs, 7000);
  const broken = await kernel.stream();
  const failure = await (async () => {
    await broken.push([{ op: "mkdir", path: at("stream"), mode: 0o755, tolerate: 17 }]);
    await broken.push([{ op: "mkdir", path: at("stream"), mode: 0o755 }]);
    await broken.push([{ op: "mkdir", path: at("after"), mode: 0o755 }]);
    return broken.end();
  })().then(() => assert.fail("it went through"), (error: ProgramError) => error);
  assert.deepEqual([failure.code, failure.index], ["EEXIST", 1]);
  await broken[Symbol.asyncDispose]();
  assert.ok(!existsSync(at("after")));
});

test("a host runs from a sealed copy that nobody can write", async () => {
  const outputs = await kernel.perform([
    { op: "readLink", path: "/proc/self/exe" },
    { op: "open", slot: 1, path: "/proc/self/exe", flags: 1, tolerate: 26 },
  ]);
  assert.match(outputs.get(0)!.toString(), /^\/memfd:cell/);
  await assert.rejects(kernel.perform([{ op: "open", slot: 1, path: "/proc/self/exe", flags: 1 }]), { code: "ETXTBSY" });
});

test("many programs at once are all performed", async () => {
  await Promise.all(Array.from({ length: 100 }, (_, i) => kernel.perform([{ op: "mkdirAll", path: at(`many/${i}`), mode: 0o755 }])));
  const outputs = await kernel.perform([{ op: "list", path: at("many") }]);
  assert.equal(outputs.get(0)!.toString().split("\0").length - 1, 100);
});

test("a failpoint in cell stops a program where the test says", async () => {
  await using broken = await openKernel({ cell, failpoints: "op=errno:28@2" });
  await assert.rejects(broken.perform([{ op: "mkdir", path: at("fp"), mode: 0o755, undo: [{ op: "unlink", path: at("fp"), flags: 0x200 }] }, { op: "close", slot: 1 }]), { code: "ENOSPC", index: 2 });
  assert.ok(!existsSync(at("fp")));
});

test("a host that is killed loses its program and nothing else", async () => {
  await using broken = await openKernel({ cell, failpoints: "op=kill@1" });
  await assert.rejects(broken.perform([{ op: "close", slot: 1 }]), { index: -1 });
  await broken.stream().then((stream) => stream[Symbol.asyncDispose]());
});

test("whoever sends on to a host that was ended, and is not gone yet, hears of its end", async () => {
  const stop = new AbortController();
  await using stream = await kernel.stream({ long: true, signal: stop.signal });
  const stat = (await stream.ask([{ op: "readFile", path: "/proc/self/stat", max: 4096 }])).toString();
  const host = Number(stat.slice(stat.lastIndexOf(")")).split(" ")[2]);
  process.kill(host, "SIGSTOP");
  stop.abort();
  // Its socket closes, and says so.
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  const pushed = assert.rejects(stream.push([{ op: "close", slot: 1 }]), { index: -1 });
  process.kill(host, "SIGCONT");
  await pushed;
});

const childrenOf = () => readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");

test("hosts that died while nobody used them are used by nobody", async () => {
  const before = new Set(childrenOf());
  await using own = await openKernel({ cell });
  const hosts = childrenOf().filter((pid) => !before.has(pid));
  assert.equal(hosts.length, 2);
  for (const pid of hosts) process.kill(Number(pid), "SIGKILL");
  while (hosts.some((pid) => existsSync(`/proc/${pid}`))) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(await own.perform([{ op: "close", slot: 9, tolerate: 9 }]));
});

test("who gives up while all hosts are busy is not performed; who still waits when the kernel is closed hears of it", async () => {
  const own = await openKernel({ cell });
  const busy = await Promise.all(Array.from({ length: 8 }, () => own.stream()));
  const stop = new AbortController();
  const wish = (name: string) => [{ op: "mkdir", path: at(name), mode: 0o700 }] as const;
  const given = assert.rejects(own.perform(wish("given-up"), { signal: stop.signal }), (reason) => reason === "enough");
  const late = assert.rejects(own.perform(wish("late")), { message: /the engine is stopping/ });
  stop.abort("enough");
  await given;
  await own[Symbol.asyncDispose]();
  await late;
  await Promise.allSettled(busy.map((stream) => stream[Symbol.asyncDispose]()));
  assert.deepEqual(["given-up", "late"].filter((name) => existsSync(at(name))), []);
});

test("the decoder refuses every damaged program", () => {
  const good = encodeProgram([
    { op: "mount", source: "proc", path: "/proc", type: "proc", flags: 14 },
    { op: "mkdir", path: "a", mode: 0o755, undo: [{ op: "unlink", path: "a" }] },
    { op: "exec", candidates: "a\0", argv: "a\0b\0", env: "" },
  ]);
  const check = (input: Buffer) => spawnSync(cell, ["check"], { input }).status;
  assert.equal(check(good), 0);
  let random = 12345;
  const next = (below: number) => ((random = (Math.imul(random, 1103515245) + 12345) >>> 0) >>> 8) % below;
  for (let round = 0; round < 300; round++) {
    const bad = Buffer.from(good);
    for (let i = 0; i <= next(3); i++) bad[next(bad.length)] = next(256);
    const status = check(round % 3 === 0 ? bad.subarray(0, next(bad.length)) : bad);
    assert.ok(status === 0 || status === 1, `round ${round}: it ended with ${status}`);
  }
  for (let cut = 0; cut < good.length; cut += 8) assert.equal(check(good.subarray(0, cut)), 1);
});
