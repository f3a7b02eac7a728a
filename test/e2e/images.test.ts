import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { imageArchive, ociArchive } from "../fixtures/image.ts";
import { tar, type Entry } from "../fixtures/tar.ts";
import { peer, stories, type Scene } from "./harness.ts";

const { story } = stories("images");

/** An image of a few files over nothing, with busybox to look at them. */
function small(names: string[], files: Entry[], config: Record<string, unknown> = {}): Buffer {
  return imageArchive(names, [tar([{ path: "bin/" }, { path: "bin/sh", mode: 0o755, data: readFileSync("/bin/busybox") }]), tar(files)], { Cmd: ["/bin/sh"], ...config });
}

async function forget({ cli }: Pick<Scene, "cli">, ...names: string[]): Promise<void> {
  await cli("rmi", "-f", ...names);
}

story("load: a docker archive, by -i and by stdin, gzipped too", async ({ cli, file }) => {
  const archive = small(["small:1", "small:also"], [{ path: "hello", data: "there\n" }]);
  assert.equal(await cli.ok("load", "-i", file("a.tar", archive)), "Loaded image: small:1\nLoaded image: small:also");
  assert.equal(await cli.ok("run", "--rm", "small:also", "sh", "-c", "cat /hello"), "there");
  await forget({ cli }, "small:1", "small:also");
  const result = await cli.with({ input: gzipSync(archive) })("load");
  assert.match(result.stdout, /Loaded image: small:1/);
  await forget({ cli }, "small:1", "small:also");
});

const compressions: [string, (bytes: Buffer) => Buffer, string][] = [
  ["gzip", gzipSync, "+gzip"],
  ["zstd", zstdCompressSync, "+zstd"],
  ["no", (bytes) => bytes, ""],
];
story("load: OCI layouts, with gzip, zstd and no compression", async ({ cli, file }) => {
  for (const [name, compress, suffix] of compressions) {
    const layer = tar([{ path: "bin/" }, { path: "bin/sh", mode: 0o755, data: readFileSync("/bin/busybox") }, { path: "which", data: name }]);
    await cli.ok("load", "-i", file("oci.tar", ociArchive("oci:1", layer, { Cmd: ["sh"] }, compress, suffix)));
    assert.equal(await cli.ok("run", "--rm", "oci:1", "sh", "-c", "cat /which"), name);
    await forget({ cli }, "oci:1");
  }
}, { skip: peer === "dockerd" && "dockerd 20.10 loads no OCI layout" });

story("layers: what a layer hides, and what it keeps of modes, owners and links", async ({ cli, file }) => {
  const lower = tar([{ path: "d/" }, { path: "d/gone", data: "x" }, { path: "d/stays", data: "x" }, { path: "o/" }, { path: "o/hidden", data: "x" }, { path: "was-file", data: "x" }, { path: "was-dir/" }, { path: "was-dir/x", data: "x" }]);
  const upper = tar([
    ...[{ path: "d/.wh.gone" }, { path: "o/" }, { path: "o/.wh..wh..opq" }, { path: "o/new", data: "y" }, { path: ".wh.was-file" }],
    ...[{ path: "setuid", mode: 0o4755, data: "s" }, { path: "owned", uid: 12, gid: 34, data: "o" }, { path: "soft", link: "/d/stays" }, { path: "hard", hard: "owned", uid: 12, gid: 34 }],
    { path: "null", device: ["c", 1, 3] as ["c", number, number], mode: 0o666 },
  ]);
  const base = tar([{ path: "bin/" }, { path: "bin/busybox", mode: 0o755, data: readFileSync("/bin/busybox") }, ...["sh", "ls", "stat", "cat"].map((name) => ({ path: `bin/${name}`, link: "busybox" }))]);
  await cli.ok("load", "-i", file("layers.tar", imageArchive(["layers:1"], [base, lower, upper], { Cmd: ["sh"], Env: ["PATH=/bin"] })));
  const out = await cli.ok("run", "--rm", "layers:1", "sh", "-c", "ls d o; ls; stat -c '%a %u %g %h %F' setuid owned hard soft null; cat soft");
  assert.deepEqual(out.split("\n"), [
    ...["d:", "stays", "", "o:", "new"],
    ...["bin", "d", "dev", "etc", "hard", "null", "o", "owned", "proc", "setuid", "soft", "sys", "was-dir"],
    ...["4755 0 0 1 regular file", "644 12 34 2 regular file", "644 12 34 2 regular file", "777 0 0 1 symbolic link", "666 0 0 1 character special file", "x"],
  ]);
  await forget({ cli }, "layers:1");
});

