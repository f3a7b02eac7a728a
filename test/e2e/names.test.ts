import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { openServer } from "#network/dns/server-fixture.ts";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("names");

const SLEEP = ["busybox", "sleep", "1000"];
type Cli = Pick<Scene, "cli">;

/** What a container's resolver says: addresses, or names. */
async function lookup({ cli }: Cli, container: string, name: string, type = "a"): Promise<string[]> {
  const { stdout } = await cli("exec", container, "nslookup", `-type=${type}`, name);
  return found(stdout);
}

const found = (text: string): string[] => [...text.slice(text.indexOf("\n\n")).matchAll(/^(?:Address: |.*name = )(\S+)$/gm)].map(([, one]) => one!);

const addressOf = ({ cli }: Cli, container: string, network: string): Promise<string> => cli.ok("inspect", "-f", `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, container);

/** A network, for as long as the story lasts. */
async function withNetwork({ cli }: Cli, flags: readonly string[], body: (network: string) => Promise<void>): Promise<void> {
  const name = `names${++count}`;
  await cli.ok("network", "create", ...flags, name);
  try {
    await body(name);
  } finally {
    const containers = await cli.ok("ps", "-aq", "--filter", `network=${name}`);
    if (containers !== "") await cli.ok("rm", "-f", ...containers.split("\n"));
    await cli.ok("network", "rm", name);
  }
}
let count = 0;

story("containers find each other by name, alias, short id, host name, with and without the network's name, and back", (scene) =>
  withNetwork(scene, [], async (network) => {
    const { cli } = scene;
    const id = await cli.ok("run", "-d", "--name", "web", "--hostname", "front", "--network", network, "--network-alias", "www", "--network-alias", "www.example.test", ...SLEEP);
    await cli.ok("run", "-d", "--name", "asker", "--network", network, ...SLEEP);
    const address = await addressOf(scene, "web", network);
    for (const name of ["web", "WEB", "www", `web.${network}`, `www.${network}`, "www.example.test", id.slice(0, 12)]) assert.deepEqual(await lookup(scene, "asker", name), [address], name);
    assert.deepEqual(await lookup(scene, "asker", "web", "aaaa"), []);
    assert.deepEqual(await lookup(scene, "asker", `${address.split(".").reverse().join(".")}.in-addr.arpa`, "ptr"), [`web.${network}`]);
    assert.match(await cli.ok("exec", "asker", "ping", "-c1", "-w5", "web"), new RegExp(`PING web \\(${address}\\)[\\s\\S]* 0% packet loss`));
    const text = await cli.ok("exec", "asker", "cat", "/etc/resolv.conf");
    assert.match(text, /^nameserver 127\.0\.0\.11$/m);
    assert.match(text, /^options .*\bndots:0\b/m);
  }),
);

story("an alias of several containers is all of them; one that goes is taken out", (scene) =>
  withNetwork(scene, [], async (network) => {
    const { cli } = scene;
    const names = ["one", "two", "three"];
    for (const name of names) await cli.ok("run", "-d", "--name", name, "--network", network, "--network-alias", "app", ...SLEEP);
    const addresses = await Promise.all(names.map((name) => addressOf(scene, name, network)));
    assert.deepEqual((await lookup(scene, "one", "app")).sort(), addresses.toSorted());
    await cli.ok("rm", "-f", "three");
    assert.deepEqual((await lookup(scene, "one", "app")).sort(), addresses.slice(0, 2).sort());
    assert.deepEqual(await lookup(scene, "one", "three"), []);
    const firsts = new Set<string>();
    for (let i = 0; i < 40 && firsts.size < 2; i++) firsts.add((await lookup(scene, "one", "app"))[0]!);
    assert.equal(firsts.size, 2, "they take turns");
  }),
);

story("a container knows the names of its networks, and of no others; links are its own", (scene) =>
  withNetwork(scene, [], (front) =>
    withNetwork(scene, [], async (back) => {
      const { cli } = scene;
      await cli.ok("run", "-d", "--name", "db", "--network", back, ...SLEEP);
      await cli.ok("run", "-d", "--name", "web", "--network", front, ...SLEEP);
      assert.deepEqual(await lookup(scene, "web", "db"), []);
      await cli.ok("network", "connect", "--alias", "site", "--link", "db:store", back, "web");
      const [db, web] = [await addressOf(scene, "db", back), await addressOf(scene, "web", back)];
      for (const [asker, name, expected] of [["web", "db", [db]], ["web", "store", [db]], ["db", "store", []], ["db", "web", [web]], ["db", "site", [web]], ["db", `web.${front}`, []]] as const) {
        assert.deepEqual(await lookup(scene, asker, name), expected, `${asker} asks for ${name}`);
      }
      assert.deepEqual((await lookup(scene, "web", "web")).length, 1);
      await cli.ok("rename", "db", "data");
      assert.deepEqual([await lookup(scene, "web", "data"), await lookup(scene, "web", "db")], [[db], []]);
      await cli.ok("network", "disconnect", back, "web");
      assert.deepEqual([await lookup(scene, "web", "data"), await lookup(scene, "data", "web")], [[], []]);
    }),
  ),
);

story("the default network has no names; a container that joins another gets a resolver, and a changed resolv.conf stays", (scene) =>
  withNetwork(scene, [], async (network) => {
    const { cli } = scene;
    await cli.ok("run", "-d", "--name", "peer", "--network", network, ...SLEEP);
    for (const name of ["plain", "changed"]) await cli.ok("run", "-d", "--name", name, ...SLEEP);
    const conf = (name: string) => cli.ok("exec", name, "cat", "/etc/resolv.conf");
    const before = await conf("plain");
    assert.doesNotMatch(before, /127\.0\.0\.11/);
    await cli.ok("exec", "changed", "sh", "-c", "echo '# mine' >>/etc/resolv.conf");
    const mine = await conf("changed");
    for (const name of ["plain", "changed"]) await cli.ok("network", "connect", network, name);
    assert.match(await conf("plain"), /^nameserver 127\.0\.0\.11$/m);
    assert.equal(await conf("changed"), mine);
    assert.equal((await lookup(scene, "plain", "peer")).length, 1);
    await cli.ok("network", "disconnect", network, "plain");
    assert.equal(await conf("plain"), before);
  }),
  { only: "gantry-engine" },
);

story("names of the outside: of the servers asked for, by UDP and when they are long by TCP; search domains", (scene) =>
  withNetwork(scene, [], async (network) => {
    const { cli } = scene;
    const gateway = await cli.ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network);
    const many = Array.from({ length: 80 }, (_, index) => ({ type: "A", ttl: 60, data: `192.0.2.${index}` }));
    await using server = await openServer(({ question, tcp }) => {
      if (question.startsWith("long.")) return tcp ? { answers: many } : { truncated: true };
      return question === "api.example.test A" ? { answers: [{ type: "A", ttl: 60, data: "192.0.2.200" }] } : { rcode: 3, soa: 5 };
    }, gateway, 53);
    await cli.ok("run", "-d", "--name", "asker", "--network", network, "--dns", gateway, "--dns-search", "example.test", ...SLEEP);
    for (let i = 0; i < 3; i++) assert.deepEqual(await lookup(scene, "asker", "api.example.test"), ["192.0.2.200"]);
    assert.match((await cli("exec", "asker", "ping", "-c1", "-w1", "-W1", "api")).stdout, /PING api \(192\.0\.2\.200\)/);
    assert.deepEqual(await lookup(scene, "asker", "none.example.test"), []);
    assert.ok((await cli("exec", "asker", "ping", "-c1", "-w1", "-W1", `long.${network}.test`)).stdout.includes("(192.0.2."));
    assert.ok(server.asked.some(({ tcp }) => tcp));
    assert.match(await cli.ok("exec", "asker", "cat", "/etc/resolv.conf"), /^search example\.test$/m);
  }),
);

story("the engine killed: names that are known are answered, others fail at once; after it is back all are", (scene) =>
  withNetwork(scene, [], async (network) => {
    const { cli, engine } = scene;
    for (const name of ["web", "asker"]) await cli.ok("run", "-d", "--name", name, "--network", network, ...SLEEP);
    const address = await addressOf(scene, "web", network);
    const gateway = await cli.ok("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", network);
    await cli.ok("run", "-d", "--name", "out", "--network", network, "--dns", gateway, ...SLEEP);
    const pid = await cli.ok("inspect", "-f", "{{.State.Pid}}", "out");
    const inside = async (name: string) => {
      const ran = await promisify(execFile)("nsenter", ["-t", pid, "-a", "/bin/nslookup", "-type=a", name, "127.0.0.11"], { timeout: 20_000 }).catch((error: { stdout: string }) => error);
      return ran.stdout;
    };
    await using server = await openServer(() => ({ answers: [{ type: "A", ttl: 0, data: "192.0.2.7" }] }), gateway, 53);
    assert.deepEqual(found(await inside("outside.example.test")), ["192.0.2.7"]);
    await engine.kill();
    assert.deepEqual(found(await inside("web")), [address]);
    assert.match(await inside("outside.example.test"), /SERVFAIL/);
    assert.equal(server.asked.length, 1);
    await engine.start();
    assert.deepEqual(await lookup(scene, "out", "outside.example.test"), ["192.0.2.7"]);
    await cli.ok("run", "-d", "--name", "later", "--network", network, ...SLEEP);
    assert.equal((await lookup(scene, "asker", "later")).length, 1);
  }),
  { only: "gantry-engine" },
);
