import assert from "node:assert/strict";
import { test } from "node:test";
import { contains, formatAddress, formatMac, formatPrefix, maskOf, networkOf, overlaps, parseAddress, parseMac, parsePrefix } from "./addresses.ts";

const written: [string, string][] = [
  ["172.17.0.2", "172.17.0.2"],
  ["::", "::"],
  ["::1", "::1"],
  ["fd00:0:0:0::1", "fd00::1"],
  ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
  ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
];

for (const [text, canonical] of written) {
  test(`${text} is ${canonical}`, () => assert.equal(formatAddress(parseAddress(text)!), canonical));
}

for (const text of ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "fe80::1%eth0", "::1::", "host", "1.2.3.4/8", " 1.2.3.4"]) {
  test(`${JSON.stringify(text)} is no address`, () => assert.equal(parseAddress(text), undefined));
}

for (const text of ["1.2.3.4", "1.2.3.4/33", "::/129", "1.2.3.4/-1", "/8", "1.2.3.4/8/8", "1.2.3.4/x"]) {
  test(`${JSON.stringify(text)} is no prefix`, () => assert.equal(parsePrefix(text), undefined));
}

test("a prefix knows its network, its mask, and what is in it", () => {
  const prefix = parsePrefix("192.168.5.7/20")!;
  assert.equal(formatPrefix(networkOf(prefix)), "192.168.0.0/20");
  assert.equal(formatAddress(maskOf(prefix)), "255.255.240.0");
  assert.ok(contains(prefix, parseAddress("192.168.15.255")!));
  assert.ok(!contains(prefix, parseAddress("192.168.16.0")!));
  assert.ok(!contains(prefix, parseAddress("::1")!));
  assert.equal(formatPrefix(networkOf(parsePrefix("fd00:1:2:3:4::5/64")!)), "fd00:1:2:3::/64");
  assert.equal(formatPrefix(networkOf(parsePrefix("1.2.3.4/0")!)), "0.0.0.0/0");
});

test("prefixes overlap when one holds the other", () => {
  const overlap = (one: string, other: string) => overlaps(parsePrefix(one)!, parsePrefix(other)!);
  assert.ok(overlap("172.16.0.0/12", "172.17.0.0/16"));
  assert.ok(overlap("172.17.5.0/24", "172.17.0.0/16"));
  assert.ok(!overlap("172.17.0.0/16", "172.18.0.0/16"));
  assert.ok(!overlap("0.0.0.0/0", "::/0"));
});

test("hardware addresses", () => {
  assert.equal(formatMac(parseMac("02-42-AC-11-00-02")!), "02:42:ac:11:00:02");
  assert.equal(parseMac("02:42:ac:11:00"), undefined);
});
