import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { kindOf } from "#base/errors.ts";
import { INIT_PIDFD, type Program } from "./ops.ts";
import { beside, collect, demux, onTerminal, openStage, readUntil, run, type Launched } from "./shim-fixture.ts";
import { CONTAINER } from "./shim.ts";

const stage = await openStage();
after(() => stage[Symbol.asyncDispose]());

const NEWPID = 0x20000000;
const id = (n: number) => n.toString(16).padStart(64, "0");
const running = async (sh = "cat", fields = {}): Promise<Launched> => {
  const c = await stage.launch({ sh, ...fields });
  await c.shim.start();
  return c;
};

test("an exec'd process has its own streams, end and record", async () => {
  await using c = await running();
  await c.shim.exec(id(1), { program: beside("cat; echo err >&2; exit 9"), stdin: true });
  const { stream } = await c.shim.attach(id(1), { stdin: true, stdout: true, stderr: true });
  const { pid } = await c.shim.startExec(id(1));
  await using watcher = await c.connect();
  assert.deepEqual([...watcher.state.execs], [[id(1), pid]]);
  assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /NSpid:\t\d+\t\d+\n/, "it is in the container's pid namespace");
  stream.end("in");
  const { out, err } = demux(await collect(stream));
  assert.deepEqual([out.toString(), err.toString()], ["in", "err\n"]);
  const exited = await c.event("execExited", id(1));
  assert.deepEqual([exited.code, exited.signal], [9, 0]);
  const record = c.record(id(1));
  assert.deepEqual([record.code, record.pid], [9, pid]);
  assert.equal(c.log(), "", "the log is the container's own");
  await assert.rejects(c.shim.attach(id(1), {}), (error) => kindOf(error) === "conflict");
});

test("a program without fork execs in place", async () => {
  await using c = await running("cat", { cloneFlags: 0 });
  await c.shim.exec(id(1), { program: [run("exit 4")] });
  await c.shim.startExec(id(1));
  assert.equal((await c.event("execExited", id(1))).code, 4);
});

test("an exec'd process takes signals and has a terminal", async () => {
  await using c = await running();
  const program = [...beside("").slice(0, 2), ...onTerminal('while [ "$(stty size)" = "0 0" ]; do :; done; stty size; echo ready; exec sleep 1000')];
  await c.shim.exec(id(1), { program, tty: true, stdin: true, rows: 33, cols: 44 });
  const { stream } = await c.shim.attach(id(1), { stdin: true, stdout: true });
  await c.shim.startExec(id(1));
  assert.match(await readUntil(stream, "ready"), /^33 44\r\n/);
  stream.write("\x03");
  await collect(stream);
  assert.equal((await c.event("execExited", id(1))).signal, 2);
});

test("what fails is told with op and errno, and the container does not notice", async () => {
  await using c = await running();
  const programs: [Program, number, string][] = [
    [[...beside("").slice(0, 2), { op: "exec", candidates: "/no/such\0", argv: "x\0", env: "" }], 2, "ENOENT"],
    [[{ op: "chdir", path: "/no/such" }, run("true")], 0, "ENOENT"],
    [[{ op: "setns", slot: 5, flags: NEWPID }, run("true")], 0, "EBADF"],
  ];
  for (const [n, [program, index, code]] of programs.entries()) {
    await c.shim.exec(id(n), { program });
    const { stream } = await c.shim.attach(id(n), { stdout: true });
    await assert.rejects(c.shim.startExec(id(n)), { index, code });
    assert.equal((await collect(stream)).length, 0);
    assert.equal((await c.event("execFailed", id(n))).index, index);
    assert.ok(!existsSync(`${c.dir}/exit.${id(n)}`));
  }
  await c.shim.signal(CONTAINER, 0);
});

test("64 at once, each with its bytes and its code", async () => {
  await using c = await running();
  const all = Array.from({ length: 40 }, async (_, n) => {
    await c.shim.exec(id(n), { program: beside(`seq ${n * 10}; exit ${n}`) });
    const { stream } = await c.shim.attach(id(n), { stdout: true });
    await c.shim.startExec(id(n));
    const lines = demux(await collect(stream)).out.toString().split("\n").length - 1;
    return [lines, (await c.event("execExited", id(n))).code];
  });
  const blind = Array.from({ length: 24 }, async (_, n) => {
    await c.shim.exec(id(100 + n), { program: beside(`exit ${n}`) });
    await c.shim.startExec(id(100 + n));
    return (await c.event("execExited", id(100 + n))).code;
  });
  assert.deepEqual(await Promise.all(all), Array.from({ length: 40 }, (_, n) => [n * 10, n]));
  assert.deepEqual(await Promise.all(blind), Array.from({ length: 24 }, (_, n) => n));
});

