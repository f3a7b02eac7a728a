/** Containers with several networks: who leads outside, where published ports arrive, and what a crash leaves of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inOwnNetwork, openTestHost, NEWNET } from "../../test/fixtures/network-host.ts";
import { networkRequest } from "../../test/suites/network-driver.ts";
import type { Attachment, JoinRequest, Network } from "./network.ts";

inOwnNetwork(import.meta.url, () => {
  const { ip, nft, kernelOpen, opened, namespace, inNamespace, start, serve, ask, web } = openTestHost();
  const routes = (pid: number) => inNamespace(pid, "ip", "route").then((text) => text.trim());
  const plain = { exposed: {}, bindings: {}, publishAll: false };

  async function withNetworks(body: (network: Network, ids: { one: string; two: string }) => Promise<void>): Promise<void> {
    const { network, close } = await opened();
    await network.reconcile(new Set());
    const one = await network.create(networkRequest({ Name: "one", subnets: ["10.51.0.0/24"] }));
    const two = await network.create(networkRequest({ Name: "two", subnets: ["10.52.0.0/24"] }));
    try {
      await body(network, { one: one.network.id, two: two.network.id });
    } finally {
      for (const { container } of network.attachments()) await network.leave(container, { lost: true });
      for (const { id, name } of network.list()) if (!["bridge", "host", "none"].includes(name)) await network.remove(id);
      await close();
    }
  }

  async function joined(network: Network, container: string, request: Partial<JoinRequest> & { network: string }): Promise<Attachment> {
    const { attachment, saved } = network.join({ container, name: "c", ...plain, ...request });
    await saved;
    return attachment;
  }

  test("all endpoints of one start are made by one program; the higher priority leads outside", () =>
    withNetworks(async (network) => {
      const container = "a".repeat(64);
      const one = await joined(network, container, { network: "one" });
      const two = await joined(network, container, { network: "two", settings: { GwPriority: 5, DriverOpts: { "com.docker.network.endpoint.ifname": "data0", "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1" } } });
      assert.deepEqual([one.interface, two.interface], ["eth0", "data0"]);
      const { host, inside } = network.programs([one, two], { own: 10, ports: { first: 20, last: 29 } });
      const kernel = await kernelOpen;
      const { pid, child } = await namespace();
      const own = { op: "openNs", slot: 10, pid, path: "net" } as const;
      await kernel.perform([own, ...host]);
      await kernel.perform([own, { op: "setns", slot: 10, flags: NEWNET }, ...inside.filter(({ op }) => op !== "resolver")], { forked: true });
      const text = await routes(pid);
      assert.match(text, /^default via 10\.52\.0\.1 dev data0/);
      assert.match(text, /10\.51\.0\.0\/24 dev eth0/);
      assert.equal((await inNamespace(pid, "sysctl", "-n", "net.ipv4.conf.data0.log_martians", "net.ipv4.conf.eth0.log_martians")).trim(), "1\n0");
      child.kill("SIGKILL");
    }));

  test("the default route and published ports follow the endpoint that has the gateway", () =>
    withNetworks(async (network, { two: twoId }) => {
      const a = await start(network, "a", { network: "two", ...web });
      await serve(a.pid, 80, "a");
      assert.equal(await ask("127.0.0.1", 9090), "a 10.52.0.1");
      const better = await joined(network, a.attachment.container, { network: "one" });
      await network.connect(better, a.pid);
      assert.match(await routes(a.pid), /^default via 10\.51\.0\.1 dev eth1/, "first by name");
      assert.equal(await ask("127.0.0.1", 9090), "a 10.51.0.1");
      const now = network.attachmentsOf(a.attachment.container);
      assert.deepEqual(now.map(({ networkName, ports }) => [networkName, ports.length > 0]), [["two", false], ["one", true]]);
      assert.equal(nft("list", "map", "inet", "gantry", "ports4").match(/9090/g)?.length, 1);
      await network.disconnect(now.find(({ networkName }) => networkName === "one")!, a.pid);
      assert.match(await routes(a.pid), /^default via 10\.52\.0\.1 dev eth0/);
      assert.equal(await ask("127.0.0.1", 9090), "a 10.52.0.1");
      await network.disconnect(network.attachmentsOf(a.attachment.container)[0]!, a.pid);
      assert.equal(await routes(a.pid), "");
      assert.equal(await ask("127.0.0.1", 9090), "ECONNREFUSED");
      assert.deepEqual(network.attachments(twoId), []);
      a.child.kill("SIGKILL");
    }));

  test("an internal network leads nowhere", async () => {
    const { network, close } = await opened();
    await network.reconcile(new Set());
    const made = await network.create(networkRequest({ Name: "inner", Internal: true, subnets: ["10.53.0.0/24"] }));
    const a = await start(network, "a", { network: "inner" });
    assert.equal(await routes(a.pid), "10.53.0.0/24 dev eth0 proto kernel scope link src 10.53.0.2");
    assert.equal(a.attachment.gateway, "");
    await a.stop();
    await network.remove(made.network.id);
    await close();
  });

  test("an endpoint that failed to come into its container leaves nothing; an address is free when its row is gone", () =>
    withNetworks(async (network) => {
      const container = "b".repeat(64);
      const attachment = await joined(network, container, { network: "one", settings: { IPAMConfig: { IPv4Address: "10.51.0.9" } } });
      await assert.rejects(network.connect(attachment, 2 ** 22 - 1));
      assert.ok(!ip("link").includes(attachment.hostInterface));
      assert.throws(() => network.join({ container: "c".repeat(64), name: "c", network: "one", ...plain, settings: { IPAMConfig: { IPv4Address: "10.51.0.9" } } }), { kind: "forbidden", message: "Address already in use" });
      await network.leave(container);
      await joined(network, "c".repeat(64), { network: "one", settings: { IPAMConfig: { IPv4Address: "10.51.0.9" } } });
    }));

  test("twice in a network, in settings only, in one that goes", () =>
    withNetworks(async (network, { one }) => {
      const conf = await network.create(networkRequest({ Name: "conf", ConfigOnly: true, subnets: ["10.54.0.0/24"] }));
      const container = "d".repeat(64);
      await joined(network, container, { network: "two" });
      assert.throws(() => network.join({ container, name: "d", network: "two", ...plain }), { kind: "forbidden", message: "endpoint with name d already exists in network two" });
      assert.throws(() => network.join({ container, name: "d", network: "conf", ...plain }), { kind: "forbidden", message: "cannot create endpoint on configuration-only network" });
      const going = network.remove(one);
      assert.throws(() => network.join({ container, name: "d", network: "one", ...plain }), { kind: "not-found" });
      await assert.rejects(network.remove(one), { kind: "not-found" });
      await going;
      await network.create(networkRequest({ Name: "one", subnets: ["10.51.0.0/24"] }));
      await network.remove(conf.network.id);
    }));

  test("thirty networks at once: thirty names, bridges and subnets, none of the host's; and no more than one of a name", async () => {
    ip("link", "add", "lan", "type", "veth", "peer", "name", "lan0");
    ip("address", "add", "10.60.3.1/24", "dev", "lan");
    ip("link", "set", "lan", "up");
    const { network, close } = await opened({ addressPools: [{ base: "10.60.0.0/16", size: 24 }] });
    await network.reconcile(new Set());
    const made = await Promise.allSettled(Array.from({ length: 31 }, (_, index) => network.create(networkRequest({ Name: `n${index % 30}` }))));
    const records = made.flatMap((result) => (result.status === "fulfilled" ? [result.value.network] : []));
    assert.equal(records.length, 30);
    const refused = made.find((result) => result.status === "rejected");
    assert.match(String(refused?.reason), /network with name n0 already exists/);
    const subnets = new Set(records.flatMap(({ ipam }) => ipam.configs.map(({ subnet }) => subnet)));
    assert.equal(subnets.size, 30);
    assert.ok(!subnets.has("10.60.3.0/24"));
    for (const { bridge } of records) assert.ok(ip("link").includes(` ${bridge}:`), bridge);
    await Promise.all(records.map(({ id }) => network.remove(id)));
    assert.ok(!ip("link").includes(" br-"));
    await close();
    ip("link", "delete", "lan");
  });

  test("a bridge of somebody else's is used and left; a bridge that cannot be made leaves no row", async () => {
    ip("link", "add", "theirs", "type", "bridge");
    const { network, close } = await opened();
    await network.reconcile(new Set());
    const named = (name: string) => networkRequest({ Name: name, subnets: ["10.55.0.0/24"], Options: { "com.docker.network.bridge.name": name } });
    const { network: record } = await network.create(named("theirs"));
    assert.match(ip("-4", "address", "show", "theirs"), /10\.55\.0\.1\/24/);
    await network.remove(record.id);
    assert.match(ip("link"), /theirs/);
    ip("link", "add", "dummy9", "type", "veth", "peer", "name", "peer9");
    await assert.rejects(network.create(named("dummy9")), /interface dummy9 is not a bridge/);
    assert.throws(() => network.get("dummy9"), { kind: "not-found" });
    assert.match(ip("link"), /dummy9/);
    await close();
    const again = await opened();
    assert.throws(() => again.network.get("dummy9"));
    await again.close();
    ip("link", "delete", "theirs");
    ip("link", "delete", "dummy9");
  });
});
