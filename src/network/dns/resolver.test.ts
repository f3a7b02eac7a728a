import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync, rmSync } from "node:fs";
import { ask, read, reply } from "./message-fixture.ts";
import { openResolver, type Resolver } from "./resolver-fixture.ts";
import { encodeName } from "./wire.ts";

const skip = process.getuid?.() === 0 ? false : "network namespaces need root";
const link = (alias: string, target: string) => [encodeName(alias)!, encodeName(target)!] as const;

let dns: Resolver;
let net: string;
let other: string;

before(async () => {
  if (skip) return;
  dns = await openResolver({});
  const crowd = Array.from({ length: 100 }, (_, index) => ({ name: `n${index}`, container: "c".repeat(64), address: `10.9.1.${index + 1}`, dnsNames: [`n${index}`, "crowd"] }));
  net = dns.zone("net", [
    { name: "web", container: "0123456789abcdef", address: "10.9.0.2", address6: "fd00::2", dnsNames: ["web", "www.example.com", "both", "0123456789ab"] },
    { name: "db", container: "fedcba9876543210", address: "10.9.0.3", dnsNames: ["db", "both"] },
    { name: "six", container: "6666666666666666", address6: "fd00::6", dnsNames: ["six"] },
    { name: "Mixed_Case", container: "7777777777777777", address: "10.9.0.7" },
    ...crowd,
  ]);
  other = dns.zone("other", [{ name: "web", container: "1111111111111111", address: "10.8.0.2", dnsNames: ["web", "only"] }, { name: "six", container: "2222", address: "10.8.0.6", dnsNames: ["six"] }]);
  await dns.tell({ zones: [net, other], links: [link("database", "db"), link("both", "db"), link("gone", "nobody"), link("six", "nobody")] });
});
after(async () => await dns?.[Symbol.asyncDispose]());

const table: { title: string; name: string; type?: string; answers: string[] }[] = [
  { title: "a container's name", name: "web", answers: ["10.9.0.2"] },
  { title: "its IPv6 address", name: "web", type: "AAAA", answers: ["fd00::2"] },
  { title: "in capitals", name: "WeB", answers: ["10.9.0.2"] },
  { title: "with the network's name", name: "web.net", answers: ["10.9.0.2"] },
  { title: "in the second network, by its name", name: "web.other", answers: ["10.8.0.2"] },
  { title: "known in the second network only", name: "only", answers: ["10.8.0.2"] },
  { title: "an alias with dots", name: "www.example.com", answers: ["10.9.0.2"] },
  { title: "a short id", name: "0123456789ab", answers: ["10.9.0.2"] },
  { title: "a name without names of its own: its name", name: "mixed_case", answers: ["10.9.0.7"] },
  { title: "and its short id", name: "777777777777", answers: ["10.9.0.7"] },
  { title: "a link", name: "database", answers: ["10.9.0.3"] },
  { title: "a link goes before a name", name: "both", answers: ["10.9.0.3"] },
  { title: "a link to nobody does not hide a name", name: "six", type: "AAAA", answers: ["fd00::6"] },
  { title: "without IPv6: no answers, and no error", name: "db", type: "AAAA", answers: [] },
  { title: "IPv4 in the second network, IPv6 in the first", name: "six", answers: ["10.8.0.6"] },
  { title: "another type of a name that is known", name: "web", type: "MX", answers: [] },
  { title: "reverse", name: "2.0.9.10.in-addr.arpa", type: "PTR", answers: ["web.net"] },
  { title: "reverse of IPv6", name: `2.${"0.".repeat(28)}d.f.ip6.arpa`.replace("0.d.f", "0.0.d.f"), type: "PTR", answers: ["web.net"] },
  { title: "an address's name has no address", name: "2.0.9.10.in-addr.arpa", answers: [] },
];

for (const { title, name, type = "A", answers } of table) {
  test(`${title}: ${name} ${type}`, { skip }, async () => {
    const told = await dns.ask({ name, type, id: 4711 });
    assert.deepEqual(told?.answers.map(({ data }) => data), answers);
    assert.deepEqual([told?.id, told?.rcode, told?.recursion, told?.truncated, told?.questions], [4711, 0, true, false, [`${name} ${type}`]]);
    for (const row of told!.answers) assert.deepEqual([row.name, row.type, row.ttl], [name, type, 600]);
  });
}

