/** Contexts of builds that mean harm: rows BLD-06, BLD-07, BLD-09 and BLD-12 of the catalogue. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkRef, checkRemote } from "#builder/contexts/git/check-remote.ts";
import { openSandbox } from "#builder/sandbox/sandbox.ts";
import { sourceContext, testSources, textOf } from "#builder/contexts/contexts-fixture.ts";
import { gitStep } from "#builder/plan/git.ts";
import { gitMissing, gitServer } from "../fixtures/git-server.ts";
import { tar, type Entry } from "../fixtures/tar.ts";
import type { Engine } from "../e2e/harness/engine.ts";
import { attacks } from "./attack.ts";
import { call } from "./engine-call.ts";

const { attack } = attacks("build contexts");

const SECRET = "canary";

/** What POST /build says, with the words of a failure. */
async function build(engine: Engine, context: { readonly body?: Buffer; readonly query?: string }): Promise<{ text: string; failed: boolean }> {
  const reply = await call(engine, "POST", `/build?version=1&nocache=1&rm=1${context.query ?? ""}`, context.body === undefined ? { body: Buffer.alloc(0) } : { body: context.body });
  const text = reply.body.toString();
  return { text, failed: reply.status !== 200 || text.includes('"error"') };
}

const dockerfile = (...lines: string[]): Entry => ({ path: "Dockerfile", data: lines.map((line) => `${line}\n`).join("") });

