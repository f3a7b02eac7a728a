/** The S3 driver against a real server. Large objects are the driver's own subject: the suite knows small ones only. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { join } from "node:path";
import { after, test } from "node:test";
import { s3Program, startS3, type S3Server } from "../../../test/fixtures/s3-server.ts";
import { openS3Client } from "./s3-client.ts";
import { listObjects } from "./s3-list.ts";
import { findList, finishDeletes } from "./s3-segments.ts";
import { openS3Storage, parseS3Address } from "./s3.ts";
import { storageSuite } from "./storage-suite.ts";
import type { Storage } from "./storage.ts";

const program = s3Program();
if ("missing" in program) test("s3", { skip: program.missing }, () => {});
else await tests(await startS3(program.path));

async function tests(server: S3Server): Promise<void> {
  after(() => server[Symbol.asyncDispose]());
  const environment = { AWS_ACCESS_KEY_ID: server.accessKeyId, AWS_SECRET_ACCESS_KEY: server.secretAccessKey };
  let count = 0;
  const settingsOf = (prefix: string) => parseS3Address(`s3://${server.bucket}/${prefix}?endpoint=${server.endpoint}`, environment);
  const open = async (prefix = `t${++count}`) => await openS3Storage(await settingsOf(prefix));
  const keysIn = async (prefix: string) => {
    const client = openS3Client(await settingsOf(prefix));
    const found = await Array.fromAsync(listObjects(client, ""), ({ key }) => key);
    client.close();
    return found;
  };

  const unfinishedIn = async (prefix: string) => {
    const client = openS3Client(await settingsOf(prefix));
    const { body } = await client.call({ method: "GET", query: { uploads: "", prefix: client.full("segments/") } });
    client.close();
    return body.split("<Upload>").length - 1;
  };

  storageSuite("s3", () => open(), undefined, { folderOrder: true });

  const size = 20 * 2 ** 20 + 12_345;
  const bytes = randomBytes(size);

  test("s3: a large object is not copied: it is its segments, and goes with them", async () => {
    const prefix = `t${++count}`;
    await using storage = await open(prefix);
    await putLarge(storage, "blobs/sha256/large", bytes);
    const { size: found } = (await storage.stat("blobs/sha256/large"))!;
    assert.equal(found, size);
    assert.equal(await hashOf(storage, "blobs/sha256/large"), sha256(bytes));
    for (const [start, end] of [[0, 1], [size - 1, size], [9_000_000, 19_000_000]] as const) {
      const object = (await storage.get("blobs/sha256/large", { start, end }))!;
      assert.equal(object.size, size);
      assert.equal(sha256(Buffer.concat(await Array.fromAsync(object.stream))), sha256(bytes.subarray(start, end)));
    }
    assert.deepEqual((await keysIn(prefix)).filter((key) => key.startsWith("segments/")).length, 3);
    assert.equal(await storage.renew("blobs/sha256/large"), true);
    assert.equal(await storage.move("blobs/sha256/large", "trash/large"), true);
    assert.equal(await storage.stat("blobs/sha256/large"), undefined);
    assert.equal(await hashOf(storage, "trash/large"), sha256(bytes));
    await storage.delete("trash/large");
    assert.deepEqual(await keysIn(prefix), ["gantry-registry"]);
  });

  test("s3: of a large object that a crash left at two keys, either may be deleted", async () => {
    const prefix = `t${++count}`;
    await using storage = await open(prefix);
    await putLarge(storage, "blobs/sha256/large", bytes);
    const client = openS3Client(await settingsOf(prefix));
    assert.equal(await client.copy("blobs/sha256/large", "trash/large"), true);
    client.close();
    // What move does before it takes the old list away.
    assert.equal(await storage.move("trash/large", "trash/two"), true);
    await storage.delete("trash/two");
    assert.equal(await hashOf(storage, "blobs/sha256/large"), sha256(bytes));
    await storage.delete("blobs/sha256/large");
    assert.deepEqual(await keysIn(prefix), ["gantry-registry"]);
  });

  test("s3: a delete that a crash cut short is finished, and one that had not begun is not", async () => {
    const prefix = `t${++count}`;
    await using storage = await open(prefix);
    const client = openS3Client(await settingsOf(prefix));
    await putLarge(storage, "blobs/sha256/large", bytes);
    const list = (await findList(client, "blobs/sha256/large"))!;
    const dying = { method: "PUT", key: `dying/${list.id}`, body: [Buffer.from(JSON.stringify(list))] } as const;
    await client.call(dying);
    await finishDeletes(client, -1000);
    assert.equal(await hashOf(storage, "blobs/sha256/large"), sha256(bytes));
    await client.call(dying);
    await client.call({ method: "DELETE", key: "blobs/sha256/large" });
    await finishDeletes(client, 3_600_000);
    assert.equal((await keysIn(prefix)).length, 5, "it may be under way");
    await finishDeletes(client, -1000);
    client.close();
    assert.deepEqual(await keysIn(prefix), ["gantry-registry"]);
  });

  test("s3: an upload that another instance goes on with; what was begun and not finished is cleared away", async () => {
    const prefix = `t${++count}`;
    await using one = await open(prefix);
    await using two = await open(prefix);
    const first = (await one.upload("uploads/1", { create: true }))!;
    await first.append(pieces(bytes.subarray(0, 10_000_000)));
    await first.release();
    const client = openS3Client(await settingsOf(prefix));
    const [, folder] = (await keysIn(prefix)).find((key) => key.startsWith("segments/"))!.split("/");
    await client.call({ method: "POST", key: `segments/${folder}/0000000010000000`, query: { uploads: "" } });
    const second = (await two.upload("uploads/1"))!;
    assert.equal(second.size, 10_000_000);
    await second.append(pieces(bytes.subarray(10_000_000)));
    await second.commit("blobs/sha256/large");
    assert.equal(await hashOf(one, "blobs/sha256/large"), sha256(bytes));
    client.close();
    assert.equal(await unfinishedIn(prefix), 0);
  });

  test("s3: of two instances that go on with the same upload one fails, and nothing is mixed", async () => {
    await using one = await open(`t${++count}`);
    await using two = await open(`t${count}`);
    const first = (await one.upload("uploads/1", { create: true }))!;
    const second = (await two.upload("uploads/1"))!;
    const results = await Promise.allSettled([first.append(pieces(Buffer.alloc(1000, "a"))), second.append(pieces(Buffer.alloc(2000, "b")))]);
    assert.deepEqual(results.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    const third = (await (await open(`t${count}`)).upload("uploads/1"))!;
    assert.equal(new Set((await Array.fromAsync(third.read())).flatMap((chunk) => [...chunk])).size, 1);
  });

  test("s3: the API's workflows, on a bucket", async () => {
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const env = { ...inherited, ...environment, GANTRY_TEST_S3: `s3://${server.bucket}?endpoint=${server.endpoint}` };
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--test", "--test-reporter=tap", join(import.meta.dirname, "../api/conformance.test.ts")], { env, stdio: ["ignore", "pipe", "inherit"] });
    const output = (await child.stdout.setEncoding("utf8").toArray()).join("");
    assert.match(output, /^# pass [1-9]\d*$/m, output);
    assert.match(output, /^# fail 0$/m, output);
  });

  test("s3: answers that are cut, lost or late change nothing of what is stored", async () => {
    await using tap = await openTap(server.endpoint);
    const prefix = `t${++count}`;
    await using storage = await openS3Storage(await parseS3Address(`s3://${server.bucket}/${prefix}?endpoint=${tap.endpoint}`, environment));
    tap.trouble = (request) => (request.method === "GET" ? undefined : "lost");
    assert.equal(await storage.put("a/once", Buffer.from("one"), { ifAbsent: true }), true, "it was ours, though the answer was lost");
    assert.equal(await storage.put("a/once", Buffer.from("two"), { ifAbsent: true }), false);
    const upload = (await storage.upload("uploads/large", { create: true }))!;
    await upload.append(pieces(bytes.subarray(0, 1000)));
    await upload.append(pieces(bytes.subarray(1000)));
    await upload.commit("blobs/sha256/large");
    assert.ok(tap.counts.lost > 10);
    assert.equal(await unfinishedIn(prefix), 0);
    tap.trouble = (request) => (request.headers.range === undefined || request.method === "HEAD" ? undefined : "cut");
    assert.equal(await hashOf(storage, "blobs/sha256/large"), sha256(bytes));
    assert.ok(tap.counts.cut >= 1);
    tap.trouble = () => "busy";
    assert.equal(String(await storage.read("a/once")), "one");
    await storage.delete("blobs/sha256/large");
    assert.ok(tap.counts.busy > 3);
    assert.deepEqual((await keysIn(prefix)).filter((key) => key.startsWith("segments/") || key.startsWith("blobs/")), []);
  });

  test("s3: a wrong secret is refused by the server, with its code", async () => {
    const settings = await parseS3Address(`s3://${server.bucket}/x?endpoint=${server.endpoint}`, { ...environment, AWS_SECRET_ACCESS_KEY: "wrong" });
    await assert.rejects(openS3Storage(settings), /403 .*SignatureDoesNotMatch/);
  });
}

type Trouble = "lost" | "cut" | "busy";
type Tap = AsyncDisposable & { readonly endpoint: string; trouble: (request: IncomingMessage) => Trouble | undefined; readonly counts: Record<Trouble, number> };

/** Every request meets its trouble once: the answer is lost after the request was carried out, or cut in its middle, or is a 503. */
async function openTap(endpoint: string): Promise<Tap> {
  const met = new Set<string>();
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const body = Buffer.concat(await incoming.toArray());
    const name = `${incoming.method} ${incoming.url} ${incoming.headers["if-none-match"] ?? ""}`;
    const wanted = tap.trouble(incoming);
    const trouble = wanted === undefined || met.has(`${wanted} ${name}`) ? undefined : wanted;
    if (trouble !== undefined) {
      met.add(`${trouble} ${name}`);
      tap.counts[trouble]++;
    }
    if (trouble === "busy") return void outgoing.writeHead(503).end("<Error><Code>SlowDown</Code></Error>");
    const passed = request(`${endpoint}${incoming.url}`, { method: incoming.method!, headers: incoming.headers }, async (answer) => {
      const chunks = Buffer.concat(await answer.toArray());
      if (trouble === "lost") return void outgoing.destroy();
      outgoing.writeHead(answer.statusCode!, answer.headers);
      if (trouble !== "cut") return void outgoing.end(chunks);
      outgoing.write(chunks.subarray(0, chunks.length >> 1), () => outgoing.destroy());
    });
    passed.on("error", () => outgoing.destroy()).end(body);
  };
  const listener = createServer((incoming, outgoing) => void serve(incoming, outgoing)).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const tap: Tap = {
    endpoint: `http://127.0.0.1:${(listener.address() as { port: number }).port}`,
    trouble: () => undefined,
    counts: { lost: 0, cut: 0, busy: 0 },
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections();
      listener.close();
    },
  };
  return tap;
}

async function putLarge(storage: Storage, key: string, bytes: Buffer): Promise<void> {
  const upload = (await storage.upload("uploads/large", { create: true }))!;
  await upload.append(pieces(bytes.subarray(0, 1000)));
  await upload.append(pieces(bytes.subarray(1000, 9_000_000)));
  await upload.append(pieces(bytes.subarray(9_000_000)));
  await upload.commit(key);
}

async function hashOf(storage: Storage, key: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of (await storage.get(key))!.stream) hash.update(chunk);
  return hash.digest("hex");
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
