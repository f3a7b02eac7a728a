/** BLD: what a client of BuildKit's doors may send that means harm. Each ends in an error or in nothing; the engine goes on, no larger. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { connect, type Socket } from "node:net";
import { kindOf } from "#base/errors.ts";
import { method, openGrpcClient } from "#base/grpc/grpc.ts";
import { bytes, message } from "#base/protobuf.ts";
import { type In } from "#base/protobuf.ts";
import { CONTROL, type solveRequest } from "#spec/buildkit/control.ts";
import { MODE, PACKET, type stat, SESSION } from "#spec/buildkit/session.ts";
import { openBuildKitClient, solve, status, type SyncCall, upgrade } from "../fixtures/buildkit-client.ts";
import { attacks, type Scene } from "./attack.ts";

const { attack } = attacks("BLD");

const open = ({ engine }: Scene, dockerfile: string, options = {}) => openBuildKitClient(engine.place.socket, { folders: { dockerfile: { Dockerfile: dockerfile }, context: {} }, ...options });

async function refused(scene: Scene, request: In<typeof solveRequest>, expected: RegExp, dockerfile = "FROM box\n"): Promise<void> {
  await using client = await open(scene, dockerfile);
  await assert.rejects(client.solve(request), (error: Error) => expected.test(error.message) || assert.fail(error.message));
}

attack("BLD-03 what is not known is no permission: networks, entitlements, --security by words and numbers", async (scene) => {
  for (const mode of ["-1", "2", "99", "insecure", "HOST"]) await refused(scene, { frontendAttrs: { "force-network-mode": mode } }, /invalid network mode/);
  for (const name of ["-1", "2", "99", "security", "network.HOST"]) await refused(scene, { entitlements: [name] }, /invalid entitlement/);
  for (const security of ["-1", "2", "99", "Insecure", "none"]) await refused(scene, { exporters: [] }, /security|unknown|invalid/i, `FROM box\nRUN --security=${security} true\n`);
  await refused(scene, {}, /security\.insecure|not allowed/, "# syntax=docker/dockerfile:1-labs\nFROM box\nRUN --security=insecure true\n");
  await refused(scene, { frontendAttrs: { "force-network-mode": "host" } }, /network\.host|not allowed/, "FROM box\nRUN true\n");
});

attack("BLD-04 graphs of a client's own are not even read", async (scene) => {
  await refused(scene, { frontend: "", definition: { def: [randomBytes(100)] } }, /graph of instructions/);
  await refused(scene, { definition: { def: Array.from({ length: 10_000 }, () => Buffer.alloc(3)) } }, /graph of instructions/);
  await refused(scene, { frontendInputs: { a: { def: [Buffer.from([0xff])] } } }, /graph of instructions/);
  await refused(scene, { frontend: "gateway.v0", frontendAttrs: { source: "evil/frontend" } }, /frontends in images are not run/);
});

/** Instead of what is in the folder. */
const lying = (entries: readonly In<typeof stat>[]) => async ({ metadata, messages, send }: SyncCall): Promise<void> => {
  const isContext = metadata["dir-name"]?.[0] === "context";
  const dockerfile = Buffer.from("FROM scratch\nCOPY . /\n");
  const stats = isContext ? entries : [{ path: "Dockerfile", mode: 0o644, size: dockerfile.length, modTime: 1n }];
  for (const one of stats) await send({ type: PACKET.stat, stat: one });
  await send({ type: PACKET.stat });
  for await (const { type, id } of messages) {
    if (type === PACKET.finish) return await send({ type: PACKET.finish });
    if (type !== PACKET.request) return;
    await send({ type: PACKET.data, id, data: isContext ? Buffer.from("owned") : dockerfile });
    await send({ type: PACKET.data, id });
  }
};

