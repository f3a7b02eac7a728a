import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { openCache } from "./cache.ts";
import { openForwarder, type ForwarderOptions } from "./forward.ts";
import { ask, read, reply, type Question } from "./message-fixture.ts";
import { openServer } from "./server-fixture.ts";
import { chooseServers } from "./servers.ts";
import { encodeName, parseAnswer, parseQuery, reverseName } from "./wire.ts";

const log = { debug: () => {} };
const A = (data: string, ttl = 60) => ({ type: "A", ttl, data });

/** A forwarder of a host whose resolv.conf names these servers. */
async function withHost(servers: readonly string[], options: Partial<ForwarderOptions>, body: (asking: (question: Question, more?: { tcp?: boolean; container?: string }) => Promise<Buffer>) => Promise<void>): Promise<void> {
  const folder = mkdtempSync("/tmp/gantry-dns-");
  writeFileSync(`${folder}/resolv.conf`, servers.map((server) => `nameserver ${server}\n`).join(""));
  const forwarder = openForwarder({ log, hostFile: `${folder}/resolv.conf`, ...options });
  try {
    await body((question, { tcp = false, container = "c" } = {}) => forwarder.ask({ container, packet: ask(question), tcp, servers: [] }));
  } finally {
    forwarder.close();
    rmSync(folder, { recursive: true });
  }
}

test("an answer is passed on as it is, with the asker's id and letters, and remembered: its lifetime passes", async () => {
  await using server = await openServer(() => ({ answers: [{ type: "CNAME", ttl: 30, data: "other.example" }, { ...A("192.0.2.1"), name: "other.example" }] }));
  await withHost(["127.0.0.1"], { port: server.port }, async (asking) => {
    for (const [id, name] of [[1, "www.example"], [2, "WWW.Example"]] as const) {
      const told = read(await asking({ id, name }));
      assert.deepEqual([told.id, told.questions[0], told.answers.map(({ data }) => data)], [id, `${name} A`, ["other.example", "192.0.2.1"]]);
    }
    assert.equal(server.asked.length, 1);
    await asking({ name: "www.example", type: "AAAA" });
    await asking({ name: "www.example", edns: 1232 });
    assert.equal(server.asked.length, 3);
    assert.equal(new Set(server.asked.map(({ port }) => port)).size, 3);
    assert.notDeepEqual(server.asked.map(({ id }) => id), [1, 7, 7]);
  });
});

test("many who ask the same at once are one question", async () => {
  const seen: (() => void)[] = [];
  await using server = await openServer(() => (seen.forEach((one) => one()), { answers: [A("192.0.2.1")] }));
  await withHost(["127.0.0.1"], { port: server.port }, async (asking) => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, id) => asking({ id, name: "once.example" })));
    assert.deepEqual(answers.map((answer) => read(answer).id), Array.from({ length: 50 }, (_, id) => id));
    assert.equal(server.asked.length, 1);
  });
});

test("the next server is asked when one refuses, is in trouble, or is silent", async () => {
  await using silent = await openServer(() => undefined, "127.0.0.1");
  await using trouble = await openServer(() => ({ rcode: 2 }), "127.0.0.2", silent.port);
  await using good = await openServer(() => ({ answers: [A("192.0.2.3")] }), "127.0.0.4", silent.port);
  const { port } = silent;
  for (const servers of [["127.0.0.2", "127.0.0.4"], ["127.0.0.3", "127.0.0.4"], ["127.0.0.1", "127.0.0.4"]]) {
    await withHost(servers, { port }, async (asking) => assert.equal(read(await asking({ name: "next.example" })).answers[0]?.data, "192.0.2.3", servers.join()));
  }
  assert.ok(silent.asked.length > 0 && trouble.asked.length > 0 && good.asked.length === 3);
  await withHost(["127.0.0.2", "127.0.0.3"], { port }, async (asking) => assert.equal(read(await asking({ name: "none.example" })).rcode, 2));
});

