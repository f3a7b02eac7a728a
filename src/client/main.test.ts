import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import type { Output } from "./client.ts";
import { groups, topLevel } from "./commands/commands.ts";
import { main } from "./main.ts";
import { scripts } from "./completion/scripts.ts";
import { VERSION } from "./version.ts";

type Result = { readonly code: number; readonly out: string; readonly err: string };

const folder = mkdtempSync("/tmp/client-");
const answers: Record<string, unknown> = {
  "/containers/json": [{ Id: "a".repeat(64), Names: ["/web"], Image: "nginx", Status: "Up", Command: "", Created: 0 }],
  "/images/json": [{ RepoTags: ["nginx:latest", "redis:7"] }],
  "/volumes": { Volumes: [{ Name: "data", Driver: "local" }] },
  "/networks": [{ Name: "bridge", Driver: "bridge" }],
};
const server = createServer((request, response) => {
  const path = request.url!.replace(/^\/v[\d.]+/, "").split("?")[0]!;
  response.setHeader("Api-Version", "1.56").setHeader("Content-Type", "application/json");
  if (path in answers) response.end(JSON.stringify(answers[path]));
  else response.writeHead(path === "/_ping" ? 200 : 404).end('{"message":"No such thing"}');
});
before(() => new Promise<void>((resolve) => server.listen(`${folder}/s`, resolve)));
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

async function gantry(...line: string[]): Promise<Result> {
  const found = { out: "", err: "" };
  const output = (fd: 1 | 2, name: "out" | "err"): Output => ({ fd, isTerminal: false, columns: 0, write: (data) => void (found[name] += data.toString()) });
  const code = await main(["--config", folder, ...line], { out: output(1, "out"), err: output(2, "err") });
  return { code, ...found };
}

const engine = ["-H", `unix://${folder}/s`];

test("the version is that of the package", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  assert.equal(VERSION, version);
  assert.deepEqual(await gantry("--version"), { code: 0, out: `Gantry version ${version}\n`, err: "" });
});

/** A line, the exit code, what standard error says. */
const wrong: [line: string[], code: number, err: string][] = [
  [["--nope"], 125, "unknown flag: --nope\n\nUsage:  gantry [OPTIONS] COMMAND [ARG...]\n\nRun 'gantry --help' for more information\n"],
  [["xyzzy"], 1, "gantry: unknown command: gantry xyzzy\n\nRun 'gantry --help' for more information\n"],
  [["imagse"], 1, "gantry: unknown command: gantry imagse\n\nDid you mean this?\n\timage\n\timages\n\nRun 'gantry --help' for more information\n"],
  [["container", "strt"], 1, "gantry: unknown command: gantry container strt\n\nDid you mean this?\n\tstart\n\nUsage:  gantry container\n\nRun 'gantry container --help' for more information\n"],
  [["ps", "--nope"], 125, "unknown flag: --nope\n\nUsage:  gantry ps [OPTIONS]\n\nRun 'gantry ps --help' for more information\n"],
  [["container", "ls", "-Z"], 125, "unknown shorthand flag: 'Z' in -Z\n\nUsage:  gantry container ls [OPTIONS]\n\nRun 'gantry container ls --help' for more information\n"],
  [["ps", "x"], 1, "gantry: 'gantry ps' accepts no arguments\n\nUsage:  gantry ps [OPTIONS]\n\nRun 'gantry ps --help' for more information\n"],
  [["rm"], 1, "gantry: 'gantry rm' requires at least 1 argument\n\nUsage:  gantry rm [OPTIONS] CONTAINER [CONTAINER...]\n\nSee 'gantry rm --help' for more information\n"],
  [["rename", "x"], 1, "gantry: 'gantry rename' requires 2 arguments\n\nUsage:  gantry rename CONTAINER NEW_NAME\n\nRun 'gantry rename --help' for more information\n"],
  [["port"], 1, "gantry: 'gantry port' requires at least 1 and at most 2 arguments\n\nUsage:  gantry port CONTAINER [PRIVATE_PORT[/PROTO]]\n\nRun 'gantry port --help' for more information\n"],
  [["stack", "ls"], 1, "gantry stack: this Gantry does not have it yet\n"],
  [["checkpoint", "ls", "x"], 1, "gantry checkpoint: this Gantry does not have it yet\n"],
  [["help", "xyzzy"], 1, "unknown help topic: xyzzy\n"],
];

for (const [line, code, err] of wrong) {
  test(`gantry ${line.join(" ")}`, async () => assert.deepEqual(await gantry(...line), { code, out: "", err }));
}

test("run tells with its name and where help is; the others plainly", async () => {
  const run = await gantry(...engine, "run", "-p", "x", "image");
  assert.deepEqual(run, { code: 125, out: "", err: "gantry: invalid containerPort: x\n\nRun 'gantry run --help' for more information\n" });
  assert.deepEqual(await gantry(...engine, "kill", "x"), { code: 1, out: "", err: "Error response from daemon: No such thing\n" });
});

test("the root and the groups say what there is", async () => {
  const root = await gantry();
  assert.equal(root.code, 0);
  assert.match(root.out, /^Usage: {2}gantry \[OPTIONS\] COMMAND\n/);
  for (const name of ["run", "ps", "container", "images", "explain", "daemon"]) assert.match(root.out, new RegExp(`^  ${name} `, "m"));
  const group = await gantry("volume");
  assert.match(group.err, /^Usage: {2}gantry volume COMMAND\n\nManage volumes\n\nCommands:\n {2}clone /);
  assert.deepEqual(await gantry("volume", "--help"), { code: 0, out: group.err, err: "" });
  assert.deepEqual(await gantry("help", "volume"), { code: 0, out: group.err, err: "" });
});

