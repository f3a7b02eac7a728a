/** Who reaches whom, between networks of every kind: packets through the kernel, in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, test } from "node:test";
import { inOwnNetwork } from "../../../test/fixtures/network-host.ts";
import { openFirewallHost, port } from "../../../test/fixtures/firewall-host.ts";

const SHUT = "ECONNREFUSED";
const SOON = 300;

await inOwnNetwork(import.meta.url, async () => {
  const { clear, network, removeNetwork, container, nft, ip, ask, askUdp, outside, replace, setBridgeFilter } = await openFirewallHost();
  const far = await outside();
  await far.serves(80);
  afterEach(clear);
  const rules = () => nft("list", "ruleset");

  for (const filter of ["0", "1"]) test(`networks are kept apart in both directions, but for published ports by the host's address (br_netfilter ${filter})`, async () => {
    setBridgeFilter(filter);
    const [one, two] = [await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64" }), await network({ subnet: "10.2.0.0/24", subnet6: "fd02::/64" })];
    const a = await container(one, "a", { ports: [port(80, 8080), port(80, 8080, { hostIp: "::" })] });
    const [b, c] = [await container(two, "b"), await container(one, "c")];
    await Promise.all([a.serves(80), b.serves(80)]);
    const { address, address6 } = a.attachment;
    const seen = await Promise.all([
      b.asks(address, 80, SOON), a.asks(b.attachment.address, 80, SOON), b.asks(address6, 80, SOON), a.asks(b.attachment.address6, 80, SOON), far.asks(address, 80, SOON),
    ]);
    assert.deepEqual(seen, ["nothing", "nothing", "nothing", "nothing", "nothing"]);
    const reached = await Promise.all([b.asks("198.51.100.1", 8080), b.asks(b.attachment.gateway6, 8080), ask("127.0.0.1", 8080), c.asks(address, 80), c.asks(address6, 80)]);
    assert.deepEqual(reached, ["a 10.1.0.1", "a fd01::1", "a 10.1.0.1", `a ${c.attachment.address}`, `a ${c.attachment.address6}`]);
  });

  test("a network is made and removed without a trace, and so is what is published in it", async () => {
    const before = rules();
    const one = await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64", options: { "com.docker.network.bridge.trusted_host_interfaces": "wire:eth9", "com.docker.network.host_ipv4": "198.51.100.1" } });
    const a = await container(one, "a", {
      ports: [port(80, 8080, { allow: ["10.0.0.0/8", "10.2.0.0/16", "fd00::/8"] }), port(80, 8080, { hostIp: "::", allow: ["10.0.0.0/8", "fd00::/8"] }), port(80, 8081), port(80, 8081, { hostIp: "127.0.0.1" })],
      egress: { Default: "deny", Allow: ["10.0.0.0/8", "10.9.0.0/16", "10.0.0.0/16:80", "10.0.0.0/8:80", "10.0.0.0/8/udp", "10.1.0.0/16/udp", "example.org:443", "[2001:db8::/32]:53/udp", "0.0.0.0/0:123"] },
    });
    const full = rules();
    assert.notEqual(full, before);
    await replace();
    assert.deepEqual(rules().split("\n").toSorted(), full.split("\n").toSorted(), "made at once or bit by bit, it is the same");
    await a.end();
    await removeNetwork(one);
    assert.equal(nft("list", "table", "inet", "gantry"), before);
    nft("delete", "table", "bridge", "gantry");
  });

  test("an internal network has no way out and no way in, and the host reaches it", async () => {
    const [inner, other] = [await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64", internal: true }), await network({ subnet: "10.2.0.0/24" })];
    const [a, b] = [await container(inner, "a"), await container(other, "b", { ports: [port(80, 8080)] })];
    await Promise.all([a.serves(80), b.serves(80)]);
    // A container may be given a route by somebody with NET_ADMIN: that does not lead out either.
    await a.runs("ip route add default via 10.1.0.1; ip -6 route add default via fd01::1");
    await far.runs("ip route replace 10.1.0.0/24 via 198.51.100.1");
    const out = await Promise.all([
      a.asks("198.51.100.2", 80, SOON), a.asks("2001:db8::2", 80, SOON), a.asks(b.attachment.address, 80, SOON), a.asks("198.51.100.1", 8080, SOON),
      b.asks(a.attachment.address, 80, SOON), far.asks(a.attachment.address, 80, SOON), far.asks(a.attachment.address6, 80, SOON),
    ]);
    assert.deepEqual(new Set(out), new Set(["nothing"]));
    assert.equal(await ask(a.attachment.address, 80), "a 10.1.0.1");
    assert.equal(await b.asks("198.51.100.2", 80), "far 198.51.100.1");
  });

  test("gateway modes: routed lets published ports through under the container's address, nat-unprotected all", async () => {
    const routed = await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64", gatewayMode4: "routed", gatewayMode6: "routed" });
    const bare = await network({ subnet: "10.2.0.0/24", gatewayMode4: "nat-unprotected" });
    const a = await container(routed, "a", { ports: [port(80, 0, { by: "route" }), port(80, 0, { by: "route", hostIp: "::" })] });
    const b = await container(bare, "b", { ports: [port(81, 8081)] });
    await Promise.all([a.serves(80, 81), b.serves(80, 81)]);
    const seen = await Promise.all([
      far.asks(a.attachment.address, 80), far.asks(a.attachment.address6, 80), far.asks(a.attachment.address, 81, SOON), far.asks(a.attachment.address6, 81, SOON),
      far.asks(b.attachment.address, 80), far.asks("198.51.100.1", 8081), a.asks("198.51.100.2", 80), a.asks("2001:db8::2", 80), b.asks("198.51.100.2", 80),
    ]);
    assert.deepEqual(seen, [
      "a 198.51.100.2", "a 2001:db8::2", "nothing", "nothing",
      "b 198.51.100.2", "b 198.51.100.2", `far ${a.attachment.address}`, `far ${a.attachment.address6}`, "far 198.51.100.1",
    ]);
  });

  test("trusted interfaces reach published ports directly; masquerading can be off, or with an address of the network's own", async () => {
    ip("address", "add", "198.51.100.77/24", "dev", "wire");
    const one = await network({ subnet: "10.1.0.0/24", options: { "com.docker.network.bridge.trusted_host_interfaces": "wire", "com.docker.network.host_ipv4": "198.51.100.77" } });
    const two = await network({ subnet: "10.2.0.0/24", masquerade: false });
    const [a, b] = [await container(one, "a", { ports: [port(80, 8080)] }), await container(two, "b")];
    await Promise.all([a.serves(80, 81), b.serves(80)]);
    const seen = await Promise.all([
      far.asks(a.attachment.address, 80), far.asks(a.attachment.address, 81, SOON), far.asks(b.attachment.address, 80, SOON),
      a.asks("198.51.100.2", 80), b.asks("198.51.100.2", 80),
    ]);
    assert.deepEqual(seen, ["a 198.51.100.2", "nothing", "nothing", "far 198.51.100.77", `far ${b.attachment.address}`]);
    ip("address", "del", "198.51.100.77/24", "dev", "wire");
  });

  for (const filter of ["0", "1"]) test(`without icc neighbours do not meet, by IPv4, IPv6 or ARP (br_netfilter ${filter})`, async () => {
    const filtered = setBridgeFilter(filter);
    const one = await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64", icc: false });
    const [a, b] = [await container(one, "a", { ports: [port(80, 8080)] }), await container(one, "b")];
    await a.serves(80);
    const direct = await Promise.all([b.asks(a.attachment.address, 80, SOON), b.asks(a.attachment.address6, 80, SOON)]);
    for (const answer of direct) assert.match(answer, /^(nothing|EHOSTUNREACH)$/);
    assert.doesNotMatch(await b.runs("ip neighbour"), /02:42:00/, "no neighbour's MAC was learned");
    assert.equal(await ask("127.0.0.1", 8080), "a 10.1.0.1");
    if (!filtered) assert.equal(await b.asks("198.51.100.1", 8080), "a 10.1.0.1");
  });

  test("a port published for some is closed to the rest, the host included", async () => {
    const one = await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64" });
    const a = await container(one, "a", {
      ports: [
        port(80, 8080, { allow: ["198.51.100.2/32", "203.0.113.0/24"] }), port(80, 8081, { allow: ["203.0.113.0/24", "127.0.0.0/8"] }),
        port(80, 8082, { hostIp: "198.51.100.1", allow: ["198.51.100.0/24"] }), port(80, 8083, { hostIp: "::", allow: ["2001:db8::2"] }),
        port(80, 8084, { hostIp: "::", allow: ["2001:db8::3"] }), port(80, 8085, { protocol: "udp", allow: ["203.0.113.0/24"] }),
        port(80, 8086, { allow: [] }), port(80, 8087, { allow: ["10.0.0.0/8"] }),
      ],
    });
    const b = await container(one, "b");
    await a.serves(80);
    const seen = await Promise.all([
      far.asks("198.51.100.1", 8080), far.asks("198.51.100.1", 8081), far.asks("198.51.100.1", 8082), far.asks("2001:db8::1", 8083), far.asks("2001:db8::1", 8084),
      ask("127.0.0.1", 8080), ask("127.0.0.1", 8081), ask("198.51.100.1", 8082), far.asks("198.51.100.1", 8086), b.asks("198.51.100.1", 8080), b.asks("198.51.100.1", 8087), askUdp("127.0.0.1", 8085),
    ]);
    const near = "a 10.1.0.1";
    assert.deepEqual(seen, ["a 198.51.100.2", SHUT, "a 198.51.100.2", "a 2001:db8::2", SHUT, SHUT, near, "a 198.51.100.1", SHUT, SHUT, near, "nothing"]);
  });

  test("a packet costs the same with fifty networks and a thousand ports: rules do not grow", async () => {
    const count = () => rules().split("\n").filter((line) => line.includes(" comment ")).length;
    const before = count();
    const networks = await Promise.all([3, 4, 5].map((number) => network({ subnet: `10.${number}.0.0/24` })));
    const a = await container(networks[0]!, "a", { ports: Array.from({ length: 1000 }, (_, index) => port(80, 20_000 + index)) });
    assert.equal(count(), before);
    assert.ok(rules().includes("20999"));
    await clear();
    assert.ok(!readFileSync("/proc/net/dev", "utf8").includes("tbr"));
  });
});
