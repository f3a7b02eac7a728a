import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure, type Kind } from "#base/errors.ts";
import { openAddressBook } from "./address-book.ts";
import type { Attachment, NetworkRecord, Subnet } from "../network.ts";

function book(configs: readonly Subnet[]) {
  const network = { id: "n", name: "net", ipam: { driver: "default", configs } } as unknown as NetworkRecord;
  const addresses = openAddressBook((id) => (id === "n" ? network : undefined));
  const take = (wanted = "", family: 4 | 6 = 4) => addresses.take(network, family, wanted)?.address;
  const endpoint = (address: string, address6 = "") => ({ networkId: "n", address, address6 }) as Attachment;
  return { take, addresses, network, release: (address: string) => addresses.release(endpoint(address)), keep: (four: string, six?: string) => addresses.keep(endpoint(four, six)) };
}

const refused = (kind: Kind, text: RegExp) => (error: unknown) => error instanceof Failure && error.kind === kind && text.test(error.message);

test("addresses of the gateway, of other routers, and of others are never given", () => {
  const { take } = book([{ subnet: "10.0.0.0/29", gateway: "10.0.0.1", route: "10.0.0.3", aux: { printer: "10.0.0.4" } }]);
  assert.deepEqual([take(), take(), take()], ["10.0.0.2", "10.0.0.5", "10.0.0.6"]);
  assert.throws(() => take(), refused("unavailable", /^no available IPv4 addresses on this network's address pools: net \(n\)$/));
});

test("an address that was asked for: once, also outside of the range, not outside of the subnet", () => {
  const { take, release } = book([{ subnet: "10.0.0.0/16", range: "10.0.5.0/30", gateway: "10.0.5.1" }]);
  assert.equal(take("10.0.77.1"), "10.0.77.1");
  assert.throws(() => take("10.0.77.1"), refused("forbidden", /^Address already in use$/));
  assert.throws(() => take("10.0.5.1"), refused("forbidden", /^Address already in use$/), "the gateway's");
  for (const nobodys of ["10.0.0.0", "10.0.255.255"]) assert.throws(() => take(nobodys), refused("forbidden", /^Address already in use$/), nobodys);
  assert.throws(() => take("10.1.0.1"), refused("invalid", /10\.1\.0\.1: It does not belong to any of this network's subnets/));
  assert.equal(take("10.0.5.2"), "10.0.5.2");
  assert.deepEqual([take(), take()], ["10.0.5.0", "10.0.5.3"], "only of the range, and not what is taken");
  release("10.0.77.1");
  assert.equal(take("10.0.77.1"), "10.0.77.1");
});

test("what was stored is taken; what is given back is free, a gateway never", () => {
  const { take, keep, release } = book([{ subnet: "10.0.0.0/30", gateway: "10.0.0.1" }, { subnet: "fd00::/64", gateway: "fd00::1" }]);
  keep("10.0.0.2", "fd00::2");
  assert.throws(() => take(), refused("unavailable", /IPv4/));
  assert.equal(take("", 6), "fd00::3");
  release("10.0.0.1");
  release("10.0.0.2");
  assert.equal(take(), "10.0.0.2");
});

test("a second subnet is used when the first is full; a family without a subnet gives nothing", () => {
  const { take } = book([{ subnet: "10.0.0.0/30", gateway: "10.0.0.1" }, { subnet: "10.9.0.0/30", gateway: "10.9.0.1" }]);
  assert.deepEqual([take(), take()], ["10.0.0.2", "10.9.0.2"]);
  assert.equal(take("", 6), undefined);
});
