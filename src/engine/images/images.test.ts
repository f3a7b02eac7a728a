import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { sha256 } from "#base/digest.ts";
import { Failure, type Kind } from "#base/errors.ts";
import { tarArchive } from "#base/tar-write.ts";
import { leftOvers } from "#core/core-fixture.ts";
import { digits, shortId } from "#spec/digest.ts";
import { MEDIA } from "#spec/image.ts";
import type { ForetoldImage } from "./foretold.ts";
import { dockerArchive, load, plainLayer, save, tags, testImages, type TestImages } from "./images-fixture.ts";
import { compilePattern } from "./pattern.ts";

const failure = (kind: Kind, message: RegExp | string) => (error: unknown) =>
  error instanceof Failure && error.kind === kind && (typeof message === "string" ? error.message === message : message.test(error.message));
const remove = ({ images }: TestImages, ref: string, force = false) => images.remove(ref, { force, noprune: false });

/** One image under several names. */
async function oneImage(t: TestContext, ...names: string[]): Promise<TestImages & { id: string }> {
  const all = await testImages(t);
  await load(all.images, dockerArchive([{ tags: names }]));
  all.events.length = 0;
  const [record] = await all.images.list({ all: false, filters: new Map(), sharedSize: false });
  return { ...all, id: record!.id };
}

test("what is typed finds an image: names, digests, ids and their beginnings", async (t) => {
  const { images, id } = await oneImage(t, "x:latest", "example.com/y:2");
  for (const ref of ["x", "x:latest", "docker.io/library/x", "example.com/y:2", id, digits(id as `sha256:${string}`), shortId(id), id.slice(0, 15), `x@${id}`, `x:latest@${id}`, `example.com/y@${id}`]) {
    assert.equal((await images.get(ref)).id, id, ref);
    assert.equal(images.find(ref), id, ref);
  }
  for (const [ref, text] of [["y", "No such image: y:latest"], ["x:2", "No such image: x:2"], [`z@${id}`, `No such image: z@${id}`], ["0000", "No such image: 0000:latest"], [`sha256:${"0".repeat(64)}`, `No such image: sha256:${"0".repeat(64)}`], ["0".repeat(64), `No such image: ${"0".repeat(64)}`]] as const) {
    await assert.rejects(images.get(ref), failure("not-found", text));
    assert.equal(images.find(ref), undefined);
  }
  for (const ref of ["", "X", "a b", "x:"]) await assert.rejects(images.get(ref), failure("invalid", /./));
});

test("a name that looks like an id comes before the id", async (t) => {
  const { images, id } = await oneImage(t, "x:1");
  await load(images, dockerArchive([{ tags: [`${shortId(id)}:latest`], layers: [plainLayer("other")] }]));
  assert.notEqual((await images.get(shortId(id))).id, id);
  assert.equal((await images.get(id)).id, id);
});

test("tagging: silently over another, never a digest", async (t) => {
  const { images, id, events } = await oneImage(t, "x:1");
  await images.tag("x:1", "y");
  await images.tag(id, "example.com/z:2");
  await load(images, dockerArchive([{ tags: ["other:1"], layers: [plainLayer("other")] }]));
  await images.tag("x:1", "other:1");
  assert.equal((await images.get("other:1")).id, id);
  assert.deepEqual(await tags(images, { dangling: ["true"] }), ["<none>"]);
  assert.deepEqual(events.filter((event) => event.startsWith("tag")), ["tag y:latest", "tag example.com/z:2", "tag other:1"]);
  for (const target of [`y@${id}`, "sha256:abc", "sha256", "Y", "y:"]) await assert.rejects(images.tag("x:1", target), failure("invalid", /./));
  await assert.rejects(images.tag("nothing", "y"), failure("not-found", "No such image: nothing:latest"));
});

