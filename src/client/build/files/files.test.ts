/** A folder as the engine gets to know it: over a connection, by a client of Node's own kind of gRPC. */
import assert from "node:assert/strict";
import { linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { method, openGrpcClient } from "#base/grpc/grpc.ts";
import { METHODS, MODE, PACKET, packet, SYNC } from "#spec/buildkit/session.ts";
import type { Folder } from "../build.ts";
import { openConnection } from "../h2/connection.ts";
import { serveMethods } from "../rpc/serve.ts";
import { fileSync } from "./sync.ts";

const diffCopy = method(METHODS.fileSync, packet, packet);

type Wish = { readonly include?: readonly string[]; readonly exclude?: readonly string[]; readonly follow?: readonly string[]; readonly state?: string; readonly want?: boolean };
type Told = { readonly paths: string[]; readonly state: string; readonly bytes: Record<string, string>; readonly links: Record<string, string>; readonly modes: Record<string, number> };

/** Asks as the engine does, for everything, and for the bytes of all files if they are wanted. */
async function ask(folder: Folder, { include = [], exclude = [], follow = [], state = "", want = false }: Wish = {}): Promise<Told> {
  const [near, far] = duplexPair();
  openConnection(near, { role: "server", accept: serveMethods(new Map([[METHODS.fileSync, fileSync(new Map([["context", folder]]))]])) });
  const client = openGrpcClient(far);
  const metadata = { [SYNC.folder]: ["context"], [SYNC.include]: include, [SYNC.exclude]: exclude, [SYNC.follow]: follow, ...(state === "" ? {} : { [SYNC.state]: [state] }) };
  const call = client.stream(diffCopy, { metadata: Object.fromEntries(Object.entries(metadata).filter(([, values]) => values.length > 0)) });
  const told: Told = { paths: [], state: "", bytes: {}, links: {}, modes: {} };
  const asked = new Map<number, string>();
  try {
    for await (const { type, stat, id, data } of call.messages) {
      if (type === PACKET.error) throw new Error(data.toString());
      if (type === PACKET.stat && stat !== undefined) {
        if (want && (stat.mode & 0x8f280000) === 0) asked.set(told.paths.length, stat.path);
        told.paths.push(stat.path);
        told.modes[stat.path] = stat.mode;
        if (stat.linkname !== "") told.links[stat.path] = stat.linkname;
      } else if (type === PACKET.stat) {
        for (const place of asked.keys()) void call.send({ type: PACKET.request, id: place });
        if (asked.size === 0) void call.send({ type: PACKET.finish });
      } else if (type === PACKET.data) {
        const path = asked.get(id)!;
        told.bytes[path] = (told.bytes[path] ?? "") + data.toString();
        if (data.length === 0) asked.delete(id);
        if (data.length === 0 && asked.size === 0) void call.send({ type: PACKET.finish });
      } else if (type === PACKET.finish) call.end();
    }
    return { ...told, state: call.head(SYNC.state) ?? "" };
  } finally {
    client.close();
  }
}

function makeFolder(files: Readonly<Record<string, string>>): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync("/tmp/files-test-");
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(`${path}/${name}`), { recursive: true });
    writeFileSync(`${path}/${name}`, text);
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test("entries come in the order of paths, with kinds, links and bytes; sockets do not", async () => {
  using folder = makeFolder({ "b/c.txt": "c", "b-x": "x", "a.txt": "a".repeat(600_000), "ü/ö": "umlaut" });
  symlinkSync("../nowhere", `${folder.path}/b/link`);
  linkSync(`${folder.path}/a.txt`, `${folder.path}/z`);
  const server = createServer().listen(`${folder.path}/socket`);
  await new Promise((resolve) => server.once("listening", resolve));
  const told = await ask({ path: folder.path }, { want: true });
  server.close();
  assert.deepEqual(told.paths, ["a.txt", "b", "b/c.txt", "b/link", "b-x", "z", "ü", "ü/ö"]);
  assert.deepEqual(told.links, { "b/link": "../nowhere", z: "a.txt" });
  assert.deepEqual(told.bytes, { "a.txt": "a".repeat(600_000), "b/c.txt": "c", "b-x": "x", z: "a".repeat(600_000), "ü/ö": "umlaut" });
  assert.equal(told.modes["b"]! >>> 0, MODE.directory + 0o755);
  assert.equal(told.modes["b/link"]! & MODE.symlink, MODE.symlink);
});

const tree = { "src/a.c": "", "src/lib/b.c": "", "docs/x.md": "", "docs/keep/y.md": "", Dockerfile: "", ".dockerignore": "" };
const selections: readonly (readonly [name: string, wish: Wish, paths: readonly string[]])[] = [
  ["everything", {}, [".dockerignore", "Dockerfile", "docs", "docs/keep", "docs/keep/y.md", "docs/x.md", "src", "src/a.c", "src/lib", "src/lib/b.c"]],
  ["what is included brings its folders along", { include: ["src/lib"] }, ["src", "src/lib", "src/lib/b.c"]],
  ["excluded folders are gone with all that is in them", { exclude: ["docs", "src/*.c"] }, [".dockerignore", "Dockerfile", "src", "src/lib", "src/lib/b.c"]],
  ["an exception is found in an excluded folder", { exclude: ["docs", "!docs/keep", "src", "Docker*"] }, [".dockerignore", "docs", "docs/keep", "docs/keep/y.md"]],
  ["included and excluded is excluded", { include: ["docs"], exclude: ["**/y.md"] }, ["docs", "docs/keep", "docs/x.md"]],
  ["nothing", { include: ["nowhere"] }, []],
  ["what is followed is included", { follow: ["Dockerfile", ".dockerignore"] }, [".dockerignore", "Dockerfile"]],
  ["the folder itself is everything", { follow: ["."], exclude: ["src", "docs"] }, [".dockerignore", "Dockerfile"]],
];
for (const [name, wish, paths] of selections) {
  test(`selections: ${name}`, async () => {
    using folder = makeFolder(tree);
    assert.deepEqual((await ask({ path: folder.path }, wish)).paths, paths);
  });
}

