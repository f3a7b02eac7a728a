import assert from "node:assert/strict";
import { test } from "node:test";
import { parseEgress } from "#spec/egress.ts";
import { formatAddress, parseAddress } from "../ipam/addresses.ts";
import type { Attachment, NetworkRecord } from "../network.ts";
import { answerElements, targetsFor, targetsOf } from "./egress.ts";
import { endpointElements, networkElements, type InSet } from "./elements.ts";
import { linkLocal } from "./honest.ts";
import { outermost, parseRange, rangeElements } from "./ranges.ts";
import { chains } from "./rules.ts";
import { SETS } from "./sets.ts";

const record: NetworkRecord = {
  id: "1".repeat(64), name: "n", driver: "bridge", created: "", ipv4: true, ipv6: true, internal: false, options: {}, labels: {}, bridge: "br0", mtu: 1500, icc: true, masquerade: true,
  ipam: { driver: "default", configs: [{ subnet: "10.1.0.0/24", gateway: "10.1.0.1" }, { subnet: "fd01::/64", gateway: "fd01::1" }] },
};
const attachment: Attachment = {
  endpointId: "2".repeat(64), networkId: record.id, networkName: "n", container: "c", name: "c", bridge: "br0", mtu: 1500, isolated: false, hostInterface: "veth0000001", mac: "02:42:0a:01:00:02",
  address: "10.1.0.2", prefixLength: 24, gateway: "10.1.0.1", address6: "fd01::2", prefixLength6: 64, gateway6: "fd01::1", ports: [],
};
/** Sets, and how many elements each. */
const counts = (elements: readonly InSet[]) => elements.reduce<Record<string, number>>((all, [set]) => ({ ...all, [set]: (all[set] ?? 0) + 1 }), {});
const verdictIn = (elements: readonly InSet[], name: string) => elements.find(([set]) => set === name)?.[1].verdict;

test("a network is a few elements, by its options", () => {
  const common = { bridges: 1, within: 1, into4: 1, into6: 1, homes4: 1, homes6: 1 };
  const leaving = { leaving4: 2, leaving6: 2 };
  assert.deepEqual(counts(networkElements(record)), { ...common, ...leaving });
  assert.deepEqual(counts(networkElements({ ...record, masquerade: false })), common);
  assert.deepEqual(counts(networkElements({ ...record, internal: true })), { ...common, internal: 1 });
  assert.deepEqual(counts(networkElements({ ...record, gatewayMode4: "routed" })), { ...common, leaving6: 2 });
  assert.deepEqual(counts(networkElements({ ...record, options: { "com.docker.network.host_ipv4": "192.0.2.1" } })), { ...common, leavingAs4: 2, leaving6: 2 });
  assert.deepEqual(counts(networkElements({ ...record, options: { "com.docker.network.bridge.trusted_host_interfaces": "eth0:vpn1" } })), { ...common, ...leaving, trusted4: 2, trusted6: 2 });
  for (const driver of ["host", "null", "macvlan", "ipvlan", "some-plugin"]) assert.deepEqual(networkElements({ ...record, driver }), []);
});

test("what comes into a network is its gateway mode's, by family", () => {
  const modes = { nat: { goto: "nat4" }, routed: { goto: "routed4" }, "nat-unprotected": "accept", isolated: "drop" } as const;
  for (const [mode, verdict] of Object.entries(modes)) {
    const elements = networkElements({ ...record, gatewayMode4: mode as keyof typeof modes });
    assert.deepEqual([verdictIn(elements, "into4"), verdictIn(elements, "into6")], [verdict, { goto: "nat6" }], mode);
  }
  assert.equal(verdictIn(networkElements({ ...record, internal: true, gatewayMode4: "nat-unprotected" }), "into4"), "drop");
  assert.deepEqual([true, false].map((icc) => verdictIn(networkElements({ ...record, icc }), "within")), ["accept", "drop"]);
});

test("every chain that is pointed to is there, and every element's set", () => {
  const names = new Set(chains().map(({ name }) => name));
  const all = (["nat", "routed", "nat-unprotected", "isolated"] as const).flatMap((mode) => networkElements({ ...record, gatewayMode4: mode, gatewayMode6: mode }));
  for (const [set, { verdict }] of all) {
    assert.ok(set in SETS, set);
    if (typeof verdict === "object") assert.ok(names.has("goto" in verdict ? verdict.goto : verdict.jump));
  }
  assert.equal(new Set(Object.values(SETS).map(({ name }) => name)).size, Object.keys(SETS).length);
  assert.equal(names.size, chains().length);
});

