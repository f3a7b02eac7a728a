import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { follow, type Result } from "./harness/client.ts";
import { root } from "./harness/engine.ts";
import { makePlace, removePlace, type Place } from "./harness/place.ts";

const skip = process.env["PEER"] !== undefined ? "it is Gantry's own" : process.getuid?.() !== 0 ? "the engine needs root" : false;

let place: Place;
let flags: string[];
before(async () => {
  if (skip !== false) return;
  place = await makePlace();
  flags = ["--data-root", place.dataRoot, "--exec-root", place.execRoot, "--config-file", place.config, "--bridge", place.bridge, "--bip", `${place.subnet}.1/24`];
});
after(async () => {
  if (skip !== false) return;
  await gantry("daemon", "stop", ...flags);
  await removePlace(place);
});

function gantry(...argv: string[]): Promise<Result> {
  return run(join(root, "gantry"), argv);
}

async function run(program: string, argv: string[], options: { uid?: number; cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Result> {
  const child = spawn(program, argv, { cwd: "/", timeout: 60_000, ...options, stdio: ["ignore", "pipe", "pipe"] });
  return await follow(child).ended;
}

test("daemon start: in the background, answering when the command returns; a second start finds it", { skip }, async () => {
  const first = await gantry("daemon", "start", ...flags);
  assert.match(first.stdout, /^The engine runs \(pid \d+\), listening on unix:\/\/.*\/x\/gantry\.sock\n$/, first.stderr);
  const second = await gantry("daemon", "start", ...flags);
  assert.match(second.stdout, /^The engine was running already/);
  const pid = Number(/pid (\d+)/.exec(first.stdout)?.[1]);
  assert.equal(readFileSync(join(place.execRoot, "gantryd.pid"), "utf8"), `${pid}\n`);
  const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
  assert.doesNotMatch(environment, /NODE_OPTIONS|LD_PRELOAD/);
});

test("daemon status: what runs; 3 when nothing does", { skip }, async () => {
  const status = await gantry("daemon", "status", ...flags);
  assert.equal(status.code, 0);
  assert.match(status.stdout, /version +\d+\.\d+\.\d+ \(API 1\.24 to 1\.\d\d\)\n +containers +0 \(0 running\)/);
  assert.equal((await gantry("daemon", "status", "--data-root", join(place.folder, "none"))).code, 3);
});

test("daemon status of an engine that is named: by -H before or behind, by DOCKER_HOST, by a context", { skip }, async () => {
  const host = `unix://${join(place.execRoot, "gantry.sock")}`;
  const nobody = "unix:///nobody/listens.sock";
  for (const line of [["-H", host, "daemon", "status"], ["daemon", "status", "-H", host], ["daemon", "status", `--host=${host}`]]) {
    const { code, stdout } = await gantry(...line);
    assert.deepEqual([code, stdout.includes(`listens on  ${host}\n`), stdout.includes(`data root   ${place.dataRoot}\n`)], [0, true, true], stdout);
  }
  const config = join(place.folder, "client");
  const env = { ...process.env, DOCKER_CONFIG: config };
  const ask = (more: Record<string, string>, ...line: string[]) => run(join(root, "gantry"), line, { env: { ...env, ...more } });
  assert.ok((await ask({ DOCKER_HOST: host }, "daemon", "status")).stdout.includes(place.dataRoot));
  assert.equal((await ask({ DOCKER_HOST: "" }, "context", "create", "here", "--docker", `host=${host}`)).code, 0);
  assert.ok((await ask({ DOCKER_HOST: "", DOCKER_CONTEXT: "here" }, "daemon", "status")).stdout.includes(place.dataRoot));
  const { code, stdout } = await gantry("-H", nobody, "daemon", "status");
  assert.deepEqual([code, stdout.startsWith("No engine answers: ")], [3, true], stdout);
});

test("daemon start, stop and status with --help do nothing but tell", { skip }, async () => {
  for (const [verb, ask] of [["start", "--help"], ["stop", "-h"], ["status", "--help"]] as const) {
    const { code, stdout } = await gantry("daemon", verb, ...flags, ask);
    assert.deepEqual([code, /^\nUsage:  gantry daemon /.test(stdout)], [0, true], verb);
  }
  assert.equal((await gantry("daemon", "status", ...flags)).code, 0, "it still runs");
});

test("a second engine on the same root is refused, and the first goes on", { skip }, async () => {
  const second = await gantry("daemon", ...flags);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /another engine \(pid \d+\) has .*; stop it/);
  assert.equal((await gantry("daemon", "status", ...flags)).code, 0);
});

test("SIGHUP reads the file again", { skip }, async () => {
  writeFileSync(place.config, JSON.stringify({ labels: ["fresh=1"], mtu: 1400 }));
  const pid = Number(readFileSync(join(place.execRoot, "gantryd.pid"), "utf8"));
  process.kill(pid, "SIGHUP");
  const log = join(place.dataRoot, "gantryd.log");
  for (let tried = 0; !readFileSync(log, "utf8").includes("configuration read again"); tried++) {
    assert.ok(tried < 500);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.match(readFileSync(log, "utf8"), /needs a restart.*mtu/);
  const client = { ...process.env, DOCKER_HOST: `unix://${place.execRoot}/gantry.sock` };
  assert.match((await run(join(root, "gantry"), ["info", "--format", "{{json .Labels}}"], { env: client })).stdout, /fresh=1/);
  writeFileSync(place.config, "{}");
});

test("daemon stop ends it; again is no error", { skip }, async () => {
  const stopped = await gantry("daemon", "stop", ...flags);
  assert.match(stopped.stdout, /^Stopped \(pid \d+\)/, stopped.stderr);
  assert.equal(existsSync(join(place.execRoot, "gantryd.pid")), false);
  const again = await gantry("daemon", "stop", ...flags);
  assert.deepEqual([again.code, again.stdout], [0, `No engine runs on ${place.dataRoot}\n`]);
});

test("a start that fails shows why", { skip }, async () => {
  const failed = await gantry("daemon", "start", ...flags, "--bip", "nonsense");
  assert.match(failed.stderr, /bip: an IPv4 address and prefix is expected/);
  const busy = await gantry("daemon", "start", ...flags.with(flags.indexOf("--exec-root") + 1, "/dev/null/nowhere"));
  assert.equal(busy.code, 1);
  assert.match(busy.stderr, /the engine did not start; its log .* says:\n[^]*\/dev\/null\/nowhere/);
});

test("not root: a sentence", { skip }, async () => {
  const result = await run("setpriv", ["--reuid", "65534", "--clear-groups", join(root, "gantry"), "daemon", ...flags]);
  assert.equal(result.code, 1);
  assert.match(result.stderr, /has to be started as root/);
});

test("the launcher works from any folder and through links; gantryd is the engine", { skip }, async () => {
  const link = join(place.folder, "g");
  symlinkSync(join(root, "gantry"), link);
  assert.match((await run("./g", ["daemon", "--version"], { cwd: place.folder })).stdout, /^Gantry version /);
  symlinkSync(join(root, "gantryd"), join(place.folder, "gd"));
  assert.equal((await run(join(place.folder, "gd"), ["--validate", "--config-file", place.config])).stderr, "configuration OK\n");
  const env = { ...process.env, NODE_OPTIONS: "--require /nosuch" };
  assert.match((await run(join(root, "gantry"), ["daemon", "--version"], { env })).stdout, /^Gantry version /);
});
