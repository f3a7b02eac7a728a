/**
 * Builds as the official client asks for them without BuildKit: what it prints word by word, its exit codes, its errors.
 * The same stories hold for dockerd 20.10 (PEER=dockerd).
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { peer, stories, type Scene } from "./harness.ts";
import type { Result } from "./harness/client.ts";
import { openRegistry } from "./harness/registry.ts";
import { tar } from "../fixtures/tar.ts";
import { call } from "../security/engine-call.ts";

const { story } = stories("classic builds");
const only = { only: "docker" } as const;

type Build = { (files: Readonly<Record<string, string>>, ...flags: string[]): Promise<Result>; at(folder: string, ...flags: string[]): Promise<Result> };

/** Builds a folder of these files. */
function builder({ cli, folder }: Pick<Scene, "cli" | "folder">): Build {
  const run = cli.with({ env: { DOCKER_BUILDKIT: "0" } });
  const at = async (place: string, ...flags: string[]): Promise<Result> => withoutAdvice(await run("build", ...flags, place));
  let count = 0;
  return Object.assign(
    async (files: Readonly<Record<string, string>>, ...flags: string[]) => {
      const place = join(folder, `build${(count += 1)}`);
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(place, name)), { recursive: true });
        writeFileSync(join(place, name), content);
      }
      return await at(place, ...flags);
    },
    { at },
  );
}

/** Without what the client says of itself. */
function withoutAdvice(result: Result): Result {
  const stderr = result.stderr.replace(/DEPRECATED: The legacy builder[\s\S]*?\n\n/, "");
  return { ...result, stderr, stdout: result.stdout.replace(/^Sending build context to Docker daemon +[0-9.]+k?B[\r\n]+/, "") };
}

/** Ids are named in the order in which they come: two that are the same have the same name. */
function named(text: string): string {
  const names = new Map<string, string>();
  return text.replace(/\b(sha256:)?([0-9a-f]{64}|[0-9a-f]{12})\b/g, (id) => {
    const short = id.replace("sha256:", "").slice(0, 12);
    if (!names.has(short)) names.set(short, `<${names.size}>`);
    return names.get(short)!;
  });
}