attack("BLD-06 a subdirectory that leads out of the repository", async ({ engine, canary }) => {
  await using server = await served();
  const repository = server.create("r");
  repository.write("in/Dockerfile", "FROM scratch\nCOPY . /\n");
  symlinkSync(canary, join(repository.folder, "out"));
  symlinkSync("../../../../../../../../etc", join(repository.folder, "up"));
  symlinkSync("in", join(repository.folder, "within"));
  repository.commit();
  const remote = (fragment: string) => build(engine, { query: `&remote=${encodeURIComponent(`${server.url}/r.git#${fragment}`)}` });
  for (const subdir of ["../../etc", "/../../etc", "out", "out/dir", "up", "in/../../../etc", "nowhere"]) {
    const { failed, text } = await remote(`main:${subdir}`);
    assert.ok(failed, `${subdir}: ${text}`);
    assert.ok(!text.includes(SECRET) || text.includes(canary), text);
  }
  const { failed, text } = await remote("main:within");
  assert.ok(!failed, text);
}, { skip: gitMissing });

attack("BLD-06, BLD-12 a Dockerfile and a .dockerignore that are links to the host", async ({ engine, canary }) => {
  await using server = await served();
  const repository = server.create("r");
  repository.write("inner/Dockerfile", "FROM scratch\nLABEL a=b\n");
  symlinkSync("inner/Dockerfile", join(repository.folder, "Dockerfile"));
  symlinkSync(join(canary, "file"), join(repository.folder, "Outside"));
  symlinkSync(join(canary, "file"), join(repository.folder, ".dockerignore"));
  repository.commit();
  const remote = `&remote=${encodeURIComponent(`${server.url}/r.git`)}`;
  assert.ok(!(await build(engine, { query: remote })).failed);
  const outside = await build(engine, { query: `${remote}&dockerfile=Outside` });
  assert.ok(outside.failed && !outside.text.includes(`${SECRET}\\n`), outside.text);
  for (const path of [".dockerignore", "Dockerfile.dockerignore"]) {
    const told = await build(engine, { body: tar([dockerfile("FROM scratch", "COPY . /"), { path, link: join(canary, "file") }]) });
    assert.ok(!told.text.includes(`${SECRET}\\n`), told.text);
  }
  for (const link of [join(canary, "file"), "../../../../../../etc/hostname", "Dockerfile", canary]) {
    const { failed, text } = await build(engine, { body: tar([{ path: "Dockerfile", link }]) });
    assert.ok(failed && !text.includes(`${SECRET}\\n`), text);
  }
}, { skip: gitMissing });

attack("BLD-09 names of a context that lead out of it", async ({ engine, canary }) => {
  const contexts: readonly (readonly Entry[])[] = [
    [{ path: "../../../../../../../../tmp/evil", data: "x" }],
    [{ path: `..${canary}/evil`, data: "x" }],
    [{ path: "a", link: canary }, { path: "a/evil", data: "x" }],
    [{ path: "a", link: canary }, { path: "a/dir/", mode: 0o777 }],
    [{ path: "a", hard: join("../../../../../../../..", canary, "file") }],
    [{ path: "a", hard: join(canary, "file") }],
  ];
  for (const entries of contexts) {
    const { failed, text } = await build(engine, { body: tar([dockerfile("FROM scratch", "COPY . /"), ...entries]) });
    assert.ok(failed, `${JSON.stringify(entries)}: ${text}`);
  }
  // An absolute name is one in the context, as with Docker.
  const { failed, text } = await build(engine, { body: tar([dockerfile("FROM scratch", `COPY ${canary.slice(1)}/evil /evil`), { path: `${canary}/evil`, data: "x" }]) });
  assert.ok(!failed, text);
  // Links may say what they like: they are followed inside the context.
  for (const source of ["link/file", "link/dir", "up/passwd"]) {
    const followed = await build(engine, { body: tar([dockerfile("FROM scratch", `COPY ${source} /`), { path: "link", link: canary }, { path: "up", link: "../../../../../../etc" }]) });
    assert.ok(followed.failed && !followed.text.includes(`${SECRET}\\n`), followed.text);
  }
  assert.ok(!existsSync("/tmp/evil") && !existsSync(join(canary, "evil")));
});

const REMOTES = [
  "ext::sh -c touch% /tmp/canary-ext", "ext::sh -c 'touch /tmp/canary-ext' .git", "fd::17/x", "file:///etc", "/etc", "./r.git", "../r.git", "--upload-pack=touch /tmp/x", "-oProxyCommand=touch@host:r.git",
  "git@-oProxyCommand=touch:r.git", "ssh://-oProxyCommand=touch/r.git", "ssh://-l@host/r.git", "http://host/a b.git", "http://host/a\n.git", "host:-x.git", "user@host:--upload-pack=x", "transport::http://x/r.git", "ftp://host/r.git", "http://",
  // Whose credentials would be sent to another one.
  "https://host?x@evil/r.git", "https://host#x@evil/r.git", "https://host\\x@evil/r.git", "ssh://a@evil:x@host/r.git",
];
const REFS = [
  "--upload-pack=touch /tmp/x", "-b", "--output=x", "a b", "a..b", "a@{1}", "refs/heads/--output=x", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "@", "", "a\0b", "a\nb", "\u007f",
];

test("BLD-07 what git could take for an option, a helper or a place here is no repository and no ref", async (t) => {
  for (const url of REMOTES) assert.throws(() => checkRemote(url), { kind: "invalid" }, url);
  for (const ref of REFS) assert.throws(() => checkRef(ref), { kind: "invalid" }, ref);
  for (const url of ["https://h/r.git", "http://u:p@h:1/r", "git://h/r", "ssh://git@h:22/r.git", "git@h:r.git", "h:r.git", "me@h:/abs/r.git", "https://[::1]:8/r.git"]) assert.ok(checkRemote(url).host, url);
  assert.equal(checkRemote("https://u:p@w@h/@r.git").url, "https://h/@r.git");
  for (const ref of ["main", "v1.0", "refs/heads/a-b/c_d", "feature/é", "a@b", "0".repeat(40)]) assert.equal(checkRef(ref), ref);
  for (const url of ["ext::sh -c touch% /tmp/canary-ext", "file:///etc.git", "--upload-pack=x.git"]) assert.equal(gitStep(url, {}), undefined, url);
  if (process.getuid?.() !== 0) return;
  const { sources } = await testSources(t);
  const refused = async (url: string, ref = "") => await assert.rejects(sources.performers.gitKey({ kind: "git", url, ref, subdir: "", keepGitDir: false }, step()), { kind: "invalid" }, `${url} ${ref}`);
  for (const url of REMOTES) await refused(url);
  for (const ref of REFS.filter((name) => name !== "")) await refused("http://127.0.0.1:1/r.git", ref);
  assert.ok(!existsSync("/tmp/canary-ext"));
});

test("BLD-07 a server whose HEAD is called like an option; submodules of this machine, and by helpers", { skip: skipGit() }, async (t) => {
  const server = await gitServer(t);
  const { sources, contexts } = await testSources(t);
  const git = async (url: string) => {
    const [op, context] = [{ kind: "git", url, ref: "", subdir: "", keepGitDir: false } as const, step()];
    return await sources.performers.git(op, context, await sources.performers.gitKey(op, context));
  };
  const evil = server.create("evil");
  evil.write("f", "1");
  evil.commit();
  evil.git("push", "-q", "origin", "main:refs/heads/--output=x");
  evil.git("--git-dir", join(evil.folder, "../../evil.git"), "symbolic-ref", "HEAD", "refs/heads/--output=x");
  await assert.rejects(git(`${server.url}/evil.git`), { kind: "invalid", message: /invalid git ref/ });
  for (const url of [`file://${join(evil.folder, "../../evil.git")}`, join(evil.folder, "../../evil.git"), "ext::sh -c touch% /tmp/canary-submodule"]) {
    const outer = server.create(`outer${REMOTES.length}${url.length}`);
    outer.write(".gitmodules", `[submodule "m"]\n\tpath = m\n\turl = ${url}\n`);
    mkdirSync(join(outer.folder, "m"));
    outer.git("update-index", "--add", "--cacheinfo", `160000,${evil.git("rev-parse", "HEAD")},m`);
    outer.commit();
    await assert.rejects(git(`${server.url}/outer${REMOTES.length}${url.length}.git`), { kind: "unavailable", message: /not allowed|does not exist/ }, url);
  }
  assert.ok(!existsSync("/tmp/canary-submodule"));
  const good = server.create("good");
  good.write("f", "good");
  good.commit();
  // Whatever the engine was started with says nothing to git.
  const before = { ...process.env };
  t.after(() => (process.env = before));
  Object.assign(process.env, { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "protocol.http.allow", GIT_CONFIG_VALUE_0: "never", GIT_DIR: "/nowhere", GIT_EXEC_PATH: "/nowhere", GIT_ALLOW_PROTOCOL: "ext" });
  assert.equal(await textOf(contexts, await git(`${server.url}/good.git`), "f"), "good");
});

test("BLD-06 git runs as nobody: no capabilities, no other process, no secret of the host, nothing to write but its own folder", { skip: skipGit() }, async (t) => {
  const { sandboxes } = await testSources(t);
  await using sandbox = await openSandbox(sandboxes);
  // A file system of its own in which everybody may write, as /var often is.
  const open = mkdtempSync("/var/tmp/gantry-open-");
  execFileSync("mount", ["-t", "tmpfs", "-o", "mode=1777", "gantry-test", open]);
  t.after(() => (execFileSync("umount", [open]), rmdirSync(open)));
  const script = `
    id -u; id -g; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'
    ls -d /proc/[0-9]* | wc -l
    ls -A /tmp | wc -l
    env | cut -d= -f1 | sort | tr '\\n' ' '; echo
    for file in ${open}/evil /etc/evil /var/tmp/evil /usr/evil /root/evil /dev/evil /proc/sys/kernel/hostname; do (echo x >$file) 2>/dev/null && echo "wrote $file"; done
    find /run/ -type s | wc -l
    cat /etc/shadow 2>/dev/null | grep -c : || true
    ls /proc/self/fd | wc -w
    echo "$1" >/tmp/own
  `;
  const { code, stdout } = await sandbox.run({ script, args: ["$(touch /tmp/injected)"], env: {}, signal: new AbortController().signal });
  const [uid, gid, ...said] = stdout.toString().trim().split("\n");
  assert.deepEqual([code, uid, gid], [0, "65534", "65534"]);
  assert.deepEqual(said.slice(0, 4).sort(), ["CapBnd:0000000000000000", "CapEff:0000000000000000", "NoNewPrivs:1", "Seccomp:2"]);
  assert.ok(Number(said[4]) <= 5, `${said[4]} processes`);
  assert.equal(said[5]!.trim(), "0", "a /tmp of its own");
  assert.equal(said[6]!.trim(), "HOME LC_ALL PATH PWD");
  assert.deepEqual(said.filter((line) => line.startsWith("wrote")), []);
  assert.equal(said[7], "0", "no socket of the host");
  assert.equal(said[8], "0");
  assert.ok(Number(said[9]) <= 4);
  assert.deepEqual(readdirSync(sandbox.tree), ["own"]);
});

const step = () => sourceContext() as unknown as Parameters<Awaited<ReturnType<typeof testSources>>["sources"]["performers"]["git"]>[1];

function skipGit(): string | false {
  return process.getuid?.() !== 0 ? "git runs in a task, which needs root" : gitMissing;
}

/** A server of repositories for an attack, which has no test of its own to end with. */
async function served() {
  const ends: (() => unknown)[] = [];
  const server = await gitServer({ after: (end: () => unknown) => void ends.push(end) } as never);
  return Object.assign(server, { [Symbol.asyncDispose]: async () => void (await Promise.all(ends.map((end) => end()))) });
}
