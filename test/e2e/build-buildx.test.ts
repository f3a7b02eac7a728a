/** buildx, unchanged, as a plugin of the official client: what it is asked for, and what its users see. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { gitMissing, gitServer } from "../fixtures/git-server.ts";
import { tar } from "../fixtures/tar.ts";
import type { Result } from "./harness/client.ts";
import { buildxMissing, installBuildx } from "./harness/buildx.ts";
import { composeMissing, openCompose } from "./harness/compose.ts";
import { peer, stories, type Scene } from "./harness.ts";

const { story } = stories("buildx");

type Bench = Scene & {
  /** `buildx build` with plain progress, in the story's folder; it has to succeed. What it printed. */
  build(...argv: string[]): Promise<Result>;
  /** The same, whatever becomes of it. */
  attempt(argv: readonly string[], input?: string | Buffer): Promise<Result>;
  /** In a container of an image. */
  inside(image: string, ...command: string[]): Promise<string>;
};

/** The reference (dockerd 20.10) has an older builder: what it lacks is not asked of it. */
function buildxStory(name: string, tell: (bench: Bench) => Promise<void>, options: { ours?: true; skip?: string | undefined } = {}): void {
  const told = async (scene: Scene): Promise<void> => {
    installBuildx(scene.engine);
    const attempt: Bench["attempt"] = (argv, input = "") => scene.cli.with({ cwd: scene.folder, input })("buildx", "build", "--progress", "plain", ...argv);
    await tell({
      ...scene,
      attempt,
      async build(...argv) {
        const result = await attempt(argv);
        assert.equal(result.code, 0, `buildx build ${argv.join(" ")}: ${result.stderr}`);
        return result;
      },
      inside: (image, ...command) => scene.cli.ok("run", "--rm", image, ...command),
    });
  };
  story(name, told, { only: options.ours === true && peer !== "gantry" ? "gantry" : "docker", skip: buildxMissing ?? options.skip });
}

buildxStory("names, labels, arguments, the id in a file, and metadata", async ({ file, folder, build, inside, cli }) => {
  file("Dockerfile", "FROM busybox AS base\nARG WHO=nobody\nRUN echo hello $WHO > /greeting\nFROM base AS last\nCMD cat /greeting\nFROM base\nRUN false\n");
  await build("-t", "named:1", "-t", "named:2", "--label", "a=b", "--build-arg", "WHO=world", "--target", "last", "--iidfile", join(folder, "id"), "--metadata-file", join(folder, "metadata"), ".");
  assert.equal(await inside("named:2"), "hello world");
  const id = readFileSync(join(folder, "id"), "utf8");
  assert.equal(await cli.ok("image", "inspect", "-f", "{{.Id}} {{.Config.Labels.a}}", "named:1"), `${id} b`);
  assert.equal(await inside(id), "hello world");
  const metadata = JSON.parse(readFileSync(join(folder, "metadata"), "utf8")) as Record<string, unknown>;
  assert.equal(metadata["image.name"], "docker.io/library/named:1,docker.io/library/named:2");
  assert.match(String(metadata["containerimage.digest"]), /^sha256:/);
}, { ours: true });