test("rmi: a name that is not the last is taken away, the last takes the image along", async (t) => {
  const all = await oneImage(t, "x:1", "x:2", "example.com/y:1");
  assert.deepEqual(await remove(all, "x:1"), [{ Untagged: "x:1" }]);
  assert.deepEqual(await remove(all, "example.com/y:1"), [{ Untagged: "example.com/y:1" }]);
  assert.deepEqual(await remove(all, "x:2"), [{ Untagged: "x:2" }, { Deleted: all.id }]);
  assert.deepEqual(all.events, ["untag x:1", "untag example.com/y:1", "untag x:2", `delete ${all.id}`]);
  assert.deepEqual(await leftOvers(all.core.root), { blobs: [], ingests: [], snapshots: [] });
  await assert.rejects(remove(all, "x:2"), failure("not-found", "No such image: x:2"));
});

test("rmi by id: with one repository and tag it goes; with more only by force", async (t) => {
  const all = await oneImage(t, "x:1", "y:1");
  await assert.rejects(remove(all, shortId(all.id)), failure("conflict", `conflict: unable to delete ${shortId(all.id)} (must be forced) - image is referenced in multiple repositories`));
  assert.deepEqual(await remove(all, shortId(all.id), true), [{ Untagged: "x:1" }, { Untagged: "y:1" }, { Deleted: all.id }]);
  const one = await oneImage(t, "x:1");
  assert.deepEqual(await remove(one, one.id), [{ Untagged: "x:1" }, { Deleted: one.id }]);
});

test("rmi by digest takes every name of the repository", async (t) => {
  const all = await oneImage(t, "x:1", "x:2", "y:1");
  assert.deepEqual(await remove(all, `x@${all.id}`), [{ Untagged: "x:1" }, { Untagged: "x:2" }]);
  assert.deepEqual(await tags(all.images), ["y:1"]);
});

test("rmi of an image that a stopped container uses", async (t) => {
  const all = await oneImage(t, "x:1");
  const container = "c".repeat(64);
  all.used.set(all.id, { running: false, ids: [container] });
  await assert.rejects(remove(all, "x:1"), failure("conflict", `conflict: unable to delete x:1 (must be forced) - container cccccccccccc is using its referenced image ${shortId(all.id)}`));
  await assert.rejects(remove(all, all.id), failure("conflict", `conflict: unable to delete ${shortId(all.id)} (must be forced) - image is being used by stopped container cccccccccccc`));
  assert.deepEqual(await remove(all, "x:1", true), [{ Untagged: "x:1" }]);
  assert.deepEqual((await all.images.get(all.id)).repoTags, [], "the container still knows it by its id");
  assert.deepEqual(await remove(all, all.id, true), [{ Deleted: all.id }]);
});

test("rmi of an image that a running container uses: a name by force, the image never", async (t) => {
  const all = await oneImage(t, "x:1", "y:1");
  all.used.set(all.id, { running: true, ids: ["d".repeat(64)] });
  for (const force of [false, true]) {
    await assert.rejects(remove(all, all.id, force), failure("conflict", `conflict: unable to delete ${shortId(all.id)} (cannot be forced) - image is being used by running container dddddddddddd`));
  }
  assert.deepEqual(await remove(all, "y:1"), [{ Untagged: "y:1" }], "another name is left");
  await assert.rejects(remove(all, "x:1"), failure("conflict", /must be forced/));
  assert.deepEqual(await remove(all, "x:1", true), [{ Untagged: "x:1" }]);
  assert.equal((await all.images.get(all.id)).containers, 1);
});

test("rmi keeps what another image or a container's snapshot needs", async (t) => {
  const { images, core } = await testImages(t);
  const shared = plainLayer("shared");
  await load(images, dockerArchive([{ tags: ["x:1"], layers: [shared] }, { tags: ["y:1"], layers: [shared, plainLayer("own")] }]));
  const { snapshot } = await images.resolve("y:1");
  await core.snapshots.prepare("container", snapshot, { init: true });
  await images.remove("x:1", { force: false, noprune: false });
  assert.equal((await leftOvers(core.root)).snapshots.length, 3);
  assert.deepEqual(await core.content.read(sha256(shared), 10_000), shared);
  await images.remove("y:1", { force: true, noprune: false });
  assert.deepEqual([(await leftOvers(core.root)).snapshots.length, core.content.list().length], [3, 0]);
  await core.snapshots.remove("container");
  await core.collect();
  assert.equal((await leftOvers(core.root)).snapshots.length, 0);
});

