/** What somebody takes away is put back: in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NETFILTER } from "#linux/nftables.ts";
import { replaceTable } from "./firewall.ts";
import { inOwnNetwork, openTestHost } from "../../../test/fixtures/network-host.ts";

inOwnNetwork(import.meta.url, () => {
  const { ip, nft, kernelOpen, withNetwork, inNamespace, start, serve, ask, askFrom, outside, web } = openTestHost();

  /** Asks again until it is so; the last answer, when it is not for long. */
  async function until<T>(look: () => T | Promise<T>, good: (seen: T) => boolean): Promise<T> {
    for (const end = Date.now() + 20_000; ; ) {
      const seen = await look();
      if (good(seen) || Date.now() > end) return seen;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  /** Without blocking: the engine's part runs in this process. */
  const table = () => inNamespace(process.pid, "nft", "list", "ruleset");

  test("rules that were flushed, deleted, emptied, or exchanged for old ones", () =>
    withNetwork({}, async (network) => {
      const a = await start(network, "web", web);
      await serve(a.pid, 80, "web");
      const far = await outside();
      const before = await table();
      // Somebody had saved the ruleset before anything was published, and loads it: all chains are there.
      const old = replaceTable({ table: { family: "inet", name: "gantry" }, networks: [], attachments: [], guarded: { ip: [], ip6: [] } });
      const load = async () => void (await (await kernelOpen).perform([{ op: "netlink", proto: NETFILTER, acks: 1, data: old }]));
      for (const command of ["flush ruleset", "flush table inet gantry", load]) {
        if (typeof command === "string") nft(command);
        else await load();
        assert.ok((await until(table, (seen) => seen === before)) === before, String(command));
      }
      assert.deepEqual([await ask("127.0.0.1", 8080), await askFrom(far, "198.51.100.1", 9090), await askFrom(far, a.attachment.address, 80, 300)], ["web 172.17.0.1", "ECONNREFUSED", "nothing"]);
      ip("link", "delete", "wire");
      await a.stop();
    }));

  test("rules of others are theirs", () =>
    withNetwork({}, async () => {
      nft("add table inet theirs; add chain inet theirs c { type filter hook forward priority 0; }; add rule inet theirs c counter");
      const before = await table();
      nft("delete", "table", "inet", "gantry");
      await until(table, (seen) => seen.includes("table inet gantry"));
      assert.deepEqual((await table()).split("\n").toSorted(), before.split("\n").toSorted());
      nft("delete", "table", "inet", "theirs");
    }));

  test("a bridge that was deleted: its containers are in it again", () =>
    withNetwork({}, async (network) => {
      const [a, b] = [await start(network, "web", web), await start(network, "other")];
      await serve(a.pid, 80, "web");
      ip("link", "delete", "gantry0");
      assert.equal(await until(() => ask("127.0.0.1", 8080), (answer) => answer.startsWith("web")), "web 172.17.0.1");
      assert.equal(await askFrom(b.pid, a.attachment.address, 80), `web ${b.attachment.address}`);
      for (const one of [a, b]) await one.stop();
    }));
});
