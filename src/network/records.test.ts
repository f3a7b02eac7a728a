import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress, parsePrefix } from "./ipam/addresses.ts";
import { bridgeNetwork, type NetworkConfig, type Surroundings } from "./records.ts";

const CONFIG: NetworkConfig = {
  bridge: "", bip: "", bip6: "", fixedCidr: "", fixedCidr6: "", gateway: "", gateway6: "", mtu: 1500, ipv6: false, icc: true,
  publishAddress: "0.0.0.0", iptables: true, ip6tables: true, ipForward: true, ipMasq: true, userlandProxy: true, addressPools: [],
};
const AROUND: Surroundings = { id: "ab".repeat(32), created: "", taken: [], present: [], inUse: false };
const configs = (config: Partial<NetworkConfig>, around: Partial<Surroundings> = {}) =>
  bridgeNetwork({ ...CONFIG, ...config }, { ...AROUND, ...around }).ipam.configs;
const prefix = (text: string) => parsePrefix(text)!;

test("the default: the first free pool, gateway first", () => {
  assert.deepEqual(configs({}), [{ subnet: "172.17.0.0/16", gateway: "172.17.0.1" }]);
  assert.deepEqual(configs({}, { taken: [prefix("172.17.0.0/16")] }), [{ subnet: "172.18.0.0/16", gateway: "172.18.0.1" }]);
  assert.deepEqual(configs({ addressPools: [{ base: "10.9.0.0/16", size: 24 }] }, { taken: [prefix("10.9.0.0/24")] }), [{ subnet: "10.9.1.0/24", gateway: "10.9.1.1" }]);
});

test("bip, fixed-cidr and default-gateway", () => {
  assert.deepEqual(configs({ bip: "192.168.9.5/24", fixedCidr: "192.168.9.128/25", gateway: "192.168.9.254" }), [
    { subnet: "192.168.9.0/24", range: "192.168.9.128/25", gateway: "192.168.9.5", route: "192.168.9.254" },
  ]);
  assert.throws(() => configs({ bip: "192.168.9.5/24", fixedCidr: "10.0.0.0/24" }), { kind: "invalid" });
  assert.throws(() => configs({ bip: "192.168.9.5/24", gateway: "10.0.0.1" }), { kind: "invalid" });
});

test("a bridge that has an address is taken as it is", () => {
  const present = [{ index: 3, address: parseAddress("10.1.2.3")!, prefixLength: 24 }];
  assert.deepEqual(configs({}, { present }), [{ subnet: "10.1.2.0/24", gateway: "10.1.2.3" }]);
});

test("the stored subnet stays, unless the host has come to use it and no container does", () => {
  const before = bridgeNetwork({ ...CONFIG, bip: "172.20.0.1/16" }, AROUND);
  assert.equal(configs({}, { before })[0]?.subnet, "172.20.0.0/16");
  assert.equal(configs({}, { before, taken: [prefix("172.20.1.0/24")] })[0]?.subnet, "172.17.0.0/16");
  assert.equal(configs({ bip: "10.0.0.1/8" }, { before, inUse: true, taken: [prefix("172.20.1.0/24")] })[0]?.subnet, "172.20.0.0/16");
});

test("IPv6: the configured prefix, or one of the network's own", () => {
  assert.deepEqual(configs({ ipv6: true })[1], { subnet: "fdab:abab:abab::/64", gateway: "fdab:abab:abab::1" });
  assert.deepEqual(configs({ ipv6: true, fixedCidr6: "2001:db8:1::/64" })[1], { subnet: "2001:db8:1::/64", gateway: "2001:db8:1::1" });
});