test("links among what is followed: what they lead to comes with them, and nothing from outside", async () => {
  using folder = makeFolder({ "real/f": "f", other: "" });
  symlinkSync("real", `${folder.path}/l1`);
  symlinkSync("/l1/f", `${folder.path}/l2`);
  symlinkSync("../../../etc/passwd", `${folder.path}/out`);
  symlinkSync("round", `${folder.path}/round`);
  assert.deepEqual((await ask({ path: folder.path }, { follow: ["l2"] })).paths, ["l1", "l2", "real", "real/f"]);
  assert.deepEqual((await ask({ path: folder.path }, { follow: ["out", "round"] })).paths, ["out", "round"]);
  assert.deepEqual((await ask({ path: folder.path }, { follow: ["l*"] })).paths, ["l1", "l2", "real", "real/f"]);
});

function rewrite(path: string, text: string): void {
  const before = lstatSync(path).ctimeMs;
  while (lstatSync(path).ctimeMs === before) writeFileSync(path, text);
  utimesSync(path, 1, 1);
}

test("who knows the state by its name is told nothing more; any change is another name", async () => {
  using folder = makeFolder({ "a/b": "1", c: "2" });
  const name = async () => (await ask({ path: folder.path })).state;
  const first = await name();
  assert.match(first, /^[0-9a-f]{16}$/);
  assert.equal(await name(), first);
  const known = await ask({ path: folder.path }, { state: first });
  assert.deepEqual([known.paths, known.state], [[], first]);
  const seen = new Set([first]);
  const changes: (() => void)[] = [
    () => writeFileSync(`${folder.path}/c`, "3"),
    // The same length and the same time as before: the kernel knows better, by its own clock's ticks.
    () => rewrite(`${folder.path}/c`, "4"),
    () => rewrite(`${folder.path}/c`, "5"),
    () => symlinkSync("c", `${folder.path}/d`),
    () => (unlinkSync(`${folder.path}/d`), symlinkSync("a", `${folder.path}/d`)),
  ];
  for (const change of changes) {
    change();
    seen.add(await name());
  }
  assert.equal(seen.size, changes.length + 1);
  unlinkSync(`${folder.path}/d`);
  const other = await ask({ path: folder.path }, { state: first });
  assert.deepEqual(other.paths, ["a", "a/b", "c"]);
});

test("a file that is gone, or has become a link, by the time it is asked for has no bytes", async () => {
  using folder = makeFolder({ a: "secret", b: "b" });
  const [near, far] = duplexPair();
  openConnection(near, { role: "server", accept: serveMethods(new Map([[METHODS.fileSync, fileSync(new Map([["", { path: folder.path }]]))]])) });
  const client = openGrpcClient(far);
  const call = client.stream(diffCopy);
  const got: string[] = [];
  let ends = 0;
  for await (const { type, stat, data } of call.messages) {
    if (type === PACKET.stat && stat === undefined) {
      rmSync(`${folder.path}/a`);
      symlinkSync("/etc/passwd", `${folder.path}/a`);
      unlinkSync(`${folder.path}/b`);
      void call.send({ type: PACKET.request, id: 0 });
      void call.send({ type: PACKET.request, id: 1 });
    } else if (type === PACKET.data) {
      got.push(data.toString());
      if (data.length === 0 && ++ends === 2) void call.send({ type: PACKET.finish });
    } else if (type === PACKET.finish) call.end();
  }
  client.close();
  assert.deepEqual(got, ["", ""]);
});

test("a file in memory; a folder that was not offered; a place that is no file", async () => {
  const memory = await ask({ files: new Map([["Dockerfile", Buffer.from("FROM scratch\n")], ["other", Buffer.from("x")]]) }, { follow: ["Dockerfile"], want: true });
  assert.deepEqual(memory.bytes, { Dockerfile: "FROM scratch\n" });
  const state = async (text: string) => (await ask({ files: new Map([["Dockerfile", Buffer.from(text)]]) })).state;
  assert.notEqual(await state("FROM a\n"), await state("FROM b\n"));
  const [near, far] = duplexPair();
  openConnection(near, { role: "server", accept: serveMethods(new Map([[METHODS.fileSync, fileSync(new Map([["context", { path: "/proc/self" }]]))]])) });
  const client = openGrpcClient(far);
  const none = client.stream(diffCopy, { metadata: { [SYNC.folder]: ["/etc"] } });
  await assert.rejects(async () => { for await (const _ of none.messages); }, /no access allowed to dir "\/etc"/);
  client.close();
});
