/** What a build is made into: images under names, in registries and archives; files; the same each time. */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { join } from "node:path";
import { after } from "node:test";
import { tarReader } from "#base/tar.ts";
import { openBuildKitClient, type Folder } from "../fixtures/buildkit-client.ts";
import { clientsHere, openClient } from "./harness/client.ts";
import { type Engine, openEngine } from "./harness/engine.ts";
import { openRegistry, type Registry } from "./harness/registry.ts";
import { peer, stories } from "./harness.ts";

const { story } = stories("outputs of builds");
const once = { only: clientsHere()[0] ?? "docker", skip: peer === "gantry" ? false : "outputs that the reference does not have" } as const;

type Exporter = { readonly type: string; readonly attrs: Record<string, string> };
type Wish = { readonly files?: Folder; readonly exporters: readonly Exporter[]; readonly attrs?: Record<string, string>; readonly secrets?: Record<string, string> };

const DOCKERFILE = "FROM busybox AS make\nWORKDIR /w\nCOPY . .\nRUN date > made && cat a.txt >> made\nFROM busybox\nLABEL kept=yes\nCOPY --from=make /w /w\nRUN rm /w/b.txt && echo more > /w/c\nCMD [\"cat\", \"/w/a.txt\"]\n";
const FILES: Folder = { "a.txt": "content", "b.txt": "gone" };

async function build(engine: Engine, dockerfile: string, { files = FILES, exporters, attrs = {}, secrets = {} }: Wish) {
  await using client = await openBuildKitClient(engine.place.socket, { folders: { dockerfile: { Dockerfile: dockerfile }, context: files }, secrets });
  const { answer } = await client.build({ exporters, frontendAttrs: attrs });
  return { answer: answer.exporterResponse, received: new Map(client.received) };
}

/** One build with one output: its digest, and what the client got. */
async function one(engine: Engine, type: string, attrs: Record<string, string> = {}, more: Omit<Wish, "exporters"> = {}) {
  const { answer, received } = await build(engine, DOCKERFILE, { exporters: [{ type, attrs }], ...more });
  return { digest: answer["containerimage.digest"] ?? "", bytes: received.get("0") ?? Buffer.alloc(0), received };
}

function filesIn(archive: Buffer): Map<string, string> {
  const files = new Map<string, string>();
  let name = "";
  for (const event of tarReader().push(archive)) {
    if (event.kind === "entry") files.set((name = event.entry.name.toString()), "");
    else files.set(name, files.get(name)! + event.bytes.toString("latin1"));
  }
  return files;
}

/** Documents of an OCI archive by digest. */
function documents(archive: Buffer): { index: Record<string, any>; read: (digest: string) => Record<string, any> } {
  const files = filesIn(archive);
  const read = (digest: string) => JSON.parse(files.get(`blobs/sha256/${digest.slice(7)}`)!) as Record<string, any>;
  return { index: JSON.parse(files.get("index.json")!) as Record<string, any>, read };
}

let registry: Promise<Registry> | undefined;
after(async () => (await registry)?.[Symbol.asyncDispose]());

