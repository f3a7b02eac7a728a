import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure, type Kind } from "#base/errors.ts";
import type { NetworkCreateRequest } from "#spec/docker.ts";
import { parsePrefix } from "./ipam/addresses.ts";
import { driverOf } from "./drivers/drivers.ts";
import type { NetworkRecord } from "./network.ts";
import { settleNetwork, type Around } from "./settle.ts";

const REQUEST: NetworkCreateRequest = {
  Name: "web", Driver: "", EnableIPv4: true, EnableIPv6: false, Internal: false, Attachable: false, Ingress: false, ConfigOnly: false, ConfigFrom: "",
  IPAM: { Driver: "", Options: {}, Config: [] }, Options: {}, Labels: {},
};
const ID = "0123456789abcdef".repeat(4);
const AROUND: Around = { id: ID, created: "2026-01-01T00:00:00Z", networks: [], taken: [], pools: [], driverOf, mtu: 1500 };

type Wish = Partial<Omit<NetworkCreateRequest, "IPAM">> & { config?: NetworkCreateRequest["IPAM"]["Config"] };
const settle = ({ config = [], ...wish }: Wish = {}, around: Partial<Around> = {}) =>
  settleNetwork({ ...REQUEST, ...wish, IPAM: { ...REQUEST.IPAM, Config: config } }, { ...AROUND, ...around });
const other = (wish: Wish, id = "f".repeat(64)): NetworkRecord => settle({ Name: "other", ...wish }, { id });
const configs = (...args: Parameters<typeof settle>) => settle(...args).ipam.configs;

test("a network of which nothing is said: a bridge, and the first subnet that nobody has", () => {
  const record = settle({}, { taken: [parsePrefix("172.17.0.0/16")!] });
  assert.deepEqual(record.ipam.configs, [{ subnet: "172.18.0.0/16", gateway: "172.18.0.1" }]);
  assert.deepEqual([record.driver, record.bridge, record.icc, record.masquerade, record.mtu], ["bridge", "br-0123456789ab", true, true, 1500]);
  assert.equal(record.ownSubnets, undefined);
  assert.deepEqual(configs({}, { networks: [other({})] }), [{ subnet: "172.18.0.0/16", gateway: "172.18.0.1" }], "another network's is not chosen either");
});

test("subnets, range, gateway, auxiliary addresses, both families", () => {
  assert.deepEqual(configs({ config: [{ Subnet: "10.1.0.0/16" }] }), [{ subnet: "10.1.0.0/16", gateway: "10.1.0.1" }]);
  assert.deepEqual(configs({ config: [{ Subnet: "10.1.0.0/16", IPRange: "10.1.5.0/24" }] }), [{ subnet: "10.1.0.0/16", range: "10.1.5.0/24", gateway: "10.1.5.0" }], "as Docker: the range's first");
  assert.deepEqual(configs({ config: [{ Subnet: "10.1.0.0/16", IPRange: "10.1.0.0/24", Gateway: "10.1.9.9" }] })[0]?.gateway, "10.1.9.9");
  const aux = { router: "10.1.0.1", DefaultGatewayIPv4: "10.1.0.9" };
  assert.deepEqual(configs({ config: [{ Subnet: "10.1.0.0/16", AuxiliaryAddresses: aux }] }), [{ subnet: "10.1.0.0/16", gateway: "10.1.0.2", route: "10.1.0.9", aux }]);
  const both = configs({ EnableIPv6: true, config: [{ Subnet: "fd00:9::/64" }, { Subnet: "10.1.0.0/16" }] });
  assert.deepEqual(both.map(({ subnet, gateway }) => [subnet, gateway]), [["10.1.0.0/16", "10.1.0.1"], ["fd00:9::/64", "fd00:9::1"]], "IPv4 first");
  assert.deepEqual(configs({ EnableIPv6: true }).map(({ subnet }) => subnet), ["172.17.0.0/16", "fd01:2345:6789::/64"]);
  assert.deepEqual(configs({ EnableIPv4: false, EnableIPv6: true }).map(({ subnet }) => subnet), ["fd01:2345:6789::/64"]);
});

