/** What the engine may ask of us besides files, over a connection; and what it is not given. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { duplexPair } from "node:stream";
import { after, test } from "node:test";
import { sha256 } from "#base/digest.ts";
import { fail } from "#base/errors.ts";
import { frame, HEADROOM } from "#base/grpc/frames.ts";
import { type GrpcClient, method, openGrpcClient } from "#base/grpc/grpc.ts";
import { CONTENT, CONTENT_STORE, infoRequest, infoResponse, readRequest, readResponse, WRITE, writeRequest, writeResponse } from "#spec/buildkit/content.ts";
import { bytesMessage, METHODS, MODE, PACKET, packet, secretRequest, secretResponse } from "#spec/buildkit/session.ts";
import { fileSend } from "../export/receive.ts";
import { openConnection } from "../h2/connection.ts";
import { type Method, serveMethods } from "../rpc/serve.ts";
import { forwardAgent, readRequests } from "./agents.ts";
import { contentMethods } from "./content.ts";
import { serveSecrets } from "./secrets.ts";
import { serveUploads } from "./upload.ts";

const root = mkdtempSync("/tmp/attach-test-");
after(() => rmSync(root, { recursive: true }));

async function asking<T>(methods: Iterable<readonly [string, Method]>, act: (client: GrpcClient) => Promise<T>): Promise<T> {
  const [near, far] = duplexPair();
  openConnection(near, { role: "server", accept: serveMethods(new Map(methods)) });
  const client = openGrpcClient(far);
  try {
    return await act(client);
  } finally {
    client.close();
  }
}

test("secrets: only those that were named, read when they are asked for", async () => {
  const getSecret = method(METHODS.secret, secretRequest, secretResponse);
  const secrets = new Map([["f", { file: `${root}/secret` }], ["e", { env: "E" }], ["big", { file: `${root}/big` }], ["endless", { file: "/dev/zero" }]]);
  writeFileSync(`${root}/secret`, "before");
  writeFileSync(`${root}/big`, Buffer.alloc(600 * 1024));
  await asking([[METHODS.secret, serveSecrets(secrets, { E: "value", OTHER: "not this" })]], async (client) => {
    writeFileSync(`${root}/secret`, "now");
    const ask = async (id: string) => (await client.unary(getSecret, { id })).data.toString();
    assert.deepEqual([await ask("f"), await ask("e")], ["now", "value"]);
    for (const id of ["OTHER", `${root}/secret`, "/etc/passwd", ""]) await assert.rejects(ask(id), { kind: "not-found" }, id);
    for (const id of ["big", "endless"]) await assert.rejects(ask(id), /invalid secret size/, id);
    await assert.rejects(client.unary(method("/x.Y/Z", secretRequest, secretResponse), {}), { kind: "not-implemented" });
  });
});

test("ssh agents: keys are listed and used; nothing is added, removed or locked", () => {
  const passed: number[] = [];
  const answered: string[] = [];
  const feed = readRequests((request) => void passed.push(request[4]!), (response) => void answered.push(response.toString("hex")));
  const request = (type: number, body = Buffer.alloc(0)) => Buffer.concat([Buffer.from([0, 0, 0, body.length + 1, type]), body]);
  const all = Buffer.concat([request(11), request(17, Buffer.from("key")), request(13, Buffer.from("sign")), request(19), request(22), request(27)]);
  for (const byte of all) feed(Buffer.from([byte]));
  assert.deepEqual(passed, [11, 13]);
  assert.deepEqual(answered, Array<string>(4).fill("0000000105"));
  assert.throws(() => feed(Buffer.from("ffffffff0b", "hex")), /too long/);
});

test("what came before a method asks for it is dealt with before its end is told", async () => {
  let dealt = 0;
  const late: Method = async (call) => {
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    await call.receive(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      dealt++;
    });
    call.send(frame(bytesMessage.encode({ data: Buffer.from(String(dealt)) }, HEADROOM)));
  };
  await asking([["/x.Y/Z", late]], async (client) => {
    const call = client.stream(method("/x.Y/Z", bytesMessage, bytesMessage));
    for (let at = 0; at < 3; at++) void call.send({ data: Buffer.from("x") });
    call.end();
    for await (const { data } of call.messages) assert.equal(data.toString(), "3");
  });
  assert.equal(dealt, 3);
});

test("what a method has begun and left hears that its call is over", async () => {
  const signals: AbortSignal[] = [];
  const leave = (error?: Error): Method => async (call) => {
    signals.push(call.signal);
    await call.receive(() => {});
    if (error !== undefined) throw error;
  };
  await asking([["/x.Y/Good", leave()], ["/x.Y/Bad", leave(fail("invalid", "no"))]], async (client) => {
    for (const name of ["Good", "Bad"]) await client.unary(method(`/x.Y/${name}`, bytesMessage, bytesMessage), {}).catch(() => {});
  });
  assert.deepEqual(signals.map(({ aborted, reason }) => [aborted, String(reason)]), Array(2).fill([true, "Failure: the call is over"]));
});

test("an archive from standard input is given away once", async () => {
  const pull = method(METHODS.pull, bytesMessage, bytesMessage);
  async function* archive() {
    for (let piece = 0; piece < 20; piece++) yield Buffer.alloc(100_000, piece);
  }
  await asking([[METHODS.pull, serveUploads(new Map([["id", archive()]]))]], async (client) => {
    const take = async (path: string) => {
      let size = 0;
      for await (const { data } of client.stream(pull, { metadata: { urlpath: [path] } }).messages) size += data.length;
      return size;
    };
    await assert.rejects(take("/other"), { kind: "not-found" });
    assert.equal(await take("/id"), 2_000_000);
    await assert.rejects(take("/id"), { kind: "not-found" });
  });
});

for (const isAsync of [false, true]) {
  test(`a message that is refused ${isAsync ? "after a while" : "at once"} is the last that is looked at, and the caller is told`, async () => {
    const echo = method("/x.Y/Z", bytesMessage, bytesMessage);
    const taken: string[] = [];
    const take = (message: Buffer) => {
      taken.push(bytesMessage.decode(message).data.toString());
      if (taken.length === 2) throw fail("invalid", "no more of it");
    };
    await asking([["/x.Y/Z", (call) => call.receive(isAsync ? async (message) => take(message) : take)]], async (client) => {
      const call = client.stream(echo);
      for (const word of ["1", "2", "3", "4"]) void call.send({ data: Buffer.from(word) });
      call.end();
      await assert.rejects(async () => {
        for await (const _ of call.messages);
      }, { kind: "invalid", message: "no more of it" });
    });
    assert.deepEqual(taken, ["1", "2"]);
  });
}

type Sent = { readonly path: string; readonly mode?: number; readonly linkname?: string; readonly bytes?: string };

/** Sends a folder as exporters do. */
async function sendFolder(target: string, entries: readonly Sent[]): Promise<void> {
  await asking([[METHODS.fileSend, fileSend([{ kind: "folder", path: target }])]], async (client) => {
    const call = client.stream(method(METHODS.fileSend, packet, packet));
    for (const { path, mode = 0o644, linkname = "", bytes = "" } of entries) void call.send({ type: PACKET.stat, stat: { path, mode, linkname, size: bytes.length, modTime: 1_600_000_000_123_456_789n } });
    void call.send({ type: PACKET.stat });
    for await (const { type, id } of call.messages) {
      if (type === PACKET.request) {
        if (entries[id]!.bytes) void call.send({ type: PACKET.data, id, data: Buffer.from(entries[id]!.bytes!) });
        void call.send({ type: PACKET.data, id });
      } else if (type === PACKET.finish) {
        void call.send({ type: PACKET.finish });
        call.end();
      }
    }
  });
}

