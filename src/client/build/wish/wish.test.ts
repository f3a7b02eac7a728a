/** What the flags of a build mean: a row a case. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { after, test } from "node:test";
import { spellPlatform } from "../../request/platform.ts";
import { parseAnnotations } from "./annotations.ts";
import { parseAttestations } from "./attestations.ts";
import { parseCaches, resolveImports } from "./caches.ts";
import { findSources } from "./contexts.ts";
import { parsePairs } from "./fields.ts";
import { looksLikeArchive } from "./input.ts";
import { type OutputOptions, parseOutputs } from "./outputs.ts";
import { parseAgents, parseSecrets } from "./secrets.ts";

test("platforms: one spelling for each; what is none is refused before anything is asked", () => {
  assert.deepEqual(["amd64", "linux/aarch64", "Linux/arm"].map(spellPlatform), ["linux/amd64", "linux/arm64", "linux/arm/v7"]);
  assert.throws(() => spellPlatform("foo"), { message: '"foo": unknown operating system or architecture: invalid argument' });
  assert.throws(() => spellPlatform("a/b/c/d"), { message: '"a/b/c/d": cannot parse platform specifier: invalid argument' });
});

const folder = mkdtempSync("/tmp/wish-test-");
writeFileSync(`${folder}/token`, "x");
after(() => rmSync(folder, { recursive: true }));

const plain: OutputOptions = { output: [], load: false, push: false, names: ["docker.io/library/a:latest"], iidfile: "", isTerminal: false };
const named = { name: "docker.io/library/a:latest" };
const outputs: readonly (readonly [given: Partial<OutputOptions>, exporters: unknown, targets?: unknown, push?: readonly string[]])[] = [
  [{}, [{ type: "moby", attributes: named }], [undefined]],
  [{ load: true }, [{ type: "moby", attributes: named }], [undefined]],
  [{ push: true }, [{ type: "moby", attributes: named }], [undefined], ["docker.io/library/a:latest"]],
  [{ output: ["type=registry"] }, [{ type: "moby", attributes: named }], [undefined], ["docker.io/library/a:latest"]],
  [{ output: ["type=image,name=b,push=true"], names: [] }, [{ type: "moby", attributes: { name: "b" } }], [undefined], ["b"]],
  [{ output: ["out"] }, [{ type: "local", attributes: {} }], [{ kind: "folder", path: "out" }]],
  [{ output: ["-"] }, [{ type: "tar", attributes: {} }], [{ kind: "stdout" }]],
  [{ output: ["type=tar,dest=x.tar"] }, [{ type: "tar", attributes: {} }], [{ kind: "file", path: "x.tar" }]],
  [{ output: ['type=oci,"dest=a,b.tar",compression=zstd'] }, [{ type: "oci", attributes: { ...named, compression: "zstd" } }], [{ kind: "file", path: "a,b.tar" }]],
  [{ output: ["type=docker,dest=x", "type=local,dest=y"] }, [{ type: "docker", attributes: named }, { type: "local", attributes: {} }], [{ kind: "file", path: "x" }, { kind: "folder", path: "y" }]],
  [{ output: ["type=cacheonly"] }, [], []],
];
for (const [given, exporters, targets, push = []] of outputs) {
  test(`outputs: ${JSON.stringify(given)}`, () => assert.deepEqual(parseOutputs({ ...plain, ...given }), { exporters, targets, push }));
}

const wrongOutputs: readonly (readonly [Partial<OutputOptions>, RegExp])[] = [
  [{ output: ["type=local"] }, /dest is required for local exporter/],
  [{ output: ["type=local,dest=-"] }, /dest cannot be stdout/],
  [{ output: ["dest=x,foo=y"] }, /type is required for output/],
  [{ output: ["type=zip"] }, /exporter "zip" could not be found/],
  [{ output: ["type=tar"], isTerminal: true }, /refusing to write to console/],
  [{ output: ["type=oci,tar=false,dest=x"] }, /only archives are written/],
  [{ output: ["out"], iidfile: "id" }, /incompatible with image ID file/],
  [{ push: true, names: [] }, /tag is needed when pushing to registry/],
];
for (const [given, wrong] of wrongOutputs) test(`outputs that are none: ${JSON.stringify(given)}`, () => assert.throws(() => parseOutputs({ ...plain, ...given }), wrong));

test("secrets: files, variables, and what stands for them", () => {
  const env = { TOKEN: "v", other: "w" };
  const cases: readonly (readonly [string, unknown])[] = [
    [`id=a,src=${folder}/token`, { file: `${folder}/token` }],
    [`type=file,id=a,source=${folder}/token`, { file: `${folder}/token` }],
    ["id=a,env=TOKEN", { env: "TOKEN" }],
    ["id=a,type=env,src=TOKEN", { env: "TOKEN" }],
    ["type=env,id=a", { env: "a" }],
    ["id=other", { env: "other" }],
    [`id=${folder}/token`, { file: `${folder}/token` }],
  ];
  for (const [text, source] of cases) assert.deepEqual([...parseSecrets([text], env).values()], [source], text);
  const wrong = [["src=x", /missing ID/], ["id", /must be a key=value pair/], ["id=a,foo=b", /unexpected key 'foo'/], ["id=a,type=pipe", /unsupported secret type/], ["id=a,src=/nothing/here", /failed to stat/], [`id=a,src=${folder}/large`, /^Failure: secret a too big\. max size 500KiB$/]] as const;
  writeFileSync(`${folder}/large`, Buffer.alloc(512_001));
  for (const [text, message] of wrong) assert.throws(() => parseSecrets([text], env), message, text);
});

test("ssh: the user's agent, sockets, keys", () => {
  assert.deepEqual([...parseAgents(["default"], { SSH_AUTH_SOCK: "/s" })], [["default", { socket: "/s" }]]);
  assert.deepEqual([...parseAgents([`x=${folder}/token,${folder}/token`], {})], [["x", { keys: [`${folder}/token`, `${folder}/token`] }]]);
  assert.throws(() => parseAgents(["default"], {}), /make sure SSH_AUTH_SOCK is set/);
  assert.throws(() => parseAgents(["x=/nothing"], {}), /failed to stat/);
});

test("caches", () => {
  assert.deepEqual(parseCaches(["user/app:cache,other", "type=local,src=x,tag=t"]), [
    { type: "registry", attributes: { ref: "user/app:cache" } }, { type: "registry", attributes: { ref: "other" } }, { type: "local", attributes: { src: "x", tag: "t" } },
  ]);
  assert.throws(() => parseCaches(["src=x"]), /type required/);
  const said: string[] = [];
  assert.deepEqual(resolveImports([{ type: "local", attributes: { src: folder } }], (text) => said.push(text)), []);
  assert.match(said.join(""), /not found/);
});

test("attestations and annotations", () => {
  const none = { attest: [], provenance: "", sbom: "" };
  assert.deepEqual(parseAttestations({ ...none, provenance: "mode=max", sbom: "true" }), { "attest:provenance": "type=provenance,mode=max", "attest:sbom": "type=sbom,disabled=false" });
  assert.deepEqual(parseAttestations({ ...none, attest: ["type=sbom,generator=x"], provenance: "false" }), { "attest:sbom": "type=sbom,generator=x" });
  assert.throws(() => parseAttestations({ ...none, attest: ["type=sbom"], sbom: "true" }), /duplicate/);
  assert.deepEqual(parseAnnotations(["a=b", "manifest,index[linux/arm64]:org.x=y=z", "index:org:x=y:z", "url=http://x"]), { "annotation.a": "b", "annotation-manifest.org.x": "y=z", "annotation-index[linux/arm64].org.x": "y=z", "annotation-index.org:x": "y:z", "annotation.url": "http://x" });
  assert.throws(() => parseAnnotations(["nothing"]), /expected key=value/);
  assert.throws(() => parseAnnotations(["layer:a=b"]), /unknown annotation type/);
});

test("arguments without a value are the environment's", () => {
  assert.deepEqual(parsePairs(["A=1", "B", "C", "D="], { B: "b" }), { A: "1", B: "b", D: "" });
});

test("what is an archive", () => {
  const block = Buffer.alloc(512);
  block.write("name");
  block.fill(" ", 148, 156);
  block.write(block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0"), 148);
  assert.ok(looksLikeArchive(block));
  assert.ok(looksLikeArchive(Buffer.from([0x1f, 0x8b, 0x08, 0])));
  for (const text of ["FROM scratch\n", "", "x".repeat(2000)]) assert.ok(!looksLikeArchive(Buffer.from(text)), text.slice(0, 20));
});

test("contexts: what is a folder, what is elsewhere, and what is neither", async () => {
  const at = (context: string, file = "", contexts: readonly string[] = []) => findSources({ context, file, contexts });
  assert.deepEqual((await at(folder)).attributes, { filename: "Dockerfile", "context-name": basename(folder), dockerfilekey: "context" });
  assert.deepEqual((await at(folder, `${folder}/token`)).attributes, { filename: "token", "context-name": basename(folder) });
  assert.deepEqual((await at("https://example.com/x.git#main:sub", "D")).attributes, { context: "https://example.com/x.git#main:sub", filename: "D" });
  assert.deepEqual((await at("git@example.com:x/y")).attributes, { context: "git@example.com:x/y", filename: "Dockerfile" });
  const named = await at(folder, "", [`app:latest=${folder}`, "base=docker-image://alpine", `context=${folder}`]);
  const own = { filename: "Dockerfile", "context-name": basename(folder) };
  assert.deepEqual(named.attributes, { ...own, "context:app": "local:app", "context:base": "docker-image://alpine", "context:context": "local:_context", "frontend.caps": "moby.buildkit.frontend.contexts+forward" });
  assert.deepEqual([...named.folders.keys()].sort(), ["_context", "app", "context", "dockerfile"]);
  await assert.rejects(at("/nothing/here"), /unable to prepare context: path "\/nothing\/here" not found/);
  await assert.rejects(at("-", "-"), /can't use stdin for both/);
  await assert.rejects(at(folder, "", ["x"]), /expected key=value/);
  await assert.rejects(at(folder, "", [`x=${folder}/token`]), /not a directory/);
});
