/** The build cache as users meet it: what is made again and what is not, by a real engine. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { tarReader } from "#base/tar.ts";
import { openBuildKitClient, type Folder, type Told } from "../fixtures/buildkit-client.ts";
import { random } from "../fixtures/mutate.ts";
import { clientsHere } from "./harness/client.ts";
import { openRegistry } from "./harness/registry.ts";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("the build cache");
const once = { only: clientsHere()[0] ?? "docker" } as const;

type Project = { dockerfile: string; context: Record<string, string>; args: Record<string, string> };
type Wish = { readonly noCache?: boolean; readonly type?: "tar" | "image"; readonly name?: string; readonly cacheTo?: Cache; readonly cacheFrom?: Cache };
type Cache = { readonly type: string; readonly attrs: Record<string, string> };

const DOCKERFILE = `FROM busybox AS one
ARG A
WORKDIR /one
COPY src/ src/
RUN echo "$A" > made && cat src/* >> made
FROM busybox AS two
RUN --mount=type=bind,source=lib,target=/lib2 cat /lib2/* > /linked
FROM scratch
COPY --from=one /one/made /bin/made
COPY --from=two /linked /lib/linked
COPY doc /doc
`;

const newProject = (): Project => ({ dockerfile: DOCKERFILE, context: { "src/a": "1", "src/b": "1", "lib/l": "1", "doc/d": "1" }, args: { A: "1" } });

async function build({ engine }: Scene, { dockerfile, context, args }: Project, { noCache = false, type = "tar", name, cacheTo, cacheFrom }: Wish = {}): Promise<{ told: Told; files: Folder; metadata: Readonly<Record<string, string>> }> {
  await using client = await openBuildKitClient(engine.place.socket, { sharedKey: "project", folders: { dockerfile: { Dockerfile: dockerfile }, context } });
  const attributes = { ...Object.fromEntries(Object.entries(args).map(([key, value]) => [`build-arg:${key}`, value])), ...(noCache && { "no-cache": "" }) };
  const cache = { ...(cacheTo && { exports: [cacheTo] }), ...(cacheFrom && { imports: [cacheFrom] }) };
  const { told, answer } = await client.build({ frontendAttrs: attributes, cache, exporters: [{ type, attrs: { ...(name !== undefined && { name }) } }] });
  return { told, files: type === "tar" ? filesOf(client.received.get("0")!) : {}, metadata: answer.exporterResponse };
}

/** What an archive holds, but for times. */
function filesOf(archive: Buffer): Record<string, string> {
  const files: Record<string, string> = {};
  let at = "";
  for (const event of tarReader().push(archive)) {
    if (event.kind === "entry") files[(at = String(event.entry.name))] = `${event.entry.type} ${event.entry.mode} ${event.entry.uid}:${event.entry.gid} `;
    if (event.kind === "data") files[at] += createHash("sha256").update(event.bytes).digest("hex");
  }
  return files;
}

const RUNS = ["[one 4/4] RUN", "[two 2/2] RUN", "[stage-2 1/3] COPY", "[stage-2 2/3] COPY", "[stage-2 3/3] COPY", "[one 3/4] COPY"];
/** Which of the steps were made. */
const made = ({ names, cached }: Told): string[] => RUNS.filter((run) => names.some((name) => name.startsWith(run)) && !cached.some((name) => name.startsWith(run)));

story("random edits: a build from the cache is what one without is, and makes what the edit reaches", async (scene) => {
  const project = newProject();
  const next = random(11);
  await build(scene, project);
  assert.deepEqual(made((await build(scene, project)).told), []);
  const edits: [() => void, readonly string[]][] = [
    [() => (project.context["src/a"] = String(next())), ["[one 4/4] RUN", "[stage-2 1/3] COPY", "[stage-2 2/3] COPY", "[stage-2 3/3] COPY", "[one 3/4] COPY"]],
    [() => (project.context["lib/l"] = String(next())), ["[two 2/2] RUN", "[stage-2 2/3] COPY", "[stage-2 3/3] COPY"]],
    [() => (project.context["doc/new"] = String(next())), ["[stage-2 3/3] COPY"]],
    [() => (project.context["unused"] = String(next())), []],
    [() => (project.args["A"] = String(next())), ["[one 4/4] RUN", "[stage-2 1/3] COPY", "[stage-2 2/3] COPY", "[stage-2 3/3] COPY"]],
    // The step is another one, and what it results in is the same: what follows is found.
    [() => (project.dockerfile = project.dockerfile.replace("cat /lib2/*", "cat  /lib2/*")), ["[two 2/2] RUN"]],
    [() => void delete project.context["src/b"], ["[one 4/4] RUN", "[stage-2 1/3] COPY", "[stage-2 2/3] COPY", "[stage-2 3/3] COPY", "[one 3/4] COPY"]],
  ];
  for (const [index, [edit, reached]] of edits.entries()) {
    edit();
    const cached = await build(scene, project);
    const odd = made(cached.told).filter((step) => !reached.includes(step));
    assert.deepEqual(odd, [], `edit ${index} made what it does not reach`);
    assert.equal(made(cached.told).length > 0, reached.length > 0, `edit ${index} reached nothing`);
    // What is made again tells whether the rest is as it should be: not after each.
    if (index % 2 === 0) assert.deepEqual(cached.files, (await build(scene, project, { noCache: true })).files, `edit ${index}`);
  }
}, once);

