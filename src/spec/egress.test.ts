import assert from "node:assert/strict";
import { test } from "node:test";
import { asPrefix, parseEgress } from "./egress.ts";

const targets: [text: string, target: ReturnType<typeof parseEgress>][] = [
  ["example.com", { name: "example.com" }],
  ["Example.COM.", { name: "example.com" }],
  ["example.com:443", { name: "example.com", port: 443 }],
  ["*.example.com:443/tcp", { name: "*.example.com", port: 443, protocol: "tcp" }],
  ["db", { name: "db" }],
  ["10.0.0.1", { prefix: "10.0.0.1/32" }],
  ["10.0.0.0/8", { prefix: "10.0.0.0/8" }],
  ["10.0.0.0/8:5432", { prefix: "10.0.0.0/8", port: 5432 }],
  ["10.0.0.0/8:53/udp", { prefix: "10.0.0.0/8", port: 53, protocol: "udp" }],
  ["10.0.0.1/udp", { prefix: "10.0.0.1/32", protocol: "udp" }],
  ["fd00::1", { prefix: "fd00::1/128" }],
  ["fd00::/8", { prefix: "fd00::/8" }],
  ["[fd00::1]:443", { prefix: "fd00::1/128", port: 443 }],
  ["[fd00::/8]:53/udp", { prefix: "fd00::/8", port: 53, protocol: "udp" }],
  ["", undefined],
  ["10.0.0.0/33", undefined],
  ["10.0.0.256", undefined],
  ["example.com:0", undefined],
  ["example.com:65536", undefined],
  ["example.com:http", undefined],
  ["example.com/sctp", undefined],
  ["exa mple.com", undefined],
  ["http://example.com", undefined],
  ["fd00::1%eth0", undefined],
  ["*", undefined],
  ["a.*.com", undefined],
];

for (const [text, target] of targets) test(`egress ${JSON.stringify(text)}`, () => assert.deepEqual(parseEgress(text), target));

test("addresses as prefixes", () => {
  assert.deepEqual(["::ffff:1.2.3.4", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1::2::3", "::1.2.3", "01.2.3.4", "10.0.0.1", "10.0.0.0/8", "::1", "::/0", "x", "10.0.0.0/", "1.2.3.4/33"].map(asPrefix), [
    "::ffff:1.2.3.4/128", "1:2:3:4:5:6:7:8/128", undefined, undefined, undefined, undefined, "10.0.0.1/32", "10.0.0.0/8", "::1/128", "::/0", undefined, undefined, undefined]);
});
