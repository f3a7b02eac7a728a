import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attachment } from "../network.ts";
import { checkEndpoint, checkJoined } from "./check.ts";
import type { RemoteEndpoint, RemoteJoined } from "./remote.ts";

const attachment = { address: "10.0.0.2", prefixLength: 24, address6: "", prefixLength6: 0 } as Attachment;
const asked = { address: "10.0.0.2/24", address6: "", mac: "" } as RemoteEndpoint;
const nothing = { address: "", address6: "", mac: "" };
const joined: RemoteJoined = { source: "veth1", prefix: "eth", gateway: "10.0.0.1", gateway6: "", routes: [] };

test("what a plugin makes of an endpoint: only what was left to it", () => {
  const same = { address: "10.0.0.2", prefixLength: 24, address6: "", prefixLength6: 0 };
  const cases: readonly [Partial<RemoteEndpoint>, Partial<typeof nothing>, object | RegExp][] = [
    [{}, {}, same],
    [{}, { address: "10.0.0.2/24" }, same],
    [{}, { mac: "02:00:00:00:00:01" }, same],
    [{ mac: "02:00:00:00:00:0A" }, { mac: "02:00:00:00:00:0a" }, same],
    [{}, { address6: "fd00::2/64" }, { ...same, address6: "fd00::2", prefixLength6: 64 }],
    [{ address: "" }, { address: "10.9.0.2/16" }, { ...same, address: "10.9.0.2", prefixLength: 16 }],
    [{}, { address: "10.0.0.3/24" }, /remote: driver modified interface address: endpoint interface IP present \(10\.0\.0\.2\/24\)/],
    [{}, { address: "10.0.0.2/16" }, /driver modified interface address/],
    [{ mac: "02:00:00:00:00:01" }, { mac: "02:00:00:00:00:02" }, /driver modified interface MAC address/],
    [{}, { mac: "01:00:5e:00:00:01" }, /invalid MAC address/],
    [{}, { mac: "nonsense" }, /invalid MAC address/],
    [{ address: "" }, { address: "10.0.0.2" }, /invalid CIDR address: 10\.0\.0\.2/],
    [{ address: "" }, { address: "fd00::2/64" }, /invalid CIDR address/],
    [{}, { address6: "10.0.0.2/24" }, /invalid CIDR address/],
    [{ address: "" }, { address: "10.0.0.2/99" }, /invalid CIDR address/],
  ];
  for (const [wish, given, wanted] of cases) {
    const check = () => checkEndpoint(attachment, { ...asked, ...wish }, { ...nothing, ...given });
    if (wanted instanceof RegExp) assert.throws(check, wanted, JSON.stringify(given));
    else assert.deepEqual(check(), wanted, JSON.stringify(given));
  }
});

test("what a plugin says of its interface", () => {
  const good: readonly Partial<RemoteJoined>[] = [
    {},
    { prefix: "" },
    { gateway: "", gateway6: "fd00::1" },
    { source: "a".repeat(15) },
    { routes: [{ destination: "10.9.0.0/16", nextHop: "10.0.0.1" }, { destination: "fd01::/64", nextHop: "" }, { destination: "0.0.0.0/0", nextHop: "10.0.0.1" }] },
  ];
  for (const change of good) assert.deepEqual(checkJoined({ ...joined, ...change }), { ...joined, ...change });
  const bad: readonly [Partial<RemoteJoined>, RegExp][] = [
    [{ source: "" }, /no interface/],
    [{ source: "a".repeat(16) }, /invalid interface name/],
    [{ source: "../x" }, /invalid interface name/],
    [{ source: "a b" }, /invalid interface name/],
    [{ source: "a\0" }, /invalid interface name/],
    [{ prefix: "a".repeat(12) }, /invalid interface prefix/],
    [{ prefix: "0x" }, /invalid interface prefix/],
    [{ prefix: "e/t" }, /invalid interface prefix/],
    [{ gateway: "10.0.0.1/24" }, /failed to parse Gateway IP/],
    [{ gateway: "fd00::1" }, /failed to parse Gateway IP/],
    [{ gateway6: "10.0.0.1" }, /failed to parse Gateway IPv6/],
    [{ routes: [{ destination: "10.9.0.0", nextHop: "" }] }, /invalid static route/],
    [{ routes: [{ destination: "10.9.0.0/16", nextHop: "fd00::1" }] }, /invalid next hop/],
    [{ routes: [{ destination: "10.9.0.0/16", nextHop: "x" }] }, /invalid next hop/],
    [{ routes: Array.from({ length: 257 }, () => ({ destination: "10.9.0.0/16", nextHop: "" })) }, /257 static routes/],
  ];
  for (const [change, message] of bad) assert.throws(() => checkJoined({ ...joined, ...change }), message, JSON.stringify(change).slice(0, 80));
});
