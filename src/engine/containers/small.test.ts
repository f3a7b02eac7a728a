import assert from "node:assert/strict";
import { test } from "node:test";
import { ProgramError } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import type { ContainerConfig, HostConfig } from "#spec/docker.ts";
import type { ContainerRecord } from "../engine.ts";
import { parseDetachKeys } from "./streams/detach-keys.ts";
import { inet6Addresses, localAddresses } from "./explain.ts";
import { checkLogging, logOf } from "./streams/logging.ts";
import { formatProcesses, type Around, type Process } from "./processes/ps.ts";
import { columnsOf } from "./processes/ps-options.ts";
import { startFailure } from "./run/start-failure.ts";

test("detach keys", () => {
  assert.deepEqual([...parseDetachKeys("")], [16, 17]);
  const good: Record<string, number[]> = { "ctrl-a,x": [1, 120], "ctrl-@": [0], "ctrl-[": [27], "ctrl-_,ctrl-^,ctrl-\\,ctrl-]": [31, 30, 28, 29], DEL: [127], "ctrl-Z": [26], "a,b": [97, 98] };
  for (const [text, bytes] of Object.entries(good)) assert.deepEqual([...parseDetachKeys(text)], bytes, text);
  for (const text of ["ctrl-", "ctrl-1", "ab", "a,,b", "ctrl-pp", "é"]) assert.throws(() => parseDetachKeys(text), { kind: "invalid" }, text);
});

const failed = (op: Op, errno: number, code: string) => new ProgramError({ index: 3, total: 9, errno, code, op, text: `${op.op}: ${code}` });
const record = (path: string, cwd = "") => ({ path, config: { WorkingDir: cwd } as ContainerConfig });
const exec: Op = { op: "exec" };

test("why a start failed: Docker's words and codes", () => {
  const cases: [unknown, ReturnType<typeof record>, RegExp, number, string][] = [
    [failed(exec, 2, "ENOENT"), record("nope"), /OCI runtime create failed: .*exec: "nope": executable file not found in \$PATH: unknown$/, 127, "invalid"],
    [failed(exec, 2, "ENOENT"), record("/nope"), /exec: "\/nope": stat \/nope: no such file or directory: unknown$/, 127, "invalid"],
    [failed(exec, 13, "EACCES"), record("/etc"), /exec: "\/etc": permission denied: unknown$/, 126, "invalid"],
    [failed(exec, 8, "ENOEXEC"), record("/x"), /exec \/x: exec format error: unknown$/, 126, "invalid"],
    [failed({ op: "chdir" }, 20, "ENOTDIR"), record("a", "/f"), /chdir to cwd \("\/f"\) set in config.json failed: not a directory: unknown$/, 126, "invalid"],
    [failed({ op: "mkfileAll", path: "/x" }, 20, "ENOTDIR"), record("a"), /not a directory: Are you trying to mount a directory onto a file \(or vice-versa\)\?/, 126, "invalid"],
    [failed({ op: "moveMount", note: "/h on /d" }, 22, "EINVAL"), record("a"), /error mounting "\/h" to rootfs at "\/d": not a directory: Are you trying to mount a directory onto a file/, 126, "invalid"],
    [failed({ op: "unshare" }, 28, "ENOSPC"), record("a"), /error during container init: unshare: ENOSPC: unknown$/, 128, "internal"],
    [new Error("odd"), record("a"), /^odd$/, 128, "internal"],
  ];
  for (const [error, container, message, exitCode, kind] of cases) {
    const failure = startFailure(error, container);
    assert.match(failure.message, message);
    assert.deepEqual([failure.facts.exitCode, failure.kind], [exitCode, kind], failure.message);
  }
});

const logging = (Config: Record<string, string>, config: Partial<ContainerConfig> = {}) =>
  logOf({ id: "a".repeat(64), name: "n", imageId: `sha256:${"b".repeat(64)}`, logPath: "/l", config: { Env: [], Labels: {}, Image: "img", ...config } as unknown as ContainerConfig, hostConfig: { LogConfig: { Type: "json-file", Config } } as unknown as HostConfig } as ContainerRecord);