test("several containers of one alias take turns", { skip }, async () => {
  const name = "crowd.net";
  const firsts = new Set<string>();
  for (let i = 0; i < 20; i++) firsts.add((await dns.ask({ name }))!.answers[0]!.data);
  assert.equal(firsts.size, 20);
});

test("by UDP as many records as fit, marked as cut; by TCP all", { skip }, async () => {
  const short = await dns.asked({ name: "crowd" });
  const told = read(short!);
  assert.ok(short!.length <= 512 && told.truncated && told.answers.length > 20);
  const wide = read((await dns.asked({ name: "crowd", edns: 1232 }))!);
  assert.ok(wide.truncated && wide.answers.length > told.answers.length);
  assert.equal((await dns.asked({ name: "crowd", edns: 65535 }))!.length, 12 + 5 + 2 + 4 + 100 * 16 + 11);
  const [whole] = await dns.tcp([{ name: "crowd" }]);
  assert.deepEqual([read(whole!).answers.length, read(whole!).truncated, new Set(read(whole!).answers.map(({ data }) => data)).size], [100, false, 100]);
});

test("EDNS is answered with EDNS, another version with BADVERS, none with none", { skip }, async () => {
  const told = await dns.ask({ name: "web", edns: 1232 });
  assert.deepEqual(told!.more.map(({ type, name, data }) => [type, name, data]), [["OPT", "", ""]]);
  assert.deepEqual((await dns.ask({ name: "web" }))!.more, []);
  const wrong = await dns.ask({ name: "web", edns: 1232, version: 1 });
  assert.deepEqual([wrong!.rcode, wrong!.more[0]!.ttl >>> 24, wrong!.answers], [0, 1, []]);
});

test("many queries on one TCP connection, whole or in single bytes", { skip }, async () => {
  const names = ["web", "db", "only", "web.other"];
  for (const way of ["tcp", "cut"] as const) {
    const answers = await dns.tcp(names.map((name, id) => ({ name, id })), way);
    assert.deepEqual(answers.map((one) => [read(one).id, read(one).answers[0]!.data]), [[0, "10.9.0.2"], [1, "10.9.0.3"], [2, "10.8.0.2"], [3, "10.8.0.2"]]);
  }
});

test("more TCP connections than there is room for: the oldest go", { skip }, async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, async () => (await dns.tcp([{ name: "web" }])).length));
  assert.ok(answers.filter((count) => count === 1).length >= 16);
  assert.equal((await dns.tcp([{ name: "db" }])).length, 1);
});

