import assert from "node:assert/strict";
import { test } from "node:test";
import { forgetUdp } from "./conntrack.ts";
import { NLM_F, attribute, message, nested, readAttributes, readMessages, readText, text, u32 } from "./netlink.ts";
import { dumpElements, newElements, newRule, newSet, newTable, readElements, transaction, type Table } from "./nftables.ts";
import { compare, verdict } from "./nftables-expressions.ts";
import { newAddress, newDefaultRoute, newVeth, readAddresses, readLinks, readRoutes, setBridgePort } from "./rtnetlink.ts";

const table: Table = { family: "inet", name: "t" };

test("a message is header, fixed part and attributes, padded to 4, and reads back", () => {
  const bytes = message(16, NLM_F.ACK, Uint8Array.of(1, 2, 3), text(3, "ab"), u32(4, 1500));
  assert.equal(bytes.readUInt32LE(0), bytes.length);
  assert.equal(bytes.length % 4, 0);
  const [one, ...rest] = readMessages(Buffer.concat([bytes, bytes]));
  assert.equal(rest.length, 1);
  assert.deepEqual([one?.type, one?.flags], [16, NLM_F.ACK | NLM_F.REQUEST]);
  const facts = readAttributes(one!.body.subarray(4));
  assert.equal(readText(facts.get(3)), "ab");
  assert.equal(facts.get(4)?.readUInt32LE(), 1500);
});

test("what does not hold together ends the reading, without an exception", () => {
  const good = message(16, 0, new Uint8Array(16), nested(18, text(1, "bridge")));
  for (let length = 0; length < good.length; length++) {
    assert.deepEqual([...readMessages(good.subarray(0, length))], []);
    readLinks(good.subarray(0, length));
  }
  const lying = Buffer.from(good);
  lying.writeUInt16LE(3, 32);
  assert.equal(readAttributes(lying.subarray(32)).size, 0);
  lying.writeUInt32LE(4, 0);
  assert.deepEqual([...readMessages(lying)], []);
});

test("a veth pair is one message whose last 4 bytes are the peer's namespace", () => {
  const bytes = newVeth({ name: "veth0123456", master: 7, mtu: 1400, peer: { name: "eth0", mac: Uint8Array.of(2, 0x42, 1, 2, 3, 4) } });
  bytes.writeUInt32LE(4242, bytes.length - 4);
  const [link, ...others] = readLinks(bytes);
  assert.equal(others.length, 0);
  assert.deepEqual({ ...link, mac: undefined }, { index: 0, name: "veth0123456", up: true, mtu: 1400, mac: undefined, master: 7, kind: "veth", alias: "" });
  const [first] = readMessages(bytes);
  const info = readAttributes(readAttributes(first!.body.subarray(16)).get(18)!);
  const peer = readAttributes(readAttributes(info.get(2)!).get(1)!.subarray(16));
  assert.equal(readText(peer.get(3)), "eth0");
  assert.deepEqual(peer.get(1), Buffer.from([2, 0x42, 1, 2, 3, 4]));
  assert.equal(peer.get(28)?.readUInt32LE(), 4242);
});

test("a bridge port's flags go to the interface by name", () => {
  const [seen] = readMessages(setBridgePort("veth1", { hairpin: true, isolated: false }));
  const facts = readAttributes(seen!.body.subarray(16));
  const info = readAttributes(facts.get(18)!);
  assert.equal(readText(facts.get(3)), "veth1");
  assert.equal(readText(info.get(4)), "bridge");
  assert.deepEqual([...readAttributes(info.get(5)!)].map(([type, value]) => [type, value[0]]), [[4, 1], [33, 0]]);
});

test("addresses and routes read back", () => {
  const address = Buffer.from([172, 17, 0, 2]);
  const bytes = newAddress({ index: 9, address, prefixLength: 16 });
  assert.deepEqual(readAddresses(bytes), [{ index: 9, address, prefixLength: 16 }]);
  const facts = readAttributes([...readMessages(bytes)][0]!.body.subarray(8));
  assert.deepEqual(facts.get(4), Buffer.from([172, 17, 255, 255]), "broadcast");
  const route = readRoutes(newDefaultRoute(Buffer.from([172, 17, 0, 1])));
  assert.deepEqual(route, [{ destination: Buffer.alloc(4), prefixLength: 0, index: 0 }]);
});

test("a transaction is begun and ended, and only its last change asks for an answer", () => {
  const bytes = transaction([
    newTable(table),
    newSet(table, { name: "s", key: ["protocol", "port"], data: ["ipv4", "port"] }, 1),
    newRule(table, "c", { when: [compare(0, "==", Uint8Array.of(6)), verdict("drop")], comment: "why" }),
  ]);
  const messages = [...readMessages(bytes)];
  assert.deepEqual(messages.map(({ type }) => type), [0x10, 0xa00, 0xa09, 0xa06, 0x11]);
  assert.deepEqual(messages.map(({ flags }) => (flags & NLM_F.ACK) !== 0), [false, false, false, true, false]);
  const set = readAttributes(messages[2]!.body.subarray(4));
  assert.equal(set.get(5)?.readUInt32BE(), 8, "length of the key");
  assert.equal(set.get(4)?.readUInt32BE(), (12 << 6) | 13, "type of the key");
  assert.equal(transaction([]).length, 0);
});

test("elements come back from a dump; many are spread over messages", () => {
  const elements = Array.from({ length: 1000 }, (_, index) => ({ key: Buffer.from([index >> 8, index & 0xff, 0, 0]), data: Buffer.from([1, 2, 3, 4]) }));
  const bytes = transaction(newElements(table, "s", elements));
  const dump = Buffer.concat([...readMessages(bytes)].map(({ type, body }) => message(type === 0xa0c ? 0xa0c : type, 0, body)));
  assert.deepEqual(readElements(dump), elements);
  assert.equal([...readMessages(bytes)].length, 6);
  assert.equal([...readMessages(dumpElements(table, "s"))][0]?.flags, NLM_F.DUMP | NLM_F.REQUEST);
});

test("forgetting flows names protocol and port, and says that these are all to match", () => {
  const [seen] = readMessages(forgetUdp("ip", 5353));
  const facts = readAttributes(seen!.body.subarray(4));
  const tuple = readAttributes(readAttributes(facts.get(1)!).get(2)!);
  assert.deepEqual([tuple.get(1)?.[0], tuple.get(3)?.readUInt16BE()], [17, 5353]);
  assert.equal(readAttributes(facts.get(25)!).get(1)?.readUInt32LE(), 8 | 32);
});

test("an attribute's length is its value's, not its padding's", () => {
  assert.deepEqual([...attribute(1, Uint8Array.of(9))], [5, 0, 1, 0, 9, 0, 0, 0]);
});
