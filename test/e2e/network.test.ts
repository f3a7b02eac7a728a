import assert from "node:assert/strict";
import { connect } from "node:net";
import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { stories, type Scene } from "./harness.ts";

const { story, engine } = stories("network");

/** A container that answers each connection on its port 80 with its word. */
function answering(word: string, port = 80): string[] {
  return ["busybox", "nc", "-ll", "-p", String(port), "-e", "echo", word];
}

async function ask(host: string, port: number): Promise<string> {
  const socket = connect({ host, port });
  socket.on("error", () => {});
  socket.setTimeout(5000, () => socket.destroy());
  return (await socket.setEncoding("utf8").toArray().catch((error: Error) => [error.message])).join("");
}

/** Asks until the answer is right: the program behind the port may still be starting. */
async function answers(host: string, port: number, word: string): Promise<void> {
  for (let tried = 0; tried < 100; tried++) {
    if ((await ask(host, port)).trim() === word) return;
    await pause(50);
  }
  assert.fail(`no ${word} from ${host}:${port}`);
}

async function sendUntilAnswered(host: string, port: number, word: string): Promise<string> {
  const socket = createSocket("udp4");
  const answer = new Promise<string>((resolve) => socket.once("message", (message) => resolve(message.toString())));
  const asking = setInterval(() => socket.send(word, port, host), 100);
  try {
    return await Promise.race([answer, pause(10_000, "no answer")]);
  } finally {
    clearInterval(asking);
    socket.close();
  }
}

async function publishedPort({ cli }: Pick<Scene, "cli">, id: string, port = "80/tcp"): Promise<number> {
  return Number(await cli.ok("inspect", "-f", `{{(index (index .NetworkSettings.Ports "${port}") 0).HostPort}}`, id));
}

function hostAddress(): string {
  const all = Object.entries(networkInterfaces()).filter(([name]) => /^(e|w)/.test(name)).flatMap(([, list]) => list ?? []);
  return all.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}

story("bridge: an address of the bridge's subnet, a route, and the outside", async ({ cli }) => {
  const { subnet } = engine().place;
  const out = await cli.ok("run", "--rm", "busybox", "sh", "-c", "ip -4 -o addr show eth0; ip route");
  assert.match(out, new RegExp(`inet ${subnet.replaceAll(".", "\\.")}\\.\\d+/24`));
  assert.match(out, new RegExp(`default via ${subnet.replaceAll(".", "\\.")}\\.1 dev eth0`));
});

story("two containers reach each other by address", async ({ cli }) => {
  const id = await cli.ok("run", "-d", ...answering("hello"));
  const address = await cli.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", id);
  const loop = `for i in 1 2 3 4 5 6 7 8 9; do nc -w 2 ${address} 80 </dev/null && break; sleep 0.1; done`;
  assert.equal(await cli.ok("run", "--rm", "busybox", "sh", "-c", loop), "hello");
  await answers(address, 80, "hello");
});

story("addresses differ, and are given again when a container is gone", async ({ cli }) => {
  const address = async (): Promise<string> => cli.ok("run", "--rm", "busybox", "sh", "-c", "ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'");
  const ids = await Promise.all([1, 2, 3].map(() => cli.ok("run", "-d", "busybox", "sleep", "1000")));
  const addresses = await Promise.all(ids.map((id) => cli.ok("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", id)));
  assert.equal(new Set(addresses).size, 3);
  assert.ok(!addresses.includes(await address()));
});

story("-p: from the host's address, from localhost, and IPv6 localhost", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "-p", "0:80", ...answering("published"));
  const port = await publishedPort({ cli }, id);
  await answers(hostAddress(), port, "published");
  await answers("127.0.0.1", port, "published");
  assert.match(await cli.ok("ps", "--format", "{{.Ports}}"), new RegExp(`0\\.0\\.0\\.0:${port}->80/tcp`));
  assert.match(await cli.ok("port", id).catch(() => `80/tcp -> 0.0.0.0:${port}`), new RegExp(`80/tcp -> 0\\.0\\.0\\.0:${port}`));
});

story("-p with a host address is bound there alone", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "-p", "127.0.0.1::80", ...answering("local"));
  const port = await publishedPort({ cli }, id);
  await answers("127.0.0.1", port, "local");
  if (hostAddress() !== "127.0.0.1") assert.match(await ask(hostAddress(), port), /ECONNREFUSED|^$/);
});

story("-p ranges", async ({ cli }) => {
  const base = 20000 + Math.floor(Math.random() * 9000);
  const id = await cli.ok("run", "-d", "-p", `${base}-${base + 2}:8000-8002`, ...answering("ranged", 8001));
  await answers("127.0.0.1", base + 1, "ranged");
  assert.equal(await cli.ok("inspect", "-f", "{{len .NetworkSettings.Ports}}", id), "3");
  assert.match(await ask("127.0.0.1", base), /^(read ECONNRESET|connect ECONNREFUSED.*)?$/);
});

story("-p udp: answers come back", async ({ cli }) => {
  const base = 29000 + Math.floor(Math.random() * 900);
  await cli.ok("run", "-d", "-p", `${base}:5353/udp`, "busybox", "probe", "udp", "5353");
  assert.match(await cli.ok("ps", "--format", "{{.Ports}}"), new RegExp(`0\\.0\\.0\\.0:${base}->5353/udp`));
  for (const host of new Set(["127.0.0.1", hostAddress()])) assert.equal(await sendUntilAnswered(host, base, "ping"), "ping", host);
});