test("a server that cannot be reached is as one that refuses, by UDP and by TCP", async () => {
  await using good = await openServer(() => ({ answers: [A("192.0.2.3")] }));
  for (const server of ["fe80::1%nosuch", "255.255.255.255"]) {
    await withHost([server, "127.0.0.1"], { port: good.port }, async (asking) => {
      assert.equal(read(await asking({ name: "far.example" })).answers[0]?.data, "192.0.2.3", server);
      assert.equal(read(await asking({ name: "far.example", type: "AAAA" }, { tcp: true })).answers.length, 1, server);
    });
  }
});

test("by TCP as the asker did; what is cut is said to be, and not remembered", async () => {
  await using server = await openServer(({ tcp }) => (tcp ? { answers: Array.from({ length: 100 }, (_, index) => A(`192.0.2.${index}`)) } : { truncated: true, answers: [A("192.0.2.1")] }));
  await withHost(["127.0.0.1"], { port: server.port }, async (asking) => {
    assert.equal(read(await asking({ name: "big.example" })).truncated, true);
    assert.equal(read(await asking({ name: "big.example" }, { tcp: true })).answers.length, 100);
    assert.deepEqual(server.asked.map(({ tcp }) => tcp), [false, true]);
    // Remembered now, and too big for who asks by UDP.
    const cut = await asking({ name: "big.example" });
    assert.deepEqual([cut.length <= 512, read(cut).truncated, server.asked.length], [true, true, 2]);
  });
});

test("NET-09: answers to other questions, under other ids or from elsewhere are not believed", async () => {
  const poison = { answers: [A("198.51.100.66")] };
  await using server = await openServer((_, query) => {
    const [wrongId, wrongName] = [Buffer.from(reply(query, poison)), reply(ask({ id: query.readUInt16BE(0), name: "evil.example" }), poison)];
    wrongId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0);
    return [wrongId, wrongName, query, Buffer.alloc(3)][server.asked.length % 4]!;
  });
  await withHost(["127.0.0.1"], { port: server.port }, async (asking) => {
    const answers = await Promise.all(["a", "b", "c", "d"].map((name) => asking({ name: `${name}.example` })));
    assert.deepEqual(answers.map((answer) => [read(answer).rcode, read(answer).answers]), answers.map(() => [2, []]));
  });
});

test("what is told of an answer is told before the container has it; a refusal keeps it", async () => {
  await using server = await openServer(({ question }) => (question.startsWith("none") ? { rcode: 3, soa: 30 } : { answers: [A("192.0.2.1", 40), A("192.0.2.2", 20)] }));
  const told: unknown[] = [];
  const onAnswer: NonNullable<ForwarderOptions["onAnswer"]> = async (answer) => {
    await new Promise((resolve) => setImmediate(resolve));
    told.push(answer);
    if (answer.container === "barred") throw new Error("no");
  };
  await withHost(["127.0.0.1"], { port: server.port, onAnswer }, async (asking) => {
    await asking({ name: "Api.Example" });
    assert.deepEqual(told, [{ container: "c", name: "api.example", addresses: ["192.0.2.1", "192.0.2.2"], ttlSeconds: 20 }]);
    assert.equal(read(await asking({ name: "api.example" }, { container: "barred" })).rcode, 2);
    assert.deepEqual([told.length, server.asked.length], [2, 1]);
    await asking({ name: "none.example" });
    assert.equal(told.length, 2);
  });
});

test("names that a container may not ask for are not asked for: there are none", async () => {
  await using server = await openServer(() => ({ answers: [A("192.0.2.1")] }));
  await withHost(["127.0.0.1"], { port: server.port, mayAsk: (container, name) => container === "free" || name === "good.example" }, async (asking) => {
    assert.equal(read(await asking({ name: "Good.example" })).answers.length, 1);
    assert.deepEqual([read(await asking({ name: "secret.bad.example" })).rcode, server.asked.length], [3, 1]);
    assert.equal(read(await asking({ name: "secret.bad.example" }, { container: "free" })).rcode, 0);
  });
});