test("images are listed newest first, and filtered as Docker does", async (t) => {
  const { images } = await testImages(t);
  await load(images, dockerArchive([
    { tags: ["old:1", "example.com/team/old:2"], created: "2020-01-01T00:00:00Z", config: { Labels: { team: "a", "k=v": "" } } },
    { tags: ["middle:1"], created: "2022-06-01T00:00:00.5Z", layers: [plainLayer("m")] },
    { tags: null, created: "2024-01-01T00:00:00Z", layers: [plainLayer("n")] },
    { tags: ["new:1"], created: "2026-01-01T00:00:00Z", layers: [plainLayer("a"), plainLayer("z")], config: { Labels: { team: "b" } } },
  ]));
  const old = "example.com/team/old:2,old:1";
  const cases: [Record<string, string[]>, string[]][] = [
    [{}, ["new:1", "<none>", "middle:1", old]],
    [{ dangling: ["true"] }, ["<none>"]],
    [{ dangling: ["false"] }, ["new:1", "middle:1", old]],
    [{ label: ["team"] }, ["new:1", old]],
    [{ label: ["team=a"] }, [old]],
    [{ label: ["team=c"] }, []],
    [{ "label!": ["team=a"] }, ["new:1", "<none>", "middle:1"]],
    [{ before: ["middle:1"] }, [old]],
    [{ since: ["middle:1"] }, ["new:1", "<none>"]],
    [{ since: ["old:1"], before: ["new:1"] }, ["<none>", "middle:1"]],
    [{ until: ["2023-01-01T00:00:00Z"] }, ["middle:1", old]],
    [{ reference: ["old"] }, ["old:1"]],
    [{ reference: ["old:1"] }, ["old:1"]],
    [{ reference: ["old", "example.com/team/old"] }, [old]],
    [{ reference: ["o*"] }, ["old:1"]],
    [{ reference: ["*"] }, ["new:1", "middle:1", "old:1"]],
    [{ reference: ["*/*/*"] }, ["example.com/team/old:2"]],
    [{ reference: ["*:1"] }, ["new:1", "middle:1", "old:1"]],
    [{ reference: ["m[a-j]ddle", "n?w:1"] }, ["new:1", "middle:1"]],
    [{ reference: ["nothing"] }, []],
  ];
  for (const [filters, expected] of cases) assert.deepEqual(await tags(images, filters), expected, JSON.stringify(filters));
  for (const [filters, message] of [
    [{ nonsense: ["x"] }, "invalid filter 'nonsense'"], [{ dangling: ["perhaps"] }, "invalid filter 'dangling=[perhaps]'"],
    [{ reference: ["[a"] }, "invalid filter 'reference=[a': syntax error in pattern"],
  ] as const) {
    await assert.rejects(tags(images, filters as unknown as Record<string, string[]>), failure("invalid", message));
  }
  await assert.rejects(tags(images, { before: ["unknown"] }), failure("not-found", "No such image: unknown:latest"));
  assert.equal(images.count(), 4);
});

test("sizes: content and snapshots of an image, and what it shares", async (t) => {
  const { images, core } = await testImages(t);
  const shared = plainLayer("shared");
  await load(images, dockerArchive([{ tags: ["x:1"], layers: [shared] }, { tags: ["y:1"], layers: [shared, plainLayer("y")] }]));
  const list = await images.list({ all: false, filters: new Map(), sharedSize: true });
  const unpacked = core.snapshots.stat(sha256(shared))!.usage.bytes;
  assert.deepEqual(list.map((record) => record.sharedSize), [unpacked + shared.length, unpacked + shared.length]);
  const x = await images.get("x:1");
  const own = core.content.list().filter(({ digest }) => ![...list.find(({ id }) => id !== x.id)!.diffIds].includes(digest) || digest === sha256(shared));
  assert.ok(x.size >= unpacked + shared.length && own.length > 0);
  assert.equal(x.size, unpacked + shared.length + x.descriptor.size + (await core.content.read(x.id as `sha256:${string}`).then((bytes) => (JSON.parse(bytes.toString()) as { config: { size: number } }).config.size)));
});