buildxStory("built again, nothing is done again; -q prints the id alone", async ({ file, folder, build, cli }) => {
  file("Dockerfile", "FROM busybox\nRUN echo once > /x\nCOPY a /a\n");
  file("a", "a");
  await build("-t", "again", ".");
  const { stderr } = await build("-t", "again", ".");
  assert.match(stderr, /RUN echo once > \/x\n#\d+ CACHED/);
  assert.match(stderr, /COPY a \/a\n#\d+ CACHED/);
  const { stdout } = await cli.with({ cwd: folder })("buildx", "build", "-q", "-t", "again", ".");
  assert.match(stdout, /^sha256:[0-9a-f]{64}\n$/);
});

buildxStory("a step that fails: its output, its lines, exit code 1", async ({ file, attempt }) => {
  file("Dockerfile", "FROM busybox\n\nRUN echo to be seen && exit 9\n");
  const { code, stderr } = await attempt(["."]);
  assert.equal(code, 1);
  assert.match(stderr, /\n#\d+ ERROR: process "\/bin\/sh -c echo to be seen && exit 9" did not complete successfully: exit code: 9\n/);
  assert.match(stderr, /Dockerfile:3\n-+\n {3}1 \| {5}FROM busybox\n {3}2 \| *\n {3}3 \| >>> RUN echo to be seen && exit 9\n/);
  assert.match(stderr, /\nERROR: failed to (?:build: failed to )?solve: process ".*" did not complete successfully: exit code: 9\n$/);
  assert.match(stderr, / > \[2\/2\] RUN echo to be seen && exit 9:\n(?:[\d.]+ )?to be seen\n/);
}, { ours: true });

buildxStory("Dockerfiles that are none, and files that are not there", async ({ file, attempt }) => {
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    ["FROM busybox\nFRM x\n", /dockerfile parse error on line 2: unknown instruction: FRM/],
    ["FROM busybox\nCOPY nope /\n", /\n#\d+ ERROR: failed to calculate checksum of ref \S+: "\/nope": not found\n[^]*\nERROR: failed to (?:build: failed to )?solve: failed to compute cache key: failed to calculate checksum of ref \S+: "\/nope": not found\n$/],
    ["FROM busybox AS a\nCOPY --from=b / /\n", /"?b"?/],
    ["", /the Dockerfile.*cannot be empty/],
  ];
  for (const [text, message] of cases) {
    file("Dockerfile", text);
    const { code, stderr } = await attempt(["."]);
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
  assert.match((await attempt(["-f", "Nope", "."])).stderr, /failed to read dockerfile: open Nope: no such file or directory/);
  assert.match((await attempt(["--target", "nope", "."])).stderr, /Dockerfile|target stage/);
}, { ours: true });

buildxStory("the Dockerfile on standard input, the context on it, a Dockerfile from elsewhere", async ({ file, folder, attempt, inside }) => {
  file("in", "from the folder");
  const dockerfile = "FROM busybox\nCOPY in /in\nCMD cat /in\n";
  assert.equal((await attempt(["-t", "stdin:1", "-f", "-", "."], dockerfile)).code, 0);
  assert.equal(await inside("stdin:1"), "from the folder");
  assert.equal((await attempt(["-t", "stdin:2", "-"], tar([{ path: "Dockerfile", data: dockerfile }, { path: "in", data: "from the archive" }]))).code, 0);
  assert.equal(await inside("stdin:2"), "from the archive");
  assert.equal((await attempt(["-t", "stdin:3", "-"], "FROM busybox\nCMD echo alone\n")).code, 0);
  assert.equal(await inside("stdin:3"), "alone");
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "sub/Other"), dockerfile);
  writeFileSync(join(folder, "sub/.dockerignore"), "in\n");
  assert.equal((await attempt(["-t", "stdin:4", "-f", "sub/Other", "."])).code, 0);
  assert.equal(await inside("stdin:4"), "from the folder");
  writeFileSync(join(folder, "sub/Other.dockerignore"), "in\n");
  assert.match((await attempt(["-f", "sub/Other", "."])).stderr, /"\/in": not found/);
}, { ours: true });

buildxStory("outputs: a folder, archives of files, of OCI, of docker", async ({ file, folder, build, attempt, cli, inside }) => {
  file("Dockerfile", "FROM busybox AS b\nRUN mkdir -p /o/d && echo x > /o/d/x && ln -s d/x /o/l && chmod 750 /o/d\nFROM scratch AS files\nCOPY --from=b /o /\nFROM b\n");
  await build("--target", "files", "-o", "out", ".");
  assert.deepEqual([readFileSync(join(folder, "out/d/x"), "utf8"), readlinkSync(join(folder, "out/l"))], ["x\n", "d/x"]);
  const archive = await attempt(["--target", "files", "-o", "-", "."]);
  assert.match(archive.stdout, /ustar/);
  await build("--target", "files", "-o", "type=tar,dest=files.tar", ".");
  assert.deepEqual(execFileSync("tar", ["tf", join(folder, "files.tar")], { encoding: "utf8" }).trim().split("\n").map((name) => name.replace(/^\.\/|\/$/g, "")).filter(Boolean).toSorted(), ["d", "d/x", "l"]);
  await build("-t", "out:1", "-o", "type=docker,dest=docker.tar", ".");
  await cli.ok("load", "-q", "-i", join(folder, "docker.tar"));
  assert.equal(await inside("out:1", "cat", "/o/l"), "x");
  await build("-t", "out:2", "-o", "type=oci,dest=oci.tar", ".");
  await build("-t", "out:3", "-o", "type=oci,tar=false,dest=layout", ".");
  assert.ok(existsSync(join(folder, "layout/index.json")) && readdirSync(join(folder, "layout/blobs/sha256")).length >= 3);
}, { ours: true });

buildxStory("secrets, named contexts, hosts, networks, and what is not allowed", async ({ file, folder, build, attempt, inside }) => {
  file("secret", "hidden");
  file("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s > /s\nCOPY --from=more f /f\nRUN grep -h box /etc/hosts > /h; ls /sys/class/net > /n\nCMD cat /s /f /h /n\n");
  mkdirSync(join(folder, "more"));
  writeFileSync(join(folder, "more/f"), "more\n");
  await build("-t", "mixed", "--secret", "id=s,src=secret", "--build-context", "more=more", "--add-host", "box:10.1.2.3", "--network", "none", ".");
  assert.match(await inside("mixed"), /^6\nmore\n10\.1\.2\.3\s+box\nlo$/);
  file("Dockerfile", "# syntax=docker/dockerfile:1-labs\nFROM busybox\nRUN --security=insecure true\n");
  assert.match((await attempt(["."])).stderr, /security\.insecure.*not allowed/);
  file("Dockerfile", "FROM busybox\nRUN --mount=type=secret,id=nope,required=true cat /run/secrets/nope\n");
  assert.match((await attempt(["."])).stderr, /secret nope: not found/);
}, { ours: true });

buildxStory("questions about a Dockerfile: check, outline, targets", async ({ file, attempt }) => {
  file("Dockerfile", "# base is what it says\nFROM busybox AS base\n# WHO is greeted\nARG WHO=you\nRUN --mount=type=secret,id=s,required=true true\nFROM base as Odd\n");
  const check = await attempt(["--check", "."]);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /StageNameCasing/);
  assert.match(check.stdout, /FromAsCasing/);
  const targets = await attempt(["--call", "targets", "."]);
  assert.match(targets.stdout, /TARGET +DESCRIPTION\nbase/);
  const outline = await attempt(["--call", "outline", "--target", "base", "."]);
  assert.match(outline.stdout, /WHO +you/);
  file("Bad", "FROM busybox\nCOPY alone\n");
  const bad = await attempt(["--call", "check,format=json", "-f", "Bad", "."]);
  const { buildError, warnings } = JSON.parse(bad.stdout) as { buildError: { message: string; location: { ranges: { start: { line: number } }[] } }; warnings: unknown[] };
  assert.match(buildError.message, /^dockerfile parse error on line 2: COPY requires at least two arguments/);
  assert.deepEqual([bad.code, buildError.location.ranges[0]!.start.line, warnings], [1, 2, []]);
}, { ours: true });

buildxStory("bake: targets that are made of one another", async ({ file, folder, cli, inside }) => {
  file("base.Dockerfile", "FROM busybox\nRUN echo base > /base; cat /proc/sys/kernel/random/uuid > /once\n");
  file("app.Dockerfile", "FROM base\nRUN cat /base /base > /app\nCMD cat /app\n");
  const app = (name: string) => ({ dockerfile: "app.Dockerfile", contexts: { base: "target:base" }, tags: [`bake/${name}`] });
  file("docker-bake.json", JSON.stringify({ group: { default: { targets: ["app", "base"] } }, target: { base: { dockerfile: "base.Dockerfile", tags: ["bake/base"] }, app: app("app"), one: app("one"), two: app("two") } }));
  const { code, stderr } = await cli.with({ cwd: folder })("buildx", "bake", "--progress", "plain");
  assert.equal(code, 0, stderr);
  assert.equal(await inside("bake/app"), "base\nbase");
  // Nobody asks for the base itself: it is made once, also without a cache, and no image of it stays.
  const again = await cli.with({ cwd: folder })("buildx", "bake", "--no-cache", "one", "two");
  assert.equal(again.code, 0, again.stderr);
  assert.equal(await inside("bake/one", "cat", "/once"), await inside("bake/two", "cat", "/once"));
  assert.equal(await cli.ok("images", "-q", "-f", "dangling=true"), "");
}, { ours: true });

buildxStory("bake from elsewhere: definitions and contexts of a repository, a definition of a URL", async ({ folder, cli, inside }) => {
  const ends: (() => unknown)[] = [];
  const server = await gitServer({ after: (end: () => unknown) => void ends.push(end) } as never);
  try {
    const whole = { target: { whole: { tags: ["far:whole"] }, part: { context: "dir", contexts: { other: "more" }, tags: ["far:part"] } } };
    const files = {
      "docker-bake.json": JSON.stringify(whole), Dockerfile: "FROM busybox\nCOPY dir/file /file\n", "dir/file": "of dir\n",
      "dir/Dockerfile": "FROM busybox\nCOPY file /file\nCOPY --from=other x /x\n", "more/x": "of more\n",
    };
    const repository = server.create("r");
    for (const [name, text] of Object.entries(files)) repository.write(name, text);
    repository.commit();
    const bake = async (...argv: string[]): Promise<Result> => await cli.with({ cwd: folder })("buildx", "bake", "--progress", "plain", ...argv);
    for (const target of ["whole", "part"]) {
      const { code, stderr } = await bake(`${server.url}/r.git`, target);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /\[internal\] load git source/);
      assert.equal(await inside(`far:${target}`, "cat", "/file"), "of dir");
    }
    assert.equal(await inside("far:part", "cat", "/x"), "of more");
    assert.match((await bake(`${server.url}/nowhere.git`)).stderr, /ERROR: .*nowhere\.git/s);
    const http = createServer((_, answer) => void answer.end(JSON.stringify({ target: { default: { "dockerfile-inline": "FROM busybox\nRUN echo alone > /file", tags: ["far:alone"] } } })));
    ends.push(() => http.close());
    await once(http.listen(0, "127.0.0.1"), "listening");
    const alone = await bake(`http://127.0.0.1:${(http.address() as AddressInfo).port}/docker-bake.json`);
    assert.equal(alone.code, 0, alone.stderr);
    assert.equal(await inside("far:alone", "cat", "/file"), "alone");
  } finally {
    await Promise.all(ends.map((end) => end()));
  }
}, { ours: true, skip: gitMissing || undefined });

