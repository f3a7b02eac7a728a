/** The life of networks and endpoints, in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { Failure } from "#base/errors.ts";
import type { Attachment } from "./network.ts";
import { NEWNET, inOwnNetwork, openTestHost } from "../../test/fixtures/network-host.ts";

inOwnNetwork(import.meta.url, () => {
  const { ip, nft, kernelOpen, opened, withNetwork, stopped, namespace, start, serve, ask, outside, web, enterNew } = openTestHost();

  test("the bridge and the table are made, and made again from the rows, and stay the same", async () => {
    const first = await opened();
    await first.network.reconcile(new Set());
    const record = first.network.get("bridge");
    assert.match(ip("-4", "address", "show", "gantry0"), /172\.17\.0\.1\/16/);
    assert.equal(readFileSync("/proc/sys/net/ipv4/conf/gantry0/route_localnet", "utf8"), "1\n");
    assert.equal(readFileSync("/proc/sys/net/ipv6/conf/gantry0/disable_ipv6", "utf8"), "1\n");
    const rules = nft("list", "table", "inet", "gantry");
    const links = ip("link");
    await first.network.reconcile(new Set());
    assert.equal(nft("list", "table", "inet", "gantry"), rules);
    assert.equal(ip("link"), links);
    await first.close();

    ip("link", "delete", "gantry0");
    nft("delete", "table", "inet", "gantry");
    const second = await opened({}, first.path);
    assert.deepEqual(second.network.get("bridge"), record);
    await second.network.reconcile(new Set());
    assert.equal(nft("list", "table", "inet", "gantry"), rules);
    await second.close();
    ip("link", "delete", "gantry0");
    nft("delete", "table", "inet", "gantry");
  });

  test("networks are found by id, name, and unique prefix", () =>
    withNetwork({}, async (network) => {
      assert.deepEqual(network.list().map(({ name, driver }) => [name, driver]), [["bridge", "bridge"], ["host", "host"], ["none", "null"]]);
      const { id } = network.get("none");
      assert.match(id, /^[0-9a-f]{64}$/);
      assert.equal(network.get(id).name, "none");
      assert.equal(network.get(id.slice(0, 12)).name, "none");
      assert.throws(() => network.get("nonsense"), { kind: "not-found", message: "network nonsense not found" });
    }));

  test("a port of another container, a port of another process: Docker's sentences", () =>
    withNetwork({}, async (network) => {
      const a = await start(network, "web", web);
      const joined = (hostPort: string, name = "late") =>
        network.join({ container: "c".repeat(64), name, network: "bridge", exposed: {}, bindings: { "80/tcp": [{ HostIp: "", HostPort: hostPort }] }, publishAll: false });
      assert.throws(() => joined("8080"), /^Failure: failed to set up container networking: driver failed programming external connectivity on endpoint late \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:8080 failed: port is already allocated$/);

      const server = createServer();
      await new Promise<void>((resolve) => server.listen(7071, "0.0.0.0", resolve));
      const late = joined("7071");
      await late.saved;
      const programs = network.programs([late.attachment], { own: 10, ports: { first: 20, last: 29 } });
      assert.equal(programs.hold, 1n << 20n, "the IPv6 half is the proxy's");
      const error = await (await kernelOpen).perform(programs.reserve).then(() => assert.fail("bound"), (error: unknown) => error);
      const meaning = await network.explain(error, [late.attachment]);
      assert.ok(meaning?.retry === false);
      assert.match(meaning.failure.message, /on endpoint late \([0-9a-f]{64}\): failed to bind host port 0\.0\.0\.0:7071\/tcp: address already in use$/);
      assert.ok(meaning.failure.cause instanceof Failure, "foreseen: the log has no stack of it");
      await network.leave("c".repeat(64));
      server.close();

      const six = createServer();
      await new Promise<void>((resolve) => six.listen({ port: 7072, host: "::", ipv6Only: true }, resolve));
      const proxied = joined("7072");
      const refused = await proxied.saved.then(() => assert.fail("listening"), (error: unknown) => error);
      const sense = await network.explain(refused, [proxied.attachment]);
      assert.ok(sense?.retry === false);
      assert.match(sense.failure.message, /failed to bind host port \[::\]:7072\/tcp: address already in use$/);
      await network.leave("c".repeat(64));
      six.close();
      assert.equal(joined("8081").attachment.ports[0]?.hostPort, 8081, "after leaving, joining works");
      await network.leave("c".repeat(64));
      await a.stop();
    }));

  test("a chosen port that a process has: try again", () =>
    withNetwork({}, async (network) => {
      const join = () => network.join({ container: "c".repeat(64), name: "late", network: "bridge", exposed: { "80/tcp": {} }, bindings: {}, publishAll: true });
      const one = join();
      await one.saved;
      const { hostPort } = one.attachment.ports[0]!;
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(hostPort, "0.0.0.0", resolve));
      const { reserve } = network.programs([one.attachment], { own: 10, ports: { first: 20, last: 29 } });
      const error = await (await kernelOpen).perform(reserve).then(() => assert.fail("bound"), (error: unknown) => error);
      assert.deepEqual(await network.explain(error, [one.attachment]), { retry: true });
      await network.leave("c".repeat(64));
      assert.notEqual(join().attachment.ports[0]?.hostPort, hostPort);
      await network.leave("c".repeat(64));
      server.close();
    }));

  test("an engine that starts again finds its containers, their ports, and clears away the rest", async () => {
    const before = await opened();
    await before.network.reconcile(new Set());
    const a = await start(before.network, "stays", web);
    const b = await start(before.network, "went", { bindings: { "80/tcp": [{ HostIp: "", HostPort: "8181" }] } });
    await serve(a.pid, 80, "stays");
    await before.close();
    assert.equal(await ask("127.0.0.1", 8080), "stays 172.17.0.1", "the kernel goes on without the engine");
    assert.equal(await ask("::1", 8080), "ECONNREFUSED", "the proxy does not");

    nft("delete", "table", "inet", "gantry");
    const again = await opened({}, before.path);
    await again.network.reconcile(new Set([a.attachment.container]));
    assert.deepEqual(again.network.attachments(), [a.attachment]);
    assert.equal(await ask("127.0.0.1", 8080), "stays 172.17.0.1");
    assert.equal(await ask("::1", 8080), "stays 172.17.0.1");
    assert.ok(!nft("list", "table", "inet", "gantry").includes("8181"));
    assert.ok(!ip("link").includes(b.attachment.hostInterface), "its interface went, though its process is there");
    assert.throws(() => again.network.join({ container: "d".repeat(64), name: "d", network: "bridge", exposed: {}, ...web, publishAll: false }), /already allocated/);
    await stopped(a.child);
    await again.network.leave(a.attachment.container);
    assert.ok(!nft("list", "table", "inet", "gantry").includes("8080"));
    await again.close();
    await stopped(b.child);
    ip("link", "delete", "gantry0");
    nft("delete", "table", "inet", "gantry");
  });

  test("what was changed from outside is restored at the next start of a container", () =>
    withNetwork({}, async (network) => {
      const kernel = await kernelOpen;
      const a = await start(network, "before", web);
      await serve(a.pid, 80, "before");
      const { pid } = await namespace();
      const own = { op: "openNs", slot: 10, pid, path: "net" } as const;
      const attempt = async (name: string) => {
        const { attachment, saved } = network.join({ container: name.repeat(64), name, network: "bridge", exposed: {}, bindings: { "80/tcp": [{ HostIp: "", HostPort: "8282" }] }, publishAll: false });
        await saved;
        const { reserve, host } = network.programs([attachment], { own: 10, ports: { first: 20, last: 29 } });
        const error: unknown = await kernel.perform([...reserve, own, ...host]).catch((error: unknown) => error);
        const meaning = error instanceof Error ? await network.explain(error, [attachment]) : "started";
        ip("link").includes(attachment.hostInterface) && ip("link", "delete", attachment.hostInterface);
        await network.leave(attachment.container);
        return meaning;
      };
      nft("delete", "table", "inet", "gantry");
      assert.deepEqual(await attempt("e"), { retry: true });
      assert.equal(await ask("127.0.0.1", 8080), "before 172.17.0.1");
      assert.equal(await attempt("e"), "started");
      ip("link", "delete", "gantry0");
      assert.deepEqual(await attempt("f"), { retry: true });
      assert.equal(await attempt("f"), "started");
      await a.stop();
    }));

  test("forty at once have forty addresses, interfaces and ports", () =>
    withNetwork({}, async (network) => {
      const kernel = await kernelOpen;
      const all = await Promise.all(
        Array.from({ length: 40 }, async (_, index) => {
          const container = index.toString(16).padStart(64, "0");
          const { attachment, saved } = network.join({ container, name: `n${index}`, network: "bridge", exposed: { "80/tcp": {} }, bindings: {}, publishAll: true });
          await saved;
          const { reserve, host, inside } = network.programs([attachment], { own: 10, ports: { first: 20, last: 29 } });
          await kernel.perform(reserve);
          await kernel.perform([...enterNew, ...host, { op: "setns", slot: 10, flags: NEWNET }, ...inside], { forked: true });
          return attachment;
        }),
      );
      const distinct = (pick: (one: Attachment) => unknown) => new Set(all.map(pick)).size;
      assert.deepEqual([distinct((one) => one.address), distinct((one) => one.hostInterface), distinct((one) => one.ports[0]?.hostPort)], [40, 40, 40]);
      assert.equal(nft("list", "map", "inet", "gantry", "ports4any").match(/tcp \. /g)?.length, 40);
      await Promise.all(all.map((one) => network.leave(one.container)));
      assert.ok(!nft("list", "map", "inet", "gantry", "ports4any").includes("tcp . "));
    }));

  test("interfaces that were not routed to one another are not, after forwarding was switched on", () => {
    ip("link", "add", "left", "type", "veth", "peer", "name", "right");
    execFileSync("sysctl", ["-qw", "net.ipv4.ip_forward=0"]);
    return withNetwork({}, async (network) => {
      assert.equal(readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8"), "1\n");
      assert.match(nft("list", "set", "inet", "gantry", "guarded4"), /"left"/);
      await network.reconcile(new Set());
      assert.match(nft("list", "set", "inet", "gantry", "guarded4"), /"left"/, "carried over");
      ip("link", "delete", "left");
    });
  });

  test("a chain of somebody else's that drops is told", () => {
    nft("add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }");
    return withNetwork({}, async (network) => {
      assert.match(network.warnings().join("\n"), /chain FORWARD of table filter drops .*DOCKER-USER -i gantry0/);
      nft("delete", "table", "ip", "filter");
      await network.reconcile(new Set());
      assert.deepEqual(network.warnings(), []);
    });
  });

  test("a subnet that the host routes is left alone, and an interface that is no bridge too", async () => {
    ip("link", "add", "vpn", "type", "veth", "peer", "name", "vpn0");
    ip("address", "add", "172.17.3.1/24", "dev", "vpn");
    ip("link", "set", "vpn", "up");
    await withNetwork({}, async (network) => {
      assert.equal(network.get("bridge").ipam.configs[0]?.subnet, "172.18.0.0/16");
    });
    const { network, close } = await opened({ bridge: "vpn", bip: "10.99.0.1/24" });
    await assert.rejects(network.reconcile(new Set()), /interface vpn is not a bridge/);
    await close();
    ip("link", "delete", "vpn");
  });
});
