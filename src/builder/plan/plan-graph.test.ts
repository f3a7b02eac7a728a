/** Dockerfile text → steps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGraph } from "../check-graph.ts";
import { followPatterns } from "../contexts/follow.ts";
import type { CopyAction, ExecMount, FileAction } from "../graph.ts";
import { planEvent, verticesOf } from "../solve/vertices.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import type { Plan } from "./plan.ts";
import { plan, platform, stepsOf, type Wish } from "./plan-fixture.ts";
import { showSvg } from "./show-svg.ts";
import { showText } from "./show-text.ts";

const FROM = "FROM busybox\n";

const names = ({ graph }: Plan): string[] => graph.steps.map(({ name }) => name.replace(/@sha256:[a-f0-9]+/, ""));
const firstRun = (planned: Plan) => stepsOf(planned, "exec")[0]!;
const actions = async (text: string, wish?: Wish): Promise<FileAction[]> => stepsOf(await plan(text, wish), "file").flatMap(({ op }) => op.actions);
const mounts = async (text: string, wish?: Wish): Promise<readonly ExecMount[]> => stepsOf(await plan(text, wish), "exec")[0]!.op.mounts;

const COPY: CopyAction = { action: "copy", from: 1, sources: [], destination: "", exclude: [], parents: false, unpack: false, link: false, allowEmpty: true };

const COPIES: readonly { line: string; action: Partial<CopyAction>; include?: readonly string[] }[] = [
  { line: "COPY a b", action: { sources: ["a"], destination: "/b" }, include: ["a"] },
  { line: "COPY . .", action: { sources: ["."], destination: "/" }, include: [] },
  { line: "COPY ./a/../../b/ /c/.", action: { sources: ["b"], destination: "/c/" }, include: ["b"] },
  { line: "COPY *.json a/?x [bc] /c/", action: { sources: ["*.json", "a/?x", "[bc]"], destination: "/c/" }, include: ["*.json", "[bc]", "a/?x"] },
  { line: 'COPY ["a b", "/c d/"]', action: { sources: ["a b"], destination: "/c d/" } },
  { line: "COPY --chown=1:2 --chmod=u=rwX,go=rX a /b", action: { sources: ["a"], destination: "/b", owner: "1:2", mode: "u=rwX,go=rX" } },
  { line: "COPY --chmod=4755 a /b", action: { sources: ["a"], destination: "/b", mode: 0o4755 } },
  { line: "COPY --parents a/./b/*.c c/d /e/", action: { sources: ["a/./b/*.c", "c/d"], destination: "/e/", parents: true }, include: ["a/b/*.c", "c/d"] },
  { line: "COPY --exclude=*.o --exclude=x/** a /b", action: { sources: ["a"], destination: "/b", exclude: ["*.o", "x/**"] } },
  { line: "ADD a.tar /x", action: { sources: ["a.tar"], destination: "/x", unpack: true } },
  { line: "ADD --unpack=false a.tar /x", action: { sources: ["a.tar"], destination: "/x", unpack: false } },
  { line: "ADD https://h/d/f.tgz?x=1 /x/", action: { sources: ["f.tgz"], destination: "/x/" } },
  { line: "ADD --unpack https://h/ /x/", action: { sources: ["__unnamed__"], destination: "/x/", unpack: true } },
  { line: "ADD git@h:r.git#v1:sub /x", action: { sources: ["."], destination: "/x" } },
];

for (const { line, action, include } of COPIES) {
  test(line, async () => {
    const planned = await plan(`${FROM}${line}`);
    assert.deepEqual(stepsOf(planned, "file").flatMap(({ op }) => op.actions), [{ ...COPY, ...action }]);
    if (include !== undefined) assert.deepEqual(stepsOf(planned, "local")[0]!.op.include, include);
  });
}

test("the context's step has what all stages ask for, and what is ignored", async () => {
  const planned = await plan("FROM busybox AS a\nCOPY x/y x/z /\nRUN --mount=target=/m,source=q true\nFROM a\nCOPY x /", { ignore: ["*.o", "!a.o"] });
  assert.deepEqual(stepsOf(planned, "local").map(({ op }) => op), [{ kind: "local", name: "context", include: ["q", "x"], exclude: ["*.o", "!a.o"] }]);
});

test("ADD of a repository and of a URL", async () => {
  const planned = await plan(`${FROM}ADD --keep-git-dir https://h/r.git?tag=v2&submodules=false#:sub /r\nADD --checksum=sha256:${"a".repeat(64)} http://h/f /f`);
  assert.deepEqual(stepsOf(planned, "git").map(({ op }) => op), [{ kind: "git", url: "https://h/r.git", ref: "refs/tags/v2", subdir: "sub", keepGitDir: true, submodules: false }]);
  assert.deepEqual(stepsOf(planned, "http").map(({ op }) => op), [{ kind: "http", url: "http://h/f", filename: "f", checksum: `sha256:${"a".repeat(64)}` }]);
});

test("heredoc files are expanded unless their word is quoted", async () => {
  assert.deepEqual(await actions(`${FROM}ENV A=1\nCOPY --chmod=755 <<x <<"y" /d/\n$A "q" \\$A\nx\n$A\ny`), [
    { action: "mkfile", path: "/d/", name: "x", data: '1 "q" $A\n', mode: 0o755 },
    { action: "mkfile", path: "/d/", name: "y", data: "$A\n", mode: 0o755 },
  ]);
});

test("WORKDIR makes its folder as the user, and / is there", async () => {
  assert.deepEqual(await actions("FROM app:1\nWORKDIR a\nWORKDIR /"), [{ action: "mkdir", path: "/srv/a", mode: 0o755, parents: true, owner: "web" }]);
});

test("--link is a layer of its own, put on top", async () => {
  const { graph, images } = await plan(`${FROM}COPY --link a /b`);
  assert.deepEqual(graph.steps.map(({ op, inputs }) => [op.kind, inputs]), [["image", []], ["local", []], ["scratch", []], ["file", [2, 1]], ["merge", [0, 3]]]);
  assert.equal(images[0]!.step, 4);
});

test("mounts have Docker's defaults", async () => {
  const own = { mode: 0o755, uid: 0, gid: 0 };
  assert.deepEqual(await mounts(`${FROM}WORKDIR /w\nRUN --mount=type=cache,target=c --mount=type=tmpfs,target=/t,size=1.5k --mount=type=secret,id=s --mount=type=secret,id=v,env=V --mount=type=ssh --mount=type=secret,target=/k/x,mode=0440 x`), [
    { type: "cache", target: "/w/c", id: "c", source: "/", readOnly: false, sharing: "shared", ...own },
    { type: "tmpfs", target: "/t", size: 1536 },
    { type: "secret", target: "/run/secrets/s", id: "s", required: false, mode: 0o400, uid: 0, gid: 0 },
    { type: "secret", target: "", id: "v", required: false, mode: 0o400, uid: 0, gid: 0, env: "V" },
    { type: "ssh", target: "/run/buildkit/ssh_agent.0", id: "default", required: false, mode: 0o600, uid: 0, gid: 0 },
    { type: "secret", target: "/k/x", id: "x", required: false, mode: 0o440, uid: 0, gid: 0 },
  ]);
});

test("mounts of stages, images and the context; what is written is expanded", async () => {
  const text = "FROM busybox AS a\nFROM busybox\nARG D=/x\nRUN --mount=from=a,source=/s,target=$D --mount=type=bind,target=/c,rw --mount=type=cache,from=bare,source=q,target=/d,id=i,sharing=locked,ro,uid=1,gid=2,mode=0700 x";
  const planned = await plan(text, { buildArgs: { BUILDKIT_CACHE_MOUNT_NS: "ns" } });
  const [exec] = stepsOf(planned, "exec");
  assert.deepEqual(exec!.op.mounts, [
    { type: "bind", target: "/x", from: 1, source: "/s", rw: false },
    { type: "bind", target: "/c", from: 2, source: "/", rw: true },
    { type: "cache", target: "/d", id: "ns/i", from: 3, source: "/q", readOnly: true, sharing: "locked", mode: 0o700, uid: 1, gid: 2 },
  ]);
  assert.deepEqual(exec!.inputs.map((input) => planned.graph.steps[input]!.op.kind), ["image", "image", "local", "image"]);
});

test("a RUN has its variables, the proxies apart, its network and its user", async () => {
  const { op } = firstRun(await plan("FROM app:1\nARG X=1\nENV Y=$X\nUSER me\nRUN --network=none --security=insecure --device=v.com/d=a,required x", { buildArgs: { https_proxy: "p" } }));
  const { env, proxies, network, security, user, cwd, devices } = op;
  assert.deepEqual({ env, proxies, network, security, user, cwd, devices }, {
    env: ["PATH=/bin", "A=base", "X=1", "Y=1"], proxies: ["HTTPS_PROXY=p", "https_proxy=p"], network: "none", security: "insecure", user: "me", cwd: "/srv", devices: [{ name: "v.com/d=a", required: true }],
  });
});

test("the build's network is each RUN's", async () => {
  const planned = await plan(`${FROM}RUN a\nRUN --network=none b`, { run: { network: "host", extraHosts: [], ulimits: [], shmSize: 0, cgroupParent: "", limits: {} } });
  assert.deepEqual(stepsOf(planned, "exec").map(({ op }) => op.network), ["host", "none"]);
});

test("an ssh agent's socket is known to the command", async () => {
  const { op } = firstRun(await plan(`${FROM}RUN --mount=type=ssh,target=/s x`));
  assert.ok(op.env.includes("SSH_AUTH_SOCK=/s"));
});

test("only what the target needs is planned, by name or number", async () => {
  const text = "FROM busybox AS a\nRUN a\nFROM missing AS b\nRUN b\nFROM a AS c\nRUN c\nFROM busybox\nCOPY --from=c /x /x";
  assert.deepEqual(names(await plan(text, { target: "A" })), ["[a 1/2] FROM docker.io/library/busybox:latest", "[a 2/2] RUN a"]);
  assert.deepEqual(names(await plan(text, { target: "0" })), names(await plan(text, { target: "a" })));
  assert.deepEqual(stepsOf(await plan(text), "exec").map(({ op }) => op.args[2]), ["a", "c"]);
});

/** As BuildKit 0.26.3 tells them. */
const named: readonly (readonly [line: string, name: string])[] = [
  [String.raw`RUN echo "a\\b" "a\$b" "a\"b" "a\b" \\ \$ \" \a`, String.raw`RUN echo "a\b" "a$b" "a"b" "a\b" \ $ " a`],
  [String.raw`RUN echo 'a\\b' 'a"b' "a'b"`, String.raw`RUN echo 'a\\b' 'a"b' "a'b"`],
  ["RUN echo ${A:-x\\}y} ${NOPE:-\"a\\b\"} ${NOPE:+a\\b} \"${C}\" $C \\${NOPE}", "RUN echo x y ${NOPE:-\"a\\b\"} ${NOPE:+ab} \"a\\b\" a\\b ${NOPE}"],
  [String.raw`RUN grep -E "^\s+\w{2,}\$" /x | awk '{print "\"" $1 "\""}'`, String.raw`RUN grep -E "^\s+\w{2,}$" /x | awk '{print "\"" $1 "\""}'`],
  [String.raw`RUN ["a\\b", "c\"d", "$A", "\t"]`, String.raw`RUN ["a\b", "c"d", "x y", "\t"]`],
  [String.raw`RUN echo "unclosed \" quote`, String.raw`RUN echo "unclosed \" quote`],
  [String.raw`COPY a\ b /c\ d/`, "COPY a b /c d/"],
  [String.raw`COPY a\\b /c\\d`, String.raw`COPY a\b /c\d`],
  [String.raw`COPY ["a\\b", "/c \"d\""]`, String.raw`COPY [a\b, /c "d"]`],
  [String.raw`WORKDIR "/q\"r"`, String.raw`WORKDIR /q"r`],
];
for (const [line, name] of named) test(`steps are named as BuildKit names them: ${line}`, async () => assert.equal(names(await plan(`FROM busybox\nENV A="x y" C='a\\b'\n${line}`)).at(-1), `[2/2] ${name}`));