attack("BLD-09 names of files that lead out of the context", async (scene) => {
  const file = (path: string, more: In<typeof stat> = {}) => ({ path, mode: 0o644, size: 5, modTime: 1n, ...more });
  const folder = (path: string) => ({ path, mode: (MODE.directory | 0o755) >>> 0, modTime: 1n });
  const link = (path: string, linkname: string) => ({ path, mode: (MODE.symlink | 0o777) >>> 0, linkname, modTime: 1n });
  const hostile: readonly (readonly In<typeof stat>[])[] = [
    [file("../x")], [file("/etc/x")], [file("a/../../x")], [file("a/./b")], [file("")], [file(".")], [file("..")], [file("a//b")], [file("a\0b")],
    [file("a"), file("a")], [file("a/b")], [file("a"), file("a/b")],
    [link("a", scene.canary), file("a/file")],
    [file("a", { linkname: "../../etc/passwd" })], [file("a", { linkname: scene.canary })], [folder("a"), file("b", { linkname: "a" })],
    [file("x".repeat(5000))],
  ];
  for (const entries of hostile) {
    await using client = await openBuildKitClient(scene.engine.place.socket, { sync: lying(entries) });
    await assert.rejects(client.solve({}), (error: Error) => kindOf(error) === "internal" || assert.fail(`${JSON.stringify(entries, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value)).slice(0, 200)}: ${error.message}`));
  }
  // A link that leads out is a link of the image's own.
  await using client = await openBuildKitClient(scene.engine.place.socket, { sync: lying([link("out", scene.canary), file("z")]) });
  await client.solve({ exporters: [{ type: "image", attrs: { name: "linked" } }] });
});

attack("BLD-09 data that was not asked for, entries after the last, packets of no kind", async ({ engine }) => {
  const stories: readonly ((call: SyncCall) => Promise<void>)[] = [
    async ({ send }) => send({ type: PACKET.data, id: 7, data: Buffer.from("x") }),
    async ({ send }) => {
      await send({ type: PACKET.stat });
      await send({ type: PACKET.stat, stat: { path: "late" } });
    },
    async ({ send }) => send({ type: 99 }),
    async ({ send }) => send({ type: PACKET.finish }),
    async ({ send }) => send({ type: PACKET.error, data: Buffer.from("no") }),
    async () => {},
  ];
  for (const sync of stories) {
    await using client = await openBuildKitClient(engine.place.socket, { sync });
    await assert.rejects(client.solve({}));
  }
});

attack("BLD-15 what is no protobuf, too long, or half of something, on both doors", async ({ engine }) => {
  const before = residentMiB(engine.pid);
  const raw = method(`${CONTROL}/Solve`, message("Garbage", { all: bytes(15) }), message("Nothing", {}));
  const connection = await upgrade(engine.place.socket, "/grpc", {});
  const client = openGrpcClient(connection);
  for (let round = 0; round < 100; round++) await assert.rejects(client.unary(raw, { all: randomBytes(round * 3) }), `${round}`);
  for (const path of ["/x", "/moby.buildkit.v1.Control/Nope", "/moby.buildkit.v1.frontend.LLBBridge/Solve", "/moby.buildkit.v1.Control/Session"]) await assert.rejects(client.unary(method(path, raw.request, raw.response), {}), path);
  await assert.rejects(client.unary(solve, { frontendAttrs: { a: "x".repeat(20 * 2 ** 20) } }), (error) => kindOf(error) === "exhausted");
  await assert.rejects(client.unary(solve, { ref: "../x", frontend: "dockerfile.v0" }), /invalid build reference/);
  // Streams that are begun and go no further, and such that are given up at once.
  for (let at = 0; at < 60; at++) client.stream(solve);
  for (let at = 0; at < 500; at++) client.stream(status).cancel();
  client.close();
  for (const path of ["/grpc", "/session"]) {
    for (const garbage of [randomBytes(5000), Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]), randomBytes(70_000)])]) {
      const session = randomBytes(8).toString("hex");
      const broken = await upgrade(engine.place.socket, path, { [SESSION.id]: session });
      broken.resume();
      broken.write(garbage);
      await pause(20);
      broken.destroy();
    }
  }
  await assert.rejects(upgrade(engine.place.socket, "/session", {}), /400/);
  await assert.rejects(upgrade(engine.place.socket, "/session", { [SESSION.id]: "../../x" }), /400/);
  await assert.rejects(upgrade(engine.place.socket, "/session", { [SESSION.id]: "x".repeat(200) }), /400/);
  assert.equal((await engine.api("POST", "/grpc")).status, 400);
  assert.ok(residentMiB(engine.pid) < before + 150, `from ${before} MiB to ${residentMiB(engine.pid)}`);
});

