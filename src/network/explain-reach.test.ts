/** What can reach a container and why: a sentence for each option that decides. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explainReach, type Finding, type ReachInput } from "./explain-reach.ts";
import type { Attachment, NetworkRecord, PublishedPort } from "./network.ts";

const network = (name: string, more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: name.padEnd(64, "0"), name, driver: "bridge", created: "", ipv4: true, ipv6: false, internal: false, options: {}, labels: {},
  ipam: { driver: "default", configs: [] }, bridge: `br-${name}`, mtu: 1500, icc: true, masquerade: true, ...more,
});

const endpoint = (name: string, { id, name: networkName, driver }: NetworkRecord, more: Partial<Attachment> = {}): Attachment => ({
  endpointId: `${name}-${networkName}`, networkId: id, networkName, container: name, name, bridge: "", mtu: 1500, isolated: false, hostInterface: "veth0000000", mac: "",
  address: "10.0.0.2", prefixLength: 24, gateway: "10.0.0.1", address6: "", prefixLength6: 0, gateway6: "", ports: [], driver, ...more,
});

const port = (more: Partial<PublishedPort> = {}): PublishedPort => ({ protocol: "tcp", hostIp: "0.0.0.0", hostPort: 8080, port: 80, by: "kernel", chosen: false, ...more });

function reach(networks: readonly NetworkRecord[], endpoints: readonly Attachment[], more: Partial<ReachInput> = {}) {
  return explainReach({ container: "web", name: "web", mode: "app", running: true, firewall: true, networks, endpoints, peers: [], ...more });
}

const lines = (findings: readonly Finding[]) => findings.map(({ who, reachable, where, because }) => `${reachable ? "yes" : "no"} ${who}: ${where} (${because})`).join("\n");

test("a usual container: peers, the host, published ports; and everything outside", () => {
  const app = network("app");
  const found = reach([app], [endpoint("web", app, { ports: [port(), port({ hostIp: "127.0.0.1", hostPort: 9090 }), port({ hostIp: "::", by: "proxy" })] })], {
    peers: [endpoint("db", app), endpoint("cache", app)],
  });
  assert.equal(
    lines(found.from),
    [
      "yes cache, db: every port of 10.0.0.2 (both are in network app, whose containers reach each other)",
      "yes the host: every port of 10.0.0.2 (the host has an address in network app (interface br-app))",
      "no neighbours of the host and containers of other networks: 10.0.0.2 (network app is behind the host's address (gateway_mode_ipv4=nat): only published ports lead into it)",
      "yes the host, its neighbours, containers: port 8080 of every IPv4 address of the host (tcp), which is its 80 (published (-p) by way of network app)",
      "yes the host itself: 127.0.0.1:9090 (tcp), which is its 80 (published (-p) by way of network app, on an address of the loopback)",
      "yes the host, its neighbours, containers: port 8080 of every IPv6 address of the host (tcp), which is its 80, through the engine's proxy (published (-p) by way of network app)",
    ].join("\n"),
  );
  assert.match(lines(found.to), /^yes cache, db: every port of their addresses .*\nyes the host: every address of it .*\nyes everything else that speaks IPv4: by way of 10\.0\.0\.1 in network app \(its default route; no egress policy; it is seen with the host's address\)$/);
  assert.deepEqual(found.networks, [{ name: "app", driver: "bridge", interface: "eth0", addresses: ["10.0.0.2"], gateway: true }]);
});

const cases: [title: string, network: NetworkRecord, attachment: Partial<Attachment>, from: RegExp, to: RegExp][] = [
  ["internal", network("in", { internal: true }), { gateway: "" }, /no neighbours .*: 10\.0\.0\.2 \(network in is internal: nothing is routed into it\)/, /its address in network in, and no other .*\nno everything else: nothing \(network in is internal\)$/],
  ["icc off", network("x", { icc: false }), {}, /no db: nothing \(both are in network x, where enable_icc is false\)/, /no db: nothing/],
  ["routed", network("r", { gatewayMode4: "routed" }), { ports: [port()] }, /yes neighbours .*: 80\/tcp of 10\.0\.0\.2 \(gateway_mode_ipv4=routed in network r: published ports are open/, /it is seen with its own address/],
  ["nat-unprotected", network("u", { gatewayMode4: "nat-unprotected" }), {}, /yes neighbours .*: every port of 10\.0\.0\.2 \(gateway_mode_ipv4=nat-unprotected/, /yes everything else/],
  ["isolated", network("i", { internal: true, gatewayMode4: "isolated" }), { gateway: "" }, /no the host: nothing in network i \(its gateway mode is isolated/, /^(?!.*the host)/s],
  ["no masquerading", network("m", { masquerade: false }), {}, /yes the host/, /it is seen with its own address/],
  ["allow list", network("a"), { ports: [port({ allow: ["10.0.0.0/8", "192.0.2.1/32"] })] }, /yes of the host, its neighbours, containers: 10\.0\.0\.0\/8, 192\.0\.2\.1\/32: port 8080 .* \(published with allow= \(network a\)\)/, /yes/],
  ["trusted interface", network("t", { options: { "com.docker.network.bridge.trusted_host_interfaces": "wg0:eth3" } }), { ports: [port()] }, /yes what comes in by wg0, eth3: 80\/tcp of 10\.0\.0\.2 \(trusted_host_interfaces/, /yes/],
  ["egress policy", network("e"), { egress: { Default: "deny", Allow: ["example.com:443", "10.1.0.0/16"] } }, /yes db/, /^yes db: every port of their addresses .*\nyes example\.com:443: as written \(--egress-allow\)\nyes 10\.1\.0\.0\/16: .*\nno everything else: the host too \(--egress deny\)$/],
  ["macvlan", network("v", { driver: "macvlan", parent: "eth0", mode: "bridge", bridge: "" }), {}, /no the host: .*macvlan: the kernel passes nothing between eth0.*\nyes whoever reaches the network of eth0: every port/, /yes everything else that speaks IPv4/],
  ["private macvlan", network("p", { driver: "macvlan", parent: "eth0", mode: "private", bridge: "" }), {}, /no db: nothing \(macvlan_mode=private in network p\)/, /no db/],
];

for (const [title, on, attachment, from, to] of cases) {
  test(title, () => {
    const found = reach([on], [endpoint("web", on, attachment)], { peers: [endpoint("db", on)] });
    assert.match(lines(found.from), from);
    assert.match(lines(found.to), to);
  });
}

test("of many peers only the first are named; those with an egress policy are peers like others", () => {
  const app = network("app");
  const many = Array.from({ length: 20 }, (_, at) => endpoint(`c${String(at).padStart(2, "0")}`, app));
  const found = reach([app], [endpoint("web", app)], { peers: [...many, endpoint("shut", app, { egress: { Default: "deny", Allow: [] } })] });
  assert.match(lines(found.from), /yes c00, c01, .*, c11 and 9 more: every port/);
});

test("of two networks the one with the gateway leads outside", () => {
  const [one, two] = [network("one"), network("two", { internal: true })];
  const found = reach([one, two], [endpoint("web", one), endpoint("web", two, { gateway: "", interface: "eth1", rate: { egress: 1e6 } })]);
  assert.deepEqual(found.networks.map(({ name, gateway }) => [name, gateway]), [["one", true], ["two", false]]);
  assert.deepEqual(found.networks[1]?.rate, { egress: 1e6 });
  assert.match(lines(found.to), /everything else that speaks IPv4: by way of 10\.0\.0\.1 in network one/);
});

test("the host's network, another container's, none, not running, no firewall", () => {
  assert.match(lines(reach([], [], { mode: "host" }).from), /^yes whoever reaches the host: every port on which it listens/);
  assert.match(lines(reach([], [], { mode: "container:abc" }).from), /^no anybody: .*ask for abc\)$/);
  assert.match(lines(reach([], [], { mode: "none" }).to), /^no anything: nothing \(it is in no network/);
  assert.match(lines(reach([], [], { running: false }).from), /it does not run/);
  const app = network("app");
  assert.match(lines(reach([app], [endpoint("web", app)], { firewall: false }).from), /^yes anybody: whatever the host routes to it \(the engine keeps no firewall/);
});