story("save and load again: the same image", async ({ cli, folder, file }) => {
  await cli.ok("load", "-i", file("a.tar", small(["there:1"], [{ path: "x", data: "1" }], { Labels: { a: "b" }, WorkingDir: "/tmp" })));
  const path = join(folder, "saved.tar");
  await cli.ok("save", "-o", path, "there:1");
  const before = await cli.ok("inspect", "--type", "image", "-f", "{{json .RootFS.Layers}} {{json .Config.Labels}} {{.Config.WorkingDir}}", "there:1");
  await cli.ok("rmi", "there:1");
  assert.equal(await cli.ok("load", "-qi", path), "Loaded image: there:1");
  assert.equal(await cli.ok("inspect", "--type", "image", "-f", "{{json .RootFS.Layers}} {{json .Config.Labels}} {{.Config.WorkingDir}}", "there:1"), before);
  assert.match(execFileSync("tar", ["tf", path], { encoding: "utf8" }), /^manifest\.json$/m);
  await cli.fails(1, /reference does not exist|No such image: nosuch/, "save", "-o", path, "nosuch");
  await forget({ cli }, "there:1");
});

story("import: a root file system, from a file and stdin, with changes", async ({ cli, file }) => {
  const root = tar([{ path: "bin/" }, { path: "bin/sh", mode: 0o755, data: readFileSync("/bin/busybox") }, { path: "x", data: "imported" }]);
  assert.match(await cli.ok("import", "-c", 'CMD ["/bin/sh", "-c", "echo $A"]', "-c", "ENV A=set", "-m", "why", file("r.tar", root), "imp:1"), /^sha256:[0-9a-f]{64}$/);
  assert.equal(await cli.ok("run", "--rm", "imp:1"), "set");
  assert.match(await cli.ok("history", "--format", "{{.Comment}}", "imp:1"), /why|Imported/);
  const result = await cli.with({ input: gzipSync(root) })("import", "-", "imp:2");
  assert.equal(result.code, 0, result.stderr);
  assert.equal(await cli.ok("run", "--rm", "imp:2", "sh", "-c", "cat /x"), "imported");
  await forget({ cli }, "imp:1", "imp:2");
});

story("images: table, -q, --digests, --filter, --format", async ({ cli }) => {
  assert.match(await cli.ok("images", "busybox"), /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\nbusybox +latest +[0-9a-f]{12} +.* ago +[\d.]+[kM]B$/);
  const id = await cli.ok("images", "-q", "--no-trunc", "busybox");
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  assert.equal(await cli.ok("inspect", "--type", "image", "-f", "{{.Id}}", "busybox"), id);
  assert.equal(await cli.ok("images", "--filter", "reference=busy*", "--format", "{{.Repository}}:{{.Tag}}"), "busybox:latest");
  assert.equal(await cli.ok("images", "nosuch", "-q"), "");
  assert.equal(await cli.ok("images", "--filter", "dangling=true", "-q"), "");
});

story("tag and rmi: names come and go, the image stays while one is left", async ({ cli }) => {
  await cli.ok("tag", "busybox", "mine.example:5000/team/box:v1");
  assert.equal(await cli.ok("run", "--rm", "mine.example:5000/team/box:v1", "echo", "x"), "x");
  assert.equal(await cli.ok("rmi", "mine.example:5000/team/box:v1"), "Untagged: mine.example:5000/team/box:v1");
  await cli.ok("run", "--rm", "busybox", "true");
  await cli.fails(1, /No such image: nosuch/, "rmi", "nosuch");
  await cli.fails(1, /No such image: nosuch/, "tag", "nosuch", "x:1");
  await cli.fails(1, /invalid reference format|is not a valid repository\/tag/, "tag", "busybox", "UPPER:1");
});