test("a folder that is exported: files, folders without leave to write, links, over what was there", async () => {
  const target = `${root}/out`;
  mkdirSync(`${target}/d/x`, { recursive: true });
  writeFileSync(`${target}/kept`, "kept");
  writeFileSync(`${target}/a`, "old and longer");
  await sendFolder(target, [
    { path: "a", bytes: "new" }, { path: "d", mode: MODE.directory + 0o555 }, { path: "d/x", bytes: "file where a folder was" },
    { path: "empty" }, { path: "hard", linkname: "a" }, { path: "l", mode: MODE.symlink + 0o777, linkname: "/etc/passwd" },
  ]);
  assert.deepEqual(readdirSync(target).sort(), ["a", "d", "empty", "hard", "kept", "l"]);
  assert.deepEqual(["a", "hard", "empty", "kept", "d/x"].map((name) => readFileSync(`${target}/${name}`, "utf8")), ["new", "new", "", "kept", "file where a folder was"]);
});

test("a folder that is exported: names as long as they may be, and a thousand files of which few are open at a time", async () => {
  const target = `${root}/many`;
  let most = 0;
  const file = (path: string): Sent => ({
    path,
    get bytes() {
      most = Math.max(most, readdirSync("/proc/self/fd").length);
      return "x";
    },
  });
  const before = readdirSync("/proc/self/fd").length;
  await sendFolder(target, Array.from({ length: 1000 }, (_, at) => file(String(at).padStart(255, "n"))));
  assert.equal(readdirSync(target).length, 1000);
  assert.ok(most < before + 20, `${most - before} more were open`);
});