test("steps are named as BuildKit names them", async () => {
  assert.deepEqual(names(await plan("FROM busybox AS a\nENV X=1\nRUN echo $X $Y\nFROM scratch\nCOPY --from=a /x /x\nWORKDIR /w")), [
    "[a 1/2] FROM docker.io/library/busybox:latest", "[a 2/2] RUN echo 1 $Y", "FROM scratch", "[stage-1 1/2] COPY --from=a /x /x", "[stage-1 2/2] WORKDIR /w",
  ]);
  assert.deepEqual(names(await plan(`${FROM}RUN x`)), ["[1/2] FROM docker.io/library/busybox:latest", "[2/2] RUN x"]);
  assert.deepEqual(names(await plan("FROM trigger")), ["[1/1] FROM docker.io/library/trigger:latest", "[internal] load build context", "[2/3] ONBUILD COPY package.json /app/", "[3/3] ONBUILD RUN npm ci"]);
  assert.deepEqual(names(await plan(`${FROM}RUN --mount=type=secret,id=t,env=T curl $T`)).at(-1), "[stage-0 2/2] RUN --mount=type=secret,id=t,env=T curl ****");
  assert.deepEqual(names(await plan(`${FROM}RUN --mount=type=tmpfs,target=/x x`)), ["[stage-0 1/2] FROM docker.io/library/busybox:latest", "[stage-0 2/2] RUN --mount=type=tmpfs,target=/x x"]);
  assert.deepEqual(names(await plan(`${FROM}COPY "a" $X 'c' d/\nRUN <<E\na \\ b\n"c"\nE`)).slice(2), ["[2/3] COPY a  c d/", "[3/3] RUN <<E (a  b...)"]);
});