test("pools of the configuration, also for IPv6", () => {
  const pools = [{ base: "10.64.0.0/10", size: 24 }, { base: "fd77::/48", size: 64 }];
  assert.deepEqual(configs({ EnableIPv6: true }, { pools, taken: [parsePrefix("10.64.0.0/23")!] }).map(({ subnet }) => subnet), ["10.64.2.0/24", "fd77::/64"]);
});

test("settings of another network", () => {
  const conf = settle({ Name: "conf", ConfigOnly: true, config: [{ Subnet: "10.1.0.0/16" }], Options: { "com.docker.network.bridge.enable_icc": "false" }, Labels: { a: "b" } }, { id: "c".repeat(64) });
  assert.equal(conf.configOnly, true);
  const record = settle({ ConfigFrom: "conf" }, { networks: [conf] });
  assert.deepEqual([record.configFrom, record.icc, record.labels, record.ipam.configs], ["conf", false, { a: "b" }, [{ subnet: "10.1.0.0/16", gateway: "10.1.0.1" }]]);
  assert.equal(settle({ config: [{ Subnet: "10.1.0.0/24" }] }, { networks: [conf] }).ipam.configs[0]?.subnet, "10.1.0.0/24", "nobody has the subnet of settings");
});

const B = "com.docker.network.bridge.";

test("options of the bridge driver", () => {
  const record = settle({
    Internal: true,
    Options: { [`${B}name`]: "mybr", [`${B}enable_icc`]: "false", [`${B}enable_ip_masquerade`]: "0", [`${B}host_binding_ipv4`]: "127.0.0.1", [`${B}gateway_mode_ipv4`]: "isolated", "com.docker.network.driver.mtu": "1400" },
  });
  assert.deepEqual([record.bridge, record.icc, record.masquerade, record.publishAddress, record.gatewayMode4, record.mtu], ["mybr", false, false, "127.0.0.1", "isolated", 1400]);
});

test("default options, by driver, give way to what is asked for", () => {
  const defaults = { bridge: { [`${B}enable_icc`]: "false", "com.docker.network.driver.mtu": "1400" }, macvlan: { parent: "x" } };
  const record = settle({ Options: { [`${B}enable_icc`]: "true" } }, { defaults });
  assert.deepEqual([record.icc, record.mtu, record.options["parent"]], [true, 1400, undefined]);
});

