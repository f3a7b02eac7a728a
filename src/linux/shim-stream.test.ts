import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { after, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { collect, demux, onTerminal, openStage, readUntil } from "./shim-fixture.ts";
import { CONTAINER } from "./shim.ts";

const stage = await openStage();
after(() => stage[Symbol.asyncDispose]());

const NO_LOG = 2 | 4;
const TERMINAL = 1 | 2 | 8;

/** Length and SHA-256 of the payload of frames, as they come. */
async function digest(stream: Duplex, pause = 0): Promise<{ length: number; sha256: string }> {
  const hash = createHash("sha256");
  let [length, left, head] = [0, 0, Buffer.alloc(0)];
  for await (let chunk of stream as AsyncIterable<Buffer>) {
    if (pause-- > 0) await setTimeout(1);
    while (chunk.length > 0) {
      if (left === 0) {
        head = Buffer.concat([head, chunk.subarray(0, 8 - head.length)]);
        chunk = chunk.subarray(Math.min(chunk.length, 8 - (head.length - Math.min(chunk.length, head.length))));
        if (head.length < 8) break;
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
        continue;
      }
      const data = chunk.subarray(0, left);
      hash.update(data);
      length += data.length;
      left -= data.length;
      chunk = chunk.subarray(data.length);
    }
  }
  stream.destroy();
  return { length, sha256: hash.digest("hex") };
}

function expected(line: string, length: number) {
  const text = Buffer.from(line.repeat(Math.ceil(length / line.length)).slice(0, length));
  return { length, sha256: createHash("sha256").update(text).digest("hex") };
}

test("200 MB reach a client without a lost byte", async () => {
  const size = 200 << 20;
  await using c = await stage.launch({ sh: `yes "a line of output" | head -c ${size}`, flags: NO_LOG });
  const stream = await c.attach();
  await c.shim.start();
  assert.deepEqual(await digest(stream), expected("a line of output\n", size));
});

test("three clients, one of them slow, all get everything", async () => {
  const size = 20 << 20;
  await using c = await stage.launch({ sh: `yes "three of them" | head -c ${size}`, flags: NO_LOG });
  const streams = await Promise.all([c.attach(), c.attach(), c.attach()]);
  await c.shim.start();
  const results = await Promise.all([digest(streams[0]!), digest(streams[1]!, 200), digest(streams[2]!)]);
  for (const result of results) assert.deepEqual(result, expected("three of them\n", size));
});

test("a client that reads nothing holds the container back, until it goes", async () => {
  await using c = await stage.launch({ sh: "seq 1000000; echo done", flags: NO_LOG });
  const stuck = await c.attach();
  const other = await c.attach();
  let [seen, last] = [0, -1];
  other.on("data", (chunk: Buffer) => (seen += chunk.length));
  await c.shim.start();
  while (seen === 0 || seen !== last) [last] = [seen, await setTimeout(100)];
  assert.ok(seen < 2 << 20, `${seen} bytes came through`);
  stuck.destroy();
  await once(other, "end");
  other.destroy();
  assert.ok(seen > 6_888_000);
});

test("the end comes at once though a client is slow, and the rest reaches it", async () => {
  await using c = await stage.launch({ sh: "head -c 300000 /dev/zero; head -c 50000 /dev/zero >&2", flags: NO_LOG });
  const slow = await c.attach();
  await c.shim.start();
  await c.event("exited");
  const { out, err } = demux(await collect(slow));
  assert.deepEqual([out.length, err.length], [300000, 50000]);
});

test("stdout and stderr come framed, and only what was asked for", async () => {
  await using c = await stage.launch({ sh: "echo out; echo err >&2" });
  const [both, out, err, none] = await Promise.all([
    c.attach({ stdout: true, stderr: true }), c.attach({ stdout: true }), c.attach({ stderr: true }), c.attach({}),
  ]);
  await c.shim.start();
  const texts = await Promise.all([both, out, err, none].map(async (stream) => demux(await collect(stream!))));
  assert.deepEqual(texts.map(({ out, err }) => `${out}|${err}`), ["out\n|err\n", "out\n|", "|err\n", "|"]);
});

test("50 MB of stdin arrive, and its half-close ends it", async () => {
  const size = 50 << 20;
  await using c = await stage.launch({ sh: "sha256sum; echo and goodbye" });
  const stream = await c.attach();
  await c.shim.start();
  const chunk = Buffer.from("0123456789abcdef".repeat(4096));
  for (let sent = 0; sent < size; sent += chunk.length) if (!stream.write(chunk)) await once(stream, "drain");
  stream.end();
  const { out } = demux(await collect(stream));
  assert.equal(out.toString(), `${expected("0123456789abcdef", size).sha256}  -\nand goodbye\n`);
});

test("stdin sent before the start is kept, and so is its end", async () => {
  await using c = await stage.launch({ sh: "cat" });
  const stream = await c.attach();
  stream.end("early");
  await c.shim.start();
  assert.equal(demux(await collect(stream)).out.toString(), "early");
});

test("a client that sends its input and goes has still sent it", async () => {
  await using c = await stage.launch({ sh: "cat; echo end" });
  const reader = await c.attach({ stdout: true });
  const writer = await c.attach({ stdin: true });
  writer.write("x".repeat(100000), () => writer.destroy());
  await once(writer, "close");
  await c.shim.start();
  const { out } = demux(await collect(reader));
  assert.equal(out.toString(), "x".repeat(out.length - 4) + "end\n");
  assert.equal(out.length, 100004);
});

test("without `once`, stdin outlives who writes it, until it is closed by order", async () => {
  await using c = await stage.launch({ sh: "cat", flags: 2 | 8 });
  await c.shim.start();
  const reader = await c.attach({ stdout: true });
  for (const word of ["one ", "two "]) {
    const writer = await c.attach({ stdin: true, stdout: true });
    writer.end(word);
    await readUntil(writer, word);
    writer.destroy();
  }
  await c.shim.closeStdin(CONTAINER);
  assert.equal(demux(await collect(reader)).out.toString(), "one two ");
});

test("without stdin the container reads nothing, and what clients send is dropped", async () => {
  await using c = await stage.launch({ sh: "wc -c; readlink /proc/self/fd/0", flags: 8 });
  const stream = await c.attach();
  stream.end("x".repeat(1 << 20));
  await c.shim.start();
  assert.equal(demux(await collect(stream)).out.toString(), "0\n/dev/null\n");
});

test("a container that closes its stdin does not hold its clients", async () => {
  await using c = await stage.launch({ sh: "exec 0<&-; echo closed; while [ ! -e go ]; do sleep 0.01; done", flags: NO_LOG });
  const stream = await c.attach();
  await c.shim.start();
  await readUntil(stream, "closed");
  const chunk = Buffer.alloc(1 << 20);
  for (let i = 0; i < 20; i++) if (!stream.write(chunk)) await once(stream, "drain");
  await c.shim.signal(CONTAINER, 9);
  stream.on("error", () => undefined).resume();
  await c.event("exited");
  stream.destroy();
});

test("a terminal: its size, its resizes, its echo, its end", async () => {
  await using c = await stage.launch({ init: onTerminal("tty -s && stty size; trap 'stty size' WINCH; echo ready; while ! read line; do :; done; echo got $line", { rows: 24, cols: 80 }), flags: TERMINAL });
  const stream = await c.attach();
  await c.shim.start();
  assert.match(await readUntil(stream, "ready"), /^24 80\r\n/);
  await c.shim.resize(CONTAINER, { rows: 50, cols: 132 });
  await readUntil(stream, "50 132");
  stream.write("word\n");
  assert.equal((await collect(stream)).toString().replaceAll("50 132\r\n", "").trimStart(), "word\r\ngot word\r\n");
  assert.equal((await c.event("exited")).code, 0);
  assert.equal(c.log().split("\n").map((line) => (line === "" ? "" : (JSON.parse(line) as { log: string }).log)).join("").includes("got word\r\n"), true);
});

test("a size asked for before the terminal is there is given to it", async () => {
  await using c = await stage.launch({ init: onTerminal('while [ "$(stty size)" = "0 0" ]; do :; done; stty size'), flags: TERMINAL });
  await c.shim.resize(CONTAINER, { rows: 7, cols: 77 });
  const stream = await c.attach();
  await c.shim.start();
  assert.equal((await collect(stream)).toString(), "7 77\r\n");
});

test("a terminal that hangs up while its process lives goes on when it is opened again", async () => {
  const script = "tty=$(tty); echo one; exec 0<&- 1<&- 2<&-; sleep 0.01; exec 1>$tty; echo two";
  await using c = await stage.launch({ init: onTerminal(script), flags: TERMINAL });
  const stream = await c.attach();
  await c.shim.start();
  assert.equal((await collect(stream)).toString(), "one\r\ntwo\r\n");
});

const keys = Buffer.from([16, 16, 17]);
test("detach keys end the attachment, however they are cut, and nothing else", async () => {
  await using c = await stage.launch({ sh: "head -c 14 | cat -v; echo end", flags: 2 | 8 });
  await c.shim.start();
  const reader = await c.attach({ stdout: true });
  for (const parts of [["a\x10\x10", "\x11lost"], ["b\x10", "\x10\x10", "\x11"], ["c\x10x\x10\x10y\x10", "\x11", "\x10\x10\x11"]]) {
    const stream = await c.attach({ stdin: true, stdout: true, detachKeys: keys });
    for (const part of parts) await new Promise((resolve) => stream.write(part, resolve));
    await collect(stream);
  }
  const last = await c.attach({ stdin: true, detachKeys: keys });
  last.end("d\x10\x10");
  const { out } = demux(await collect(reader));
  last.destroy();
  await c.event("detached", CONTAINER);
  assert.equal(out.toString(), "ab^Pc^Px^P^Py^P^Qd^P^Pend\n");
});

test("who attaches in the middle of a line may ask for its beginning", async () => {
  await using c = await stage.launch({ sh: "echo whole; printf 'begin'; read line; echo end" });
  const first = await c.attach();
  await c.shim.start();
  await readUntil(first, "begin");
  const place = await c.shim.attach(CONTAINER, { stdout: true, unfinished: true });
  assert.equal(place.logOffset, BigInt(Buffer.byteLength(c.log())));
  assert.match(c.log(), /whole/);
  const plain = await c.attach({ stdout: true });
  first.end("go\n");
  assert.equal(demux(await collect(place.stream)).out.toString(), "beginend\n");
  assert.equal(demux(await collect(plain)).out.toString(), "end\n");
  await collect(first);
});
