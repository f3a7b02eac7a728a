/** What of a network is shown: members, and how many addresses are taken and left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NetworkRecord, Subnet } from "#network/network.ts";
import { inspectNetwork } from "./inspect.ts";

const network = (...configs: Subnet[]): NetworkRecord => ({
  id: "a".repeat(64), name: "n", driver: "bridge", created: "2026-01-01T00:00:00Z", ipv4: true, ipv6: true, internal: false,
  ipam: { driver: "default", configs }, options: {}, labels: {}, bridge: "br0", mtu: 1500, icc: true, masquerade: true,
});
const endpoint = (address: string, address6 = "") => ({
  networkId: "a", endpointId: "e", gateway: "", address, prefixLength: 24, gateway6: "", address6, prefixLength6: address6 === "" ? 0 : 64, mac: "02:42:0a:00:00:02", aliases: [],
});
const member = (container: string, address: string, address6?: string) => ({ container, name: `name-${container}`, endpoint: endpoint(address, address6) });

const shown = (record: NetworkRecord, ...members: ReturnType<typeof member>[]) =>
  JSON.parse(JSON.stringify(inspectNetwork(record, members))) as { Containers: object; Status: { IPAM: { Subnets: Record<string, object> } } };

test("members are shown by container, with their addresses as prefixes", () =>
  assert.deepEqual(shown(network({ subnet: "10.0.0.0/24", gateway: "10.0.0.1" }), member("c1", "10.0.0.2", "fd00::2"), member("c2", "10.0.0.3")).Containers, {
    c1: { Name: "name-c1", EndpointID: "e", MacAddress: "02:42:0a:00:00:02", IPv4Address: "10.0.0.2/24", IPv6Address: "fd00::2/64" },
    c2: { Name: "name-c2", EndpointID: "e", MacAddress: "02:42:0a:00:00:02", IPv4Address: "10.0.0.3/24", IPv6Address: "" },
  }));

const counted: readonly (readonly [Subnet, members: string[], status: object])[] = [
  [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1" }, [], { IPsInUse: 3, DynamicIPsAvailable: 253 }],
  [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1" }, ["10.0.0.2", "10.0.0.3"], { IPsInUse: 5, DynamicIPsAvailable: 251 }],
  [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1", range: "10.0.0.128/25", aux: { r: "10.0.0.5" } }, ["10.0.0.128", "10.0.0.9"], { IPsInUse: 6, DynamicIPsAvailable: 126 }],
  [{ subnet: "10.0.0.0/30", gateway: "10.0.0.1" }, ["10.0.0.2"], { IPsInUse: 4, DynamicIPsAvailable: 0 }],
  [{ subnet: "10.0.0.4/32", gateway: "10.0.0.4" }, [], { IPsInUse: 1, DynamicIPsAvailable: 0 }],
  [{ subnet: "10.0.0.0/24", gateway: "" }, [], { IPsInUse: 2, DynamicIPsAvailable: 254 }],
];
for (const [config, addresses, status] of counted) {
  test(`addresses of ${config.range ?? config.subnet}, ${addresses.length} given`, () => {
    const members = addresses.map((address, at) => member(`c${at}`, address));
    assert.deepEqual(shown(network(config), ...members).Status, { IPAM: { Subnets: { [config.subnet]: status } } });
  });
}

test("more addresses than a double can count are counted, as far as Go's numbers go", () => {
  const text = JSON.stringify(inspectNetwork(network({ subnet: "fd00::/64", gateway: "fd00::1" }, { subnet: "fd01::/48", gateway: "fd01::1" }), [member("c", "", "fd00::2")]));
  assert.match(text, /"fd00::\/64":\{"IPsInUse":3,"DynamicIPsAvailable":18446744073709551613\}/);
  assert.match(text, /"fd01::\/48":\{"IPsInUse":2,"DynamicIPsAvailable":18446744073709551615\}/);
});
