/** Ports that are published and withdrawn while a container runs, in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import type { PortSocket } from "#linux/shim.ts";
import type { Network, PortChange } from "../network.ts";
import { inOwnNetwork, openTestHost } from "../../../test/fixtures/network-host.ts";

inOwnNetwork(import.meta.url, () => {
  const { ask, askUdp, opened, outside, askFrom, serve, start, withNetwork, ip, nft } = openTestHost();
  const none = () => false;
  const on = (HostPort: string, HostIp = "") => ({ "80/tcp": [{ HostIp, HostPort }] });
  const portsOf = (network: Network, id: string) => network.attachmentsOf(id)[0]!.ports.map(({ protocol, hostIp, hostPort, port }) => `${hostIp}:${hostPort}/${protocol}>${port}`);

  /** Who is asked to hold sockets and to write rows; what came of it. */
  function owner(network: Network, container: string) {
    const held: PortSocket[][] = [];
    const rows: number[][] = [];
    const change = (change: Partial<PortChange>) =>
      network.changePorts(container, { add: {}, remove: none, ...change }, {
        hold: async (ports) => void held.push([...ports]),
        save: async (attachments) => void rows.push(attachments.flatMap(({ ports }) => ports.map(({ hostPort }) => hostPort))),
      });
    return { change, held, rows };
  }

  test("a port opens and closes, TCP and UDP, for this host and its neighbours", () =>
    withNetwork({}, async (network) => {
      const a = await start(network, "a");
      const neighbour = await outside();
      await serve(a.pid, 80, "a");
      const { change, held, rows } = owner(network, a.attachment.container);
      await change({ add: { ...on("7080"), "80/udp": [{ HostIp: "127.0.0.1", HostPort: "7080" }] } });
      assert.match(await ask("127.0.0.1", 7080), /^a /);
      assert.equal(await askFrom(neighbour, "198.51.100.1", 7080), "a 198.51.100.2");
      assert.match(await askUdp("127.0.0.1", 7080), /^a /);
      assert.deepEqual(held.at(-1)?.map(({ type, address, port }) => [type, address, port]), [[1, "0.0.0.0", 7080], [2, "127.0.0.1", 7080]]);

      await change({ add: on("7081"), remove: ({ protocol }) => protocol === "tcp" });
      assert.match(await ask("127.0.0.1", 7081), /^a /);
      assert.equal(await ask("127.0.0.1", 7080), "ECONNREFUSED");
      assert.deepEqual(rows.at(-1), [7080, 7081, 7081]);
      assert.deepEqual(held.at(-1)?.map(({ port }) => port), [7080, 7081], "what is withdrawn is let go");
      await change({ remove: () => true });
      assert.deepEqual(held.at(-1), []);
      assert.deepEqual(portsOf(network, a.attachment.container), []);
      await a.stop();
    }));

  test("a port moves to another of the container in one change; its number is free for others when it is withdrawn", () =>
    withNetwork({}, async (network) => {
      const [a, b] = [await start(network, "a"), await start(network, "b")];
      await serve(a.pid, 81, "a");
      const [mine, others] = [owner(network, a.attachment.container), owner(network, b.attachment.container)];
      await mine.change({ add: on("7090", "127.0.0.1") });
      await mine.change({ remove: ({ port }) => port === 80, add: { "81/tcp": [{ HostIp: "127.0.0.1", HostPort: "7090" }] } });
      assert.match(await ask("127.0.0.1", 7090), /^a /);
      await assert.rejects(others.change({ add: on("7090") }), /on endpoint b \([0-9a-f]{64}\): Bind for 0\.0\.0\.0:7090 failed: port is already allocated$/);
      await mine.change({ remove: () => true });
      await others.change({ add: on("7090") });
      assert.deepEqual(portsOf(network, b.attachment.container), ["0.0.0.0:7090/tcp>80", ":::7090/tcp>80"]);
      await a.stop();
      await b.stop();
    }));

  test("a port of another process: all is as it was; one that the engine chooses is another then", () =>
    withNetwork({}, async (network) => {
      const a = await start(network, "a");
      await serve(a.pid, 80, "a");
      const { change, held, rows } = owner(network, a.attachment.container);
      await change({ add: on("7100", "127.0.0.1") });
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(7101, "127.0.0.1", resolve));
      const rowsBefore = rows.length;
      await assert.rejects(change({ add: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "7102" }, { HostIp: "127.0.0.1", HostPort: "7101" }] } }), /failed to bind host port 127\.0\.0\.1:7101\/tcp: address already in use$/);
      server.close();
      assert.equal(rows.length, rowsBefore, "no row was written");
      assert.deepEqual(held.at(-1)?.map(({ port }) => port), [7100]);
      assert.deepEqual(portsOf(network, a.attachment.container), ["127.0.0.1:7100/tcp>80"]);
      assert.match(await ask("127.0.0.1", 7100), /^a /);
      await change({ add: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "7101" }, { HostIp: "127.0.0.1", HostPort: "" }] } });
      const chosen = network.attachmentsOf(a.attachment.container)[0]!.ports.find((port) => port.chosen)!;
      assert.match(await ask("127.0.0.1", chosen.hostPort), /^a /);
      await a.stop();
    }));

  test("a table that somebody took away is made anew with the port in it; a container in no network publishes nothing", () =>
    withNetwork({}, async (network) => {
      const a = await start(network, "a");
      await serve(a.pid, 80, "a");
      nft("delete", "table", "inet", "gantry");
      await owner(network, a.attachment.container).change({ add: on("7110", "127.0.0.1") });
      assert.match(await ask("127.0.0.1", 7110), /^a /);
      await assert.rejects(owner(network, "f".repeat(64)).change({ add: on("7111") }), { kind: "invalid", message: /none of its networks leads outside$/ });
      await a.stop();
    }));

  test("the rows bring the port back", async () => {
    const first = await opened();
    await first.network.reconcile(new Set());
    const a = await start(first.network, "a");
    await serve(a.pid, 80, "a");
    await owner(first.network, a.attachment.container).change({ add: on("7120", "127.0.0.1") });
    await first.close();
    nft("delete", "table", "inet", "gantry");
    const second = await opened({}, first.path);
    await second.network.reconcile(new Set([a.attachment.container]));
    assert.match(await ask("127.0.0.1", 7120), /^a /);
    await second.network.leave(a.attachment.container);
    await second.close();
    ip("link", "delete", "gantry0");
    nft("delete", "table", "inet", "gantry");
  });
});