test("a published port is one element of a map; for some, one each", () => {
  const port = { protocol: "tcp", hostIp: "0.0.0.0", hostPort: 8080, port: 80, by: "kernel", chosen: false } as const;
  const of = (...ports: Attachment["ports"]) => counts(endpointElements({ ...attachment, ports }));
  assert.deepEqual(of(port), { open4: 1, portsAny4: 1 });
  assert.deepEqual(of(port, { ...port, hostPort: 8081 }), { open4: 1, portsAny4: 2 });
  assert.deepEqual(of({ ...port, hostIp: "127.0.0.1" }), { open4: 1, ports4: 1 });
  assert.deepEqual(of({ ...port, hostIp: "::", by: "both" }), { open6: 1, portsAny6: 1 });
  assert.deepEqual(of({ ...port, by: "proxy" }), {});
  assert.deepEqual(of({ ...port, by: "route", hostPort: 0 }), { open4: 1 });
  assert.deepEqual(of({ ...port, allow: ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1", "fd00::/8"] }), { fencedAny4: 1, allowAny4: 2 });
  assert.deepEqual(of({ ...port, allow: [] }), { fencedAny4: 1 }, "for nobody");
  assert.deepEqual(endpointElements({ ...attachment, driver: "macvlan", ports: [port] }), []);
});

test("an egress policy: prefixes as elements, names when they are answered", () => {
  const policy = { Default: "deny", Allow: ["10.0.0.0/8", "10.1.0.0/16", "192.0.2.1:443", "[fd00::/8]:53/udp", "192.0.2.0/24/udp", "example.org:80"] } as const;
  const limited = { ...attachment, egress: { ...policy, Allow: [...policy.Allow] } };
  assert.deepEqual(counts(endpointElements(limited)), { limited4: 1, limited6: 1, egress4: 1, egressPort4: 2, egressPort6: 1, egressProtocol4: 1 });
  assert.deepEqual(counts(endpointElements({ ...attachment, egress: { Default: "deny", Allow: [] } })), { limited4: 1, limited6: 1 });
  assert.deepEqual(endpointElements({ ...attachment, egress: { Default: "allow", Allow: ["10.0.0.0/8"] } }), []);
  assert.equal(targetsOf({ Default: "allow", Allow: [] }), undefined);
  const [own, other] = [parseAddress("10.1.0.2")!, parseAddress("192.0.2.7")!];
  const answered = (text: string) => counts(answerElements(own, parseEgress(text)!, other, 1000));
  assert.deepEqual([answered("a.org"), answered("a.org:80"), answered("a.org:80/tcp"), answered("a.org/udp")], [{ named4: 1 }, { namedPort4: 2 }, { namedPort4: 1 }, { namedProtocol4: 1 }]);
  assert.deepEqual(answerElements(own, parseEgress("a.org")!, parseAddress("fd00::1")!, 1000), []);
});

test("names of a policy", () => {
  const targets = ["example.org", "*.example.net:443"].map((text) => parseEgress(text)!);
  const found = ["example.org", "www.example.org", "notexample.org", "example.net", "a.example.net", "a.b.example.net", "aexample.net"].map((name) => targetsFor(targets, name).length);
  assert.deepEqual(found, [1, 0, 0, 0, 1, 1, 0]);
});

test("ranges: the last address there is has nothing after it; of prefixes that contain each other the widest stays", () => {
  const shown = (text: string) => rangeElements(parseRange(text)!).map(({ key, end }) => `${formatAddress(key)}${end ? " end" : ""}`);
  assert.deepEqual(shown("10.0.0.0/8"), ["10.0.0.0", "11.0.0.0 end"]);
  assert.deepEqual(shown("0.0.0.0/0"), ["0.0.0.0"]);
  assert.deepEqual(shown("192.0.2.1"), ["192.0.2.1", "192.0.2.2 end"]);
  const widest = (...texts: string[]) => outermost(texts.map((text) => parseRange(text)!)).map(({ first }) => formatAddress(first));
  assert.deepEqual(widest("10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8", "192.0.2.1", "::/0", "fd00::/8"), ["10.0.0.0", "192.0.2.1", "::"]);
});

test("a MAC's own link-local address", () => assert.equal(formatAddress(linkLocal("02:42:0a:01:00:02")), "fe80::42:aff:fe01:2"));
