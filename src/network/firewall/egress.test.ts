/** What limited containers reach: packets through the kernel, in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { inOwnNetwork } from "../../../test/fixtures/network-host.ts";
import { openFirewallHost, port, TABLE, type Box } from "../../../test/fixtures/firewall-host.ts";
import { openAnswers } from "./answers.ts";

const SHUT = "ECONNREFUSED";
const SOON = 300;

await inOwnNetwork(import.meta.url, async () => {
  const { clear, network, container, boxes, kernel, nft, replace, outside, setBridgeFilter, ip, ask } = await openFirewallHost();
  const far = await outside();
  await far.serves(80, 81);
  afterEach(clear);
  const deny = (...Allow: string[]) => ({ egress: { Default: "deny" as const, Allow } });
  const answersOf = (now?: () => number) => {
    const attachments = () => boxes.map(({ attachment }) => attachment);
    return openAnswers({ kernel, table: TABLE, attachments, attachmentsOf: (name) => attachments().filter(({ container }) => container === name), ...(now && { now }) });
  };
  const reach = (box: Box, ...to: [string, number][]) => Promise.all(to.map(([host, at]) => box.asks(host, at)));

  for (const filter of ["0", "1"]) test(`denied is refused at once, but for what is allowed; neighbours are neighbours (br_netfilter ${filter})`, async () => {
    const filtered = setBridgeFilter(filter);
    const [one, two] = [await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64" }), await network({ subnet: "10.2.0.0/24" })];
    const a = await container(one, "a", { ...deny("198.51.100.0/24:80", "2001:db8::/64:80/tcp"), ports: [port(80, 8080)] });
    const [b, c] = [await container(one, "b"), await container(two, "c", { ports: [port(80, 8090)] })];
    const none = await container(one, "none", deny());
    await Promise.all([a.serves(80), b.serves(80), c.serves(80)]);
    const { gateway, gateway6 } = a.attachment;
    assert.deepEqual(
      await reach(a, ["198.51.100.2", 80], ["198.51.100.2", 81], ["2001:db8::2", 80], ["2001:db8::2", 81], [b.attachment.address, 80], [b.attachment.address6, 80], [gateway6, 22]),
      ["far 198.51.100.1", SHUT, "far 2001:db8::1", SHUT, `b ${a.attachment.address}`, `b ${a.attachment.address6}`, SHUT],
    );
    assert.deepEqual(await reach(none, ["198.51.100.2", 80], ["2001:db8::2", 80], [a.attachment.address, 80]), [SHUT, SHUT, `a ${none.attachment.address}`]);
    // What was translated at the bridge is refused by a packet that bears the translated address: it is not understood.
    assert.equal(await none.asks(gateway, 8090, filtered ? SOON : 5000), filtered ? "nothing" : SHUT);
    assert.match(await none.asksUdp("198.51.100.2", 80), /^(EHOSTUNREACH|EACCES|ECONNREFUSED)$/);
    assert.equal(await b.asks("198.51.100.2", 81), "far 198.51.100.1", "who has no policy is not limited");
    // What comes in is a matter of publishing.
    assert.deepEqual([await far.asks("198.51.100.1", 8080), await ask("127.0.0.1", 8080), await ask(a.attachment.address, 80)], ["a 198.51.100.2", "a 10.1.0.1", "a 10.1.0.1"]);
  });

  test("the host is a destination like others", async () => {
    setBridgeFilter("0");
    const one = await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64" });
    const other = await container(one, "other", { ports: [port(80, 8090), port(80, 8091)] });
    await other.serves(80);
    const a = await container(one, "a", deny("10.1.0.1:8090", "10.1.0.1/udp"));
    assert.deepEqual(await reach(a, ["10.1.0.1", 8090], ["10.1.0.1", 8091], ["198.51.100.1", 8090]), ["other 10.1.0.1", SHUT, SHUT]);
  });

  test("a limited container speaks in its own name only", async () => {
    const one = await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64" });
    const a = await container(one, "a", deny());
    const b = await container(one, "b");
    await b.serves(80);
    assert.equal(await a.asks(b.attachment.address, 80), `b ${a.attachment.address}`);
    // Another address, another MAC: nothing is heard of it, not even by neighbours, and ARP is not poisoned.
    await a.runs("ip address add 10.1.0.200/24 dev eth0; ip address add fd01::200/64 dev eth0 nodad; ip route replace default via 10.1.0.1 src 10.1.0.200; ip -6 route replace default via fd01::1 src fd01::200");
    assert.deepEqual(await Promise.all([a.asks("198.51.100.2", 80, SOON), a.asks("2001:db8::2", 80, SOON)]), ["nothing", "nothing"]);
    assert.match(await b.asks("10.1.0.200", 80, SOON), /^(nothing|EHOSTUNREACH)$/);
    assert.match(await b.asks("fd01::200", 80, SOON), /^(nothing|EHOSTUNREACH)$/);
    assert.doesNotMatch(ip("neighbour"), /10\.1\.0\.200.*lladdr|fd01::200.*lladdr/);
    await a.runs("ip address del 10.1.0.200/24 dev eth0; ip link set eth0 down; ip link set eth0 address 02:42:00:00:00:fe; ip link set eth0 up");
    assert.match(await a.asks(b.attachment.address, 80, SOON), /^(nothing|EHOSTUNREACH)$/);
    await clear();
    assert.doesNotMatch(nft("list", "ruleset"), /10\.1\.0|veth/);
  });

  test("names are let through for as long as their answers live, to who asked", async () => {
    let time = 0;
    const answers = answersOf(() => time);
    const one = await network({ subnet: "10.1.0.0/24", subnet6: "fd01::/64" });
    const a = await container(one, "a", deny("example.org:80", "*.example.net"));
    const b = await container(one, "b", deny("*.example.net"));
    const addresses = ["198.51.100.2", "2001:db8::2"];
    const to: [string, number][] = [["198.51.100.2", 80], ["198.51.100.2", 81], ["2001:db8::2", 80]];
    const told = (container: string, name: string, ttlSeconds = 100) => answers.onAnswer({ container, name, addresses, ttlSeconds });
    await told("a", "example.com");
    await told("a", "notexample.org");
    await told("b", "example.org");
    await told("b", "example.net");
    assert.deepEqual(await reach(a, ...to), [SHUT, SHUT, SHUT]);
    await told("a", "example.org");
    assert.deepEqual(await reach(a, ...to), ["far 198.51.100.1", SHUT, "far 2001:db8::1"]);
    assert.deepEqual(await reach(b, ...to), [SHUT, SHUT, SHUT]);
    await told("a", "www.example.net");
    assert.deepEqual(await reach(a, ...to), ["far 198.51.100.1", "far 198.51.100.1", "far 2001:db8::1"]);

    const lives = () => [...nft("list", "table", "inet", "gantry").matchAll(/198\.51\.100\.2[^,}]*timeout (\S+) expires/g)].map((match) => match[1]);
    assert.deepEqual(lives(), ["1m40s", "1m40s", "1m40s"], "all ports; tcp and udp");
    time = 50_000;
    await told("a", "example.org", 200);
    assert.deepEqual(lives().toSorted(), ["1m40s", "3m20s", "3m20s"]);
    await told("a", "example.org", 0);
    assert.deepEqual(lives().toSorted(), ["1m40s", "3m20s", "3m20s"], "an answer does not shorten the life of another");
    time = 150_000; // The first answers have ended.
    assert.equal(answers.open().length, 4, "those of the first name, IPv4 and IPv6, TCP and UDP");

    // The table is replaced, by us, or by an engine that has just started.
    const again = answersOf();
    await again.restore();
    nft("flush", "ruleset");
    await replace(undefined, again.open());
    assert.deepEqual(await reach(a, ...to), ["far 198.51.100.1", "far 198.51.100.1", "far 2001:db8::1"]);
    await kernel.perform(again.forget(a.attachment));
    assert.deepEqual(await reach(a, ...to), [SHUT, SHUT, SHUT]);
    assert.deepEqual(again.open(), []);
  });

  test("no name opens what means something else here", async () => {
    const answers = answersOf();
    const one = await network({ subnet: "10.1.0.0/24" });
    await container(one, "a", deny("evil.example"));
    const before = nft("list", "ruleset");
    await answers.onAnswer({ container: "a", name: "evil.example", addresses: ["169.254.169.254", "127.0.0.1", "0.0.0.0", "::1", "fe80::1", "224.0.0.1"], ttlSeconds: 60 });
    assert.equal(nft("list", "ruleset"), before);
  });
});
