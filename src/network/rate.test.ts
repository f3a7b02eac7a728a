/** What a limited interface lets through, in a network namespace of the test's own. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { hostIndexOf, tokenBucket } from "./rate.ts";
import { inOwnNetwork, openTestHost } from "../../test/fixtures/network-host.ts";

inOwnNetwork(import.meta.url, () => {
  const { inNamespace, ip, start, withNetwork } = openTestHost();
  const qdiscs = (text: string) => text.split("\n").filter((line) => line.startsWith("qdisc tbf"));

  test("the rate is that of what full packets carry; even a slow bucket lets a full packet through", () => {
    const { rate, burst, limit } = tokenBucket(10e6, 1500);
    assert.ok(Math.abs(rate * 8 * (1448 / 1514) - 10e6) < 10);
    assert.ok(burst >= rate * 0.039 && limit > burst);
    assert.ok(tokenBucket(8000, 9000).burst >= 9014);
    assert.ok(tokenBucket(400e9, 1500).burst <= 1 << 30);
  });

  test("each way has a bucket where it is sent; without a limit there is none", () =>
    withNetwork({}, async (network) => {
      const a = await start(network, "a", { rate: { egress: 20e6, ingress: 10e6 } });
      const host = qdiscs(execFileSync("tc", ["qdisc", "show", "dev", a.attachment.hostInterface]).toString());
      assert.match(host.join(), /rate 1045[56]Kbit/);
      assert.equal((JSON.parse(ip("-j", "link", "show", a.attachment.hostInterface)) as { ifindex: number }[])[0]?.ifindex, hostIndexOf(a.attachment));
      assert.match(qdiscs(await inNamespace(a.pid, "tc", "qdisc", "show", "dev", "eth0")).join(), /rate 2091[01]Kbit/);
      const b = await start(network, "b", { rate: { egress: 20e6 } });
      assert.deepEqual(qdiscs(execFileSync("tc", ["qdisc", "show", "dev", b.attachment.hostInterface]).toString()), []);
      await a.stop();
      await b.stop();
    }));

  test("a transfer to a container, and one from it, comes, and no faster than was asked for", () =>
    withNetwork({}, async (network) => {
      const bits = 40e6;
      const a = await start(network, "a", { rate: { egress: bits, ingress: bits } });
      const b = await start(network, "b");
      for (const [from, to] of [[a, b], [b, a]] as const) {
        const measured = await transfer(from.pid, to.pid, to.attachment.address);
        assert.ok(measured > 0 && measured < bits * 1.1, `${measured} bits a second`);
      }
      await a.stop();
      await b.stop();
    }));

  /** Bits a second of a second and a half of TCP, as the receiver counts them, without the first that fill the bucket. */
  async function transfer(from: number, to: number, address: string): Promise<number> {
    const receive = `
      let bytes = 0, first = 0n, skipped = 0;
      require("node:net").createServer((socket) => {
        socket.on("data", (data) => { skipped += data.length; if (skipped < 600000) return; if (first === 0n) first = process.hrtime.bigint(); else bytes += data.length; });
        socket.on("close", () => { console.log(bytes * 8 / (Number(process.hrtime.bigint() - first) / 1e9)); process.exit(); });
      }).listen(5001, () => console.error("listening"));`;
    const send = `
      const socket = require("node:net").connect(5001, "${address}");
      const block = Buffer.alloc(65536);
      const more = () => { while (socket.write(block)); };
      socket.on("connect", more).on("drain", more);
      setTimeout(() => { socket.destroy(); process.exit(); }, 1500);`;
    const receiver = inNamespace(to, process.execPath, "-e", receive);
    await inNamespace(to, "sh", "-c", "until ss -ltn | grep -q :5001; do :; done");
    await inNamespace(from, process.execPath, "-e", send);
    return Number(await receiver);
  }
});
