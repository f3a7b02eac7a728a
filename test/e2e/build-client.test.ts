/** `gantry build`: what a user writes, and what comes of it. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { tarReader } from "#base/tar.ts";
import { onPath } from "../packages.ts";
import { spawnSync } from "node:child_process";
import { type Scene, stories } from "./harness.ts";

const { story } = stories("gantry build");
const ours = { only: "gantry" } as const;

/** A context of these files; its folder. */
function context({ folder, file }: Scene, files: Readonly<Record<string, string>>): string {
  mkdirSync(`${folder}/d`, { recursive: true });
  for (const [name, text] of Object.entries(files)) file(name, text);
  return folder;
}

story("a folder becomes an image; again, and nothing is made; a change makes what it reaches", async (scene) => {
  const { cli, file } = scene;
  const folder = context(scene, { Dockerfile: "FROM busybox\nCOPY a /a\nRUN cat /a > /b && echo made\nCOPY d /d\nRUN --mount=target=/all cat /all/a > /c\n", a: "one", "d/x": "x", ".dockerignore": "secret\n", secret: "no" });
  const first = await cli("build", "-t", "client:1", folder);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /^#\d+ \[stage-0 3\/5\] RUN cat \/a > \/b && echo made\n#\d+ \d+\.\d+ made\n#\d+ DONE \d+\.\d+s$/m);
  assert.equal(first.stdout, "");
  const again = await cli("build", "-t", "client:1", folder);
  assert.deepEqual([...again.stderr.matchAll(/^#\d+ (\[stage-0 \d\/5\].*)\n#\d+ (\w+)/gm)].map((match) => match[2]), ["CACHED", "CACHED", "CACHED", "CACHED", "CACHED"]);
  file("a", "two");
  const changed = await cli("build", "-t", "client:1", "--explain", folder);
  assert.match(changed.stdout, /^hit {3}\[stage-0 1\/5\].*\nmiss {2}\[stage-0 2\/5\] COPY a \/a\n {8}\S.*\n/m);
  assert.match(changed.stdout, /^ {8}files of mount 0 \(bind \/all\): a changed$/m);
  assert.equal(await cli.ok("run", "--rm", "client:1", "cat", "/b", "/c"), "twotwo");
}, ours);

story("the Dockerfile and the context come from standard input, from elsewhere, under other names", async (scene) => {
  const { cli, file } = scene;
  const folder = context(scene, { Dockerfile: "FROM busybox\nCOPY --from=other x /x\nRUN cat /x\n", "d/x": "named" });
  const build = async (input: string | Buffer, ...line: string[]) => {
    const { code, stderr, stdout } = await cli.with({ input, cwd: folder })("build", "-q", ...line);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const id = await build("", "--build-context", "other=d", ".");
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  assert.equal(await build("", "-f", file("d/Elsewhere", "FROM busybox\nCOPY --from=other x /x\nRUN cat /x\n"), "--build-context", "other=d", "."), id);
  await build("FROM busybox\nRUN test ! -e /x\n", "-");
  await build("FROM busybox\nCOPY d/x /x\n", "-f", "-", ".");
  // As long as the one before it, and another one.
  assert.notEqual(await build("FROM busybox\nRUN echo 1 > /a\n", "-f", "-", "."), await build("FROM busybox\nRUN echo 2 > /a\n", "-f", "-", "."));
  const archive = spawnSync("tar", ["-C", folder, "-c", "Dockerfile", "d"]).stdout;
  assert.equal(await build(archive, "--build-context", "other=d", "-"), id);
  await cli.fails(1, /ERROR: failed to build: unable to prepare context: path ".*\/nowhere" not found/, "build", `${folder}/nowhere`);
}, ours);

story("what was built goes where it was told to: a folder, archives, files that say what it is", async (scene) => {
  const { cli, folder } = scene;
  context(scene, { Dockerfile: "FROM busybox AS b\nRUN mkdir -p /o/sub && echo hi > /o/sub/f && ln -s sub/f /o/l && chmod 750 /o/sub\nFROM scratch\nCOPY --from=b /o /\n" });
  const out = `${folder}/out`;
  mkdirSync(out);
  symlinkSync("/", `${out}/sub`);
  await cli.ok("build", "-o", out, folder);
  assert.equal(readFileSync(`${out}/sub/f`, "utf8"), "hi\n");
  assert.deepEqual([readlinkSync(`${out}/l`), lstatSync(`${out}/sub`).mode & 0o7777], ["sub/f", 0o750]);
  await cli.ok("build", "-o", `type=tar,dest=${folder}/o.tar`, folder);
  const names = [...tarReader().push(readFileSync(`${folder}/o.tar`))].flatMap((event) => (event.kind === "entry" ? [String(event.entry.name)] : []));
  assert.deepEqual(names.sort(), ["l", "sub/", "sub/f"]);
  const id = await cli.ok("build", "-q", "-t", "client:out", "--iidfile", `${folder}/id`, "--metadata-file", `${folder}/m.json`, folder);
  assert.equal(readFileSync(`${folder}/id`, "utf8"), id);
  const metadata = JSON.parse(readFileSync(`${folder}/m.json`, "utf8")) as Record<string, unknown>;
  assert.equal(metadata["image.name"], "docker.io/library/client:out");
  assert.match(String(metadata["buildx.build.ref"]), /^[0-9a-z]{25}$/);
  const { buildConfig, invocation } = metadata["buildx.build.provenance"] as { buildConfig?: unknown; invocation: { configSource: object } };
  assert.deepEqual([buildConfig, invocation.configSource], [undefined, { entryPoint: "Dockerfile" }]);
  await cli.fails(1, /ERROR: failed to build: dest is required for local exporter/, "build", "-o", "type=local", folder);
  await cli.fails(1, /exit code: 9/, "build", "--iidfile", `${folder}/id`, "--build-arg", "X=1", "-f", scene.file("Wrong", "FROM busybox\nRUN exit 9\n"), folder);
  assert.ok(!existsSync(`${folder}/id`));
  assert.match(await cli.ok("build", "history", "inspect"), /^Status: +Error$[^]*^Wrong:2$[^]*^ +2 \| >>> RUN exit 9$/m);
}, ours);

story("large files come out whole, however many are on their way", async (scene) => {
  const { cli, folder, file } = scene;
  mkdirSync(`${folder}/context`);
  const sizes = [20_000_000, ...Array.from({ length: 6 }, () => 2_500_000), ...Array.from({ length: 60 }, (_, at) => at * 9_000)];
  for (const [at, size] of sizes.entries()) writeFileSync(`${folder}/context/f${at}`, randomBytes(size));
  const { code, stderr } = await cli("build", "-q", "-f", file("Elsewhere", "FROM scratch\nCOPY . /\n"), "-o", `${folder}/out`, `${folder}/context`);
  assert.equal(code, 0, stderr);
  for (const at of sizes.keys()) assert.ok(readFileSync(`${folder}/out/f${at}`).equals(readFileSync(`${folder}/context/f${at}`)), `f${at}`);
  assert.equal(readdirSync(`${folder}/out`).length, sizes.length);
}, ours);

story("secrets and keys are there where they are mounted, and nowhere else", async (scene) => {
  const { cli, folder, file } = scene;
  context(scene, { Dockerfile: "FROM busybox\nRUN --mount=type=secret,id=f cp /run/secrets/f /len && wc -c < /len > /n && rm /len\nRUN --mount=type=secret,id=e,env=E test \"$E\" = from-variable\nRUN test ! -e /run/secrets/f\n" });
  const line = ["build", "-q", "-t", "client:secret", "--secret", `id=f,src=${file("hidden", "hidden text")}`, "--secret", "id=e,env=SECRET_E", folder];
  const { code, stderr } = await cli.with({ env: { SECRET_E: "from-variable" } })(...line);
  assert.equal(code, 0, stderr);
  assert.equal(await cli.ok("run", "--rm", "client:secret", "cat", "/n"), "11");
  await cli.fails(1, /ERROR: failed to stat \/nothing/, "build", "--secret", "id=x,src=/nothing", folder);
}, ours);

story("an ssh agent that holds a key", async (scene) => {
  const { cli, folder, file } = scene;
  spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${folder}/key`]);
  file("Dockerfile", "FROM busybox\nRUN --mount=type=ssh test -S \"$SSH_AUTH_SOCK\"\nRUN test -z \"$SSH_AUTH_SOCK\"\n");
  await cli.ok("build", "-q", "--ssh", `default=${folder}/key`, folder);
  await cli.fails(1, /ERROR: failed to build: failed to stat .*nokey/, "build", "--ssh", `default=${folder}/nokey`, folder);
  await cli.fails(1, /ERROR: failed to parse ssh key|unset ssh forward key/, "build", "--no-cache", "--ssh", `default=${folder}/Dockerfile`, folder);
}, { ...ours, skip: onPath("ssh-agent") && onPath("ssh-keygen") ? false : "OpenSSH is not here" });

story("a step that fails: all it wrote, its code, the Dockerfile's lines; the process ends with 1", async (scene) => {
  const { cli, folder } = scene;
  context(scene, { Dockerfile: "FROM busybox\nARG A=1\nRUN seq 300 && exit 42\nRUN true\nMAINTAINER me\n" });
  const { stderr } = await cli.fails(1, /ERROR: failed to build: failed to solve: process "\/bin\/sh -c seq 300 && exit 42" did not complete successfully: exit code: 42\n$/, "build", folder);
  assert.match(stderr, /Dockerfile:3\n-{20}\n +1 \| {5}FROM busybox\n +2 \| {5}ARG A=1\n +3 \| >>> RUN seq 300 && exit 42\n +4 \| {5}RUN true\n/);
  assert.match(stderr, /^------\n\n 1 warning found \(use --debug to expand\):\n - MaintainerDeprecated: .*\nDockerfile:3\n/m);
  for (const number of [1, 150, 300]) assert.match(stderr, new RegExp(`^#\\d+ \\d+\\.\\d+ ${number}$`, "m"));
  const terminal = cli.terminal("build", folder);
  const { stdout: output, code } = await terminal.ended;
  assert.equal(code, 1);
  for (const number of [1, 150, 300]) assert.match(output, new RegExp(`^\\d+\\.\\d+ ${number}\\r?$`, "m"));
  assert.match(output, /ERROR \[2\/3\] RUN seq 300/);
}, ours);

story("a base image that is here for another machine is told of", async (scene) => {
  const { cli, folder } = scene;
  const [own, other] = process.arch === "arm64" ? ["arm64", "amd64"] : ["amd64", "arm64"];
  await cli.ok("tag", "busybox", "127.0.0.1:1/here:1");
  context(scene, { Dockerfile: "FROM 127.0.0.1:1/here:1\n" });
  await cli.fails(1, new RegExp(`here:1 was found but does not provide the specified platform \\(linux/${other}\\): here it is for linux/${own}.*, and elsewhere: .*refused`), "build", "--platform", `linux/${other}`, folder);
  await cli.ok("rmi", "127.0.0.1:1/here:1");
}, ours);

story("^C ends the build and what runs in it", async (scene) => {
  const { cli, folder } = scene;
  context(scene, { Dockerfile: "FROM busybox\nRUN echo begun && sleep 987654\n" });
  const running = cli.spawn("build", folder);
  await running.until(/begun/);
  running.child.kill("SIGINT");
  const { code, stderr } = await running.ended;
  assert.equal(code, 130);
  assert.match(stderr, /ERROR: failed to build: failed to solve: Canceled: context canceled\n$/);
  // What ran is looked for when all stories are told.
  const listed = await cli.ok("build", "history", "ls", "--format", "{{.Status}}");
  assert.ok(["Canceled", "Running"].includes(listed.split("\n")[0]!), listed);
}, ours);

story("questions: what could be better, what would be done, what there is", async (scene) => {
  const { cli, folder, file } = scene;
  context(scene, { Dockerfile: "FROM busybox AS first\nARG V=1\nRUN echo $V\nFROM first\nMAINTAINER me\n" });
  const check = await cli("build", "--check", folder);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /WARNING: MaintainerDeprecated - https:\S+\n.*\n\/\S*\/Dockerfile:5\n/);
  assert.match(await cli.ok("build", "--dry-run", folder), /^#1 .*FROM .*\n#2 .*RUN echo \$?\S+\n {5}after #1\n/);
  assert.match(await cli.ok("build", "--dry-run=svg", folder), /^<svg [\s\S]*<\/svg>$/);
  assert.match(await cli.ok("build", "--call=targets", folder), /first/);
  assert.equal(await cli.ok("build", "--check", "-f", file("Good", "FROM busybox\n"), folder), "Check complete, no warnings found.");
  await cli.fails(1, /ERROR: failed to build: failed to solve: dockerfile parse error on line 1: unknown instruction: FRM/, "build", "-f", file("Bad", "FRM busybox\n"), folder);
}, ours);

story("progress as JSON, and quiet; flags that contradict each other", async (scene) => {
  const { cli, folder } = scene;
  context(scene, { Dockerfile: "FROM busybox\nRUN echo to be seen\n" });
  const { stderr } = await cli("build", "--progress", "rawjson", "--no-cache", folder);
  const told = stderr.trim().split("\n").map((line) => JSON.parse(line) as { vertexes?: { name: string }[]; logs?: { data: string }[] });
  assert.ok(told.some(({ vertexes = [] }) => vertexes.some(({ name }) => name === "[2/2] RUN echo to be seen")));
  assert.match(told.flatMap(({ logs = [] }) => logs.map(({ data }) => Buffer.from(data, "base64").toString())).join(""), /to be seen\n/);
  const quiet = await cli.with({ env: { BUILDKIT_PROGRESS: "plain" } })("build", "-q", folder);
  assert.deepEqual([quiet.stderr, /^sha256:\S{64}\n$/.test(quiet.stdout)], ["", true]);
  await cli.fails(1, /ERROR: progress=plain and quiet cannot be used together/, "build", "-q", "--progress", "plain", folder);
  await cli.fails(1, /ERROR: failed to build: invalid tag "BAD": repository name must be lowercase/, "build", "-t", "BAD", folder);
  await cli.fails(1, /ERROR: invalid progress mode fancy/, "build", "--progress", "fancy", folder);
  await cli.fails(1, /^ERROR: writing image ID file: open \S*\/nowhere\/id: no such file or directory\n$/, "build", "--iidfile", `${folder}/nowhere/id`, folder);
  await cli.fails(1, /^ERROR: invalid output path: stat \S*\/nowhere: no such file or directory\n$/, "build", "--metadata-file", `${folder}/nowhere/m`, folder);
}, ours);

story("builds that were: listed, shown, their logs whole, forgotten; the cache is emptied", async (scene) => {
  const { cli, folder } = scene;
  context(scene, { Dockerfile: "FROM busybox\nRUN seq 2000\n" });
  await cli.ok("build", "-q", "--build-arg", "TOKEN=sentinel", folder);
  assert.equal(await cli.ok("builder", "history", "ls", "--format", "{{.Name}} {{.CachedSteps}}").then((text) => text.split("\n")[0]!.replace(/ \d+\//, " N/")), `${basename(folder)} N/6`);
  const provenance = await cli.ok("build", "history", "inspect", "attachment", "--type", "provenance");
  assert.deepEqual((JSON.parse(provenance) as { invocation: { parameters: object } }).invocation.parameters, { frontend: "dockerfile.v0", args: { "build-arg:TOKEN": "" }, locals: [{ name: "context" }, { name: "dockerfile" }] });
  await cli.ok("build", "--no-cache", "-t", "client:past", folder);
  const [ref = "", name, state] = (await cli.ok("build", "history", "ls", "--format", "{{.Ref}} {{.Name}} {{.Status}}")).split("\n")[0]!.split(" ");
  assert.deepEqual([ref.length, name, state], [25, "docker.io/library/client:past", "Completed"]);
  const logs = await cli.ok("build", "logs", ref.slice(0, 12));
  for (const number of [1, 1000, 2000]) assert.match(logs, new RegExp(`^#\\d+ \\d+\\.\\d+ ${number}$`, "m"));
  assert.equal(await cli.ok("build", "logs"), logs, "the latest");
  assert.match(await cli.ok("builder", "du"), /^Total: +[1-9]/m);
  assert.match(await cli.ok("builder", "du", "--verbose", "--filter", "type=regular"), /^Mutable: +false\n(?:.*\n)+?Type: +regular\n\n/m);
  assert.match(await cli.ok("buildx", "ls"), /^ \\_ \S+ +\\_ \S+ +running /m);
  assert.match(await cli.ok("buildx", "inspect"), /^GC Policy rule#0:\n All: +false\n Filters: +type==source.local,type==exec.cachemount,type==source.git.checkout\n Keep Duration: +48h0m0s\n/m);
  assert.match(await cli.ok("build", "history", "inspect", ref), /^Status: +Completed$/m);
  assert.equal(await cli.ok("buildx", "history", "rm", ref), ref);
  await cli.fails(1, new RegExp(`no such build: ${ref}`), "build", "logs", ref);
  assert.match(await cli.ok("system", "df"), /^Build Cache +[1-9]/m);
  assert.match(await cli.ok("builder", "prune", "-af"), /Total reclaimed space: /);
}, ours);

story("a shell in a step that failed", async (scene) => {
  const { cli, folder } = scene;
  context(scene, { Dockerfile: "FROM busybox\nRUN echo left > /behind && exit 5\n" });
  const { code, stdout, stderr } = await cli.with({ input: "cat /behind; exit\n" })("build", "--debug-on-fail", folder);
  assert.equal(code, 1);
  assert.match(stdout, /^left\r?$/m);
  assert.match(stderr, /\nERROR: .* exit code: 5\nA shell in \[2\/2\] RUN echo .*: ash; what it changes is forgotten\.\n$/);
}, ours);

story("where no shell can be opened in a step that failed it is said why", async (scene) => {
  const { cli, folder } = scene;
  const cases = [
    ["FROM busybox\nRUN exit 5\n", /exit code: 5\nNo shell in \[2\/2\] RUN exit 5: standard input has ended\.\n$/],
    ["FROM busybox\nCOPY nothing /x\n", /not found\nNo shell in \[2\/2\] COPY nothing \/x: it runs no command\.\n$/],
    ["FROM scratch\nCOPY --from=busybox /bin/busybox /b\nRUN [\"/b\", \"nothing\"]\n", /exit code: 127\nNo shell in .*: there is no \/bin\/sh in it\.\n$/],
    ["FROM busybox\nNOTHING\n", /unknown instruction: NOTHING\nNo shell: it was not a step that failed\.\n$/],
  ] as const;
  for (const [text, wanted] of cases) {
    context(scene, { Dockerfile: text });
    const { code, stdout, stderr } = await cli.with({ input: "" })("build", "--debug-on-fail", folder);
    assert.equal(code, 1);
    assert.match(stderr, wanted);
    assert.equal(stdout, "");
  }
}, ours);

story("a cache in a folder, and an image in a folder as a base", async (scene) => {
  const { cli, folder } = scene;
  context(scene, { Dockerfile: "FROM busybox\nRUN echo cached > /c\n" });
  await cli.ok("build", "--cache-to", `type=local,dest=${folder}/cache,mode=max`, folder);
  await cli.ok("builder", "prune", "-af");
  const again = await cli("build", "--cache-from", `type=local,src=${folder}/cache`, "-o", `type=oci,dest=${folder}/i.tar`, folder);
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /^#(\d+) \[2\/2\] RUN echo cached > \/c\n(?:#\1 .*\n)*?#\1 CACHED$/m);
  mkdirSync(`${folder}/layout`);
  spawnSync("tar", ["-C", `${folder}/layout`, "-xf", `${folder}/i.tar`]);
  const { code, stderr } = await cli.with({ input: "FROM base\nRUN test -e /c\n" })("build", "-f", "-", "--build-context", `base=oci-layout://${folder}/layout`, folder);
  assert.equal(code, 0, stderr);
}, ours);
