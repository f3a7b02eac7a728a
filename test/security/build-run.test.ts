/** RUN steps that mean harm: rows BLD-01, 02, 03, 11, 13, 14 and 16 of the catalogue. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openClient, type Result } from "../e2e/harness/client.ts";
import { attacks, type Scene } from "./attack.ts";

const { attack } = attacks("RUN");

type Wish = { readonly flags?: readonly string[]; readonly env?: Record<string, string> };

/** Builds with our own client; what the steps printed, and the failure, are in stderr. */
async function build({ engine }: Scene, dockerfile: string, { flags = [], env = {} }: Wish = {}): Promise<Result> {
  const folder = mkdtempSync("/tmp/build-run-");
  try {
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    return await openClient("gantry", engine).with({ env })("build", "--progress", "plain", "--no-cache", ...flags, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function built(scene: Scene, dockerfile: string, wish: Wish = {}): Promise<string> {
  const { code, stderr } = await build(scene, dockerfile, wish);
  assert.equal(code, 0, stderr);
  return stderr;
}

async function refused(scene: Scene, dockerfile: string, message: RegExp, wish: Wish = {}): Promise<void> {
  const { code, stderr } = await build(scene, dockerfile, wish);
  assert.notEqual(code, 0, `${dockerfile} was let through`);
  assert.match(stderr, message);
}

/** What a step printed: "#5 0.123 text" → "text". */
const printed = (stderr: string): string[] => [...stderr.matchAll(/^#\d+ \d+\.\d+ (.*)$/gm)].map(([, text]) => text!);

attack("BLD-01 a part of a cache is mounted while another build makes links of it", async (scene) => {
  const { canary } = scene;
  const cache = "--mount=type=cache,id=race,target=/c";
  await built(scene, `FROM box\nRUN ${cache} mkdir /c/sub && echo own > /c/sub/file && ln -s ${canary} /c/link && ln -s ../../../../../../../..${canary} /c/up\n`);
  const volume = (await scene.cli.ok("volume", "ls", "-q", "--filter", "label=com.gantry.build.cache=race")).trim();
  const racing = scene.cli.spawn("run", "--rm", "--name", "racer", "-v", `${volume}:/c`, "box", "inside", "race", "/c/sub", "/c/link");
  const part = `FROM box\nRUN ${cache.replace("/c", "/d")},source=/sub cat /d/file && ls /d\n`;
  for (let round = 0; round < 3; round++) {
    const { stderr } = await build(scene, part);
    assert.ok(!printed(stderr).some((line) => /canary|inner|fifo/.test(line)), stderr);
  }
  await scene.cli.ok("rm", "-f", "racer");
  await racing.ended;
  await scene.cli.ok("run", "--rm", "-v", `${volume}:/c`, "box", "sh", "-c", "[ ! -L /c/sub ] || { rm /c/sub; mv /c/link /c/sub; }");
  assert.deepEqual(printed(await built(scene, part)), ["own", "file"]);
  await refused(scene, `FROM box\nRUN ${cache},source=/up cat /c/file\n`, /not found/);
});

attack("BLD-02 places of mounts are not looked for where a step has put links", async (scene) => {
  const { canary } = scene;
  const steps = [
    "FROM box",
    `RUN --mount=type=tmpfs,target=/a/b/c rm -r /a 2>/dev/null; ln -s ${canary} /a`,
    `RUN --mount=type=cache,target=/x/y umount /x/y 2>/dev/null; rm -rf /x 2>/dev/null; ln -s ${canary} /x`,
    "RUN --mount=type=bind,from=box,source=/bin/busybox,target=/f/g/busybox rm -rf /f 2>/dev/null; test -e /f/g/busybox",
    "RUN --mount=type=secret,id=none --mount=type=tmpfs,target=/run/deep/er true",
    `RUN ln -s ${canary} /link`,
  ];
  await built(scene, `${steps.join("\n")}\n`, { flags: ["-t", "places:1"] });
  // What was only made to mount something on is in no layer; what the steps made is.
  const there = await scene.cli.ok("run", "--rm", "places:1", "sh", "-c", `for f in /a /x /link /a/b /x/y /f /run ${canary}; do [ -e $f ] || [ -L $f ] && echo $f; done; true`);
  assert.deepEqual(there.split("\n"), ["/a", "/x", "/link"]);
  await refused(scene, "FROM places:1\nRUN --mount=type=tmpfs,target=/link/dir/new true\n", /target \/link\/dir\/new: /);
});

const INSECURE = "FROM box\nRUN --security=insecure inside status\n";

attack("BLD-03 all privileges and the host's network are for those who were granted them", async (scene) => {
  for (const mode of ["-1", "99", "INSECURE"]) await refused(scene, `FROM box\nRUN --security=${mode} true\n`, /security|insecure/i, { flags: ["--allow", "security.insecure"] });
  await refused(scene, INSECURE, /security\.insecure is not allowed/);
  // The engine's configuration does not allow it, whatever the client grants.
  await refused(scene, INSECURE, /not allowed by build daemon configuration/, { flags: ["--allow", "security.insecure"] });
  await refused(scene, "FROM box\nRUN --network=host true\n", /network\.host is not allowed/);
  const text = await built(scene, "FROM box\nRUN --network=host readlink /proc/self/ns/net\n", { flags: ["--allow", "network.host"] });
  assert.deepEqual(printed(text), [readlinkSync("/proc/self/ns/net")], "granted, it is the host's");
  const plain = printed(await built(scene, "FROM box\nRUN grep -E 'Seccomp:|CapEff' /proc/self/status\n"));
  assert.deepEqual(plain.map((line) => line.replace(/\s+/g, " ")), ["CapEff: 00000000a80425fb", "Seccomp: 2"]);
});

attack("BLD-11 a bind's source stays in its tree, and what is written to it is forgotten", async (scene) => {
  const { canary } = scene;
  const stage = `FROM box AS s\nRUN mkdir /own && echo own > /own/file && ln -s / /root-link && ln -s ${canary} /abs && ln -s ../../../../../../../../../..${canary} /up && ln -s /own /good\n`;
  const bind = (source: string, command: string, more = "") => `RUN --mount=type=bind,from=s,source=${source},target=/m${more} ${command}`;
  const roots = ["/root-link", "../../..", "/own/../../.."].map((source) => bind(source, `test -d /m/own && test -L /m/up && echo ${source} is the root`));
  const good = [bind("/good", "ls /m"), ...roots, bind("/own", "echo evil > /m/file && echo evil > /m/new && ls /m", ",rw"), bind("/own", "cat /m/*"), bind("/own", "sh -c 'echo evil > /m/file' || echo no")];
  const told = printed(await built(scene, `${stage}FROM box\n${good.join("\n")}\n`)).filter((line) => !line.includes("Read-only"));
  assert.deepEqual(told.sort(), ["../../.. is the root", "/own/../../.. is the root", "/root-link is the root", "file", "file", "new", "no", "own"]);
  for (const source of ["/abs", "/up"]) await refused(scene, `${stage}FROM box\n${bind(source, "ls /m")}\n`, /not found/);
  await refused(scene, `FROM box\nRUN --mount=type=bind,target=/m,bind-propagation=shared true\n`, /bind-propagation/);
  await refused(scene, `FROM box\nRUN --mount=type=cache,target=/c,from=box,source=/../..${canary} ls /c\n`, /not found/);
});

attack("BLD-13 nothing of the host's environment is in a step, and a secret is nowhere", async (scene) => {
  const { engine } = scene;
  const secret = `sentinel-${process.pid}-${Date.now()}`;
  const path = join(engine.place.folder, "secret");
  writeFileSync(path, secret);
  const check = `[ "$(cat /run/secrets/s)" = "$TOKEN" ] && [ -n "$TOKEN" ] && echo the same; mount | grep secrets; env | grep -v TOKEN; cat /proc/1/environ | tr '\\0' '\\n' | grep -c .`;
  const text = await built(scene, `FROM box\nRUN --mount=type=secret,id=s --mount=type=secret,id=s,env=TOKEN ${check}\nRUN ls /run; env\n`, {
    flags: ["-t", "secret:1", "--secret", `id=s,src=${path}`], env: { EVIL_OF_HOST: "evil-of-host" },
  });
  rmSync(path);
  assert.ok(printed(text).includes("the same"), text);
  assert.ok(!text.includes(secret) && !text.includes("evil-of-host"), text);
  const names = printed(text).flatMap((line) => /^([A-Z_]+)=/.exec(line)?.[1] ?? []);
  assert.deepEqual([...new Set(names)].sort(), ["HOME", "HOSTNAME", "PATH", "PWD", "SHLVL"]);
  const found = spawnSync("grep", ["-rlF", secret, engine.place.dataRoot, engine.place.execRoot, engine.place.log], { encoding: "utf8" });
  assert.deepEqual([found.status, found.stdout], [1, ""], "neither in layers, nor in records, nor in logs");
  assert.ok(!(await scene.cli.ok("history", "--no-trunc", "secret:1")).includes(secret));
});

attack("BLD-14 another platform is refused without trying anything out", async (scene) => {
  const { engine } = scene;
  const other = process.arch === "arm64" ? "s390x" : "riscv64";
  if (readdirSync("/proc/sys/fs/binfmt_misc").some((name) => name.includes(other))) return;
  const files = () => [...readdirSync("/tmp").filter((name) => /binfmt|qemu|check/.test(name)), ...readdirSync(engine.place.execRoot, { recursive: true, encoding: "utf8" })].sort();
  const before = files();
  await refused(scene, `FROM scratch\nCOPY Dockerfile /\nRUN ["/x"]\n`, /binfmt_misc.*qemu-user-static/s, { flags: ["--platform", `linux/${other}`] });
  assert.deepEqual(files().filter((name) => !before.includes(name)), []);
});

attack("BLD-16 a step is kept apart from the host as a container is", async (scene) => {
  const probe = "inside status; inside syscalls; inside sockets; inside mounts; inside dev; inside devices; inside cgroups; inside paths; inside writable / /proc /sys /dev /etc";
  const namespaces = "for one in mnt pid net ipc uts; do readlink /proc/self/ns/$one; done";
  const container = await scene.cli.ok("run", "--rm", "--hostname", "buildkitsandbox", "box", "sh", "-c", probe);
  const step = printed(await built(scene, `FROM box\nRUN ${probe}\nRUN ${namespaces}\n`));
  // What the kernel counts up, and the paths of layers, differ from container to container.
  const alike = (lines: readonly string[]) =>
    lines.filter((line) => line.trim() !== "").map((line) =>
      line.replace(/[0-9a-f]{64}/g, "ID").replace(/\[\d+\]/g, "[N]").replace(/^mount\t\d+ \d+ 0:\d+ /, "mount 0:N ").replace(/^mount\t\d+ \d+ /, "mount ").replace(/,(lowerdir\+?|upperdir|workdir)=[^,\s]*/g, ""));
  const own = step.splice(-5);
  assert.ok(container.split("\n").length > 100, "the probe tells much");
  assert.deepEqual(alike(step), alike(container.split("\n")));
  for (const one of own) assert.ok(!["mnt", "pid", "net", "ipc", "uts"].some((kind) => readlinkSync(`/proc/self/ns/${kind}`) === one), `${one} is the host's`);
});

attack("a step that is cancelled, or fails, leaves nothing", async (scene) => {
  const { engine } = scene;
  await refused(scene, "FROM box\nRUN --mount=type=cache,target=/c/d --mount=type=tmpfs,target=/t sleep 1000 & exit 7\n", /exit code: 7/);
  assert.deepEqual(readdirSync(join(engine.place.dataRoot, "containers")), []);
  assert.deepEqual(readdirSync(join(engine.place.execRoot, "tasks")), []);
  assert.equal(execFileSync("sh", ["-c", "mount | grep -c \"$0\" || true", engine.place.dataRoot], { encoding: "utf8" }).trim(), "0");
  assert.ok(!readFileSync(engine.place.log, "utf8").includes("level=error"), engine.log());
});