story("rmi of an image in use", async ({ cli, file }) => {
  await cli.ok("load", "-qi", file("a.tar", small(["used:1"], [])));
  await cli.ok("run", "-d", "--name", "user", "used:1", "sh", "-c", "read x; sleep 1000");
  const id = await cli.ok("create", "used:1");
  await cli.fails(1, /conflict: unable to (?:remove repository reference "used:1" \(must force\)|delete used:1 \(must be forced\)) - container [0-9a-f]{12} is using its referenced image/, "rmi", "used:1");
  await cli.ok("rm", "-f", id, "user");
  assert.match(await cli.ok("rmi", "used:1"), /^Untagged: used:1\n(?:Untagged: .*\n)?Deleted: sha256:/);
  assert.equal(await cli.ok("images", "-q", "used"), "");
});

story("history and inspect", async ({ cli }) => {
  assert.match(await cli.ok("history", "busybox"), /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT\n/);
  assert.equal(await cli.ok("history", "--format", "{{.CreatedBy}}", "busybox"), "layer 0");
  const [image] = JSON.parse(await cli.ok("inspect", "--type", "image", "busybox")) as Record<string, any>[];
  assert.deepEqual(image?.["RepoTags"], ["busybox:latest"]);
  assert.equal(image["Os"], "linux");
  assert.deepEqual(image["Config"].Cmd, ["sh"]);
  assert.equal(image["RootFS"].Layers.length, 1);
  assert.ok(image["Size"] > 100_000);
});

story("what the image says is what a container gets, unless told otherwise", async ({ cli, file }) => {
  const config = { Entrypoint: ["/bin/sh", "-c"], Cmd: ["echo $A $PWD $(id -u)"], Env: ["PATH=/bin", "A=image"], WorkingDir: "/work", User: "7", ExposedPorts: { "81/tcp": {} }, Volumes: { "/vol": {} }, Labels: { from: "image" }, StopSignal: "SIGUSR1" };
  const base = tar([{ path: "bin/" }, { path: "bin/busybox", mode: 0o755, data: readFileSync("/bin/busybox") }, ...["sh", "id"].map((name) => ({ path: `bin/${name}`, link: "busybox" })), { path: "vol/" }, { path: "vol/seed", data: "s" }]);
  await cli.ok("load", "-qi", file("c.tar", imageArchive(["conf:1"], [base], config)));
  assert.equal(await cli.ok("run", "--rm", "conf:1"), "image /work 7");
  assert.equal(await cli.ok("run", "--rm", "-e", "A=flag", "-w", "/", "-u", "0", "conf:1"), "flag / 0");
  assert.equal(await cli.ok("run", "--rm", "conf:1", "echo other"), "other");
  const id = await cli.ok("create", "-l", "more=1", "conf:1");
  const [container] = JSON.parse(await cli.ok("inspect", id)) as Record<string, any>[];
  assert.deepEqual(container?.["Config"].Labels, { from: "image", more: "1" });
  assert.deepEqual(Object.keys(container["Config"].ExposedPorts), ["81/tcp"]);
  assert.deepEqual(container["Mounts"].map((mount: any) => [mount.Type, mount.Destination]), [["volume", "/vol"]]);
  await cli.ok("rm", "-v", id);
  await forget({ cli }, "conf:1");
});

story("image prune takes what has no name", async ({ cli, file }) => {
  await cli.ok("load", "-qi", file("a.tar", small(["moved:1"], [{ path: "v", data: "1" }])));
  await cli.ok("load", "-qi", file("b.tar", small(["moved:1"], [{ path: "v", data: "2" }])));
  assert.equal(await cli.ok("run", "--rm", "moved:1", "sh", "-c", "cat /v"), "2");
  assert.match(await cli.ok("image", "prune", "-f"), /Total reclaimed space: /);
  assert.equal(await cli.ok("images", "-f", "dangling=true", "-q"), "");
  await forget({ cli }, "moved:1");
});