test("lifetimes: as long as the shortest record, nothing by its SOA, errors and lifetimes of 0 not at all", () => {
  let now = 0;
  const cache = openCache(() => now);
  const query = ask({ name: "www.example" });
  const put = (key: string, said: Parameters<typeof reply>[1]) => cache.put(key, reply(query, said));
  put("short", { answers: [A("192.0.2.1", 100), A("192.0.2.2", 10)] });
  put("nothing", { rcode: 3, soa: 20 });
  put("zero", { answers: [A("192.0.2.1", 0)] });
  put("trouble", { rcode: 2 });
  put("bare", { rcode: 3 });
  put("cut", { truncated: true, answers: [A("192.0.2.1", 100)] });
  now = 4500;
  assert.deepEqual(read(cache.get("short")!).answers.map(({ ttl }) => ttl), [96, 6]);
  assert.equal(read(cache.get("nothing")!).authority[0]!.ttl, 16);
  for (const key of ["zero", "trouble", "bare", "cut", "never"]) assert.equal(cache.get(key), undefined, key);
  now = 10_000;
  assert.deepEqual([cache.get("short"), cache.get("nothing") === undefined], [undefined, false]);
  for (let i = 0; i < 5000; i++) put(`n${i}`, { answers: [A("192.0.2.1", 100)] });
  assert.deepEqual([cache.get("n0"), cache.get("n4999") === undefined], [undefined, false]);
});

test("whom is asked: the container's own, never its own loopback; else the host's; else public ones", async () => {
  const host = (...servers: string[]) => async () => servers;
  assert.deepEqual(await chooseServers(["10.0.0.1", "127.0.0.1", "::1", "::ffff:127.0.0.1", "nonsense"], host("127.0.0.53")), ["10.0.0.1"]);
  assert.deepEqual(await chooseServers(["127.0.0.1"], host("127.0.0.53")), []);
  assert.deepEqual(await chooseServers([], host("127.0.0.53", "fe80::1%eth0", "x", "10.0.0.2", "10.0.0.3")), ["127.0.0.53", "fe80::1%eth0", "10.0.0.2"]);
  assert.equal((await chooseServers([], host())).length, 2);
});

test("names as bytes, and those that cannot be", () => {
  assert.equal(encodeName("Web.Net.")?.toString("latin1"), "\x03web\x03net\0");
  for (const name of ["", ".", "a..b", "x".repeat(64), `${"a.".repeat(130)}a`]) assert.equal(encodeName(name), undefined, name);
  assert.equal(reverseName("10.9.0.2"), "2.0.9.10.in-addr.arpa");
  assert.equal(reverseName("fd00::2"), `2${".0".repeat(29)}.d.f.ip6.arpa`);
});

test("messages cut or changed anywhere are read or refused, never believed beyond their end (NET-09)", () => {
  const query = ask({ name: "www.example", edns: 1232 });
  const answer = reply(query, { answers: [{ type: "CNAME", ttl: 30, data: "other.example" }, A("192.0.2.1")], soa: 5 });
  for (let end = 0; end < answer.length; end++) {
    assert.equal(end < 12 ? undefined : parseAnswer(answer.subarray(0, end)), undefined);
    if (end < query.length) parseQuery(query.subarray(0, end));
    for (const value of [0, 0x3f, 0xc0, 0xff]) {
      const [one, other] = [Buffer.from(answer), Buffer.from(query)];
      one[end] = value;
      if (end < other.length) other[end] = value;
      parseAnswer(one);
      const parsed = parseQuery(other);
      assert.ok(parsed === undefined || (parsed.end <= other.length && parsed.room >= 512));
    }
  }
});