story("a build twice at once does the work once", async (scene) => {
  const project = { ...newProject(), dockerfile: "FROM busybox\nRUN echo begun && sleep 0.5 && head -c 8 /dev/urandom | od -x > /random\nFROM scratch\nCOPY --from=0 /random /\n" };
  const results = await Promise.all([build(scene, project), build(scene, project), build(scene, project)]);
  for (const { told, files } of results) {
    assert.deepEqual(files, results[0]!.files);
    assert.match(told.logs, /begun/);
  }
}, once);

story("what is pruned is made again; what an image needs stays; the store is whole", async (scene) => {
  const { cli, engine } = scene;
  const project = newProject();
  await build(scene, project, { type: "image", name: "kept:1" });
  const usage = async () => ((await engine.api("GET", "/system/df?type=build-cache")).body as { BuildCache: { Description: string; Shared: boolean; Type: string; Size: number; InUse: boolean }[] }).BuildCache.filter(({ Type }) => Type === "regular");
  const regular = await usage();
  assert.ok(regular.some(({ Shared }) => Shared) && regular.some(({ Shared }) => !Shared), JSON.stringify(regular));
  const pruned = (await engine.api("POST", "/build/prune")).body as { CachesDeleted: string[]; SpaceReclaimed: number };
  assert.ok(pruned.CachesDeleted.length >= regular.filter(({ Shared }) => !Shared).length && pruned.SpaceReclaimed > 0);
  assert.ok((await usage()).every(({ Shared }) => Shared));
  assert.ok(made((await build(scene, project)).told).includes("[one 4/4] RUN"));
  await engine.api("POST", "/build/prune?all=1");
  assert.deepEqual(await usage(), []);
  assert.equal((await engine.api("GET", "/images/kept:1/json")).status, 200);
  await build(scene, project, { type: "image", name: "kept:2" });
  await cli.ok("rmi", "-f", "kept:1", "kept:2");
  assert.deepEqual(made((await build(scene, project)).told), [], "the image went, the cache did not");
}, once);

story("the cache travels: by an image, by a registry", async (scene) => {
  const { cli, engine } = scene;
  await using registry = await openRegistry();
  const project = newProject();
  project.args["A"] = "travels";
  const name = `${registry.host}/inline:1`;
  const ref = `${registry.host}/cache:1`;
  const first = await build(scene, project, { type: "image", name, cacheTo: { type: "inline", attrs: {} } });
  await cli.ok("push", "-q", name);
  const told = await build(scene, project, { cacheTo: { type: "registry", attrs: { ref, mode: "max" } } });
  assert.match(told.metadata["cache.manifest"] ?? "", /"mediaType":"application\/vnd.oci.image.manifest.v1\+json"/);
  for (const from of [name, ref]) {
    await cli.ok("rmi", "-f", name).catch(() => undefined);
    await engine.api("POST", "/build/prune?all=1");
    const again = await build(scene, project, { type: "image", name: "again:1", cacheFrom: { type: "registry", attrs: { ref: from } } });
    assert.deepEqual(made(again.told), [], from);
    const layers = async (image: string) => ((await engine.api("GET", `/images/${image}/json`)).body as { RootFS: { Layers: string[] } }).RootFS.Layers;
    assert.ok((await layers("again:1")).length === 3);
    await cli.ok("rmi", "-f", "again:1");
  }
  assert.ok(first.told.names.length > 0);
  await engine.api("POST", "/build/prune?all=1");
  const without = await build(scene, project, { cacheFrom: { type: "registry", attrs: { ref: `${registry.host}/nothing:1` } } });
  assert.ok(without.told.errors.some((error) => /not.?found|unknown/i.test(error)) && made(without.told).length > 0, "one that is not there is told, and does without");
}, once);