buildxStory("Compose builds with it", async ({ file, folder, engine, cli }) => {
  file("Dockerfile", "FROM busybox\nARG X\nRUN echo $X > /x\nCMD cat /x\n");
  file("compose.yaml", JSON.stringify({ services: { one: { build: { context: ".", args: { X: "composed" } } } } }));
  const compose = openCompose("plugin", engine, folder, "built");
  await compose.ok("up", "--build");
  assert.match(await cli.ok("run", "--rm", "built-one"), /^composed$/);
}, { ours: true, skip: composeMissing.plugin });

buildxStory("progress: raw JSON, and for a terminal", async ({ file, folder, cli }) => {
  file("Dockerfile", "FROM busybox\nRUN echo out; echo err >&2\n");
  const { stderr } = await cli.with({ cwd: folder })("buildx", "build", "--no-cache", "--progress", "rawjson", ".");
  const messages = stderr.trim().split("\n").map((line) => JSON.parse(line) as { logs?: { data: string; stream: number }[] });
  assert.deepEqual(messages.flatMap(({ logs = [] }) => logs.map(({ data, stream }) => `${stream} ${Buffer.from(data, "base64").toString().trim()}`)).toSorted(), ["1 out", "2 err"]);
  const terminal = cli.terminal("buildx", "build", "-t", "tty", folder);
  await terminal.until(/FINISHED/);
  assert.equal((await terminal.ended).code, 0);
}, { ours: true });