test("the two steps of a --link are shown as one, each as its own", async () => {
  const { graph, images } = await plan(`${FROM}COPY --link a /b\nCOPY --link a /c`);
  const { vertices } = planEvent(graph, verticesOf(graph, [images[0]!.step]));
  const shown = vertices.flatMap(({ id, name, group }) => (group === undefined ? [] : [[name, group.name, group.weak, group.id === id]]));
  const [b, c] = ["[2/3] COPY --link a /b", "[3/3] COPY --link a /c"];
  assert.deepEqual(shown, [[b, b, true, true], ["[2/3] LINK COPY --link a /b", b, false, false], [c, c, true, true], ["[3/3] LINK COPY --link a /c", c, false, false]]);
  assert.equal(new Set(vertices.flatMap(({ group }) => group?.id ?? [])).size, 2);
});

test("--link on nothing is a plain copy, and so is one with a mode", async () => {
  const kinds = async (text: string) => (await plan(text)).graph.steps.map(({ op }) => op.kind);
  assert.deepEqual(await kinds("FROM scratch\nCOPY --link a /"), ["scratch", "local", "file"]);
  assert.deepEqual(await kinds(`${FROM}COPY --link --chmod=755 a /`), ["image", "local", "file"]);
  assert.deepEqual(await kinds(`${FROM}COPY --link a /`), ["image", "local", "scratch", "file", "merge"]);
});