test("history: newest first, sizes by layer, the id at the top", async (t) => {
  const { images, id } = await oneImage(t, "x:1", "y:1");
  const [entry, ...rest] = await images.history("y:1");
  assert.deepEqual([entry!.id, entry!.tags, entry!.createdBy, entry!.created, rest.length], [id, ["y:1", "x:1"], "step 0", 1767225600, 0]);
  assert.ok(entry!.size > 0);
});

test("prune: without a name, or all that no container uses", async (t) => {
  const all = await oneImage(t, "used:1");
  const { images } = all;
  await load(images, dockerArchive([{ tags: ["spare:1"], layers: [plainLayer("spare")] }, { tags: null, layers: [plainLayer("bare")] }]));
  all.used.set(all.id, { running: false, ids: ["c".repeat(64)] });
  const first = await images.prune(new Map());
  assert.equal(first.deleted.length, 1);
  assert.ok("Deleted" in first.deleted[0]! && first.reclaimed > 0);
  assert.deepEqual((await tags(images)).toSorted(), ["spare:1", "used:1"]);
  await images.pin("spare:1", true);
  assert.deepEqual((await images.prune(new Map([["dangling", ["false"]]]))).deleted, [], "a pinned one stays");
  await images.pin("spare:1", false);
  const second = await images.prune(new Map([["dangling", ["false"]]]));
  assert.equal(second.deleted.length, 2);
  assert.deepEqual(await tags(images), ["used:1"]);
  assert.deepEqual((await images.prune(new Map())).deleted, []);
});

test("save: a repository means all its tags; what is unknown is said before the first byte", async (t) => {
  const { images, id } = await oneImage(t, "x:1", "x:2", "y:1");
  const { images: others } = await testImages(t);
  assert.deepEqual((await load(others, await save(images, ["x"]))).map((step) => step.kind === "loaded" && step.name), ["x:1", "x:2"]);
  assert.deepEqual((await load(others, await save(images, ["y:1", "x:1"]))).map((step) => step.kind === "loaded" && step.name), ["y:1", "x:1"]);
  const [bare] = await load(others, await save(images, [shortId(id)]));
  assert.deepEqual(bare, { kind: "loaded", name: id, named: false });
  await assert.rejects(images.save(["x:1", "nothing"], { platforms: [], signal: AbortSignal.timeout(60_000) }), failure("not-found", "No such image: nothing:latest"));
  await assert.rejects(images.save(["x:1"], { platforms: [{ os: "linux", architecture: "s390x" }], signal: AbortSignal.timeout(60_000) }), failure("not-found", /does not provide the platform linux\/s390x/));
});

test("save: the same image is the same archive, byte for byte", async (t) => {
  const { images } = await oneImage(t, "x:1");
  assert.equal(sha256(await save(images, ["x:1"])), sha256(await save(images, ["x:1"])));
});

test("import: the archive of a root becomes an image, with its changes", async (t) => {
  const { images, core, events } = await testImages(t);
  const archive = tarArchive([{ name: "bin/sh", type: "file", mode: 0o755, data: "#!" }]);
  const source = async function* () {
    yield archive;
  };
  const signal = AbortSignal.timeout(60_000);
  const id = await images.import(source(), { target: "base", message: "made by hand", changes: ['CMD ["sh"]', "ENV A=1"], signal });
  const record = await images.get("base:latest");
  assert.deepEqual([record.id, record.comment, { ...record.config }, record.diffIds], [id, "made by hand", { Cmd: ["sh"], Env: ["A=1"] }, [sha256(archive)]]);
  assert.deepEqual(events, [`import ${id}`]);
  assert.ok((await images.resolve("base")).snapshot);
  const bare = await images.import(source(), { target: "", message: "", changes: [], signal, platform: { os: "linux", architecture: "s390x" } });
  assert.deepEqual([(await images.get(bare)).repoTags, (await images.get(bare)).platform.architecture, (await images.get(bare)).comment], [[], "s390x", "Imported from -"]);
  const before = await leftOvers(core.root);
  const refused = (data: Buffer, options: object, message: RegExp) =>
    assert.rejects(images.import((async function* () { yield data; })(), { target: "z", message: "", changes: [], signal, ...options }), failure("invalid", message));
  await refused(Buffer.from("no archive ".repeat(200)), {}, /checksum/);
  await refused(Buffer.from([0x42, 0x5a, 0x68, 0x39, 0, 0, 0, 0, 0]), {}, /no valid bzip2 stream/);
  await refused(archive, { changes: ["ADD x y"] }, /add is not a valid change command/);
  await refused(archive, { target: "Bad" }, /lowercase/);
  assert.deepEqual(await leftOvers(core.root), before);
});