test("log options", () => {
  assert.deepEqual(logging({}), { path: "/l", maxSize: 0, maxFiles: 1, attrs: "" });
  const sizes: Record<string, number> = { "10m": 10e6, "1.5k": 1500, "7": 7, "2GB": 2e9, "-1": 0 };
  for (const [text, size] of Object.entries(sizes)) assert.equal(logging({ "max-size": text })!.maxSize, size, text);
  assert.equal(logging({ "max-size": "1m", "max-file": "3" })!.maxFiles, 3);
  for (const bad of ["0", "x", "10q", "-2", "1e9", "99999999t"]) assert.throws(() => checkLogging({ Type: "json-file", Config: { "max-size": bad } }), { kind: "invalid" }, bad);
  for (const bad of ["0", "-1", "1.5", "x", "100000"]) assert.throws(() => checkLogging({ Type: "json-file", Config: { "max-file": bad } }), { kind: "invalid" }, bad);
  for (const more of [{ compress: "true" }, { mode: "non-blocking" }]) assert.throws(() => checkLogging({ Type: "json-file", Config: more as Record<string, string> }), { kind: "not-implemented" });
  assert.throws(() => checkLogging({ Type: "json-file", Config: { "env-regex": "(" } }), { kind: "invalid" });
});

test("attributes of a log: labels and variables by name or pattern, and the tag", () => {
  const given = { Labels: { a: "1", b: "2" }, Env: ["X=x=y", "XX=2", "Y"] };
  assert.equal(logging({ labels: "a, c", env: "Y" }, given)!.attrs, '{"a":"1","Y":""}'.replace('"Y":""', '"Y":"Y"'));
  assert.equal(logging({ "labels-regex": "^b", "env-regex": "^X" }, given)!.attrs, '{"b":"2","X":"x=y","XX":"2"}');
  assert.equal(logging({ tag: "{{.Name}}/{{ .ID }}/{{.ImageName}}" })!.attrs, `{"tag":"n/${"a".repeat(12)}/img"}`);
});

const stat = (comm: string, tty: number, ticks: number, start: number) => `42 (${comm}) S 7 42 42 ${tty} 42 0 0 0 0 0 ${ticks} 0 0 0 20 0 1 0 ${start} 1048576 256`;
const around: Around = { users: new Map([["0", "root"], ["9", "a-very-long-name"]]), groups: new Map(), uptime: 100, now: Date.parse("2026-05-05T12:00:00"), memory: 1 << 30 };
const shell: Process = { pid: 42, stat: stat("a) (b", 34817, 250, 9000), status: "Uid:\t0\t0\t0\t0\nGid:\t5\t5\t5\t5\n", cmdline: "sh\0-c\0x y\0" };
const kernel: Process = { pid: 42, stat: stat("kworker", 0, 0, 0), status: "Uid:\t9\t9\t9\t9\n", cmdline: "" };

test("ps: the forms", () => {
  const forms: Record<string, [string, Process, string[]]> = {
    "-ef": ["UID PID PPID C STIME TTY TIME CMD", shell, ["root", "42", "7", "25", "11:59", "pts/1", "00:00:02", "sh -c x y"]],
    aux: ["USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND", shell, ["root", "42", "25.0", "0.1", "1024", "1024", "pts/1", "Ss+", "11:59", "0:02", "sh -c x y"]],
    "-o pid,comm": ["PID COMMAND", shell, ["42", "a) (b"]],
    "-eo pid,user=WHO IS": ["PID WHO", shell, ["42", "root"]],
    "-o etime -o pid": ["ELAPSED PID", shell, ["00:10", "42"]],
    "-A -opid,args=A,B": ["PID A,B", kernel, ["42", "[kworker]"]],
    "-o pid,user,tty,gid,stat": ["PID USER TT GID STAT", kernel, ["42", "a-very-+", "?", "0", "Ss+"]],
  };
  for (const [options, [titles, process, row]] of Object.entries(forms)) {
    const words = options.endsWith("WHO IS") ? options.slice(0, -3) : options;
    const listing = formatProcesses(columnsOf(words), [process], around);
    assert.deepEqual([listing.titles.join(" "), listing.processes[0]], [titles, row], options);
  }
});

test("ps: options that are not understood are refused", () => {
  for (const bad of ["-o comm", "-o nosuch,pid", "-o user=PID,pid", "-p 1", "--forest", "-o", "-x;ls", "-o pid=PID"]) assert.throws(() => columnsOf(bad), { kind: "invalid" }, bad);
});

test("addresses of a namespace", () => {
  const fib = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 172.17.0.2\n        /32 host LOCAL\n     |-- 172.17.255.255\n        /32 link BROADCAST\nLocal:\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 172.17.0.2\n        /32 host LOCAL\n";
  assert.deepEqual(localAddresses(fib), ["172.17.0.2", "127.0.0.1"]);
  assert.deepEqual(inet6Addresses("fe80000000000000004211fffe110002 02 40 20 80     eth0\n"), ["fe80::42:11ff:fe11:2/64 eth0"]);
});
