import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import { formatAddress, formatPrefix, parseAddress, parsePrefix, toNumber } from "./addresses.ts";
import { DEFAULT_POOLS, chooseSubnet, localSubnet6, nextAddress } from "./pools.ts";

const choose = (...taken: string[]) => formatPrefix(chooseSubnet(DEFAULT_POOLS, taken.map((text) => parsePrefix(text)!)));

test("the first subnet that the host does not reach otherwise", () => {
  assert.equal(choose(), "172.17.0.0/16");
  assert.equal(choose("0.0.0.0/0", "10.0.0.0/8"), "172.17.0.0/16");
  assert.equal(choose("172.17.42.1/32"), "172.18.0.0/16");
  assert.equal(choose("172.16.0.0/12"), "192.168.0.0/20");
  assert.equal(choose("172.16.0.0/12", "192.168.1.0/24"), "192.168.16.0/20");
});

test("no subnet left is said, not forced", () => {
  assert.throws(() => choose("172.16.0.0/12", "192.168.0.0/16"), (error) => error instanceof Failure && error.kind === "unavailable");
});

test("hundreds of subnets of one pool, each once, around what the host reaches", () => {
  const pools = [{ base: "10.0.0.0/8", size: 24 }];
  const taken = ["10.0.3.128/25", "10.0.10.0/23", "10.255.0.0/16"].map((text) => parsePrefix(text)!);
  const given = new Set<string>();
  for (let count = 0; count < 300; count++) {
    const subnet = chooseSubnet(pools, taken);
    given.add(formatPrefix(subnet));
    taken.push(subnet);
  }
  assert.equal(given.size, 300);
  assert.ok(given.has("10.0.0.0/24") && given.has("10.1.46.0/24"));
  for (const text of ["10.0.3.0/24", "10.0.10.0/24", "10.0.11.0/24"]) assert.ok(!given.has(text), text);
});

const used = (...texts: string[]) => new Set(texts.map((text) => toNumber(parseAddress(text)!)));

test("addresses are given in turn, not the one that just came back", () => {
  const turn = { next: 0n };
  const taken = used("10.0.0.1");
  const give = () => {
    const address = nextAddress({ subnet: "10.0.0.0/29" }, taken, turn);
    if (address !== undefined) taken.add(toNumber(address));
    return address === undefined ? undefined : formatAddress(address);
  };
  assert.deepEqual([give(), give(), give()], ["10.0.0.2", "10.0.0.3", "10.0.0.4"]);
  taken.delete(toNumber(parseAddress("10.0.0.2")!));
  assert.deepEqual([give(), give(), give(), give()], ["10.0.0.5", "10.0.0.6", "10.0.0.2", undefined]);
  taken.delete(toNumber(parseAddress("10.0.0.4")!));
  assert.equal(give(), "10.0.0.4");
});

test("only addresses of the range, without network and broadcast addresses", () => {
  const all = (within: { subnet: string; range?: string }) => {
    const taken = new Set<bigint>();
    const turn = { next: 0n };
    const found: string[] = [];
    for (let address; (address = nextAddress(within, taken, turn)) !== undefined; taken.add(toNumber(address))) found.push(formatAddress(address));
    return found;
  };
  assert.deepEqual(all({ subnet: "10.0.0.0/30" }), ["10.0.0.1", "10.0.0.2"]);
  assert.deepEqual(all({ subnet: "10.0.0.0/24", range: "10.0.0.252/30" }), ["10.0.0.252", "10.0.0.253", "10.0.0.254"]);
  assert.deepEqual(all({ subnet: "10.0.0.0/31" }), ["10.0.0.0", "10.0.0.1"]);
  assert.deepEqual(all({ subnet: "fd00::/126" }), ["fd00::1", "fd00::2", "fd00::3"]);
});

test("a network's own IPv6 prefix follows from its id", () => {
  assert.equal(formatPrefix(localSubnet6("0123456789abcdef".repeat(4))), "fd01:2345:6789::/64");
});