test("of a folder that is a context only what is copied or mounted is sent", async () => {
  const include = async (text: string) => stepsOf(await plan(text, { contexts: { c: "local:c" } }), "local").map(({ op }) => op.include);
  assert.deepEqual(await include(`${FROM}COPY --from=c a /\nRUN --mount=from=c,source=b/d,target=/x y`), [["a", "b/d"]]);
  assert.deepEqual(await include(`${FROM}COPY --from=c a /\nRUN --mount=from=c,target=/x y`), [[]]);
  assert.deepEqual(await include("FROM c\nRUN x"), [[]]);
});

test("lint knows the base's own shell and variables, folders that stand in, and what triggers say", async () => {
  const said = async (text: string, wish: Wish = {}) => (await plan(text, wish)).warnings.map(({ rule, ranges }) => `${rule} ${ranges[0]!.start}`);
  assert.deepEqual(await said("FROM app:1\nENV B=$A C=$D"), ["UndefinedVar 2"]);
  assert.deepEqual(await said("FROM c\nENV B=$A", { contexts: { c: "local:c" } }), ["UndefinedVar 2"]);
  assert.deepEqual(await said("FROM busybox AS c\nENV B=$A\nFROM c", { contexts: { c: "docker-image://bare" } }), []);
  assert.deepEqual(await said("FROM busybox AS a\nONBUILD CMD x\n\nFROM a"), ["JSONArgsRecommended 4"]);
  assert.deepEqual(await said("FROM scratch\nWORKDIR $PATH"), []);
});

test("what is equal is one step", async () => {
  const planned = await plan("FROM busybox AS a\nRUN x\nFROM busybox AS b\nRUN x\nRUN y\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /");
  assert.equal(stepsOf(planned, "image").length, 1);
  assert.deepEqual(stepsOf(planned, "exec").map(({ op }) => op.args[2]), ["x", "y"]);
});

test("ONBUILD of an image may ask for another image", async () => {
  const planned = await plan("FROM puller");
  assert.deepEqual(stepsOf(planned, "image").map(({ op }) => op.reference), ["docker.io/library/busybox:latest", "docker.io/library/puller:latest"]);
});