buildxStory("interrupted, it ends, and so does what it had begun", async ({ file, folder, cli }) => {
  file("Dockerfile", "FROM busybox\nRUN echo begun; sleep 87654\n");
  const running = cli.spawn("buildx", "build", "--progress", "plain", "--no-cache", folder);
  await running.until(/ begun\n/);
  running.child.kill("SIGINT");
  const { code, stderr } = await running.ended;
  assert.notEqual(code, 0);
  assert.match(stderr, /ERROR: failed to (?:build: failed to )?solve: Canceled: context canceled/);
  for (let waited = 0; sleeps(); waited++) {
    assert.ok(waited < 100, "its process goes on");
    await pause(50);
  }
});

function sleeps(): boolean {
  return readdirSync("/proc").some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").startsWith("sleep\x0087654");
    } catch {
      return false;
    }
  });
}

buildxStory("ls, inspect, du, prune; docker build is buildx's", async ({ file, folder, cli }) => {
  file("Dockerfile", "FROM busybox\nRUN echo kept > /x\n");
  assert.equal((await cli.with({ cwd: folder })("build", "-q", "-t", "plain", ".")).code, 0);
  assert.match(await cli.ok("buildx", "ls"), /default\*? +docker/);
  assert.match(await cli.ok("buildx", "inspect"), /Status: +running/);
  assert.match(await cli.ok("buildx", "du", "--verbose"), /echo kept > \/x/);
  await cli.ok("buildx", "prune", "-f", "--all");
  assert.doesNotMatch(await cli.ok("buildx", "du", "--verbose"), /echo kept/);
}, { ours: true });

buildxStory("provenance and SBOM when they are asked for, and not otherwise", async ({ file, build, cli }) => {
  file("Dockerfile", "FROM busybox\nRUN echo x > /x\n");
  await build("-t", "attested:no", ".");
  await build("-t", "attested:yes", "--provenance", "mode=max", ".");
  const kinds = async (name: string) => JSON.parse(await cli.ok("image", "inspect", name)) as { Descriptor: { mediaType: string } }[];
  assert.match((await kinds("attested:no"))[0]!.Descriptor.mediaType, /manifest\.v1\+json$/);
  assert.match((await kinds("attested:yes"))[0]!.Descriptor.mediaType, /index\.v1\+json$/);
}, { ours: true });