story("one build, several names: the id that is told is the image's", async ({ engine, cli }) => {
  const { digest } = await one(engine, "image", { name: "many:1,many:2" });
  for (const name of ["many:1", "many:2"]) assert.equal(await cli.ok("inspect", "--format", "{{.Id}}", name), digest);
  assert.equal(await cli.ok("run", "--rm", "many:2"), "content");
  const history = (await cli.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", "many:1")).split("\n");
  assert.deepEqual(history.slice(0, 4), ['CMD ["cat" "/w/a.txt"]', "RUN /bin/sh -c rm /w/b.txt && echo more > /w/c # buildkit", "COPY /w /w # buildkit", "LABEL kept=yes"]);
}, once);

story("a rebuild from the cache is the same image", async ({ engine }) => {
  const first = await one(engine, "image", { name: "again" });
  assert.equal((await one(engine, "image", { name: "again" })).digest, first.digest);
}, once);

story("pushed: its layers are compressed there, and what is pulled is what was told", async ({ engine, cli }) => {
  const { host } = await (registry ??= openRegistry());
  const { digest } = await one(engine, "image", { name: `${host}/pushed:1`, push: "true" });
  await cli.ok("rmi", `${host}/pushed:1`);
  await cli.ok("pull", "-q", `${host}/pushed:1`);
  assert.equal(await cli.ok("inspect", "--format", "{{.Id}}", `${host}/pushed:1`), digest);
  assert.equal(await cli.ok("run", "--rm", `${host}/pushed:1`), "content");
  const { layers } = JSON.parse(await (await fetch(`http://${host}/v2/pushed/manifests/1`, { headers: { accept: "application/vnd.oci.image.manifest.v1+json" } })).text()) as { layers: { mediaType: string }[] };
  assert.ok(layers.every(({ mediaType }) => mediaType.endsWith("+gzip")), JSON.stringify(layers));
}, once);

story("archives: Docker's is loaded again and runs, OCI's has what its index says", async ({ engine, cli, file }) => {
  const docker = await one(engine, "docker", { name: "loaded:1" });
  assert.match(await cli.ok("load", "-i", file("docker.tar", docker.bytes)), /loaded:1/);
  assert.equal(await cli.ok("run", "--rm", "loaded:1"), "content");
  const oci = await one(engine, "oci", { name: "layout:1", compression: "zstd", "annotation.a": "1", "annotation-manifest-descriptor.d": "2" });
  const { index, read } = documents(oci.bytes);
  assert.deepEqual(index["manifests"].map(({ digest }: { digest: string }) => digest), [oci.digest]);
  assert.equal(index["manifests"][0].annotations.d, "2");
  const manifest = read(oci.digest);
  assert.deepEqual(manifest["annotations"], { a: "1" });
  assert.ok(manifest["layers"].slice(1).every(({ mediaType }: { mediaType: string }) => mediaType.endsWith("+zstd")));
  assert.equal(read(manifest["config"].digest)["rootfs"].diff_ids.length, manifest["layers"].length);
}, once);

story("files: an archive of them, as they are at the end", async ({ engine }) => {
  const { bytes } = await one(engine, "tar");
  const files = filesIn(bytes);
  assert.equal(files.get("w/a.txt"), "content");
  assert.equal(files.has("w/b.txt"), false);
}, once);

story("--squash: the build's layers become one, or all do; the files are the same", async ({ engine, cli }) => {
  await one(engine, "image", { name: "plain" });
  const layers = async (name: string) => JSON.parse(await cli.ok("inspect", "--format", "{{json .RootFS.Layers}}", name)) as string[];
  const [base, plain] = [await layers("busybox"), await layers("plain")];
  assert.equal(plain.length, base.length + 2);
  for (const [squash, count] of [["new", base.length + 1], ["all", 1]] as const) {
    await one(engine, "image", { name: `squash-${squash}` }, { attrs: { squash } });
    assert.equal((await layers(`squash-${squash}`)).length, count, squash);
    assert.equal(await cli.ok("run", "--rm", `squash-${squash}`, "sh", "-c", "ls /w; cat /w/a.txt; ls /bin | wc -l"), await cli.ok("run", "--rm", "plain", "sh", "-c", "ls /w; cat /w/a.txt; ls /bin | wc -l"));
    assert.match(await cli.ok("history", `squash-${squash}`), /merge of \d+ layers/);
  }
}, once);

const EPOCH = 1_700_000_000;

story("SOURCE_DATE_EPOCH: the same commit, built by two engines of two folders, is the same image", async ({ engine, cli, folder }) => {
  const dockerfile = DOCKERFILE.replace("date > made", "touch made");
  const attrs = { "build-arg:SOURCE_DATE_EPOCH": String(EPOCH) };
  const exporters = [{ type: "image", attrs: { name: "epoch", unpack: "true" } }, { type: "oci", attrs: {} }, { type: "tar", attrs: {} }];
  const first = await build(engine, dockerfile, { exporters, attrs });
  assert.equal(await cli.ok("run", "--rm", "epoch", "stat", "-c", "%Y", "/w/c"), String(EPOCH));
  await cli.ok("save", "-o", join(folder, "busybox.tar"), "busybox");
  await using other = await openEngine();
  await openClient(cli.name, other).ok("load", "-q", "-i", join(folder, "busybox.tar"));
  const second = await build(other, dockerfile, { exporters, attrs });
  assert.equal(second.answer["containerimage.digest"], first.answer["containerimage.digest"]);
  for (const index of ["1", "2"]) assert.ok(second.received.get(index)!.equals(first.received.get(index)!), `output ${index}`);
}, once);

story("several platforms are an index; each one's files have a folder", async ({ engine }) => {
  const attrs = { platform: "linux/amd64,linux/arm64" };
  const dockerfile = "FROM scratch\nARG TARGETARCH\nCOPY a.txt /$TARGETARCH\n";
  const { answer, received } = await build(engine, dockerfile, { exporters: [{ type: "oci", attrs: { "annotation-index.i": "1" } }, { type: "tar", attrs: {} }], attrs });
  const { read } = documents(received.get("0")!);
  const index = read(answer["containerimage.digest"]!);
  assert.deepEqual(index["manifests"].map(({ platform }: { platform: object }) => platform), [{ architecture: "amd64", os: "linux" }, { architecture: "arm64", os: "linux" }]);
  assert.deepEqual(index["annotations"], { i: "1" });
  const files = filesIn(received.get("1")!);
  assert.deepEqual([files.get("linux_amd64/amd64"), files.get("linux_arm64/arm64")], ["content", "content"]);
}, once);

story("BLD-13: attestations stand beside the image, and hold no secret", async ({ engine, cli }) => {
  const dockerfile = "FROM busybox\nARG TOKEN\nRUN --mount=type=secret,id=s cat /run/secrets/s | wc -c\nCOPY <<E /var/lib/dpkg/status\nPackage: tool\nStatus: install ok installed\nVersion: 1:2\nArchitecture: all\nE\n";
  const attrs = { "attest:provenance": "mode=max", "attest:sbom": "", "build-arg:TOKEN": "sentinel-a", "build-arg:HTTP_PROXY": "http://u:sentinel-p@h" };
  const { answer, received } = await build(engine, dockerfile, { exporters: [{ type: "image", attrs: { name: "attested" } }, { type: "oci", attrs: { name: "attested" } }, { type: "tar", attrs: {} }], attrs, secrets: { s: "sentinel-s" } });
  const { index, read } = documents(received.get("1")!);
  const { manifests } = read(index["manifests"][0].digest);
  assert.deepEqual(manifests[1].annotations, { "vnd.docker.reference.digest": manifests[0].digest, "vnd.docker.reference.type": "attestation-manifest" });
  const statements = read(manifests[1].digest)["layers"].map(({ digest }: { digest: string }) => read(digest));
  const [provenance, sbom] = ["https://slsa.dev/provenance/v0.2", "https://spdx.dev/Document"].map((type) => statements.find((one: { predicateType: string }) => one.predicateType === type));
  assert.match(JSON.stringify(provenance.predicate.materials), /pkg:docker\/busybox@latest/);
  assert.deepEqual(provenance.subject[0].digest, { sha256: manifests[0].digest.slice(7) });
  assert.deepEqual(sbom.predicate.packages.map(({ externalRefs }: { externalRefs: { referenceLocator: string }[] }) => externalRefs[0]!.referenceLocator), ["pkg:deb/debian/tool@1:2?arch=all"]);
  assert.doesNotMatch(JSON.stringify(statements), /sentinel/);
  const files = filesIn(received.get("2")!);
  const names = [...files.keys()];
  assert.deepEqual(names.toSorted(), names, "a folder's files are told in their order");
  const [told, bill] = ["provenance.json", "sbom.spdx.json"].map((name) => JSON.parse(files.get(name)!));
  assert.deepEqual([told.predicate.materials, bill.predicate.packages], [provenance.predicate.materials, sbom.predicate.packages]);
  const status = told.subject.find(({ name }: { name: string }) => name === "var/lib/dpkg/status");
  assert.equal(status.digest.sha256, hash("sha256", Buffer.from(files.get("var/lib/dpkg/status")!, "latin1")));
  for (const [name, text] of filesIn(received.get("1")!)) assert.doesNotMatch(text.replaceAll("TOKEN=sentinel-a", ""), /sentinel/, name);
  assert.equal(index["manifests"][0].digest, answer["containerimage.digest"]);
  assert.equal(await cli.ok("run", "--rm", "attested", "echo", "runs"), "runs");
}, once);

story("what an output cannot be is said before anything is made", async ({ engine }) => {
  for (const [type, attrs, message] of [
    ["image", { name: "BAD" }, /invalid reference format/],
    ["image", { push: "true" }, /tag is needed when pushing/],
    ["moby", { name: "127.0.0.1:1/closed", push: "true" }, /failed to push 127\.0\.0\.1:1\/closed:latest: .*refused/],
    ["oci", { compression: "best" }, /unsupported layer compression type: best/],
    ["oci", { "annotation-index.a": "1" }, /index annotations not supported for single platform export/],
  ] as const) {
    await assert.rejects(one(engine, type, attrs as Record<string, string>), message);
  }
}, once);