test("several platforms share what is built on this machine's", async () => {
  const text = "FROM --platform=$BUILDPLATFORM bare AS build\nRUN cross\nFROM build AS cut\nARG TARGETARCH\nRUN cross $TARGETARCH\nFROM bare\nCOPY --from=cut /x /x";
  const planned = await plan(text, { platforms: [platform("linux/amd64"), platform("linux/arm64")] });
  assert.deepEqual(planned.images.map(({ platform: { architecture } }) => architecture), ["amd64", "arm64"]);
  const runs = stepsOf(planned, "exec");
  assert.deepEqual(runs.map(({ op, platform: own }) => [op.args[2], own.architecture]), [["cross", "amd64"], ["cross $TARGETARCH", "amd64"], ["cross $TARGETARCH", "amd64"]]);
  assert.equal(runs[2]!.name, "[linux/amd64->arm64 cut 1/1] RUN cross arm64");
  assert.deepEqual(stepsOf(planned, "image").map(({ platform: own }) => own.architecture), ["amd64", "arm64"]);
});

test("an image of one machine only is said to be odd", async () => {
  const { warnings, images } = await plan("FROM --platform=linux/arm64 app:1");
  assert.deepEqual(warnings.filter(({ rule }) => rule === "InvalidBaseImagePlatform").map(({ detail }) => detail), ['Base image app:1 was pulled with platform "linux/amd64", expected "linux/arm64" for current build']);
  assert.equal(images[0]!.platform.architecture, "amd64");
});

test("named contexts stand in for stages, images and --from", async () => {
  const text = "FROM busybox AS dep\nRUN never\nFROM bare:latest\nCOPY --from=dep /a /a\nCOPY --from=files b /b";
  const contexts = { dep: "docker-image://app:1", bare: "docker-image://busybox", files: "local:files" };
  const planned = await plan(text, { contexts, ignoreOf: async () => ["*.o"] });
  assert.deepEqual(stepsOf(planned, "image").map(({ op, name }) => [op.reference, name.split("@")[0]]), [
    ["docker.io/library/app:1", "[context dep] app:1"], ["docker.io/library/busybox:latest", "[context bare] busybox"],
  ]);
  assert.deepEqual(stepsOf(planned, "local").map(({ op }) => op), [{ kind: "local", name: "files", include: ["b"], exclude: ["*.o"] }]);
  assert.deepEqual(stepsOf(planned, "exec"), []);
});

test("a context of files is a root file system only where a stage goes on from it", async () => {
  const kinds = async (text: string) => (await plan(text, { contexts: { c: "local:c" } })).graph.steps.map(({ op }) => op.kind);
  assert.deepEqual(await kinds("FROM c\nRUN x"), ["local", "scratch", "file", "exec"]);
  assert.deepEqual(await kinds("FROM scratch AS c\nFROM c\nRUN x"), ["local", "scratch", "file", "exec"]);
  assert.deepEqual(await kinds("FROM c"), ["local", "scratch", "file"]);
  assert.deepEqual(await kinds("FROM scratch\nCOPY --from=c a /"), ["local", "scratch", "file"]);
});

test("contexts by URL; a password in one is not shown", async () => {
  const planned = await plan("FROM scratch\nCOPY --from=g / /g\nCOPY --from=h / /h", { contexts: { g: "https://u:pw@h/r.git#main", h: "https://h/x.txt" }, buildArgs: { BUILDKIT_CONTEXT_KEEP_GIT_DIR: "1" } });
  assert.deepEqual(stepsOf(planned, "git").map(({ op: { ref, keepGitDir }, name }) => ({ ref, keepGitDir, name })), [{ ref: "main", keepGitDir: true, name: "[internal] load git source https://xxxxx:xxxxx@h/r.git#main" }]);
  assert.deepEqual(stepsOf(planned, "http").map(({ op }) => op.filename), ["context"]);
});

