/** Archives between Docker, podman, skopeo and us: every digest is kept. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { busyboxLayer, imageArchive, ociArchive } from "../fixtures/image.ts";
import { tar } from "../fixtures/tar.ts";
import { onPath } from "../packages.ts";
import { peer, stories, type Scene } from "./harness.ts";
import { openClient } from "./harness/client.ts";
import { openEngine } from "./harness/engine.ts";

const { story } = stories("archives");
const whenThere = (program: string) => ({ only: "gantry", skip: peer === "dockerd" ? "it is about our engine" : !onPath(program) && `${program} is not on this machine` }) as const;

const sha = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const second = tar([{ path: "etc/" }, { path: "etc/second", data: "layer" }]);

/** What an archive holds, as both its tables say. */
type Inside = { manifests: string[]; configs: string[]; layers: string[][]; tags: string[][] };

function inside(path: string): Inside {
  const read = (name: string) => execFileSync("tar", ["xOf", path, name], { maxBuffer: 2 ** 28 });
  const names = execFileSync("tar", ["tf", path], { encoding: "utf8" }).split("\n");
  const table = names.includes("manifest.json") ? (JSON.parse(read("manifest.json").toString()) as { Config: string; RepoTags: string[] | null; Layers: string[] }[]) : [];
  const index = names.includes("index.json") ? (JSON.parse(read("index.json").toString()) as { manifests: { digest: string }[] }) : { manifests: [] };
  return {
    manifests: index.manifests.map(({ digest }) => digest.slice(7)),
    configs: table.map(({ Config }) => sha(read(Config))),
    layers: table.map(({ Layers }) => Layers.map((name) => sha(read(name)))),
    tags: table.map(({ RepoTags }) => RepoTags ?? []),
  };
}

async function facts({ cli }: Pick<Scene, "cli">, name: string): Promise<{ id: string; diffIds: string[] }> {
  const [image] = JSON.parse(await cli.ok("inspect", "--type", "image", name)) as { Id: string; RootFS: { Layers: string[] } }[];
  return { id: image!.Id.slice(7), diffIds: image!.RootFS.Layers };
}

story("save writes what load took: manifest, configuration, layers, several images and names", async ({ cli, folder, file }) => {
  await cli.ok("load", "-qi", file("a.tar", ociArchive("kept:1", busyboxLayer())));
  await cli.ok("load", "-qi", file("b.tar", imageArchive(["plain:1", "plain:2"], [busyboxLayer(), second], { Labels: { a: "b" } })));
  const [a, b, both] = [join(folder, "a.tar"), join(folder, "b.tar"), join(folder, "both.tar")] as [string, string, string];
  await cli.ok("save", "-o", both, "kept:1", "plain:1", "plain:2");
  const saved = inside(both);
  const taken = JSON.parse(execFileSync("tar", ["xOf", a, "index.json"], { encoding: "utf8" })) as { manifests: { digest: string }[] };
  assert.equal(saved.manifests[0], taken.manifests[0]!.digest.slice(7), "the manifest as it came");
  assert.deepEqual(saved.configs[1], inside(b).configs[0]);
  assert.deepEqual(saved.layers[1], inside(b).layers[0], "what was not compressed stays so");
  assert.deepEqual(saved.tags, [["kept:1"], ["plain:1", "plain:2"]]);
  const before = [await facts({ cli }, "kept:1"), await facts({ cli }, "plain:1")];
  await cli.ok("rmi", "kept:1", "plain:1", "plain:2");
  for (const archive of [readFileSync(both), gzipSync(readFileSync(both), { level: 1 }), zstdCompressSync(readFileSync(both))]) {
    const result = await cli.with({ input: archive })("load", "-q");
    assert.deepEqual(result.stdout.trim().split("\n").toSorted(), ["Loaded image: kept:1", "Loaded image: plain:1", "Loaded image: plain:2"], result.stderr);
    assert.deepEqual([await facts({ cli }, "kept:1"), await facts({ cli }, "plain:1")], before);
    await cli.ok("rmi", "kept:1", "plain:1", "plain:2");
  }
}, { only: "gantry", skip: peer === "dockerd" && "it is about our engine" });

