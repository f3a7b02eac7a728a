/** RUN as users know it: mounts, networks, hosts, limits, what a failure says, a shell where it failed. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Scene, stories } from "./harness.ts";

const { story } = stories("RUN", { flags: [] });

async function build({ cli, folder }: Scene, lines: readonly string[], { flags = [], files = {} }: { flags?: readonly string[]; files?: Record<string, string> } = {}) {
  const context = join(folder, "context");
  mkdirSync(context, { recursive: true });
  for (const [name, text] of Object.entries({ ...files, Dockerfile: `${lines.join("\n")}\n` })) writeFileSync(join(context, name), text);
  return await cli.with({ env: { DOCKER_BUILDKIT: "0" } })("build", "--no-cache", ...flags, context);
}

async function built(scene: Scene, ...wish: [lines: readonly string[], options?: Parameters<typeof build>[2]]): Promise<string> {
  const { code, stdout, stderr } = await build(scene, ...wish);
  assert.equal(code, 0, stderr);
  return stdout + stderr;
}

story("mounts: what is kept in a cache, and nothing of them in the image", async (scene) => {
  const lines = [
    "FROM busybox AS maker",
    "RUN mkdir /made && echo of-a-step > /made/file",
    "FROM busybox",
    "RUN --mount=type=cache,target=/var/cache/x,id=story,uid=5,mode=0700 stat -c '%u %a' /var/cache/x > /owner && echo once >> /var/cache/x/log",
    "RUN --mount=type=cache,target=/elsewhere,id=story cp /elsewhere/log /log",
    "RUN --mount=type=bind,from=maker,source=/made,target=/m --mount=type=bind,source=note,target=/note cat /m/file /note > /both",
    "RUN --mount=type=tmpfs,target=/t,size=1m echo '#!/bin/sh' > /t/x && chmod +x /t/x && /t/x && df -k /t | grep -q 1024",
    "RUN <<'EOF'\nfor i in 1 2; do echo line $i >> /lines; done\nEOF",
    "CMD cat /owner /log /both /lines; ls -d /m /note /t /elsewhere /var/cache/x /dev/pipes 2>/dev/null; true",
  ];
  await built(scene, lines, { flags: ["-t", "mounts:1"], files: { note: "of-the-context\n" } });
  const first = await scene.cli.ok("run", "--rm", "mounts:1");
  assert.deepEqual(first.split("\n"), ["5 700", "once", "of-a-step", "of-the-context", "line 1", "line 2"]);
  await built(scene, lines, { flags: ["-t", "mounts:1"], files: { note: "changed\n" } });
  const second = await scene.cli.ok("run", "--rm", "mounts:1");
  assert.deepEqual(second.split("\n"), ["5 700", "once", "once", "of-a-step", "changed", "line 1", "line 2"]);
  const [name, ...more] = (await scene.cli.ok("volume", "ls", "-q", "--filter", "label=com.gantry.build.cache=story")).split("\n");
  assert.match(name!, /^build-cache-story-[0-9a-f]{8}$/);
  assert.doesNotMatch(await scene.cli.ok("volume", "ls", "-q"), /build-cache/, "the build cache has it");
  assert.doesNotMatch(await scene.cli.ok("volume", "prune", "-af"), /build-cache/);
  assert.deepEqual(more, []);
}, { only: "gantry-engine" });

story("a step's network, hosts and limits are those that the build says", async (scene) => {
  const flags = ["--add-host", "db:192.0.2.7", "--add-host", "host.docker.internal:host-gateway", "--ulimit", "nofile=111:222", "--shm-size", "2m"];
  const lines = ["FROM busybox", "RUN grep -E 'db|internal' /etc/hosts | sort; ulimit -n; df -k /dev/shm | tail -1 | awk '{print $2}'; ls /sys/class/net | sort | tr '\\n' ' '"];
  const text = await built(scene, lines, { flags });
  assert.match(text, /192\.0\.2\.7\s+db/);
  assert.match(text, /\d+\.\d+\.\d+\.1\s+host\.docker\.internal/);
  assert.match(text, /\b111\b/);
  assert.match(text, /\b2048\b/);
  assert.match(text, /eth0 lo/);
  assert.doesNotMatch(await built(scene, lines, { flags: ["--network", "none"] }), /eth0/);
});

story("a build in a network of one's own finds who is there by name", async (scene) => {
  const { cli } = scene;
  await cli.ok("network", "create", "around");
  await cli.ok("run", "-d", "--name", "neighbour", "--network", "around", "busybox", "sh", "-c", "mkdir /w; echo of-the-neighbour > /w/page; httpd -f -p 80 -h /w");
  assert.match(await built(scene, ["FROM busybox", "RUN until wget -qO- http://neighbour/page; do :; done"], { flags: ["--network", "around"] }), /of-the-neighbour/);
  assert.match((await build(scene, ["FROM busybox", "RUN true"], { flags: ["--network", "nowhere"] })).stderr, /network nowhere not found/);
});

story("a step that fails says its code and its last words; nothing of it is left", async (scene) => {
  const { engine } = scene;
  const { code, stdout, stderr } = await build(scene, ["FROM busybox", "RUN echo before; echo last words >&2; exit 42"]);
  assert.notEqual(code, 0);
  assert.match(stdout + stderr, /before/);
  assert.match(stdout + stderr, /last words/);
  assert.match(stderr, /(returned a non-zero code|exit code): 42/);
  assert.match((await build(scene, ["FROM busybox", "RUN [\"/nope\"]"])).stderr, /no such file or directory|exit code: 127/);
  assert.match((await build(scene, ["FROM busybox", "USER nobody-here", "RUN true"])).stderr, /(process "\/bin\/sh -c true" did not complete successfully: |^)unable to find user nobody-here: no matching entries in passwd file$/m);
  const onto = ["FROM busybox AS a", "FROM busybox", "RUN --mount=type=bind,from=a,source=/bin/busybox,target=/bin true"];
  assert.match((await build(scene, onto)).stderr, /error mounting to rootfs at "\/bin": not a directory/);
  assert.equal(await scene.cli.ok("ps", "-aq"), "");
  assert.deepEqual(readdirSync(join(engine.place.execRoot, "tasks")), []);
}, { only: "gantry-engine" });

story("a shell where a step has failed has its tree, variables, user and caches", async (scene) => {
  const { cli, folder } = scene;
  const context = join(folder, "context");
  mkdirSync(context);
  writeFileSync(join(context, "Dockerfile"), "FROM busybox\nENV WHERE=inside\nWORKDIR /work\nRUN --mount=type=cache,target=/c,id=shell echo kept > /c/file; echo left > here; echo said; exit 3\n");
  const terminal = cli.terminal("build", "--no-cache", "--debug-on-fail", context);
  await terminal.until(/0\.\d+ said\r\n------\r\nDockerfile:4\r\n[^]*exit code: 3\r\nA shell in [^\n]*ash[^\n]*\r\n[^]*work # /);
  terminal.write("echo [$(cat here) $WHERE $(cat /c/file) $(id -u)]; exit\n");
  await terminal.until(/\[left inside kept 0\]/);
  assert.notEqual((await terminal.ended).code, 0);
}, { only: "gantry" });

story("who waits for a locked cache is told so", async (scene) => {
  const { cli, folder } = scene;
  for (const [name, command] of [["has", "echo begun; sleep 600"], ["waits", "echo its turn"]]) {
    mkdirSync(join(folder, name!));
    writeFileSync(join(folder, name!, "Dockerfile"), `FROM busybox\nRUN --mount=type=cache,target=/c,id=one,sharing=locked ${command}\n`);
  }
  const first = cli.terminal("build", "--no-cache", "--progress", "plain", join(folder, "has"));
  await first.until(/ begun/);
  const second = cli.terminal("build", "--no-cache", join(folder, "waits"));
  await second.until(/ => => waiting for the cache mount one: another step has it +\d+\.\ds/);
  first.write("\x03");
  assert.equal((await first.ended).code, 130);
  assert.equal((await second.ended).code, 0);
}, { only: "gantry" });
