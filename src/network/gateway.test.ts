import assert from "node:assert/strict";
import { test } from "node:test";
import { candidateOf, gatewayOf, publisherOf } from "./gateway.ts";
import type { NetworkRecord } from "./network.ts";

const one = (networkName: string, gateway: string, gateway6 = "", gwPriority = 0) => ({ networkName, gateway, gateway6, gwPriority });

test("the first by name leads outside, unless another has more priority", () => {
  const all = [one("b", "10.2.0.1"), one("a", "10.1.0.1"), one("c", "10.3.0.1", "", -1)];
  assert.equal(gatewayOf(all)?.networkName, "a");
  assert.equal(gatewayOf([...all, one("z", "10.9.0.1", "", 1)])?.networkName, "z");
  assert.equal(gatewayOf([all[2]!])?.networkName, "c");
  assert.equal(gatewayOf([]), undefined);
});

test("each family has its own; published ports follow IPv4's if there is one", () => {
  const all = [one("a", ""), one("b", "10.2.0.1"), one("c", "10.3.0.1", "fd00::1")];
  assert.equal(gatewayOf(all, 4)?.networkName, "b");
  assert.equal(gatewayOf(all, 6)?.networkName, "c");
  assert.equal(publisherOf(all)?.networkName, "b");
  assert.equal(publisherOf([one("six", "", "fd00::1"), one("none", "")])?.networkName, "six");
});

test("an internal network leads nowhere; another router on the bridge is the gateway", () => {
  const network = (internal: boolean) => ({ name: "n", internal, ipam: { configs: [{ subnet: "10.0.0.0/24", gateway: "10.0.0.1", route: "10.0.0.9" }, { subnet: "fd00::/64", gateway: "fd00::1" }] } }) as unknown as NetworkRecord;
  assert.deepEqual(candidateOf(network(false), 3), one("n", "10.0.0.9", "fd00::1", 3));
  assert.deepEqual(candidateOf(network(true)), one("n", "", ""));
});