story("a build, and the same once more: word by word", async (scene) => {
  const build = builder(scene);
  const files = { Dockerfile: "# one\nFROM busybox\nENV a=b \\\n    c=d\nRUN echo $a && \\\n    # inside\n    echo   $c\nWORKDIR /x\nCOPY f g /x/\nCMD [\"cat\", \"f\", \"g\"]\n", f: "f\n", g: "g\n" };
  const first = await build(files, "-t", "classic:1", "-t", "classic:2");
  assert.equal(
    named(first.stdout).trim(),
    `Step 1/6 : FROM busybox
 ---> <0>
Step 2/6 : ENV a=b     c=d
 ---> Running in <1>
Removing intermediate container <1>
 ---> <2>
Step 3/6 : RUN echo $a &&     echo   $c
 ---> Running in <3>
b
d
Removing intermediate container <3>
 ---> <4>
Step 4/6 : WORKDIR /x
 ---> Running in <5>
Removing intermediate container <5>
 ---> <6>
Step 5/6 : COPY f g /x/
 ---> <7>
Step 6/6 : CMD ["cat", "f", "g"]
 ---> Running in <8>
Removing intermediate container <8>
 ---> <9>
Successfully built <9>
Successfully tagged classic:1
Successfully tagged classic:2`,
  );
  assert.deepEqual([first.code, first.stderr], [0, ""]);
  const again = await build(files, "-t", "classic:1");
  const steps = named(again.stdout).trim().split("\n");
  assert.equal(steps.filter((line) => line === " ---> Using cache").length, 5, again.stdout);
  assert.equal(steps.some((line) => line.includes("Running in")), false, again.stdout);
  const built = (result: Result): string => /Successfully built ([0-9a-f]{12})/.exec(result.stdout)![1]!;
  assert.equal(built(again), built(first), "the same image");
  assert.equal(await scene.cli.ok("run", "--rm", "classic:2"), "f\ng");
  // What a step results in is an image, also before the last one.
  const [, , , , copied = ""] = [...first.stdout.matchAll(/^ ---> ([0-9a-f]{12})$/gm)].map(([, id]) => id!);
  assert.equal(await scene.cli.ok("run", "--rm", copied, "sh", "-c", "cat g; echo $a"), "g\nb");
  assert.match(await scene.cli.ok("inspect", "-f", "{{.Id}} {{.Config.WorkingDir}}", copied), new RegExp(`^sha256:${copied}[0-9a-f]{52} /x$`));
  const history = (await scene.cli.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", "classic:1")).split("\n");
  assert.deepEqual([0, 2, 3, 4].map((line) => history[line]), ['/bin/sh -c #(nop)  CMD ["cat" "f" "g"]', "/bin/sh -c #(nop) WORKDIR /x", "/bin/sh -c echo $a &&     echo   $c", "/bin/sh -c #(nop)  ENV a=b c=d"]);
  // A changed file is seen, and only what needs it is made again.
  const changed = await build({ ...files, g: "other\n" }, "-q");
  assert.match(changed.stdout, /^sha256:[0-9a-f]{64}\n$/);
  assert.equal(await scene.cli.ok("run", "--rm", changed.stdout.trim()), "f\nother");
  await scene.cli("rmi", "-f", "classic:1", "classic:2", changed.stdout.trim(), copied);
}, only);

story("a step that fails: its output, its code, and nothing left", async (scene) => {
  const build = builder(scene);
  const failed = await build({ Dockerfile: "FROM busybox\nRUN echo before; exit 7\nRUN echo never" }, "-t", "never");
  assert.deepEqual([failed.code, failed.stderr.trim()], [7, "The command '/bin/sh -c echo before; exit 7' returned a non-zero code: 7"]);
  assert.match(failed.stdout, /Step 2\/3 : RUN echo before; exit 7\n ---> Running in [0-9a-f]{12}\nbefore\n$/);
  const quiet = await build({ Dockerfile: "FROM busybox\nRUN echo loud; exit 3" }, "-q");
  assert.deepEqual([quiet.code, quiet.stdout, /loud\nThe command .* returned a non-zero code: 3/.test(quiet.stderr)], [3, "", true], quiet.stderr);
  assert.equal((await build({ Dockerfile: "FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?" })).code, 137);
  assert.equal((await build({ Dockerfile: "FROM busybox\nRUN nosuchprogram" })).code, 127);
  if (peer !== "dockerd") assert.equal((await build({ Dockerfile: "FROM busybox AS test\nRUN exit 6\nFROM busybox\nRUN echo last" })).code, 0, "what the target does not need is not run");
  assert.equal((await scene.cli("image", "inspect", "never")).code, 1);
}, only);

const wrong: readonly (readonly [dockerfile: string, flags: readonly string[], stderr: RegExp])[] = [
  ["FROM busybox\nFRM x", [], /dockerfile parse error (on )?line 2: unknown instruction: FRM/],
  ["FROM busybox\nENV a", [], /failed to parse Dockerfile: ENV must have two arguments/],
  ["", [], /the Dockerfile \(Dockerfile\) cannot be empty/],
  ["# nothing", [], /failed to parse Dockerfile: file with no instructions/],
  ["RUN x", [], /no build stage in current context/],
  ["FROM busybox\nCOPY nothere /x", [], /^COPY failed: file not found in build context or excluded by \.dockerignore: stat nothere: file does not exist\n$/],
  ["FROM busybox\nCOPY ../x /x", [], /^COPY failed: forbidden path outside the build context: \.\.\/x \(\)\n$/],
  ["FROM busybox AS a\nFROM busybox\nCOPY --from=a nothere /x", [], /nothere: file does not exist|not found/],
  ["FROM busybox\nCOPY Dockerfile ./Dockerfile /c", [], /When using COPY with more than one source file, the destination must be a directory and end with a \//],
  ["FROM busybox\nEXPOSE abc", [], /^[Ii]nvalid containerPort: abc\n$/],
  ["FROM busybox\nCOPY --foo=x a b", [], /[Uu]nknown flag: (--)?foo/],
  ["FROM busybox\nHEALTHCHECK FOO x", [], /Unknown type "FOO" in HEALTHCHECK \(try CMD\)/],
  ["FROM busybox\nONBUILD FROM x", [], /FROM isn't allowed as an ONBUILD trigger/],
  ["FROM busybox\nRUN x", ["--target", "none"], /target/],
  ["FROM busybox\nRUN [\"/no/such\"]", [], /exec: "\/no\/such": stat \/no\/such: no such file or directory/],
];

story("what is wrong is told, with code 1", async (scene) => {
  const build = builder(scene);
  for (const [dockerfile, flags, stderr] of wrong) {
    const result = await build({ Dockerfile: dockerfile }, ...flags);
    assert.match(result.stderr, stderr, dockerfile);
    assert.equal(result.code, 1, dockerfile);
  }
}, only);

story("arguments, labels, triggers, stages, ignored files", async (scene) => {
  const build = builder(scene);
  const args = await build({ Dockerfile: "ARG base=busybox\nFROM $base\nARG who=world\nRUN echo hello $who" }, "--build-arg", "who=you", "--build-arg", "unused=1");
  assert.match(args.stdout, /Step 1\/4 : ARG base=busybox\nStep 2\/4 : FROM \$base\n ---> /);
  assert.doesNotMatch((await build({ Dockerfile: "FROM busybox\nARG nowhere=1" }, "--build-arg", "nowhere")).stdout, /not consumed/);
  assert.match(args.stdout, /hello you\n[\s\S]*\[Warning\] One or more build-args \[unused\] were not consumed\nSuccessfully built/);
  const labels = await build({ Dockerfile: "FROM busybox" }, "--label", "b=2", "--label", "a=1", "-t", "classic:labels");
  assert.match(labels.stdout, /Step 2\/3 : LABEL a=1\n[\s\S]*Step 3\/3 : LABEL b=2\n/);
  assert.equal(await scene.cli.ok("inspect", "-f", "{{.Config.Labels.a}}{{.Config.Labels.b}}", "classic:labels"), "12");
  await build({ Dockerfile: "FROM busybox\nONBUILD RUN echo triggered\nONBUILD ENV T=1" }, "-t", "classic:onbuild");
  const triggered = await build({ Dockerfile: "FROM classic:onbuild\nRUN echo $T" }, "-t", "classic:triggered");
  assert.match(triggered.stdout, /Step 1\/2 : FROM classic:onbuild\n# Executing 2 build triggers\n ---> Running in [\s\S]*triggered\n[\s\S]*\n ---> [0-9a-f]{12}\nStep 2\/2 : RUN echo \$T\n[\s\S]*\n1\n/);
  const stages = await build({ Dockerfile: "FROM busybox AS one\nRUN echo one > /one\nFROM scratch\nCOPY --from=one /one /", one: "no" }, "-t", "classic:stages");
  assert.match(stages.stdout, /Step 3\/4 : FROM scratch\n ---> \nStep 4\/4 : COPY --from=one \/one \/\n ---> /);
  const ignored = await build({ Dockerfile: "FROM busybox\nCOPY . /x/\nRUN cd /x && find . -type f | sort | xargs echo files:", a: "", "b.md": "", "keep.md": "", "d/c.md": "", ".dockerignore": "**/*.md\n!keep.md\nDockerfile\n" });
  assert.match(ignored.stdout, /\nfiles: \.\/\.dockerignore \.\/a \.\/keep\.md\n/);
  await scene.cli("rmi", "-f", "classic:labels", "classic:onbuild", "classic:triggered", "classic:stages");
}, only);

story("contexts: a Dockerfile or an archive on standard input, -f -, another Dockerfile", async (scene) => {
  const { cli, folder } = scene;
  const build = builder(scene);
  const input = async (bytes: string | Buffer, ...argv: string[]): Promise<Result> => withoutAdvice(await cli.with({ env: { DOCKER_BUILDKIT: "0" }, input: bytes })("build", ...argv));
  assert.match((await input("FROM busybox\nRUN echo alone", "-")).stdout, /\nalone\n/);
  const archive = tar([{ path: "sub/" }, { path: "sub/My.dockerfile", data: "FROM busybox\nCOPY f /\nRUN cat /f" }, { path: "f", data: "of the archive\n" }]);
  assert.match((await input(archive, "-f", "sub/My.dockerfile", "-")).stdout, /\nof the archive\n/);
  await build({ Dockerfile: "FROM scratch", f: "of the folder\n", other: "FROM busybox\nCOPY f /\nRUN cat /f; echo other" });
  const place = join(folder, "build1");
  assert.match((await build.at(place, "-f", join(place, "other"))).stdout, /\nof the folder\nother\n/);
  assert.match((await input("FROM busybox\nCOPY f /\nRUN cat /f; echo given", "-f", "-", place)).stdout, /\nof the folder\ngiven\n/);
  const idFile = join(folder, "id");
  const built = await build.at(place, "-f", join(place, "other"), "--iidfile", idFile);
  assert.equal(readFileSync(idFile, "utf8").slice(7, 19), /Successfully built ([0-9a-f]{12})/.exec(built.stdout)![1]);
}, only);

story("flags reach the steps: hosts, limits, shared memory, no cache", async (scene) => {
  const build = builder(scene);
  const dockerfile = "FROM busybox\nRUN grep -o '1.2.3.4.*named' /etc/hosts; ulimit -n; df -k /dev/shm | tail -1 | awk '{print \"shm\", $2}'";
  const flags = ["--add-host", "named:1.2.3.4", "--ulimit", "nofile=100:200", "--shm-size", "1m", "--memory", "200m", "--network", "host"];
  const first = await build({ Dockerfile: dockerfile }, ...flags);
  assert.match(first.stdout, /\n1\.2\.3\.4\s+named\n100\nshm 1024\n/, first.stdout + first.stderr);
  const again = await build({ Dockerfile: dockerfile }, "--no-cache", ...flags);
  assert.match(again.stdout, /Running in/);
  const kept = await build({ Dockerfile: dockerfile }, "--no-cache", "--rm=false", ...flags);
  assert.doesNotMatch(kept.stdout, /Removing intermediate container/);
}, only);

story("the stream: a message a line, the id beside the text, the code in the error", async ({ engine }) => {
  const messages = async (dockerfile: string, query = ""): Promise<object[]> => {
    const { status, body } = await call(engine, "POST", `/build${query}`, { body: tar([{ path: "Dockerfile", data: dockerfile }]) });
    assert.equal(status, 200, body.toString());
    return body.toString().split("\r\n").filter((line) => line !== "").map((line) => JSON.parse(line) as object);
  };
  const good = await messages("FROM busybox\nRUN printf loud >&2; sleep 0.1; echo hi", "?t=raw:1");
  assert.ok((await call(engine, "POST", "/build", { body: tar([{ path: "Dockerfile", data: "FROM busybox" }]) })).body.includes('{"stream":" ---\\u003e '), "as Go writes it");
  assert.deepEqual(good.slice(0, 2), [{ stream: "Step 1/2 : FROM busybox" }, { stream: "\n" }]);
  for (const message of [{ stream: "\u001b[91mloud\u001b[0m" }, { stream: "hi\n" }]) assert.ok(good.some((one) => JSON.stringify(one) === JSON.stringify(message)), JSON.stringify(good));
  const [aux, built, tagged] = good.slice(-3) as [{ aux: { ID: string } }, { stream: string }, { stream: string }];
  assert.match(aux.aux.ID, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual([built.stream, tagged.stream], [`Successfully built ${aux.aux.ID.slice(7, 19)}\n`, "Successfully tagged raw:1\n"]);
  assert.deepEqual((await messages("FROM busybox\nRUN exit 5")).at(-1), { errorDetail: { code: 5, message: "The command '/bin/sh -c exit 5' returned a non-zero code: 5" }, error: "The command '/bin/sh -c exit 5' returned a non-zero code: 5" });
  assert.deepEqual(await messages("FROM busybox\nCMD x", "?q=1").then((all) => all.length), 1);
  const refused: readonly (readonly [string, RegExp])[] = [["?remote=notaurl", /could not be recognized as URL/], ["?buildargs=x", /error reading build args: /], ["?ulimits=x", /error reading ulimit settings: /], ["?isolation=hyperv", /Unsupported isolation: "hyperv"/], ["?t=BAD:x", /must be lowercase/], ["?version=3", /invalid version "3"/], ["?dockerfile=../x", /forbidden path outside the build context: \.\.\/x \(\)/]];
  for (const [query, message] of refused) {
    const { status, body } = await call(engine, "POST", `/build${query}`, { body: tar([{ path: "Dockerfile", data: "FROM busybox" }]) });
    assert.ok(status >= 400, query);
    assert.match((JSON.parse(body.toString()) as { message: string }).message, message, query);
  }
  const [ignored, left] = [[{ path: ".dockerignore", data: "*" }, { path: "f", data: "" }], "FROM busybox\nCOPY . /x\nRUN cd /x && find . -type f | xargs echo left:"];
  assert.ok((await call(engine, "POST", "/build", { body: tar([{ path: "Dockerfile", data: left }, ...ignored]) })).body.includes('"left: ./f\\n"'), "a client has left out what is ignored");
  const empty = await call(engine, "POST", "/build", { body: tar([{ path: "f", data: "" }]) });
  assert.equal((JSON.parse(empty.body.toString()) as { message: string }).message, "Cannot locate specified Dockerfile: Dockerfile");
}, { ...only, skip: peer === "dockerd" && "its API ends at 1.41" });

story("a base image that only some may pull, asked for once more with --pull", async (scene) => {
  await using registry = await openRegistry({ accounts: { ann: "secret" } });
  const { cli, engine } = scene;
  const build = builder(scene);
  const name = `${registry.host}/private:base`;
  assert.equal((await cli.with({ input: "secret" })("login", "-u", "ann", "--password-stdin", registry.host)).code, 0);
  await cli.ok("tag", "busybox", name);
  await cli.ok("push", "-q", name);
  await cli.ok("rmi", name);
  const files = { Dockerfile: `FROM ${name}\nRUN echo from the registry` };
  const first = await build(files, "--label", "of=registry");
  assert.match(first.stdout, /\nfrom the registry\n/, first.stderr);
  registry.tap.forget();
  assert.equal((await build(files)).code, 0);
  assert.equal(registry.tap.seen.length, 0, "what is here is not asked for");
  assert.equal((await build(files, "--pull")).code, 0);
  assert.ok(registry.tap.seen.length > 0);
  await cli.ok("logout", registry.host);
  await cli.ok("rmi", name);
  rmSync(join(engine.place.folder, "config/config.json"), { force: true });
  const refused = await build(files);
  assert.deepEqual([refused.code, /pull access denied|no basic auth credentials|unauthorized/.test(refused.stderr)], [1, true], refused.stderr);
  assert.match(refused.stdout, /^Step 1\/2 : FROM /);
}, only);

story("a client that goes away ends what it asked for", async (scene) => {
  const marker = `9876${process.pid}`;
  const place = join(scene.folder, "endless");
  mkdirSync(place);
  writeFileSync(join(place, "Dockerfile"), `FROM busybox\nRUN echo begun; exec sleep ${marker}`);
  process.env["DOCKER_BUILDKIT"] = "0";
  const running = scene.cli.spawn("build", place);
  delete process.env["DOCKER_BUILDKIT"];
  await running.until(/begun/);
  while (processes(marker).length === 0) await new Promise((resolve) => setImmediate(resolve));
  running.child.kill("SIGKILL");
  await running.ended;
  while (processes(marker).length > 0) await new Promise((resolve) => setImmediate(resolve));
}, only);

story("stages at once are told in the order of the Dockerfile", async (scene) => {
  const build = builder(scene);
  const stage = (name: string): string => `FROM busybox AS ${name}\nRUN echo ${name} > /${name}; echo made ${name}\n`;
  const result = await build({ Dockerfile: `${["a", "b", "c"].map(stage).join("")}FROM busybox\n${["a", "b", "c"].map((name) => `COPY --from=${name} /${name} /`).join("\n")}\nRUN cat /a /b /c` }, "--no-cache");
  const steps = [...result.stdout.matchAll(/^Step (\d+)|^made (\w)/gm)].map(([, number, name]) => name ?? number);
  assert.deepEqual(steps, ["1", "2", "a", "3", "4", "b", "5", "6", "c", "7", "8", "9", "10", "11"], result.stdout);
  assert.match(result.stdout, /\na\nb\nc\n/);
}, only);

story("the cache is seen by system df, and pruned", async (scene) => {
  const build = builder(scene);
  await build({ Dockerfile: "FROM busybox\nRUN head -c 3000000 /dev/urandom > /random" }, "-t", "classic:cached");
  await scene.cli.ok("rmi", "classic:cached");
  const cache = async (): Promise<{ Size: number; Description: string }[]> => ((await scene.engine.api("GET", "/system/df?type=build-cache")).body as { BuildCache: { Size: number; Description: string }[] | null }).BuildCache ?? [];
  assert.ok((await cache()).some(({ Size, Description }) => Size >= 3_000_000 && /random/.test(Description)), JSON.stringify(await cache()));
  const { CachesDeleted, SpaceReclaimed } = (await scene.engine.api("POST", "/build/prune?all=1")).body as { CachesDeleted: string[]; SpaceReclaimed: number };
  assert.ok(CachesDeleted.length > 0 && SpaceReclaimed >= 3_000_000, String(SpaceReclaimed));
  assert.deepEqual((await cache()).filter(({ Description }) => /random/.test(Description)), []);
  assert.equal((await scene.engine.api("POST", "/build/prune?reserved-space=x")).status, 400);
}, { ...only, skip: peer === "dockerd" && "the classic builder of dockerd 20.10 has its cache in images" });

/** Processes of this machine that sleep so long. */
function processes(seconds: string): string[] {
  return readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandLine(pid) === `sleep\0${seconds}\0`);
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
