/** The driver macvlan: what its options mean, and the suite on an interface of the host and on none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { macvlanDriver } from "./macvlan.ts";
import type { NetworkRecord } from "../network.ts";
import { parseVlan } from "./parent.ts";
import { inOwnNetwork, openTestHost } from "../../../test/fixtures/network-host.ts";
import { networkDriverSuite, networkRequest } from "../../../test/suites/network-driver.ts";
import { hasKind } from "../../../test/fixtures/kernel-kinds.ts";

function makeWire(ip: (...args: string[]) => string): void {
  ip("link", "add", "wire", "up", "type", "veth", "peer", "name", "wire-end");
  ip("link", "set", "wire-end", "up");
}

const record = (driver: string, options: Record<string, string> = {}, more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: "0123456789abcdef".repeat(4), name: "n", driver, created: "", ipv4: true, ipv6: false, internal: false, ipam: { driver: "default", configs: [] },
  options, labels: {}, bridge: "", mtu: 1500, icc: true, masquerade: true, ...more,
});
const settle = (options: Record<string, string>, others: readonly NetworkRecord[] = []) =>
  macvlanDriver.settle(networkRequest({ Driver: "macvlan", Options: options }), record("macvlan", options), others);

test("without a parent the network is internal, on an interface that leads nowhere", () => {
  const { parent, internal, mode, mtu } = settle({});
  assert.deepEqual({ parent, internal, mode, mtu }, { parent: "dm-0123456789ab", internal: true, mode: "bridge", mtu: 0 });
  const named = settle({ parent: "eth0", macvlan_mode: "private", "com.docker.network.driver.mtu": "1400" });
  assert.deepEqual([named.parent, named.internal, named.mode, named.mtu], ["eth0", false, "private", 1500]);
});

test("options that mean nothing: Docker's sentences", () => {
  const other = record("macvlan", {}, { id: "f".repeat(64), parent: "eth0", mode: "bridge" });
  const cases: [Record<string, string>, readonly NetworkRecord[], RegExp][] = [
    [{ macvlan_mode: "nonsense" }, [], /^requested macvlan mode 'nonsense' is not valid, 'bridge' mode is the macvlan driver default$/],
    [{ parent: "lo" }, [], /^loopback interface is not a valid macvlan parent link$/],
    [{ parent: "eth0", macvlan_mode: "passthru" }, [other], /^cannot use mode passthru, macvlan network f{64} is already using parent interface eth0$/],
    [{ parent: "eth0" }, [{ ...other, mode: "passthru" }], /^macvlan network f{64} is already using parent interface eth0 in mode passthru$/],
  ];
  for (const [options, others, message] of cases) assert.throws(() => settle(options, others), { message });
  assert.equal(settle({ parent: "eth0" }, [other]).parent, "eth0", "two may share one");
});

test("a parent that is not there can only be a VLAN", () => {
  assert.deepEqual(parseVlan("eth0.50"), { on: "eth0", id: 50 });
  for (const [parent, message] of [
    ["eth7", "invalid subinterface vlan name eth7, example formatting is eth0.10"],
    ["eth0.1.2", "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received eth0.1.2"],
    ["eth0.x", "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)"],
  ] as const) assert.throws(() => parseVlan(parent), { message });
});

inOwnNetwork(import.meta.url, () => {
  const { ip, opened, start } = openTestHost();
  const skip = hasKind("macvlan") ? undefined : "the kernel has no macvlan";
  networkDriverSuite({ driver: "macvlan", skip });
  networkDriverSuite({ driver: "macvlan", skip, options: { parent: "wire" }, prepare: makeWire });

  test("two networks share a VLAN, which goes with the second", { skip: skip ?? (!hasKind("vlan") && "the kernel has no VLANs") }, async () => {
    const { network, close } = await opened();
    const on = (Name: string, subnet: string) => network.create(networkRequest({ Name, Driver: "macvlan", Options: { parent: "wire.50" }, subnets: [subnet] }));
    const [one, two] = [await on("one", "10.50.0.0/24"), await on("two", "10.51.0.0/24")];
    assert.match(ip("-d", "link", "show", "wire.50"), /vlan protocol 802.1Q id 50/);
    await network.remove(one.network.id);
    assert.match(ip("link", "show", "wire.50"), /UP/);
    await network.remove(two.network.id);
    assert.doesNotMatch(ip("link"), /wire\.50/);
    await close();
  });

  test("what cannot be made: no such interface, no such VLAN; nothing stays", { skip: skip ?? false }, async () => {
    const { network, close } = await opened();
    const on = (parent: string) => network.create(networkRequest({ Name: "wrong", Driver: "macvlan", Options: { parent }, subnets: ["10.52.0.0/24"] }));
    await assert.rejects(on("nowhere"), { kind: "internal", message: "invalid subinterface vlan name nowhere, example formatting is eth0.10" });
    await assert.rejects(on("nowhere.5"), { kind: "internal", message: "-o parent interface was not found on the host: nowhere" });
    await assert.rejects(on("wire.5000"), { kind: "internal", message: "vlan id must be between 1-4094, received: 5000" });
    assert.deepEqual(network.list().filter(({ name }) => name === "wrong"), []);
    await close();
  });

  test("published ports are not a macvlan's matter; limits that nobody could keep up are refused", { skip: skip ?? false }, async () => {
    const { network, close } = await opened();
    await network.reconcile(new Set());
    const { network: made } = await network.create(networkRequest({ Name: "lan", Driver: "macvlan", subnets: ["10.53.0.0/24"] }));
    const web = await start(network, "web", { network: "lan", bindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] }, rate: { egress: 10e6 } });
    assert.deepEqual(web.attachment.ports, []);
    await assert.rejects(start(network, "late", { network: "lan", rate: { egress: 10e6, ingress: 10e6 } }), { kind: "invalid", message: /^network-rate: what comes to a container cannot be limited in network lan \(macvlan\)/ });
    await network.leave(Buffer.from("late").toString("hex").padEnd(64, "0"));
    await assert.rejects(start(network, "shut", { network: "lan", egress: { Default: "deny", Allow: [] } }), { kind: "invalid", message: /what it sends to network lan does not pass the engine's firewall$/ });
    await network.leave(Buffer.from("shut").toString("hex").padEnd(64, "0"));
    await web.stop();
    await network.remove(made.id);
    await close();
  });
});
