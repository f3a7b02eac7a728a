import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { after, test } from "node:test";
import { kindOf, type Failure } from "#base/errors.ts";
import type { ProgramError } from "./linux.ts";
import { INIT_PIDFD } from "./ops.ts";
import { collect, demux, openStage, raw, readUntil, run } from "./shim-fixture.ts";
import { decodeMessage } from "./shim-protocol.ts";
import { connectShim, CONTAINER } from "./shim.ts";

const stage = await openStage();
after(() => stage[Symbol.asyncDispose]());

const field = (pid: number | string, number: number) => {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[number - 3]!;
};
const shimOf = (pid: number) => field(pid, 4);

test("a container starts, ends, and leaves its exit code in an event and in the record", async () => {
  await using c = await stage.launch({ sh: "exit 3" });
  assert.equal(c.shim.state.pid, 0);
  const before = BigInt(Date.now()) * 1_000_000n;
  const { pid, time } = await c.shim.start();
  const exited = await c.event("exited");
  assert.deepEqual([exited.code, exited.signal, exited.oom], [3, 0, false]);
  assert.ok(time >= before && exited.time >= time);
  await c.event("lost");
  const record = c.record();
  assert.deepEqual([record.code, record.signal, record.pid, record.oom], [3, 0, pid, false]);
  assert.match(record.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  assert.equal(BigInt(Date.parse(record.time)), exited.time / 1_000_000n);
  assert.equal(BigInt(Date.parse(record.startedAt)), time / 1_000_000n);
  assert.deepEqual(readdirSync(c.dir).sort(), ["exit", "log"]);
});

test("a signal goes through the pidfd; its death is 128 and its number", async () => {
  await using c = await stage.launch({ sh: "trap 'echo got it' USR1; echo ready; while :; do sleep 100 & wait; done" });
  const stream = await c.attach();
  await c.shim.start();
  await readUntil(stream, "ready");
  await c.shim.signal(CONTAINER, 10);
  await readUntil(stream, "got it");
  await c.shim.signal(CONTAINER, 9);
  const exited = await c.event("exited");
  assert.deepEqual([exited.code, exited.signal], [137, 9]);
  await collect(stream);
});

test("the process begins with no signal blocked or ignored and only its stdio open", async () => {
  await using c = await stage.launch({ sh: "grep -E '^Sig(Blk|Ign)' /proc/self/status; echo /proc/self/fd/*; umask; ulimit -Sn", flags: 8 });
  const stream = await c.attach();
  await c.shim.start();
  const text = demux(await collect(stream)).out.toString();
  assert.match(text, /SigBlk:\t0{16}\nSigIgn:\t0{16}\n/);
  assert.match(text, /\/proc\/self\/fd\/0 \/proc\/self\/fd\/1 \/proc\/self\/fd\/2( \/proc\/self\/fd\/3)?\n0022\n1024\n/);
});

test("a shim that waits in vain ends when who asked for it has gone", async () => {
  await using c = await stage.launch({});
  const other = await c.attach();
  await c.shim[Symbol.asyncDispose]();
  await collect(other);
  assert.ok(!existsSync(c.socket));
  await assert.rejects(connectShim(c.socket), (error) => kindOf(error) === "unavailable");
});

test("a failing init names its op; teardown is performed; nobody is left", async () => {
  const init = [{ op: "umask", mode: 0o22 }, { op: "chdir", path: "/no/such/folder" }, run("true")] as const;
  await using c = await stage.launch({ init, teardown: [{ op: "mkdir", path: `${stage.dir}/torn`, mode: 0o700 }] });
  const stream = await c.attach();
  const error = await c.shim.start({ init }).then(() => assert.fail("it started"), (error: ProgramError) => error);
  assert.deepEqual([error.index, error.code, error.op?.op], [1, "ENOENT", "chdir"]);
  assert.match(error.message, /chdir.*ENOENT, operation 1 of 3/);
  assert.equal((await collect(stream)).length, 0);
  await c.event("lost");
  assert.ok(existsSync(`${stage.dir}/torn`));
  assert.ok(!existsSync(c.socket) && !existsSync(`${c.dir}/exit`));
});

test("an executable that is not there is told with its errno", async () => {
  await using c = await stage.launch({ init: [{ op: "exec", candidates: "/no/such/program\0", argv: "x\0", env: "" }] });
  await assert.rejects(c.shim.start(), { index: 0, code: "ENOENT" });
});

test("a process that dies before it executes has not started", async () => {
  await using c = await stage.launch({ init: [{ op: "seccomp", data: Buffer.from("0600000000000080", "hex") }, run("true")] });
  await assert.rejects(c.shim.start(), { index: -1, code: "ESRCH" });
});

test("parent is performed at the barrier, with the container's pidfd", async () => {
  await using c = await stage.launch({
    init: [{ op: "sync" }, run(`cat ${stage.dir}/from-parent`)],
    parent: [
      { op: "idMap", slot: INIT_PIDFD, uids: "0 0 1", gids: "0 0 1" },
      { op: "writeFile", path: `${stage.dir}/from-parent`, flags: 0o100, mode: 0o600, data: "in time" },
    ],
    cloneFlags: 0x10000000 | 0x20000000,
  });
  const stream = await c.attach();
  await c.shim.start();
  assert.equal(demux(await collect(stream)).out.toString(), "in time");
});

test("a failing parent is told as such", async () => {
  const parent = [{ op: "rename", fromPath: "/no/such", path: "/x" }] as const;
  await using c = await stage.launch({ init: [{ op: "sync" }, run("true")], parent });
  const error = await c.shim.start({ parent }).then(() => assert.fail("it started"), (error: ProgramError) => error);
  assert.deepEqual([error.index, error.code, error.op?.op], [0, "ENOENT", "rename"]);
});

test("teardown comes before the end is told", async () => {
  await using c = await stage.launch({ teardown: [{ op: "mkdir", path: `${stage.dir}/down`, mode: 0o700 }, { op: "rename", fromPath: "/no/such", path: "/x" }] });
  await c.shim.start();
  await c.event("exited");
  assert.ok(existsSync(`${stage.dir}/down`));
  assert.equal(c.record().teardown, 2);
});

test("nobody connected: the end is recorded all the same", async () => {
  await using c = await stage.launch({ sh: "read line; exit 42" });
  const stream = await c.attach();
  await c.shim.start();
  await c.shim[Symbol.asyncDispose]();
  stream.end("go\n");
  await collect(stream);
  assert.equal(c.record().code, 42);
});

test("a shim outlives the host that forked it, and its state tells who it is", async () => {
  const short = await openStage();
  await using c = await short.launch({ sh: "echo up; cat" });
  const stream = await c.attach();
  const { pid } = await c.shim.start();
  await readUntil(stream, "up");
  await short.kernel[Symbol.asyncDispose]();
  await using again = await c.connect();
  assert.equal(again.state.pid, pid);
  assert.equal(again.state.startTicks, BigInt(field(pid, 22)));
  stream.end();
  await collect(stream);
  assert.equal((await c.event("exited")).code, 0);
  await short[Symbol.asyncDispose]();
});

test("an engine killed while output flows loses none of it", async () => {
  await using c = await stage.launch({ sh: "echo first; seq 200000; echo last; read line" });
  const stream = await c.attach({ stdin: true });
  const script = `import { connectShim } from ${JSON.stringify(import.meta.resolve("./shim.ts"))};
    const shim = await connectShim(${JSON.stringify(c.socket)});
    const { stream } = await shim.attach("", { stdout: true });
    console.log("attached");
    stream.on("data", () => stream.pause());`;
  const engine = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(engine.stdout, "data");
  await c.shim.start();
  engine.kill("SIGKILL");
  await once(engine, "exit");
  await using again = await c.connect();
  assert.ok(again.state.pid > 0);
  stream.end("done\n");
  await c.event("exited");
  const lines = c.log().trimEnd().split("\n").map((line) => (JSON.parse(line) as { log: string }).log);
  assert.deepEqual(lines, ["first\n", ...Array.from({ length: 200000 }, (_, i) => `${i + 1}\n`), "last\n"]);
});

test("only root may connect, and rubbish harms nobody", async () => {
  await using c = await stage.launch({ sh: "cat" });
  assert.equal(statSync(c.socket).mode & 0o777, 0o600);
  const stream = await c.attach();
  await c.shim.start();
  for (const bytes of ["ffffffff01", "0000000063", "000000000a", "0300000002ff00ff", "0500000002050000", "03000000020000ff", "01", ""]) {
    const stranger = await raw(c.socket);
    stranger.end(Buffer.from(bytes, "hex"));
    await collect(stranger);
  }
  const control = await raw(c.socket);
  const orders = ["0000000001", "000000000b", "020000000b0000", "01000000100f", "0400000010032f2e2e", "0000000077", "0000000001", "0c0000000b016100000000004743503100"];
  for (const bytes of orders) control.write(Buffer.from(bytes, "hex"));
  control.end();
  let answers = await collect(control);
  const types = [];
  for (let next; (next = decodeMessage(answers)) !== undefined; answers = answers.subarray(next.length)) types.push(next.message.type);
  assert.deepEqual(types, ["state", ...orders.slice(1).map(() => "error")]);
  stream.end("still here");
  assert.equal(demux(await collect(stream)).out.toString(), "still here");
});

test("random frames harm nobody", async () => {
  await using c = await stage.launch({ sh: "cat" });
  const stream = await c.attach();
  await c.shim.start();
  let seed = 4711;
  const below = (n: number) => ((seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8) % n;
  const harmful = new Set([14, 16]); /* a signal, the end of stdin */
  for (let round = 0; round < 200; round++) {
    const stranger = await raw(c.socket);
    const frames = [Buffer.from(below(3) === 0 ? "0300000002000600" : "0000000001", "hex")];
    for (let i = below(20); i > 0; i--) {
      const payload = Buffer.from(Array.from({ length: below(below(4) === 0 ? 3000 : 12) }, () => below(below(2) === 0 ? 256 : 4)));
      const head = Buffer.alloc(5);
      head.writeUInt32LE(below(10) === 0 ? below(1 << 30) : payload.length);
      head[4] = below(18);
      if (!harmful.has(head[4])) frames.push(head, payload);
    }
    if (frames[0]!.length > 5) frames.length = 1;
    stranger.end(Buffer.concat(frames));
    if (round % 2 === 0) stranger.destroy();
    else await Promise.race([collect(stranger), once(stranger.resume(), "data")]).finally(() => stranger.destroy());
  }
  stream.end("still here");
  assert.equal(demux(await collect(stream)).out.toString(), "still here");
  assert.equal((await c.event("exited")).code, 0);
});

test("there is room for 64 clients, and a word for the next", async () => {
  await using c = await stage.launch({ sh: "cat" });
  const streams = [];
  for (let i = 1; i < 64; i++) streams.push(await c.attach({ stdout: true }));
  await assert.rejects(c.attach(), (error) => kindOf(error) === "exhausted");
  const first = streams.pop()!;
  first.destroy();
  await once(first, "close");
  await c.shim.start(); /* answered after the shim has seen the other go */
  const next = await c.attach();
  next.end("x");
  for (const stream of [next, ...streams]) assert.equal(demux(await collect(stream)).out.toString(), "x");
});

test("an idle shim is small and holds few descriptors", async () => {
  await using c = await stage.launch({ sh: "echo up; cat" });
  const stream = await c.attach();
  const { pid } = await c.shim.start();
  await readUntil(stream, "up");
  const shim = shimOf(pid);
  // Only what may be written: the code is in a memory file, whose pages all shims share, and which count as written.
  const areas = readFileSync(`/proc/${shim}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).filter((area) => /^\S+ rw/.test(area));
  const dirty = areas.reduce((sum, area) => sum + Number(/Private_Dirty: +(\d+) kB/.exec(area)![1]), 0);
  assert.ok(dirty > 0);
  if (!process.env["CELL"]?.includes("asan")) assert.ok(dirty < 100, `${dirty} kB`);
  assert.ok(readdirSync(`/proc/${shim}/fd`).length <= 16);
  stream.end();
  await collect(stream);
});

test("a second start, an unknown process, a resize without terminal are refused", async () => {
  await using c = await stage.launch({ sh: "cat" });
  await assert.rejects(c.shim.signal(CONTAINER, 15), (error) => kindOf(error) === "conflict");
  await c.shim.start();
  await assert.rejects(c.shim.start(), (error) => kindOf(error) === "conflict");
  await assert.rejects(c.shim.resize(CONTAINER, { rows: 1, cols: 1 }), (error) => kindOf(error) === "invalid");
  await assert.rejects(c.shim.startExec("ab"), (error) => kindOf(error) === "conflict");
  await assert.rejects(c.shim.attach("ab", {}), (error) => kindOf(error) === "conflict");
  await assert.rejects(c.shim.signal(CONTAINER, 1000), (error) => kindOf(error) === "invalid");
});

test("the shim holds what it was given to hold, until its end; the container never sees it", async () => {
  const listen = async (port: number) => {
    const server = createServer().listen(port, "127.0.0.1");
    await once(server, "listening");
    const { port: taken } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    return taken;
  };
  const port = await listen(0);
  await using c = await stage.launch({
    before: [{ op: "bindPort", slot: 5, family: 2, type: 1, port, address: "127.0.0.1" }],
    hold: 1n << 5n,
    sh: "echo /proc/self/fd/*; cat",
  });
  const stream = await c.attach();
  await c.shim.start();
  assert.match(await readUntil(stream, "\n"), /fd\/2( \/proc\/self\/fd\/3)?\n/);
  await assert.rejects(listen(port), { code: "EADDRINUSE" });
  stream.end();
  await collect(stream);
  await c.event("exited");
  await listen(port);
  assert.ok(!existsSync(c.socket));
});

for (const [point, kept] of [["shim-record", false], ["shim-record-tmp", false], ["shim-record-renamed", true], ["shim-exited", true]] as const) {
  test(`a shim killed at ${point} leaves ${kept ? "its record" : "none"}`, async () => {
    await using broken = await openStage({ failpoints: `${point}=kill` });
    await using c = await broken.launch({ sh: "exit 7" });
    await c.shim.start();
    await c.event("lost");
    assert.equal(existsSync(`${c.dir}/exit`), kept);
    if (kept) assert.equal(c.record().code, 7);
  });
}

test("a shim killed at birth fails the op; one that cannot bind says why", async () => {
  await using broken = await openStage({ failpoints: "shim-bind=kill" });
  await assert.rejects(broken.launch({}), { code: "ECHILD" });
  await using full = await openStage({ failpoints: "shim-bind=errno:28" });
  await assert.rejects(full.launch({}), { code: "ENOSPC" });
  await assert.rejects(stage.launch({ socket: `/tmp/${"x".repeat(120)}` }), { code: "ENAMETOOLONG" });
  await assert.rejects(stage.launch({ log: "/no/such/folder/log" }), { code: "ENOENT" });
});

test("a clone that fails is a failed start", async () => {
  await using broken = await openStage({ failpoints: "shim-cloned=errno:12" });
  await using c = await broken.launch({});
  await assert.rejects(c.shim.start(), { index: -1, code: "ENOMEM" });
  await using other = await openStage({ failpoints: "shim-start=errno:11" });
  await using d = await other.launch({ sh: "exit 5" });
  await assert.rejects(d.shim.start(), (error: Failure) => error.facts["errno"] === 11);
  await d.shim.start();
  assert.equal((await d.event("exited")).code, 5);
});
