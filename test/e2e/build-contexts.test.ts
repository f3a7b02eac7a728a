/** Where files of a build come from besides its client's folder: repositories, downloads, compressed archives. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { gitMissing, gitServer } from "../fixtures/git-server.ts";
import { tar } from "../fixtures/tar.ts";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("contexts");

/** What the story opened ends with it. */
async function opened(work: (t: Pick<TestContext, "after">) => Promise<void>): Promise<void> {
  const ends: (() => unknown)[] = [];
  try {
    await work({ after: (end: unknown) => void ends.push(end as () => unknown) } as never);
  } finally {
    await Promise.all(ends.map((end) => end()));
  }
}

async function build({ cli, folder }: Scene, ...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.with({ cwd: folder, env: { DOCKER_BUILDKIT: "0" } })("build", ...argv);
  assert.equal(code, 0, stdout + stderr);
  return stdout + stderr;
}

story("a repository: its default branch, a tag and a folder of it; what moved is built anew", async (scene) => {
  await opened(async (t) => {
    const server = await gitServer(t as TestContext);
    const repository = server.create("r");
    repository.write("Dockerfile", "FROM busybox\nCOPY . /r\nCMD cat /r/dir/file\n");
    repository.write("dir/Dockerfile", "FROM busybox\nCOPY file /file\nCMD cat /file\n");
    repository.write("dir/file", "one\n");
    repository.commit();
    repository.git("tag", "v1");
    repository.write("dir/file", "two\n");
    repository.commit();
    const url = `${server.url}/r.git`;
    const says = async (context: string): Promise<string> => {
      await build(scene, "-t", "repository:1", context);
      return await scene.cli.ok("run", "--rm", "repository:1");
    };
    assert.equal(await says(url), "two");
    assert.equal(await says(`${url}#v1:dir`), "one");
    assert.match(await build(scene, url), /CACHED|Using cache/);
    repository.write("dir/file", "three\n");
    repository.commit();
    assert.equal(await says(`${url}#main`), "three");
    assert.notEqual((await scene.cli.with({ env: { DOCKER_BUILDKIT: "0" } })("build", `${url}#nowhere`)).code, 0);
  });
}, { only: "gantry", skip: gitMissing });

story("ADD: a repository, a download with its checksum, an archive that is unpacked", async (scene) => {
  await opened(async (t) => {
    const server = await gitServer(t as TestContext);
    const repository = server.create("r");
    repository.write("sub/file", "of the repository\n");
    repository.commit();
    const asked: string[] = [];
    const web = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers["if-none-match"] ?? ""}`);
      if (request.headers["if-none-match"] === '"1"') return void response.writeHead(304, { etag: '"1"' }).end();
      response.writeHead(200, { etag: '"1"', "last-modified": "Thu, 02 Jan 2020 03:04:05 GMT" }).end("downloaded\n");
    });
    web.listen(0, "127.0.0.1");
    await once(web, "listening");
    t.after(() => (web.closeAllConnections(), web.close()));
    const download = `http://127.0.0.1:${(web.address() as AddressInfo).port}/file.txt`;
    scene.file("a.tgz", gzipSync(tar([{ path: "inside", data: "of the archive\n" }])));
    scene.file("Dockerfile", [
      "FROM busybox", `ADD ${server.url}/r.git#main:sub /r/`, `ADD ${download} /d/`, "ADD a.tgz /a/",
      "CMD cat /r/file /d/file.txt /a/inside; stat -c '%a %Y' /d/file.txt", "",
    ].join("\n"));
    await build(scene, "-t", "added:1", ".");
    assert.deepEqual((await scene.cli.ok("run", "--rm", "added:1")).split("\n"), ["of the repository", "downloaded", "of the archive", "600 1577934245"]);
    assert.match(await build(scene, "."), /CACHED|Using cache/);
    assert.deepEqual(asked, ["/file.txt ", '/file.txt "1"']);
    scene.file("Dockerfile", `FROM scratch\nADD --checksum=sha256:${"0".repeat(64)} ${download} /\n`);
    const wrong = await scene.cli.with({ cwd: scene.folder, env: { DOCKER_BUILDKIT: "0" } })("build", ".");
    assert.match(wrong.stdout + wrong.stderr, /digest mismatch for http\S+: sha256:[0-9a-f]{64} \(expected: sha256:0{64}\)/);
  });
}, { only: "gantry", skip: gitMissing });