test("BLD-13: passwords of addresses are neither in names nor in history", async () => {
  const planned = await plan("FROM busybox\nARG T\nADD https://me:$T@h/r.git#v https://tok@h/f /x/", { buildArgs: { T: "p@sentinel" } });
  const shown = JSON.stringify([planned.graph.steps.map(({ name }) => name), planned.images[0]!.history.flatMap(({ createdBy }) => (createdBy.startsWith("ADD") ? [createdBy] : []))]);
  assert.match(shown, /https:\/\/xxxxx:xxxxx@h\/r\.git#v https:\/\/xxxxx:xxxxx@h\/f/);
  assert.doesNotMatch(shown, /sentinel|tok@/);
});

test("--no-cache of all or of one stage", async () => {
  const text = "FROM busybox AS a\nRUN a\nFROM a AS b\nRUN b";
  const marked = async (noCache: boolean | readonly string[]) => (await plan(text, { noCache })).graph.steps.filter((step) => step.noCache).map(({ instruction }) => instruction);
  assert.deepEqual(await marked(true), ["RUN a", "RUN b"]);
  assert.deepEqual(await marked(["B"]), ["RUN b"]);
  assert.deepEqual(await marked(false), []);
});

test("arguments that nothing took are told", async () => {
  const planned = await plan("ARG G\nFROM busybox\nARG U", { buildArgs: { G: "1", U: "2", Z: "3", HTTP_PROXY: "p", BUILDKIT_INLINE_CACHE: "1", Q: undefined } });
  assert.deepEqual(planned.unusedArgs, ["Q", "Z"]);
});

test("one platform may be as several", async () => {
  const planned = await plan(`${FROM}RUN x`, { buildArgs: { BUILDKIT_MULTI_PLATFORM: "1" } });
  assert.deepEqual([planned.multiPlatform, names(planned)[1]], [true, "[linux/amd64 2/2] RUN x"]);
});

test("SOURCE_DATE_EPOCH of an argument", async () => {
  assert.equal((await plan(FROM, { buildArgs: { SOURCE_DATE_EPOCH: "1700000000" } })).images[0]!.sourceDateEpoch, 1_700_000_000);
});

test("every instruction that the target needs is told, with its state", async () => {
  const { instructions } = await plan("FROM trigger\nENV A=1\nRUN x");
  assert.deepEqual(instructions.map(({ text, onBuild, lines }) => [text, onBuild, lines[0]]), [["FROM trigger", false, 1], ["COPY package.json /app/", true, 1], ["RUN npm ci", true, 1], ["ENV A=1", false, 2], ["RUN x", false, 3]]);
});

test("a plan is shown as text and as a picture; what a name holds stays text", async () => {
  const planned = await plan(`${FROM}RUN echo "<b>&"\nCMD ["a"]`);
  assert.match(showText(planned), /^#1 \[1\/2\] FROM .*\n#2 \[2\/2\] RUN echo "<b>&"\n {5}after #1\n\nimage linux\/amd64 is #2: runs \["a"\]\n/);
  const svg = showSvg(planned);
  assert.match(svg, /^<svg .*RUN echo &quot;&lt;b&gt;&amp;&quot;/s);
  assert.doesNotMatch(svg, /<b>/);
  assert.match(showSvg(await plan(`${FROM}RUN --mount=type=cache,target=/c \\\n   make all`)), /<text[^>]*>#2 \[stage-0 2\/2\] RUN make all<\/text>/);
});

test("what is planned is a graph", async () => {
  const planned = await plan("FROM busybox AS a\nRUN --mount=type=cache,target=/c x\nFROM scratch\nCOPY --link --from=a /x /\nCOPY <<f /\nf");
  checkGraph(planned.graph, planned.images.map(({ step }) => step), { entitlements: [] });
});

test("no two boxes of a picture lie on one another, however many steps go on from one", async () => {
  const names = Array.from({ length: 400 }, (_, at) => `s${at}`);
  const stages = names.map((name) => `FROM busybox AS ${name}\nRUN ${name}\nRUN more\n`);
  const svg = showSvg(await plan(`${stages.join("")}FROM scratch\n${names.map((name) => `COPY --from=${name} / /${name}\n`).join("")}`));
  const places = [...svg.matchAll(/<rect x="(\d+)" y="(\d+)"/g)].map(([, x, y]) => `${x} ${y}`);
  assert.ok(places.length > 400 * 3, String(places.length));
  assert.equal(new Set(places).size, places.length);
});

test("others have their turns between two instructions, and within what is followed of thousands of sources", async (t) => {
  let now = 0;
  t.mock.method(performance, "now", () => (now += 100));
  const turnsWithin = async (work: Promise<unknown>): Promise<number> => {
    let others = 0;
    let next = setImmediate(function again() {
      others++;
      next = setImmediate(again);
    });
    await work.finally(() => clearImmediate(next));
    return others;
  };
  const few = await turnsWithin(plan(`${FROM}WORKDIR /a\n`));
  assert.ok((await turnsWithin(plan(FROM + "WORKDIR /a\n".repeat(20)))) >= few + 19);
  const entries: FileEntry[] = [];
  assert.ok((await turnsWithin(followPatterns({ entries } as unknown as FileTree, Array.from({ length: 640 }, (_, index) => `f${index}`)))) >= 9);
});
