/** What uses the disk, what goes, what is kept, and whether all of it is whole. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageArchive } from "../fixtures/image.ts";
import { tar } from "../fixtures/tar.ts";
import { peer, stories, type Scene } from "./harness.ts";

const { story } = stories("disk");
const ours = { only: "gantry", skip: peer === "dockerd" && "it is not dockerd's" } as const;

const busybox = () => readFileSync("/bin/busybox");
const image = (names: string[], text: string) => imageArchive(names, [tar([{ path: "bin/" }, { path: "bin/sh", mode: 0o755, data: busybox() }]), tar([{ path: "what", data: text }])], { Cmd: ["/bin/sh"] });

async function load({ cli, file }: Scene, names: string[], text: string): Promise<string> {
  await cli.ok("load", "-qi", file("image.tar", image(names, text)));
  return await cli.ok("inspect", "--type", "image", "-f", "{{.Id}}", names[0]!);
}

const blobsOf = ({ engine }: Scene) => join(engine.place.dataRoot, "content/blobs/sha256");

story("system df: what there is, what is in use, what could be freed", async (scene) => {
  const { cli } = scene;
  await load(scene, ["df:1"], "one");
  await cli.ok("volume", "create", "kept");
  await cli.ok("run", "--name", "writer", "-v", "kept:/v", "busybox", "sh", "-c", "dd if=/dev/zero of=/big bs=1000 count=100; dd if=/dev/zero of=/v/f bs=1000 count=50");
  const rows = (await cli.ok("system", "df", "--format", "{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}")).split("\n").map((line) => line.split("|"));
  assert.deepEqual(rows.map(([type]) => type), ["Images", "Containers", "Local Volumes", "Build Cache"]);
  assert.match(rows[1]!.join(" "), /^Containers 1 0 10\d\.?\d*kB 10\d\.?\d*kB \(100%\)$/);
  assert.match(rows[2]!.join(" "), /^Local Volumes 1 1 [56]\d\.?\d*kB 0B \(0%\)$/);
  const verbose = await cli.ok("system", "df", "-v");
  for (const part of [/^df +1 +/m, /^busybox +latest +.* 1$/m, /writer$/m, /^kept +1 +/m]) assert.match(verbose, part);
  await cli.ok("rm", "writer");
  await cli.ok("volume", "rm", "kept");
  await cli.ok("rmi", "df:1");
});

story("GET /system/df in every shape of the API", async (scene) => {
  const { engine } = scene;
  const get = async (path: string) => (await engine.api("GET", path)).body as Record<string, any>;
  const old = await get("/v1.41/system/df");
  assert.deepEqual(Object.keys(old).toSorted(), ["BuildCache", "BuilderSize", "Containers", "Images", "LayersSize", "Volumes"]);
  const some = await get("/v1.44/system/df?type=image");
  assert.ok(some["Images"].length > 0 && some["Containers"] === null && some["Volumes"] === null);
  assert.ok(some["Images"].every((one: any) => one.SharedSize >= 0 && one.Size > one.SharedSize));
  const both = await get("/v1.52/system/df");
  assert.equal(both["ImageUsage"].TotalCount, both["Images"].length);
  assert.equal(both["ImageUsage"].TotalSize, both["LayersSize"]);
  const verbose = await get("/v1.52/system/df?verbose=1&type=image&type=volume");
  assert.deepEqual(Object.keys(verbose).toSorted(), ["ImageUsage", "VolumeUsage"]);
  assert.equal(verbose["ImageUsage"].Items.length, verbose["ImageUsage"].TotalCount);
  assert.equal((await engine.api("GET", "/v1.52/system/df?type=nosuch")).status, 400);
}, ours);

story("prune --dry-run says what would go, and nothing goes", async (scene) => {
  const { cli } = scene;
  const id = await load(scene, ["spare:1", "spare:2"], "spare");
  const made = await cli.ok("create", "--name", "stopped", "-v", "/data", "busybox");
  const all = await cli.ok("system", "prune", "--dry-run", "-a", "--volumes");
  for (const part of ["Would delete Containers:", made, "untagged: spare:1", "untagged: spare:2", `deleted: ${id}`, "Would reclaim: "]) assert.ok(all.includes(part), `${part} in\n${all}`);
  assert.ok(all.includes("untagged: busybox:latest"), "the container goes before the image that it stands on");
  assert.ok(!(await cli.ok("image", "prune", "-a", "--dry-run")).includes("busybox"), "by itself it is in use");
  assert.match(await cli.ok("image", "prune", "--dry-run"), /^Would reclaim: 0B$/);
  assert.equal(await cli.ok("container", "prune", "--dry-run", "--filter", "until=1h"), "Would reclaim: 0B");
  assert.equal(await cli.ok("ps", "-aq", "--no-trunc"), made);
  assert.match(await cli.ok("images", "-q", "--no-trunc", "spare"), new RegExp(`^${id}\n${id}$`));
  const foretold = /Would reclaim: (\S+)/.exec(await cli.ok("image", "prune", "-a", "--dry-run", "--filter", "label!=gantry.builtin"))?.[1];
  const done = /Total reclaimed space: (\S+)/.exec(await cli.ok("image", "prune", "-af", "--filter", "label!=gantry.builtin"))?.[1];
  assert.equal(done, foretold, "as much as was foretold");
}, ours);

story("what images and the build cache share is freed when both go, and a dry run knows", async ({ cli, file, folder }) => {
  const foretold = async (...command: string[]) => /Would reclaim: (\S+)/.exec(await cli.ok(...command, "--dry-run"))?.[1];
  const freed = async (...command: string[]) => /Total reclaimed space: (\S+)/.exec(await cli.ok(...command, "-f"))?.[1];
  file("Dockerfile", "FROM busybox\nRUN head -c 6000000 /dev/urandom > /big\n");
  await cli.ok("build", "-q", folder);
  const [alone, all] = [await foretold("image", "prune"), await foretold("system", "prune")];
  assert.match(alone!, /^(\d{1,3}B|\d\.\d*kB)$/, "the cache keeps the layer");
  assert.match(all!, /^1[2-4]\.?\d*MB$/, "the layer, packed and unpacked");
  assert.equal(await freed("system", "prune"), all);
  await cli.ok("build", "-q", folder);
  const both = await foretold("image", "prune");
  assert.equal(await freed("image", "prune"), both);
}, ours);

story("image gc: the longest unused go, never what is in use, pinned or fresh", async (scene) => {
  const { cli } = scene;
  for (const name of ["old", "used", "pinned", "new"]) await load(scene, [`${name}:1`], name);
  await cli.ok("run", "-d", "--name", "user", "used:1", "sh", "-c", "read x; sleep 1000");
  assert.equal(await cli.ok("image", "pin", "pinned:1"), "pinned:1");
  assert.match(await cli.ok("image", "gc", "--high", "1B", "--low", "0B"), /^Total reclaimed space: 0B; the disk is \d+% full$/, "all were used a moment ago");
  const names = (out: string) => out.split("\n").filter((line) => / [0-9a-f]{12} /.test(line)).map((line) => line.split(/ +/)[0]);
  const args = ["--high", "1B", "--low", "0B", "--grace", "0s"];
  const foretold = await cli.ok("image", "gc", "--dry-run", ...args);
  assert.deepEqual(names(foretold).filter((name) => name !== "busybox:latest"), ["old:1", "new:1"], "the longest unused first");
  assert.equal((await cli.ok("images", "-q", "old")).length, 12, "nothing went");
  await cli.ok("image", "pin", "busybox");
  assert.deepEqual(names(await cli.ok("image", "gc", ...args)), ["old:1", "new:1"]);
  assert.deepEqual((await cli.ok("images", "--format", "{{.Repository}}")).split("\n").toSorted(), ["busybox", "hello", "pinned", "used"]);
  assert.equal(await cli.ok("image", "unpin", "pinned:1"), "pinned:1");
  assert.deepEqual(names(await cli.ok("image", "gc", "--age", "0s", "--grace", "0s")), ["pinned:1"]);
  await cli.ok("image", "unpin", "busybox");
  await cli.fails(1, /low is above high/, "image", "gc", "--high", "50%", "--low", "60%");
  await cli.fails(1, /"85%".*are expected/, "image", "gc", "--high", "much");
  await cli.ok("rm", "-f", "user");
  await cli.ok("rmi", "used:1");
}, ours);

story("image gc runs by itself as daemon.json says, after a reload too", async (scene) => {
  const { cli, engine } = scene;
  await load(scene, ["by-itself:1"], "itself");
  await cli.ok("create", "--name", "holds", "busybox");
  writeFileSync(engine.place.config, JSON.stringify({ "image-gc": { age: "1s", grace: "0s", interval: "1s" } }));
  const events = cli.spawn("events", "--since", "1", "--filter", "event=delete", "--format", "{{.Action}} {{.ID}}");
  const id = await cli.ok("inspect", "--type", "image", "-f", "{{.Id}}", "by-itself:1");
  process.kill(engine.pid, "SIGHUP");
  await events.until(new RegExp(`delete ${id}`));
  events.child.kill();
  await events.ended;
  assert.match(await cli.ok("images", "--format", "{{.Repository}}"), /^busybox$/m);
  writeFileSync(engine.place.config, "{}");
  process.kill(engine.pid, "SIGHUP");
  await cli.ok("rm", "holds");
}, ours);

story("system check: whole, then damaged, then repaired", async (scene) => {
  const { cli } = scene;
  await load(scene, ["hurt:1"], "hurt");
  assert.match(await cli.ok("system", "check"), /^\d+ images, \d+ blobs \(\S+\), \d+ snapshots: all is whole$/);
  const layer = (await cli.ok("inspect", "--type", "image", "-f", "{{index .RootFS.Layers 1}}", "hurt:1")).slice(7);
  truncateSync(join(blobsOf(scene), layer), 100);
  writeFileSync(join(blobsOf(scene), "f".repeat(64)), "nobody's");
  const found = await cli("system", "check");
  assert.equal(found.code, 1);
  assert.match(found.stdout, new RegExp(`^blobs: sha256:${layer}: its file has 100 bytes, its row says \\d+$`, "m"));
  assert.match(found.stdout, /^blobs: content\/blobs\/sha256\/f{64}: a file that no row names$/m);
  assert.match(found.stdout, /: 2 problems$/m);
  assert.match(found.stderr, /^checking database\nchecking blobs\n(checking blobs: \d0% of \S+\n)*checking blobs: 100% of \S+\nchecking snapshots\n/, "it says how far it is, wherever that goes to");
  const repaired = await cli.ok("system", "check", "--repair");
  assert.match(repaired, /3 problems, 3 repaired$/m);
  assert.match(repaired, /docker.io\/library\/hurt:1: it is not whole: .* \(removed: pull or load it again\)$/m);
  assert.match(await cli.ok("system", "check", "-q"), /^$/);
  await cli.ok("volume", "create", "gone");
  const folder = await cli.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "gone");
  rmSync(folder, { recursive: true });
  assert.equal((await cli("system", "check", "-q", "--repair")).stdout, "snapshots: volume gone: its folder is missing (left: remove it: what it held is lost)\n");
  await cli.ok("volume", "rm", "gone");
  await load(scene, ["hurt:1"], "hurt");
  assert.match(await cli.ok("system", "check"), /all is whole$/);
  await cli.ok("rmi", "hurt:1");
}, ours);

story("kill -9 in the middle of loads and collections leaves a store that the check finds whole", async (scene) => {
  const { cli, engine, file } = scene;
  const path = file("image.tar", image(["killed:1"], "x".repeat(3_000_000)));
  const started = await engine.api("GET", "/_ping");
  assert.equal(started.status, 200);
  for (let round = 0; round < 4; round++) {
    const loading = cli("load", "-qi", path);
    // At another moment each time: after so many answers of the engine.
    for (let ask = 0; ask < round * 6; ask++) await engine.api("GET", "/_ping").catch(() => undefined);
    await engine.kill();
    await loading;
    await engine.start();
    assert.match(await cli.ok("system", "check"), /all is whole$/, `round ${round}`);
  }
  assert.equal(await cli.ok("load", "-qi", path), "Loaded image: killed:1");
  await cli.ok("rmi", "killed:1");
  assert.match(await cli.ok("system", "check"), /all is whole$/);
}, ours);

story("images --tree: the platforms of an image, here or not; rmi --platform takes one", async (scene) => {
  const { cli, folder } = scene;
  await cli.ok("load", "-i", layoutFolder(folder, ["amd64", "arm64"]));
  const tree = async () => (await cli.ok("images", "--tree", "two:1")).replace(/\x1b\[[\d;]*m/g, "");
  assert.match(await tree(), /^two:1 .*\n├─ linux\/amd64 .*\n└─ linux\/arm64 /m);
  await cli.ok("create", "--name", "user", "two:1");
  assert.match(await tree(), /^├─ linux\/amd64 .* U\s*$/m);
  const [inspected] = JSON.parse(await cli.ok("image", "inspect", "--platform", "linux/arm64", "two:1")) as { Architecture: string }[];
  assert.equal(inspected!.Architecture, "arm64");
  await cli.fails(1, /does not provide the specified platform \(linux\/s390x\)/, "image", "inspect", "--platform", "linux/s390x", "two:1");
  await cli.fails(1, /Use --force to force delete/, "rmi", "--platform", "linux/arm64", "two:1");
  await cli.fails(1, /image is being used by container/, "rmi", "-f", "--platform", "linux/amd64", "two:1");
  assert.match(await cli.ok("rmi", "-f", "--platform", "linux/arm64", "two:1"), /^Deleted: sha256:[0-9a-f]{64}$/);
  await cli.fails(1, /does not provide the specified platform/, "image", "inspect", "--platform", "linux/arm64", "two:1");
  assert.equal((await cli("system", "check")).stdout.trim().endsWith("all is whole"), true);
  await cli.ok("rm", "user");
  assert.match(await cli.ok("rmi", "-f", "--platform", "linux/amd64", "two:1"), /^Untagged: two:1\nDeleted: sha256:/, "the last one is the image");
}, ours);

story("load: an OCI layout's folder, and only some of its platforms", async (scene) => {
  const { cli, folder } = scene;
  const layout = layoutFolder(folder, ["amd64", "arm64", "s390x"]);
  assert.equal(await cli.ok("load", "-i", layout, "--platform", "linux/arm64"), "Loaded image: two:1");
  const available = async () => (JSON.parse((await scene.engine.api("GET", "/images/two:1/json?manifests=1").then(({ body }) => JSON.stringify(body)))) as { Manifests: { Available: boolean }[] }).Manifests.map((one) => one.Available);
  assert.deepEqual(await available(), [false, true, false]);
  await cli.ok("load", "-i", layout);
  assert.deepEqual(await available(), [true, true, true]);
  await cli.fails(1, /doesn't provide the requested platform \(linux\/riscv64\)/, "load", "-i", layout, "--platform", "linux/riscv64");
  const saved = join(folder, "arm.tar");
  await cli.ok("save", "--platform", "linux/arm64", "-o", saved, "two:1");
  assert.equal(execFileSync("tar", ["tf", saved], { encoding: "utf8" }).split("\n").filter((name) => /[0-9a-f]{64}$/.test(name)).length, 3);
  await cli.ok("rmi", "two:1");
  rmSync(join(layout, "index.json"));
  await cli.fails(1, /it is no OCI layout: it has no index.json/, "load", "-i", layout);
}, ours);

/** An index of one-layer images under the name two:1. */
function layoutFolder(folder: string, architectures: readonly string[]): string {
  const root = join(folder, "layout");
  const blobs = join(root, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const put = (mediaType: string, value: object | Buffer) => {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
    const digits = execFileSync("sha256sum", { input: bytes, encoding: "utf8" }).slice(0, 64);
    writeFileSync(join(blobs, digits), bytes);
    return { mediaType, digest: `sha256:${digits}`, size: bytes.length };
  };
  const oci = "application/vnd.oci.image";
  const manifests = architectures.map((architecture) => {
    const layer = put(`${oci}.layer.v1.tar`, tar([{ path: "bin/" }, { path: "bin/sh", mode: 0o755, data: busybox() }, { path: "arch", data: architecture }]));
    const config = put(`${oci}.config.v1+json`, { os: "linux", architecture, config: { Cmd: ["/bin/sh"] }, rootfs: { type: "layers", diff_ids: [layer.digest] } });
    return { ...put(`${oci}.manifest.v1+json`, { schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config, layers: [layer] }), platform: { os: "linux", architecture } };
  });
  const index = put(`${oci}.index.v1+json`, { schemaVersion: 2, mediaType: `${oci}.index.v1+json`, manifests });
  writeFileSync(join(root, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(root, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [{ ...index, annotations: { "io.containerd.image.name": "docker.io/library/two:1", "org.opencontainers.image.ref.name": "1" } }] }));
  return root;
}