const overlapping: Wish = { config: [{ Subnet: "10.1.0.0/16" }] };
const refused: [Kind, RegExp, Wish, Partial<Around>?][] = [
  ["invalid", /name is empty/, { Name: " " }],
  ["forbidden", /^operation is not permitted on predefined bridge network ?$/, { Name: "bridge" }],
  ["forbidden", /predefined default network/, { Name: "default" }],
  ["conflict", /^network with name other already exists$/, { Name: "other" }, { networks: [other({})] }],
  ["not-found", /^plugin "nosuch" not found$/, { Driver: "nosuch" }],
  ["not-found", /^plugin "toString" not found$/, { Driver: "toString" }],
  ["forbidden", /^only one instance of "host" network is allowed$/, { Driver: "host" }],
  ["forbidden", /^only one instance of "null" network is allowed$/, { Driver: "null" }],
  ["forbidden", /Pool overlaps with other one on this address space/, { config: [{ Subnet: "10.1.128.0/17" }] }, { networks: [other(overlapping)] }],
  ["forbidden", /Pool overlaps with other one on this address space/, { config: [{ Subnet: "10.0.0.0/8" }] }, { networks: [other(overlapping)] }],
  ["forbidden", /Pool overlaps/, { config: [{ Subnet: "10.1.0.0/16" }, { Subnet: "10.1.0.0/16" }] }],
  ["forbidden", /^bridge driver doesn't support multiple subnets$/, { config: [{ Subnet: "10.1.0.0/16" }, { Subnet: "10.2.0.0/16" }] }],
  ["invalid", /invalid subnet 10\.1: invalid CIDR block notation/, { config: [{ Subnet: "10.1" }] }],
  ["invalid", /no matching subnet for gateway 10\.2\.0\.1/, { config: [{ Subnet: "10.1.0.0/16", Gateway: "10.2.0.1" }] }],
  ["invalid", /no matching subnet for aux-address/, { config: [{ Subnet: "10.1.0.0/16", AuxiliaryAddresses: { a: "10.2.0.1" } }] }],
  ["forbidden", /^failed to allocate gateway \(10\.1\.0\.0\): Address already in use$/, { config: [{ Subnet: "10.1.0.0/16", Gateway: "10.1.0.0" }] }],
  ["forbidden", /^failed to allocate gateway \(10\.1\.255\.255\): Address already in use$/, { config: [{ Subnet: "10.1.0.0/16", Gateway: "10.1.255.255" }] }],
  ["forbidden", /^failed to allocate secondary ip address \(a:10\.1\.0\.9\): Address already in use$/, { config: [{ Subnet: "10.1.0.0/16", Gateway: "10.1.0.9", AuxiliaryAddresses: { a: "10.1.0.9" } }] }],
  ["forbidden", /^failed to allocate secondary ip address \(b:10\.1\.0\.9\): Address already in use$/, { config: [{ Subnet: "10.1.0.0/16", AuxiliaryAddresses: { a: "10.1.0.9", b: "10.1.0.9" } }] }],
  ["unavailable", /^failed to allocate gateway \(\): no available addresses on this pool$/, { config: [{ Subnet: "10.1.0.9/32" }] }],
  ["invalid", /^invalid MTU number: 20$/, { Options: { "com.docker.network.driver.mtu": "20" } }],
  ["invalid", /IPv4 or IPv6 must be enabled/, { EnableIPv4: false }],
  ["not-found", /^configuration network "conf" does not exist$/, { ConfigFrom: "conf" }],
  ["not-found", /^configuration network "other" does not exist$/, { ConfigFrom: "other" }, { networks: [other({})] }],
  ["forbidden", /cannot depend on another configuration network/, { ConfigOnly: true, ConfigFrom: "conf" }],
  ["forbidden", /user specified configurations are not supported/, { ConfigFrom: "other", Labels: { a: "" } }, { networks: [other({ ConfigOnly: true })] }],
  ["invalid", /^unknown option com\.docker\.network\.bridge\.enable_iccc/, { Options: { [`${B}enable_iccc`]: "true" } }],
  ["invalid", /^failed to parse com\.docker\.network\.bridge\.enable_icc value: x \(strconv\.ParseBool: parsing "x": invalid syntax\)$/, { Options: { [`${B}enable_icc`]: "x" } }],
  ["invalid", /^failed to parse com\.docker\.network\.driver\.mtu value: x \(strconv\.Atoi: parsing "x": invalid syntax\)$/, { Options: { "com.docker.network.driver.mtu": "x" } }],
  ["invalid", /failed to parse .*gateway_mode_ipv6 value: nat44 \(unknown gateway mode nat44\)/, { Options: { [`${B}gateway_mode_ipv6`]: "nat44" } }],
  ["invalid", /'isolated' can only be used for an internal network/, { Options: { [`${B}gateway_mode_ipv4`]: "isolated" } }],
  ["invalid", /failed to parse .*host_binding_ipv4 value: ::1/, { Options: { [`${B}host_binding_ipv4`]: "::1" } }],
  ["invalid", /invalid bridge name "a-name-that-is-too-long"/, { Options: { [`${B}name`]: "a-name-that-is-too-long" } }],
  ["invalid", /invalid bridge name "\.\."/, { Options: { [`${B}name`]: ".." } }],
  ["forbidden", /networks have same bridge name/, { Options: { [`${B}name`]: "mybr" } }, { networks: [other({ Options: { [`${B}name`]: "mybr" } })] }],
];

for (const [kind, message, wish, around] of refused) {
  test(`refused: ${message.source}: ${JSON.stringify(wish)}`, () => {
    assert.throws(() => settle(wish, around), (error) => error instanceof Failure && error.kind === kind && message.test(error.message) || assert.fail(String(error)));
  });
}