test("the built-in image is made once, again when its program changed, and never over a user's own", async (t) => {
  const { images } = await testImages(t);
  assert.equal(await images.addBuiltin("hello", "/bin/true"), true);
  const { id, config } = await images.get("hello:latest");
  assert.deepEqual(config["Cmd"], ["/hello"]);
  assert.equal(await images.addBuiltin("hello", "/bin/true"), false);
  assert.equal(await images.addBuiltin("hello", "/bin/false"), true);
  assert.notEqual((await images.get("hello")).id, id);
  assert.equal(images.count(), 2);
  await load(images, dockerArchive([{ tags: ["hello:latest"] }]));
  assert.equal(await images.addBuiltin("hello", "/bin/true"), false);
});

/** As a build tells of it: without layers, so that it can be made at any time. */
function foretold(name: string): { id: string; image: ForetoldImage } {
  const described = (mediaType: string, value: object) => {
    const text = JSON.stringify(value);
    return { text, descriptor: { mediaType, digest: sha256(text), size: text.length } };
  };
  const config = described(MEDIA.ociConfig, { architecture: "amd64", os: "linux", config: { Labels: { name } }, rootfs: { type: "layers", diff_ids: [] } });
  const manifest = described(MEDIA.ociManifest, { schemaVersion: 2, mediaType: MEDIA.ociManifest, config: config.descriptor, layers: [] });
  return { id: manifest.descriptor.digest, image: { manifest, config } };
}

test("an image that a build told of is made when it is asked for, and once it was removed not again", async (t) => {
  const all = await testImages(t);
  const { images } = all;
  for (const drop of [(id: string) => remove(all, id), () => images.prune(new Map())]) {
    const { id, image } = foretold(drop.toString());
    images.foretell(image);
    assert.equal((await images.get(id)).id, id);
    await drop(id);
    await assert.rejects(images.get(id), failure("not-found", /No such image/));
  }
});

test("of images that a build told of, so many characters are kept, the newest", async (t) => {
  const { images } = await testImages(t);
  const all = Array.from({ length: 40 }, (_, index) => foretold(String(index).padEnd(2 ** 20)));
  for (const { image } of all) images.foretell(image);
  assert.equal((await images.get(all.at(-1)!.id)).id, all.at(-1)!.id);
  await assert.rejects(images.get(all[0]!.id), failure("not-found", /No such image/));
});

for (const [pattern, yes, no] of [
  ["busybox", ["busybox"], ["busybox2", "a/busybox"]],
  ["*", ["busybox", ""], ["a/b"]],
  ["a*/?", ["abc/d", "a/x"], ["a/xy", "b/x"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "x"]],
  ["[^a]x", ["bx"], ["ax"]],
  ["[]]x", ["]x"], ["x"]],
  ["a\\*b", ["a*b"], ["axb"]],
  ["a.b", ["a.b"], ["axb"]],
  ["(a|b)+", ["(a|b)+"], ["a"]],
] as const) {
  test(`the pattern ${pattern}`, () => {
    const test = compilePattern(pattern);
    for (const text of yes) assert.ok(test.test(text), text);
    for (const text of no) assert.ok(!test.test(text), text);
  });
}