test("a thousand one after the other leave nothing in the shim", async () => {
  await using c = await running();
  for (let n = 0; n < 1000; n++) {
    await c.shim.exec(id(n), { program: beside("exit 0") });
    await c.shim.startExec(id(n));
    await c.event("execExited", id(n));
  }
  await using watcher = await c.connect();
  assert.equal(watcher.state.execs.size, 0);
  const shim = /PPid:\t(\d+)/.exec(readFileSync(`/proc/${watcher.state.pid}/status`, "utf8"))![1];
  assert.ok((await import("node:fs")).readdirSync(`/proc/${shim}/fd`).length <= 16);
});

test("there is room for 256, a taken id is refused, and so is a broken program", async () => {
  await using c = await running();
  for (let n = 0; n < 256; n++) await c.shim.exec(id(n), { program: beside("true") });
  await assert.rejects(c.shim.exec(id(256), { program: beside("true") }), (error) => kindOf(error) === "exhausted");
  await assert.rejects(c.shim.exec(id(1), { program: beside("true") }), (error) => kindOf(error) === "already-exists");
  await assert.rejects(c.shim.exec("../x", { program: beside("true") }), (error) => kindOf(error) === "invalid");
});

test("what was made and never started is forgotten with the connection that made it", async () => {
  await using c = await running();
  const other = await c.connect();
  await other.exec(id(1), { program: beside("true") });
  const { stream } = await c.shim.attach(id(1), { stdout: true });
  await other[Symbol.asyncDispose]();
  await collect(stream);
  await c.shim.exec(id(1), { program: beside("true") });
});

test("a program of megabytes arrives whole", async () => {
  await using c = await running();
  const note = "x".repeat(3 << 20);
  await c.shim.exec(id(1), { program: [{ op: "writeFile", path: `${c.dir}/big`, flags: 0o100, mode: 0o600, data: note }, ...beside("true")] });
  await c.shim.startExec(id(1));
  assert.equal((await c.event("execExited", id(1))).code, 0);
  assert.equal(readFileSync(`${c.dir}/big`, "utf8"), note);
});

test("the container's end ends its exec'd processes, and each end is told", async () => {
  for (const cloneFlags of [NEWPID, 0]) {
    await using c = await running("read x; exit 1", { cloneFlags });
    const own = await c.attach();
    const program = cloneFlags ? beside("sleep 1000") : [run("exec sleep 1000")];
    await c.shim.exec(id(1), { program });
    const { stream } = await c.shim.attach(id(1), { stdout: true });
    await c.shim.startExec(id(1));
    own.end("go\n");
    assert.equal((await c.event("execExited", id(1))).signal, 9);
    assert.equal((await c.event("exited")).code, 1);
    await collect(stream);
    await collect(own);
    await assert.rejects(c.shim.exec(id(2), { program }), (error) => ["conflict", "unavailable"].includes(kindOf(error)));
  }
});

test("a child that keeps the outputs open holds the end up for two seconds, not for ever", async () => {
  await using c = await running();
  await c.shim.exec(id(1), { program: beside("echo out; sleep 1000 & exit 6") });
  const { stream } = await c.shim.attach(id(1), { stdout: true });
  await c.shim.startExec(id(1));
  assert.equal(demux(await collect(stream)).out.toString(), "out\n");
  assert.equal((await c.event("execExited", id(1))).code, 6);
});

test("an exec'd process that dies before it executes has not started", async () => {
  await using c = await running();
  const killed: Program = [{ op: "setns", slot: INIT_PIDFD, flags: NEWPID }, { op: "fork" }, { op: "seccomp", data: Buffer.from("0600000000000080", "hex") }, run("true")];
  await c.shim.exec(id(1), { program: killed });
  await assert.rejects(c.shim.startExec(id(1)), { index: -1 });
});