story("skopeo: layouts and archives in and out", async ({ cli, folder, file }) => {
  const skopeo = (...args: string[]) => execFileSync("skopeo", ["--insecure-policy", ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  await cli.ok("load", "-qi", file("in.tar", ociArchive("sk:1", busyboxLayer())));
  const { id } = await facts({ cli }, "sk:1");
  const out = join(folder, "out.tar");
  await cli.ok("save", "-o", out, "sk:1");
  assert.equal(JSON.parse(skopeo("inspect", `oci-archive:${out}`)).Digest, `sha256:${id}`);
  skopeo("copy", "-q", "--preserve-digests", `oci-archive:${out}`, `oci:${folder}/layout:sk:2`);
  skopeo("copy", "-q", "--preserve-digests", `oci-archive:${out}`, `oci-archive:${folder}/again.tar:sk:3`);
  skopeo("copy", "-q", `docker-archive:${out}`, `docker-archive:${folder}/docker.tar:sk:4`);
  await cli.ok("rmi", "sk:1");
  assert.equal(await cli.ok("load", "-i", join(folder, "layout")), "Loaded image: sk:2");
  await cli.ok("load", "-qi", join(folder, "again.tar"));
  assert.equal(await cli.ok("load", "-qi", join(folder, "docker.tar")), "Loaded image: sk:4");
  assert.deepEqual([(await facts({ cli }, "sk:2")).id, (await facts({ cli }, "sk:3")).id], [id, id]);
  assert.equal(inside(join(folder, "docker.tar")).configs[0], inside(out).configs[0]);
  assert.deepEqual((await facts({ cli }, "sk:4")).diffIds, (await facts({ cli }, "sk:2")).diffIds);
  assert.equal(await cli.ok("run", "--rm", "sk:4", "/bin/sh", "-c", "echo runs"), "runs");
  await cli.ok("rmi", "sk:2", "sk:3", "sk:4");
}, whenThere("skopeo"));

story("podman: it loads what we save, and we load what it saves", async ({ cli, folder, file }) => {
  const podman = (...args: string[]) => execFileSync("podman", ["--root", join(folder, "root"), "--runroot", join(folder, "run"), "--storage-driver", "vfs", ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  await cli.ok("load", "-qi", file("in.tar", imageArchive(["pod:1"], [second, tar([{ path: "x", data: "y" }])])));
  const { id, diffIds } = await facts({ cli }, "pod:1");
  const out = join(folder, "out.tar");
  await cli.ok("save", "-o", out, "pod:1");
  podman("load", "-q", "-i", out);
  const [there] = JSON.parse(podman("image", "inspect", "pod:1")) as { Id: string; Digest: string; RootFS: { Layers: string[] } }[];
  assert.deepEqual([there!.Id, there!.Digest, there!.RootFS.Layers], [inside(out).configs[0], `sha256:${id}`, diffIds]);
  await cli.ok("rmi", "pod:1");
  for (const format of ["docker-archive", "oci-archive"]) {
    const theirs = join(folder, `${format}.tar`);
    podman("save", "-q", "--format", format, "-o", theirs, "docker.io/library/pod:1");
    assert.equal(await cli.ok("load", "-qi", theirs), "Loaded image: pod:1");
    assert.deepEqual((await facts({ cli }, "pod:1")).diffIds, diffIds, format);
    const back = join(folder, "back.tar");
    await cli.ok("save", "-o", back, "pod:1");
    if (format === "docker-archive") assert.equal(inside(back).configs[0], there!.Id, format);
    else assert.deepEqual(inside(back).manifests, inside(theirs).manifests, format);
    await cli.ok("rmi", "pod:1");
  }
}, whenThere("podman"));

story("dockerd of 20.10: it loads what we save, and we load what it saves", async ({ cli, folder, file }) => {
  await using reference = await openEngine(["--iptables=false"], "dockerd");
  const theirs = openClient("docker", reference);
  await cli.ok("load", "-qi", file("in.tar", imageArchive(["both:1"], [busyboxLayer(), second], { Cmd: ["/bin/sh"] })));
  await cli.ok("load", "-qi", file("oci.tar", ociArchive("zipped:1", busyboxLayer())));
  const out = join(folder, "out.tar");
  await cli.ok("save", "-o", out, "both:1", "zipped:1");
  await theirs.ok("load", "-qi", out);
  const { configs } = inside(out);
  for (const [at, name] of ["both:1", "zipped:1"].entries()) {
    const there = await facts({ cli: theirs }, name);
    // Docker's id of that time is the configuration's digest.
    assert.deepEqual([there.id, there.diffIds], [configs[at], (await facts({ cli }, name)).diffIds]);
  }
  const back = join(folder, "back.tar");
  await theirs.ok("save", "-o", back, "both:1", "zipped:1");
  const before = await facts({ cli }, "both:1");
  await cli.ok("rmi", "both:1", "zipped:1");
  // Its archive has them in any order.
  assert.deepEqual((await cli.ok("load", "-qi", back)).split("\n").sort(), ["Loaded image: both:1", "Loaded image: zipped:1"]);
  assert.deepEqual((await facts({ cli }, "both:1")).diffIds, before.diffIds);
  const again = join(folder, "again.tar");
  await cli.ok("save", "-o", again, "both:1", "zipped:1");
  assert.deepEqual(inside(again).configs, configs);
  // Docker of that time saves layers uncompressed, one that two images share as a link: their digests are the diff IDs.
  const diffIds = async (name: string) => (await facts({ cli }, name)).diffIds.map((diffId) => diffId.slice(7));
  assert.deepEqual(inside(again).layers, [await diffIds("both:1"), await diffIds("zipped:1")]);
  assert.equal(await cli.ok("run", "--rm", "both:1", "/bin/sh", "-c", "cat /etc/second"), "layer");
  await cli.ok("rmi", "both:1", "zipped:1");
}, whenThere("dockerd"));

story("import from a URL: through redirects; what is not there, is not given", async ({ cli }) => {
  const archive = gzipSync(tar([{ path: "bin/" }, { path: "bin/sh", mode: 0o755, data: readFileSync("/bin/busybox") }]));
  const server = createServer((request, response) => {
    if (request.url === "/there.tar.gz") response.end(archive);
    else if (request.url === "/moved") response.writeHead(302, { Location: "/there.tar.gz" }).end();
    else if (request.url === "/circle") response.writeHead(302, { Location: "/circle" }).end();
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    assert.match(await cli.ok("import", `${base}/moved`, "far:1"), /sha256:[0-9a-f]{64}$/);
    assert.equal(await cli.ok("run", "--rm", "far:1", "/bin/sh", "-c", "echo runs"), "runs");
    assert.match(await cli.ok("history", "--format", "{{.Comment}}", "far:1"), /^Imported from http:\/\/127/);
    await cli.fails(1, /the server answered 404/, "import", `${base}/nosuch`, "far:2");
    await cli.fails(1, /more than 10 redirects/, "import", `${base}/circle`, "far:2");
    assert.equal(await cli.ok("images", "-q", "far:2"), "");
    await cli.ok("rmi", "far:1");
  } finally {
    server.close();
  }
}, { only: "gantry-engine" });

story("load tells how it goes, unless it is to be quiet", async ({ cli, engine, file }) => {
  const path = file("big.tar", imageArchive(["told:1"], [busyboxLayer()]));
  const ask = async (quiet: string) => execFileSync("curl", ["-s", "--unix-socket", engine.place.socket, "--data-binary", `@${path}`, "-H", "Content-Type: application/x-tar", `http://x/v1.48/images/load?quiet=${quiet}`], { encoding: "utf8" }).trim().split("\r\n").map((line) => JSON.parse(line) as Record<string, any>);
  const told = await ask("0");
  const last = told.filter(({ status }) => status === "Loading layer").at(-1);
  assert.ok(last !== undefined && last["progressDetail"].current === last["progressDetail"].total && /^[0-9a-f]{12}$/.test(last["id"]));
  assert.deepEqual(told.at(-1), { stream: "Loaded image: told:1\n" });
  assert.deepEqual(await ask("1"), [{ stream: "Loaded image: told:1\n" }]);
  await cli.ok("rmi", "told:1");
}, { only: "gantry-engine", skip: !onPath("curl") && "curl is not on this machine" });
