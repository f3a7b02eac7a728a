import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { test } from "node:test";
import type { GitOp } from "../../graph.ts";
import { gitMissing, gitServer } from "../../../../test/fixtures/git-server.ts";
import { pathsOf, sourceContext, testSources, textOf } from "../contexts-fixture.ts";
import type { Sources } from "../sources.ts";
import type { StepContext } from "../../solve/solve.ts";

const skip = process.getuid?.() !== 0 ? "git runs in a task, which needs root" : gitMissing;
const op = (url: string, more: Partial<GitOp> = {}): GitOp => ({ kind: "git", url, ref: "", subdir: "", keepGitDir: false, ...more });
/** As the solver asks. */
const fetcher = ({ gitKey, git }: Sources["performers"]) => async (wish: GitOp, context: StepContext) => await git(wish, context, await gitKey(wish, context));
const step = (secrets?: Record<string, string>) => sourceContext(secrets) as unknown as StepContext & { said: string[] };

test("a branch, a tag, a commit and none become one commit's files; what did not move is not fetched again", { skip }, async (t) => {
  const server = await gitServer(t);
  const { contexts, sources, sandboxes } = await testSources(t);
  const { gitKey } = sources.performers;
  const git = fetcher(sources.performers);
  const repository = server.create("r");
  repository.write("Dockerfile", "FROM scratch\n");
  repository.write("sub/dir/file", "one");
  const first = repository.commit();
  repository.git("tag", "-a", "-m", "v1", "v1");
  repository.write("sub/dir/file", "two");
  const second = repository.commit();
  const url = `${server.url}/r.git`;

  const tree = await git(op(url), step());
  assert.deepEqual(pathsOf(tree), ["Dockerfile", "sub", "sub/dir", "sub/dir/file"]);
  assert.equal(await textOf(contexts, tree, "sub/dir/file"), "two");
  assert.deepEqual(tree.entries.map(({ uid, gid, mtime }) => [uid, gid, mtime]), tree.entries.map(() => [0, 0, 1577934245n * 1_000_000_000n]));
  assert.match(await gitKey(op(url), step()), new RegExp(` ${second}$`));
  assert.match(await gitKey(op(url, { ref: "main" }), step()), new RegExp(` ${second}$`));
  assert.match(await gitKey(op(url, { ref: "v1" }), step()), new RegExp(` ${first}$`));
  assert.match(await gitKey(op(url, { ref: "refs/tags/v1", checksum: first.slice(0, 12) }), step()), new RegExp(` ${first}$`));
  const old = await git(op(url, { ref: first, subdir: "sub/dir" }), step());
  assert.deepEqual(pathsOf(old), ["file"]);
  assert.equal(await textOf(contexts, old, "file"), "one");

  const asked = server.requests.length;
  const again = await git(op(url, { ref: second }), step());
  assert.equal(server.requests.length, asked, "a commit that is here needs no server");
  assert.equal(again.digest, tree.digest);
  await assert.rejects(gitKey(op(url, { ref: "nowhere" }), step()), { kind: "not-found", message: "repository does not contain ref nowhere" });
  await assert.rejects(gitKey(op(url, { checksum: "0".repeat(39) }), step()), { message: /expected checksum to match 0+, got / });
  assert.deepEqual(readdirSync(sandboxes.folder), [], "sandboxes are gone");
});

test("keepGitDir gives a repository; submodules come along unless they are not wanted", { skip }, async (t) => {
  const server = await gitServer(t);
  const { sources } = await testSources(t);
  const inner = server.create("inner");
  inner.write("in", "1");
  inner.commit();
  const outer = server.create("outer");
  outer.write("out", "1");
  outer.write(".gitmodules", '[submodule "m"]\n\tpath = m\n\turl = ../inner.git\n');
  mkdirSync(`${outer.folder}/m`);
  outer.git("update-index", "--add", "--cacheinfo", `160000,${inner.git("rev-parse", "HEAD")},m`);
  outer.commit();
  const url = `${server.url}/outer.git`;
  const git = fetcher(sources.performers);
  assert.deepEqual(pathsOf(await git(op(url), step())), [".gitmodules", "m", "m/in", "out"]);
  assert.deepEqual(pathsOf(await git(op(url, { submodules: false }), step())), [".gitmodules", "m", "out"]);
  const kept = pathsOf(await git(op(url, { keepGitDir: true, ref: "main" }), step()));
  assert.ok(kept.includes(".git/HEAD") && kept.includes(".git/refs/heads/main"), kept.join(" "));
});

test("a server that asks for it gets the client's token, and what it asked is nowhere else", { skip }, async (t) => {
  const server = await gitServer(t);
  const { sources } = await testSources(t);
  const repository = server.create("r");
  repository.write("f", "1");
  repository.commit();
  server.secret = `basic ${Buffer.from("x-access-token:s3cr3t").toString("base64")}`;
  const { host } = new URL(server.url);
  const url = `${server.url}/r.git`;
  const { gitKey } = sources.performers;
  const git = fetcher(sources.performers);
  await assert.rejects(git(op(url), step()), { kind: "unavailable" });
  await assert.rejects(git(op(url), step({ GIT_AUTH_TOKEN: "wrong" })), (error: Error) => !error.message.includes("wrong"));
  assert.deepEqual(pathsOf(await git(op(url), step({ [`GIT_AUTH_TOKEN.${host}`]: "s3cr3t\n", GIT_AUTH_TOKEN: "other" }))), ["f"]);
  server.secret = "basic aGVhZGVy";
  assert.ok(await gitKey(op(url), step({ GIT_AUTH_HEADER: "basic aGVhZGVy" })));
  server.secret = `basic ${Buffer.from("me:pw@1").toString("base64")}`;
  const own = op(url.replace("http://", "http://me:pw%401@"));
  assert.equal(await gitKey(own, step()), await gitKey(own, step()), "the key says nothing of the password");
  assert.equal((await gitKey(own, step())).includes("pw"), false);
});