attack("BLD-15 output that its client does not read: the step waits, the engine stays small, and all goes on without that client", async (scene) => {
  await using client = await open(scene, "FROM box\nRUN yes 0123456789012345678901234567890123456789 | head -c 100000000\n");
  const before = residentMiB(scene.engine.pid);
  const ref = randomBytes(8).toString("hex");
  // Asked for, and never read: on a connection of its own, whose windows are full then.
  const deaf = openGrpcClient(await upgrade(scene.engine.place.socket, "/grpc", {}));
  const call = deaf.stream(status);
  void call.send({ ref });
  const solving = client.solve({ ref });
  await pause(1000);
  assert.equal((await scene.engine.api("GET", "/_ping")).status, 200);
  deaf.close();
  await solving;
  const after = residentMiB(scene.engine.pid);
  assert.ok(after < before + 200, `from ${before} MiB to ${after}`);
});

attack("BLD-15 a client that opens a session, is asked, and never answers: its build ends with it", async ({ engine }) => {
  const session = randomBytes(8).toString("hex");
  const silent = (await upgrade(engine.place.socket, "/session", { [SESSION.id]: session, [SESSION.method]: ["/moby.filesync.v1.FileSync/DiffCopy"] })) as Socket;
  silent.resume();
  const client = openGrpcClient(await upgrade(engine.place.socket, "/grpc", {}));
  const answer = client.unary(solve, { ref: randomBytes(8).toString("hex"), session, frontend: "dockerfile.v0" });
  answer.catch(() => {});
  await once(silent, "data").catch(() => {});
  silent.destroy();
  await assert.rejects(answer);
  client.close();
});

attack("BLD-15 connections that are cut anywhere: in the head, in what comes right behind it, in an exchange", async ({ engine }) => {
  const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
  const head = (path: string, session: string) => Buffer.from(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${SESSION.id}: ${session}\r\n\r\n`);
  await Promise.all(Array.from({ length: 200 }, async (_, at) => {
    const socket = connect(engine.place.socket);
    socket.on("error", () => {});
    socket.resume();
    await once(socket, "connect");
    const all = Buffer.concat([head(at % 2 === 0 ? "/grpc" : "/session", `cut${at}`), preface, at % 3 === 0 ? preface : randomBytes(at)]);
    const sent = all.subarray(0, Math.floor((all.length * (at + 1)) / 200));
    if (at % 4 === 0) socket.end(sent);
    else socket.write(sent);
    await pause(at % 20);
    socket.destroy();
  }));
  const broken = await Promise.all(Array.from({ length: 20 }, (_, at) => upgrade(engine.place.socket, "/grpc", {}).then((socket) => (socket.write(preface.subarray(0, at + 10)), socket.destroy()))));
  assert.equal(broken.length, 20);
});

attack("BLD-15 HTTP/2 of random frames on both doors", async ({ engine }) => {
  let seed = 7;
  const random = (below: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % below;
  const before = residentMiB(engine.pid);
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 15 }, async (_, at) => {
      const socket = at % 3 === 0 ? connect(engine.place.socket) : await upgrade(engine.place.socket, at % 3 === 1 ? "/grpc" : "/session", { [SESSION.id]: `frames${round}x${at}` });
      socket.on("error", () => {});
      socket.resume();
      socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, Buffer.alloc(0))]));
      for (let sent = 0, stream = 1; sent < 25; sent++, stream += 2) {
        const kind = random(6);
        if (kind < 3) socket.write(Buffer.concat([frame(1, 4, stream, callHead(PATHS[random(PATHS.length)]!)), frame(0, random(2), stream, Buffer.concat([Buffer.from([0, 0, 0, 0, 40]), randomBytes(40)]))]));
        else if (kind === 3) socket.write(frame(3, 0, Math.max(1, stream - 2), Buffer.from([0, 0, 0, random(14)])));
        else socket.write(frame(random(12), random(256), random(10), randomBytes(random(50))));
      }
      await pause(random(10));
      socket.destroy();
    }));
  }
  assert.ok(residentMiB(engine.pid) < before + 150, `from ${before} MiB to ${residentMiB(engine.pid)}`);
});

const PATHS = ["Solve", "Status", "Session", "Info", "DiskUsage", "ListenBuildHistory", "ListWorkers"].map((name) => `${CONTROL}/${name}`);

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK without compression: POST, http, and three literals. */
function callHead(path: string): Buffer {
  const literal = (name: string, value: string) => Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat([Buffer.from([0x83, 0x86]), literal(":path", path), literal(":authority", "x"), literal("content-type", "application/grpc")]);
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