test("a crowd is answered, the engine is heard meanwhile, and then nobody spins", { skip }, async () => {
  const names = ["web", "db", "only", "six", "crowd"];
  const asked = Array.from({ length: 200 }, (_, id) => dns.ask({ name: names[id % names.length]!, id }));
  await dns.tell({ zones: [net, other] });
  assert.deepEqual((await Promise.all(asked)).map((told) => [told?.id, told?.rcode]), asked.map((_, id) => [id, 0]));
  await using again = await dns.container.connect();
  const shim = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${again.state.pid}/status`, "utf8"))![1]);
  const state = () => /^State:\t(.)/m.exec(readFileSync(`/proc/${shim}/status`, "utf8"))![1];
  for (const end = Date.now() + 10_000; state() !== "S"; ) assert.ok(Date.now() < end, "it does not sleep");
  assert.deepEqual((await dns.ask({ name: "db" }))!.answers.map(({ data }) => data), ["10.9.0.3"]);
});

test("a zone that is written anew is what counts from then on; one that is gone is empty", { skip }, async () => {
  const path = dns.zone("moving", [{ name: "m", address: "10.7.0.1", dnsNames: ["m"] }]);
  await dns.tell({ zones: [path], forward: false });
  assert.equal((await dns.ask({ name: "m" }))!.answers[0]!.data, "10.7.0.1");
  dns.zone("moving", [{ name: "m", address: "10.7.0.2", dnsNames: ["m"] }, { name: "k", address: "10.7.0.3", dnsNames: ["k"] }]);
  assert.equal((await dns.ask({ name: "m" }))!.answers[0]!.data, "10.7.0.2");
  assert.equal((await dns.ask({ name: "k" }))!.answers[0]!.data, "10.7.0.3");
  dns.zone("moving", []);
  rmSync(path);
  assert.deepEqual([(await dns.ask({ name: "m" }))!.rcode, (await dns.ask({ name: "m" }))!.answers], [3, []]);
  await dns.tell({ zones: [net, other] });
});

test("other names go to the engine, and its answers back: by UDP and by TCP, in any order", { skip }, async () => {
  const [one, two] = [dns.asked({ name: "one.example", id: 1 }), dns.asked({ name: "two.example", id: 2, edns: 1232 })];
  const queries = [await dns.query(), await dns.query()];
  const of = (name: string) => queries.find(({ packet }) => read(packet).questions[0] === `${name} A`)!;
  assert.deepEqual(queries.map(({ tcp }) => tcp), [false, false]);
  for (const [name, data] of [["two.example", "192.0.2.2"], ["one.example", "192.0.2.1"]] as const) {
    dns.container.shim.answer(of(name), reply(of(name).packet, { answers: [{ type: "A", ttl: 5, data }] }));
  }
  assert.deepEqual([read((await one)!).answers[0]!.data, read((await two)!).answers[0]!.data], ["192.0.2.1", "192.0.2.2"]);
  const stream = dns.tcp([{ name: "three.example", id: 3 }, { name: "web", id: 4 }]);
  const query = await dns.query();
  assert.equal(query.tcp, true);
  dns.container.shim.answer({ ...query, serial: query.serial + 1 }, reply(query.packet, { rcode: 5 }));
  dns.container.shim.answer(query, reply(query.packet, { rcode: 3 }));
  dns.container.shim.answer(query, reply(query.packet, { rcode: 5 }));
  assert.deepEqual((await stream).map((answer) => [read(answer).id, read(answer).rcode]), [[4, 0], [3, 3]]);
});

test("not forwarded: a name of one label does not exist, of others nothing is known", { skip }, async () => {
  await dns.tell({ zones: [net], forward: false });
  assert.equal((await dns.ask({ name: "nobody" }))!.rcode, 3);
  assert.equal((await dns.ask({ name: "example.com" }))!.rcode, 2);
  assert.equal((await dns.ask({ name: ".", type: "ANY" }))!.rcode, 2);
  assert.equal((await dns.ask({ name: "web" }))!.answers.length, 1);
  await dns.tell({ zones: [net, other] });
});

test("what is no query is refused or dropped, and the next is answered (NET-09)", { skip }, async () => {
  const whole = ask({ name: "web" });
  const changed = (change: (copy: Buffer) => void) => {
    const copy = Buffer.from(whole);
    change(copy);
    return copy;
  };
  const rcodes: [string, Buffer, number | undefined][] = [
    ["an answer", changed((copy) => copy.writeUInt8(0x81, 2)), undefined],
    ["half a header", whole.subarray(0, 6), undefined],
    ["two questions", changed((copy) => copy.writeUInt16BE(2, 4)), 1],
    ["no question", changed((copy) => copy.writeUInt16BE(0, 4)), 1],
    ["another opcode", changed((copy) => copy.writeUInt8(0x28, 2)), 4],
    ["a label that is longer than the packet", changed((copy) => copy.writeUInt8(60, 12)), 1],
    ["a pointer in the question", changed((copy) => copy.writeUInt16BE(0xc00c, 12)), 1],
    ["a name without an end", Buffer.concat([whole.subarray(0, 12), Buffer.alloc(300, Buffer.from([1, 97]))]), 1],
    ["no type", whole.subarray(0, whole.length - 3), 1],
  ];
  const answers = await Promise.all(rcodes.map(([, packet]) => dns.asked(packet)));
  assert.deepEqual(answers.map((answer, index) => [rcodes[index]![0], answer && answer[3]! & 15]), rcodes.map(([what, , rcode]) => [what, rcode]));
  assert.equal((await dns.ask({ name: "web" }))!.answers.length, 1);
});

test("nonsense of every kind: whatever comes, names are answered after it (NET-09)", { skip }, async () => {
  await dns.tell({ zones: [net, other], forward: false });
  let state = 12345;
  const random = (below: number) => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8) % below;
  for (let round = 0; round < 30; round++) {
    const packets = Array.from({ length: 40 }, () => {
      const packet = Buffer.concat([ask({ name: ["web", "crowd.net", "a.b.c.d.e", "six"][random(4)]!, ...(random(2) === 0 ? { edns: random(5000) } : {}) }), Buffer.alloc(random(3) === 0 ? random(1400) : 0, random(256))]);
      for (let i = random(4); i > 0; i--) packet[random(packet.length)] = random(256);
      return packet.subarray(0, random(5) === 0 ? random(packet.length) : packet.length);
    });
    const streams = dns.tcp(packets.slice(0, 3).filter(({ length }) => length > 0));
    void packets.map((packet) => packet.length > 0 && dns.asked(packet));
    assert.equal((await dns.ask({ name: "web" }))!.answers.length, 1);
    if (round % 10 === 0) await streams;
  }
  await dns.tell({ zones: [net, other] });
});

test("zones that are broken are as if they were not there, or end where they end", { skip }, async () => {
  const { buildZone } = await import("./zone.ts");
  const { writeZone } = await import("./resolver-fixture.ts");
  const whole = buildZone([{ name: "web", container: "c", networkName: "n", address: "10.1.1.1", address6: "fd00::1", dnsNames: ["web"] }]);
  let state = 99;
  const random = (below: number) => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8) % below;
  const path = `${dns.stage.dir}/broken`;
  writeZone(path, whole);
  await dns.tell({ zones: [path, net], forward: false });
  for (let round = 0; round < 60; round++) {
    const bytes = Buffer.from(whole);
    for (let i = 1 + random(6); i > 0; i--) bytes[round % 2 === 0 ? random(32) : random(bytes.length)] = random(256);
    writeZone(path, round % 5 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
    assert.ok((await dns.ask({ name: "web", type: round % 3 === 0 ? "AAAA" : "A" })) !== undefined);
  }
  assert.equal((await dns.ask({ name: "db" }))!.answers[0]!.data, "10.9.0.3");
  await dns.tell({ zones: [net, other] });
});

test("at most a thousand a second go to the engine: the others fail at once (NET-09)", { skip }, async () => {
  await using mine = await openResolver({});
  const begun = performance.now();
  let over = false;
  void (async () => {
    while (!over) {
      const query = await mine.query();
      mine.container.shim.answer(query, reply(query.packet, { rcode: 3 }));
    }
  })();
  const rcodes: number[] = [];
  for (let round = 0; round < 40; round++) {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => mine.ask({ name: `n${round}-${index}.example` })));
    rcodes.push(...answers.flatMap((answer) => (answer === undefined ? [] : [answer.rcode])));
  }
  over = true;
  const passed = rcodes.filter((rcode) => rcode === 3).length;
  const seconds = Math.floor((performance.now() - begun) / 1000) + 2;
  assert.ok(passed >= 1000 && passed <= seconds * 1000, `${passed} of ${rcodes.length} in ${seconds} s`);
});

test("256 wait for the engine: the others fail at once (NET-09)", { skip }, async () => {
  await using mine = await openResolver({});
  const many = (count: number) => Array.from({ length: count }, (_, index) => mine.asked({ name: `n${index}.example` }));
  const waiting: Promise<Buffer | undefined>[] = [];
  // Few at a time: more than a socket holds would be lost on the way.
  while (waiting.length < 256) {
    waiting.push(...many(32));
    for (let heard = 0; heard < 32; heard++) await mine.query();
  }
  const failed = await Promise.all([...many(22), ...many(22)]);
  assert.deepEqual(failed.map((answer) => answer && read(answer).rcode), failed.map(() => 2));
  assert.deepEqual(new Set(await Promise.all(waiting)), new Set([undefined]));
});

test("without the engine: known names are answered, others fail at once, also those that it was asked for", { skip }, async () => {
  await using mine = await openResolver({});
  const zone = mine.zone("z", [{ name: "web", address: "10.6.0.1", dnsNames: ["web"] }]);
  await mine.tell({ zones: [zone] });
  const waiting = mine.ask({ name: "slow.example" });
  await mine.query();
  await mine.container.shim[Symbol.asyncDispose]();
  assert.equal((await waiting)!.rcode, 2);
  assert.equal((await mine.ask({ name: "fast.example" }))!.rcode, 2);
  assert.equal((await mine.ask({ name: "web" }))!.answers[0]!.data, "10.6.0.1");
});

test("a running container gets a resolver, and is told of more networks", { skip }, async () => {
  await using mine = await openResolver({}, { late: true });
  const zone = mine.zone("z", [{ name: "web", address: "10.6.0.1", dnsNames: ["web"] }]);
  await mine.tell({ zones: [zone], open: true });
  assert.equal((await mine.ask({ name: "web" }))!.answers[0]!.data, "10.6.0.1");
  await assert.rejects(mine.tell({ zones: Array.from({ length: 65 }, () => zone) }), /EINVAL/);
  assert.equal((await mine.ask({ name: "web.z" }))!.answers[0]!.data, "10.6.0.1");
});