for (const [path, entry] of [...topLevel.map((each) => [each.name, each] as const), ...groups.flatMap((group) => group.entries.map((each) => [`${group.name} ${each.name}`, each] as const))]) {
  if (entry.usage === "[ARG...]" || entry.name === "__complete") continue;
  test(`gantry ${path} --help`, async () => {
    const { code, out, err } = await gantry(...path.split(" "), "--help");
    assert.deepEqual([code, err], [0, ""]);
    assert.ok(out.startsWith(`Usage:  gantry ${path}${entry.usage === "" ? "" : ` ${entry.usage}`}\n\n${entry.short}\n`), out);
    // docker's own usage lines of these do not announce them.
    if (path !== "manifest create" && path !== "network rm") assert.equal(out.includes("\nOptions:\n"), entry.usage.includes("[OPTIONS]"), "options are announced where there are some");
    const short = [...out.matchAll(/^ {2}-(\w), --/gm)].map((match) => match[1]);
    assert.equal(new Set(short).size, short.length, "a letter stands for one option");
  });
}

const completions: [line: string[], words: string[] | ":files"][] = [
  [["sto"], ["stop"]],
  [["container", "pa"], ["pause"]],
  [["volume", ""], ["clone", "create", "du", "export", "import", "inspect", "ls", "prune", "rename", "rm", "snapshot", "update"]],
  [["ps", "--no"], ["--no-trunc"]],
  [["--ho"], ["--host"]],
  [["stop", ""], ["web"]],
  [["-D", "stop", "w"], ["web"]],
  [["stop", "web", ""], []],
  [["run", "re"], ["redis:7"]],
  [["run", "--network", ""], ["bridge"]],
  [["run", "--pull", ""], ["always", "missing", "never"]],
  [["run", "-it", "--rm", "nginx", ""], ":files"],
  [["run", "-v", ""], ":files"],
  [["exec", "-it", "web", "l"], ":files"],
  [["exec", ""], ["web"]],
  [["inspect", ""], ["bridge", "data", "nginx:latest", "redis:7", "web"]],
  [["context", "use", ""], ["default"]],
  [["nothing", ""], ":files"],
];

for (const [line, words] of completions) {
  test(`completing ${JSON.stringify(line)}`, async () => {
    const { out } = await gantry(...engine, "__complete", "--", ...line);
    const found = out.split("\n").filter((each) => each !== "");
    assert.deepEqual(words === ":files" ? found[0] : found.map((each) => each.split("\t")[0]), words);
  });
}

test("builds' commands below two words have pages of their own, behind build, builder and buildx", async () => {
  for (const word of ["build", "builder", "buildx"]) {
    const { code, out } = await gantry(word, "history", "--help");
    assert.deepEqual([code, out.split("\n")[0]], [0, `Usage:  gantry ${word} history COMMAND`]);
    assert.match(out, /^ {2}ls +List builds$/m);
    for (const command of ["history ls", "history inspect attachment", "du", "prune"]) {
      assert.match((await gantry(word, ...command.split(" "), "--help")).out, new RegExp(`^Usage:  gantry ${word} ${command} `));
    }
  }
  assert.match((await gantry("build", "history", "nope")).err, /^gantry: unknown command: gantry build history nope/);
});

test("what buildx has for other builders is refused with what there is instead", async () => {
  for (const [word, text] of [["bake", /docker buildx bake builds on this engine/], ["create", /gantry context create/], ["history open", /Docker Desktop/]] as const) {
    const { code, err } = await gantry("buildx", ...word.split(" "), "x", "--use");
    assert.deepEqual([code, text.test(err)], [1, true], err);
  }
  assert.equal((await gantry("buildx", "version")).out, `gantry ${VERSION}\n`);
});

test("completion asks the engine that the line names", async () => {
  const { out } = await gantry("-H", "unix:///nothing", "__complete", "--", ...engine, "stop", "");
  assert.match(out, /^web\t/);
});

test("completion without an engine is silent", async () => {
  assert.deepEqual(await gantry("-H", `unix://${folder}/nothing`, "__complete", "--", "stop", ""), { code: 0, out: "", err: "" });
});

for (const shell of ["bash", "zsh", "fish"] as const) {
  test(`completion ${shell}`, async () => assert.equal((await gantry("completion", shell)).out, scripts[shell]));
}

test("contexts: created, listed, used, removed", async () => {
  assert.deepEqual(await gantry("context", "create", "there", "--docker", "host=tcp://there:1", "--description", "far"), {
    code: 0,
    out: "there\n",
    err: 'Successfully created context "there"\n',
  });
  assert.match((await gantry("context", "ls")).out, /^there {7,}far +tcp:\/\/there:1/m);
  assert.equal((await gantry("context", "inspect", "there", "-f", "{{.Endpoints.docker.Host}}")).out, "tcp://there:1\n");
  assert.equal((await gantry("context", "use", "there")).out, "there\n");
  assert.equal((await gantry("context", "show")).out, "there\n");
  assert.match((await gantry("context", "rm", "there")).err, /is in use/);
  assert.equal((await gantry("context", "use", "default")).out, "default\n");
  assert.equal((await gantry("context", "rm", "there")).out, "there\n");
  assert.equal((await gantry("context", "ls", "-q")).out, "default\n");
});
