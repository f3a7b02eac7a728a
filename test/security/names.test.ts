/** Row NET-09: who may ask a container's resolver, and how much of the engine's time one container gets. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { after } from "node:test";
import { ask } from "#network/dns/message-fixture.ts";
import { openServer } from "#network/dns/server-fixture.ts";
import { somebody, type Somebody } from "../fixtures/agent.ts";
import { udpFrame } from "../fixtures/frames.ts";
import { inOwnNetwork } from "../fixtures/network-host.ts";
import { attacks, compiled, type Scene } from "./attack.ts";

const LIMIT = 1000;

await inOwnNetwork(import.meta.url, async () => {
  execFileSync("ip", ["link", "set", "lo", "up"]);
  const { attack } = attacks("names");
  const started: Somebody[] = [];
  after(() => Promise.all(started.map((one) => one.end())));
  let image: string | undefined;

  async function box({ cli, evil }: Scene, name: string, ...flags: string[]): Promise<Somebody & { address: string; mac: string }> {
    image ??= await evil([{ path: "bin/frames", mode: 0o755, data: compiled("frames.c") }]);
    await cli.ok("run", "-d", "--name", name, "--network", "names", "--dns", GATEWAY, ...flags, image, "sleep", "600");
    const inside = await somebody(name, Number(await cli.ok("inspect", "-f", "{{.State.Pid}}", name)));
    started.push(inside);
    const [address, mac] = (await cli.ok("inspect", "-f", "{{.NetworkSettings.Networks.names.IPAddress}} {{.NetworkSettings.Networks.names.MacAddress}}", name)).split(" ");
    return { ...inside, address: address!, mac: mac! };
  }
  const GATEWAY = "10.50.9.1";

  async function withNetwork({ cli }: Scene, body: () => Promise<void>): Promise<void> {
    await cli.ok("network", "create", "--subnet", "10.50.9.0/24", "--gateway", GATEWAY, "names");
    await body();
    await cli.ok("rm", "-f", ...(await cli.ok("ps", "-aq")).split("\n"));
    await cli.ok("network", "rm", "names");
  }

  attack("NET-09 a neighbour cannot ask another's resolver, whatever that one's sysctls let through", async (scene) =>
    withNetwork(scene, async () => {
      await using server = await openServer(() => ({ rcode: 3, soa: 1 }), GATEWAY, 53);
      // Else the host drops it on the way, where the kernel shows bridges' packets to the firewall.
      try {
        writeFileSync("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
      } catch {
        // The kernel does not.
      }
      const open = ["--sysctl", "net.ipv4.conf.all.route_localnet=1", "--sysctl", "net.ipv4.conf.all.rp_filter=0", "--sysctl", "net.ipv4.conf.default.rp_filter=0"];
      const [evil, victim] = [await box(scene, "evil"), await box(scene, "victim", ...open)];
      victim.runs("echo 1 >/proc/sys/net/ipv4/conf/eth0/route_localnet; echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter");
      const frame = udpFrame({ mac: evil.mac, toMac: victim.mac, from: evil.address, to: "127.0.0.11", port: 53, text: ask({ name: "stolen.example" }).toString("latin1") });
      const delivered = () => Number(/^Udp: (\d+) (\d+)/m.exec(victim.runs("cat /proc/net/snmp").replace(/^Udp: [A-Z].*$/m, ""))![2]);
      const before = delivered();
      await scene.cli.ok("exec", "evil", "sh", "-c", `echo ${frame} | frames eth0`);
      await scene.cli("exec", "victim", "nslookup", "-type=a", "own.example");
      assert.deepEqual(server.asked.map(({ question }) => question), ["own.example A"], "the victim's own question only");
      assert.equal(delivered() - before, 1, "the frame arrived, and found nobody");
    }),
  );

  attack("NET-09 a flood of names of the outside is a thousand a second, from ports and under ids that nobody guesses", async (scene) =>
    withNetwork(scene, async () => {
      await using server = await openServer(() => ({ rcode: 3, soa: 1 }), GATEWAY, 53);
      const [evil] = [await box(scene, "evil"), await box(scene, "peer")];
      const begun = performance.now();
      for (let round = 0; round < 20; round++) {
        const names = Array.from({ length: 250 }, (_, index) => ask({ id: 77, name: `n${round * 250 + index}.example` }).toString("hex"));
        await evil.order({ send: names, to: "127.0.0.11", port: 53 });
      }
      assert.notDeepEqual(await scene.cli.ok("exec", "peer", "nslookup", "-type=a", "evil"), "");
      assert.notDeepEqual(await scene.cli.ok("exec", "evil", "nslookup", "-type=a", "peer"), "");
      const seconds = Math.ceil((performance.now() - begun) / 1000) + 1;
      const { asked } = server;
      assert.ok(asked.length > 100 && asked.length <= seconds * LIMIT, `${asked.length} in ${seconds} s`);
      assert.ok(new Set(asked.map(({ port }) => port)).size > asked.length / 4);
      assert.ok(new Set(asked.map(({ id }) => id)).size > asked.length / 2);
    }),
  );
});