const hostile: readonly (readonly [name: string, entries: readonly Sent[]])[] = [
  ["up and out", [{ path: "../escaped", bytes: "x" }]],
  ["from the root", [{ path: "/tmp/escaped", bytes: "x" }]],
  ["in the middle", [{ path: "a/../../escaped", bytes: "x" }]],
  ["through a link that came before", [{ path: "l", mode: MODE.symlink + 0o777, linkname: ".." }, { path: "l/escaped", bytes: "x" }]],
  ["through a link that was there", [{ path: "here/escaped", bytes: "x" }]],
  ["a hard link to what is elsewhere", [{ path: "h", linkname: "../victim" }]],
  ["a hard link through a link", [{ path: "l", mode: MODE.symlink + 0o777, linkname: ".." }, { path: "h", linkname: "l/victim" }]],
  ["a folder that becomes a link", [{ path: "d", mode: MODE.directory + 0o755 }, { path: "d", mode: MODE.symlink + 0o777, linkname: ".." }, { path: "d/escaped", bytes: "x" }]],
  ["a mode and a time by way of a link", [{ path: "d", mode: MODE.directory + 0o777 }, { path: "d", mode: MODE.symlink + 0o777, linkname: ".." }]],
];
for (const [name, entries] of hostile) {
  test(`BLD-09: nothing that is exported leaves its folder: ${name}`, async () => {
    const place = mkdtempSync(`${root}/hostile-`);
    mkdirSync(`${place}/out`);
    writeFileSync(`${place}/victim`, "victim");
    symlinkSync("..", `${place}/out/here`);
    await assert.rejects(sendFolder(`${place}/out`, entries), /the engine sends/);
    assert.deepEqual(readdirSync(place).sort(), ["out", "victim"]);
    assert.equal(statSync(place).mode & 0o777, 0o700);
    assert.ok(!readdirSync(`${place}/out`).some((file) => file.endsWith(".part")));
  });
}

test("blobs in a folder: written if their digest is right, read in part, and no other path", async () => {
  const store = `${root}/layout`;
  await asking(contentMethods(new Map([["local:x", store]])), async (client) => {
    const metadata = { [CONTENT_STORE]: ["local:x"] };
    const info = method(`${CONTENT}/Info`, infoRequest, infoResponse);
    const write = async (digest: string, text: string) => {
      const call = client.stream(method(`${CONTENT}/Write`, writeRequest, writeResponse), { metadata });
      void call.send({ action: WRITE.stat, ref: "r", expected: digest });
      void call.send({ action: WRITE.write, ref: "r", expected: digest, data: Buffer.from(text) });
      void call.send({ action: WRITE.commit, ref: "r", expected: digest, offset: text.length });
      call.end();
      for await (const _ of call.messages);
    };
    const digest = sha256(Buffer.from("blob"));
    await assert.rejects(client.unary(info, { digest }, { metadata }), { kind: "not-found" });
    await write(digest, "blob");
    await assert.rejects(write(sha256(Buffer.from("else")), "blob"), /what came is/);
    assert.equal((await client.unary(info, { digest }, { metadata })).info?.size, 4);
    const reading = client.stream(method(`${CONTENT}/Read`, readRequest, readResponse), { metadata });
    void reading.send({ digest, offset: 1, size: 2 });
    reading.end();
    const parts: string[] = [];
    for await (const { data } of reading.messages) parts.push(data.toString());
    assert.deepEqual(parts, ["lo"]);
    await assert.rejects(client.unary(info, { digest: "sha256:../../secret" }, { metadata }), /invalid digest/);
    await assert.rejects(client.unary(info, { digest }, { metadata: { [CONTENT_STORE]: ["local:/etc"] } }), { kind: "not-found" });
    assert.deepEqual(readdirSync(`${store}/blobs/sha256`), [digest.slice(7)]);
  });
});

test("who asks for an agent and is gone when it is there holds nothing open", async () => {
  const [agent] = duplexPair();
  const call = { values: () => [], metadata: [], receive: () => new Promise<void>(() => {}), head() {}, send: () => true, room: async () => {}, signal: AbortSignal.abort() };
  await forwardAgent(new Map([["default", async () => agent]]))(call);
  assert.ok(agent.destroyed);
});