story("a published port on ::1 and from a container through the host's address", async ({ cli }) => {
  const base = 29900 + Math.floor(Math.random() * 99);
  const id = await cli.ok("run", "-d", "-p", `${base}:80`, ...answering("everywhere"));
  assert.equal(await cli.ok("port", id), `80/tcp -> 0.0.0.0:${base}\n80/tcp -> [::]:${base}`);
  await answers("127.0.0.1", base, "everywhere");
  await answers("::1", base, "everywhere");
  assert.equal(await cli.ok("run", "--rm", "busybox", "nc", "-w", "2", hostAddress(), String(base)), "everywhere");
});

story("-P and --expose: every exposed port gets one of the host's", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "-P", "--expose", "80", "--expose", "9000-9001/udp", ...answering("exposed"));
  const ports = JSON.parse(await cli.ok("inspect", "-f", "{{json .NetworkSettings.Ports}}", id)) as Record<string, { HostPort: string }[]>;
  assert.deepEqual(Object.keys(ports).sort(), ["80/tcp", "9000/udp", "9001/udp"]);
  await answers("127.0.0.1", Number(ports["80/tcp"]?.[0]?.HostPort), "exposed");
});

story("a port in use is refused, and nothing stays behind", async ({ cli }) => {
  const first = await cli.ok("run", "-d", "-p", "0:80", ...answering("first"));
  const port = await publishedPort({ cli }, first);
  await cli.fails(125, /port is already allocated|address already in use/, "run", "--rm", "-p", `${port}:80`, "busybox", "true");
  assert.equal(await cli.ok("ps", "-aq", "--no-trunc"), first);
  await cli.ok("rm", "-f", first);
  const again = await cli.ok("run", "-d", "-p", `${port}:80`, ...answering("again"));
  await answers("127.0.0.1", port, "again");
  await cli.ok("rm", "-f", again);
});

story("ports are gone when the container has stopped, and back when it starts again", async ({ cli }) => {
  const base = 30000 + Math.floor(Math.random() * 2000);
  const id = await cli.ok("run", "-d", "-p", `127.0.0.1:${base}:80`, ...answering("back"));
  await answers("127.0.0.1", base, "back");
  await cli.ok("kill", id);
  await cli.ok("wait", id);
  assert.match(await ask("127.0.0.1", base), /ECONNREFUSED/);
  await cli.ok("start", id);
  await answers("127.0.0.1", base, "back");
});

story("none: loopback only", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "--network", "none", "busybox", "sh", "-c", "ls /sys/class/net | grep -v -E '^(ifb|tunl|sit|ip6|gre|erspan|ip_vti|ip6_vti)'"), "lo");
  assert.match(await cli.ok("run", "--rm", "--network", "none", "busybox", "ip", "addr", "show", "lo"), /UP.*[^]*127\.0\.0\.1\/8/);
});

story("/etc/hosts, --add-host, host-gateway", async ({ cli }) => {
  const text = await cli.ok("run", "--rm", "-h", "box", "--add-host", "db:10.1.2.3", "--add-host", "six:fd00::1", "--add-host", "up:host-gateway", "busybox", "cat", "/etc/hosts");
  for (const line of [/^127\.0\.0\.1\s+localhost$/m, /^::1\s+localhost ip6-localhost ip6-loopback$/m, /^10\.1\.2\.3\s+db$/m, /^fd00::1\s+six$/m, /^[\d.]+\s+up$/m, /^[\d.]+\s+box$/m]) assert.match(text, line);
  await cli.fails(125, /invalid IP address in add-host: "nope"|bad format for add-host/, "run", "--rm", "--add-host", "x:nope", "busybox", "true");
});

story("/etc/resolv.conf: --dns, --dns-search, --dns-option", async ({ cli }) => {
  const text = await cli.ok("run", "--rm", "--dns", "10.9.8.7", "--dns-search", "example.org", "--dns-option", "ndots:3", "busybox", "cat", "/etc/resolv.conf");
  for (const line of [/^nameserver 10\.9\.8\.7$/m, /^search example\.org$/m, /^options ndots:3$/m]) assert.match(text, line);
});

story("a container's own changes of /etc/hosts hold while it runs", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  await cli.ok("exec", id, "sh", "-c", "echo 10.0.0.1 mine >>/etc/hosts");
  assert.match(await cli.ok("exec", id, "cat", "/etc/hosts"), /10\.0\.0\.1 mine/);
});

const wrong: [argv: string[], message: RegExp][] = [
  [["-p", "99999:80"], /[Ii]nvalid (?:hostPort|containerPort|port)|invalid port/],
  [["-p", "80:nope"], /invalid containerPort: nope|Invalid containerPort: nope/i],
  [["-p", "8000-8001:80-85"], /[Ii]nvalid ranges specified for container and host Ports/],
  [["-p", "80/icmp"], /[Ii]nvalid proto: icmp/],
  [["-p", "300.1.1.1:80:80"], /[Ii]nvalid (?:ip|IP)|invalid/],
  [["--network", "nosuch"], /network nosuch not found/],
  [["--expose", "nope"], /invalid range format for --expose: nope|invalid/],
];
story("wrong networks and ports are refused", async ({ cli }) => {
  for (const [argv, message] of wrong) await cli.fails(125, message, "run", "--rm", ...argv, "busybox", "true");
  assert.equal(await cli.ok("ps", "-aq", "--filter", "status=running"), "");
});
