/** The driver ipvlan: what its options mean, and the suite in each of its modes, where the kernel has it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ipvlanDriver } from "./ipvlan.ts";
import type { NetworkRecord } from "../network.ts";
import { inOwnNetwork, openTestHost } from "../../../test/fixtures/network-host.ts";
import { hasKind } from "../../../test/fixtures/kernel-kinds.ts";
import { networkDriverSuite, networkRequest } from "../../../test/suites/network-driver.ts";

const record = (options: Record<string, string>, more: Partial<NetworkRecord> = {}): NetworkRecord => ({
  id: "0123456789abcdef".repeat(4), name: "n", driver: "ipvlan", created: "", ipv4: true, ipv6: false, internal: false, ipam: { driver: "default", configs: [] },
  options, labels: {}, bridge: "", mtu: 1500, icc: true, masquerade: true, ...more,
});
const settle = (options: Record<string, string>, others: readonly NetworkRecord[] = []) =>
  ipvlanDriver.settle(networkRequest({ Driver: "ipvlan", Options: options }), record(options), others);

test("modes and flags; what means nothing is refused with Docker's sentences", () => {
  assert.deepEqual([settle({}).mode, settle({}).internal], ["l2", true]);
  assert.deepEqual([settle({ parent: "eth0", ipvlan_mode: "l3s" }).mode, settle({ parent: "eth0" }).internal], ["l3s", false]);
  const other = record({}, { id: "f".repeat(64), parent: "eth0" });
  for (const [options, message] of [
    [{ ipvlan_mode: "l4" }, "requested ipvlan mode 'l4' is not valid, 'l2' mode is the ipvlan driver default"],
    [{ ipvlan_flag: "x" }, "requested ipvlan flag 'x' is not valid, 'bridge' is the ipvlan driver default"],
    [{ parent: "lo" }, "loopback interface is not a valid ipvlan parent link"],
    [{ parent: "eth0" }, "network dm-ffffffffffff is already using parent interface eth0"],
  ] as const) assert.throws(() => settle(options, [other]), { message });
});

inOwnNetwork(import.meta.url, () => {
  const { opened } = openTestHost();
  const has = hasKind("ipvlan");
  const skip = has ? undefined : "the kernel has no ipvlan";
  for (const ipvlan_mode of ["l2", "l3", "l3s"]) networkDriverSuite({ driver: "ipvlan", skip, options: { ipvlan_mode } });

  test("a kernel without ipvlan is told as soon as a network is made", { skip: has && "the kernel has ipvlan" }, async () => {
    const { network, close } = await opened();
    await assert.rejects(network.create(networkRequest({ Name: "n", Driver: "ipvlan" })), { kind: "not-implemented", message: /^failed to create the ipvlan port: the kernel of this host has no ipvlan/ });
    assert.deepEqual(network.list().filter(({ name }) => name === "n"), []);
    await close();
  });
});
