/**
 * Networks: making and joining them, names, and what passes through them. The programs of the measurements are the host's own,
 * mounted into the containers, and two small ones built here. Rules that a Docker Engine has left on the host cost every packet of
 * others; in a new network namespace (`unshare -n npm run bench -- net-rtt net-tcp`) there are none.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Contestant } from "./contestants.ts";
import type { Row } from "./rows.ts";

const NETWORK = "bench-network";
const ONE = "bench-one";
const OTHER = "bench-other";
const NAMES = 100;

const noIperf = () => (existsSync("/usr/bin/iperf3") ? undefined : "iperf3 is not on this machine");

export const networkRows: readonly Row[] = [
  {
    id: "net-pair", title: "network create and network rm", unit: "ms", must: 0.3, goal: 0.25, rounds: 11,
    measure: (who) => timed(async () => (await who.run("network", "create", "bench-pair"), await who.run("network", "rm", "bench-pair"))),
  },
  {
    id: "net-join", title: "network connect and disconnect of a running container", unit: "ms", must: 0.55, goal: 0.5, rounds: 11,
    prepare: (who) => pair(who, ["sleep", "100000"]),
    async measure(who) {
      return await timed(async () => (await who.run("network", "connect", NETWORK, "bench-third"), await who.run("network", "disconnect", NETWORK, "bench-third")));
    },
    finish: unpair,
  },
  {
    id: "dns", title: `names in a network, ${NAMES} of them, 8 questions under way`, unit: "req/s", must: 5, goal: 8, moreIsBetter: true, rounds: 5,
    prepare: (who) => pair(who, ["sleep", "100000"], Array.from({ length: NAMES }, (_, at) => ["--network-alias", `name${at}`]).flat()),
    async measure(who) {
      const text = await who.read("exec", ONE, "/bench/dns-load", "127.0.0.11", "name", String(NAMES), "2", "8");
      const [, answers, empty] = /^(\d+) answers\/s, (\d+) empty/.exec(text) ?? [];
      if (!(Number(answers) > 0) || Number(empty) > 0) throw new Error(`dns-load: ${text}`);
      return Number(answers);
    },
    finish: unpair,
  },
  {
    id: "net-rtt", title: "a datagram to another container and back", unit: "µs", must: 1, goal: 1, rounds: 7,
    prepare: (who) => pair(who, ["/bench/pingpong", "serve", "7000"]),
    measure: async (who) => Number(await who.read("exec", ONE, "/bench/pingpong", await addressOf(who, OTHER), "7000", "20000")),
    finish: unpair,
  },
  throughput("net-tcp", "TCP from container to container", async (who) => await iperf(who, await addressOf(who, OTHER), "5201")),
  throughput("net-host", "TCP from container to host", async (who) => {
    const gateway = await who.read("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", NETWORK);
    const server = spawn("/usr/bin/iperf3", ["-s", "-1", "-p", "45201", "--forceflush"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      await new Promise((resolve) => server.stdout.once("data", resolve));
      return await iperf(who, gateway, "45201");
    } finally {
      server.kill();
    }
  }),
];

function throughput(id: string, title: string, measure: (who: Contestant) => Promise<number>): Row {
  return { id, title, unit: "Mbit/s", must: 1, goal: 1, moreIsBetter: true, rounds: 5, missing: noIperf, prepare: (who) => pair(who, ["/usr/bin/iperf3", "-s"]), measure, finish: unpair };
}

async function iperf(who: Contestant, address: string, port: string): Promise<number> {
  const report = JSON.parse(await who.read("exec", ONE, "/usr/bin/iperf3", "-c", address, "-p", port, "-t", "2", "-J")) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second / 1e6;
}

/** Two containers in a network, which see the host's programs, and a third one outside of it. */
async function pair(who: Contestant, serving: readonly string[], more: readonly string[] = []): Promise<void> {
  const mounts = [...["/usr", "/lib", "/lib64"].flatMap((path) => ["-v", `${path}:${path}:ro`]), "-v", `${programs()}:/bench:ro`];
  await who.run("network", "create", NETWORK);
  await who.run("run", "-d", "--name", OTHER, "--network", NETWORK, ...more, ...mounts, "busybox", ...serving);
  await who.run("run", "-d", "--name", ONE, "--network", NETWORK, ...mounts, "busybox", "sleep", "100000");
  await who.run("run", "-d", "--name", "bench-third", "busybox", "sleep", "100000");
}

async function unpair(who: Contestant): Promise<void> {
  await who.run("rm", "-f", ONE, OTHER, "bench-third");
  await who.run("network", "rm", NETWORK);
}

const addressOf = (who: Contestant, name: string) => who.read("inspect", "-f", `{{(index .NetworkSettings.Networks "${NETWORK}").IPAddress}}`, name);

let built: string | undefined;

function programs(): string {
  if (built !== undefined) return built;
  const folder = mkdtempSync("/tmp/bn-");
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["dns-load", "pingpong"]) execFileSync("cc", ["-O2", "-static", "-o", join(folder, name), join(import.meta.dirname, `${name}.c`)]);
  return (built = folder);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** What a published port passes on beside many others, as a part of what it passes on alone. Ours only: the peer is itself. */
export const crowded: Row = {
  id: "net-crowd", title: "a published port beside 200 containers and 400 published ports, of the same alone", unit: "of 1", must: 0.95, goal: 1, absolute: true, moreIsBetter: true, rounds: 1,
  missing: ({ nginx }) => (nginx === undefined ? "nginx is not on this machine" : existsSync("/usr/bin/wrk") ? undefined : "wrk is not on this machine"),
  prepare: async (who, { nginx }) => {
    if (who.name !== "gantry") throw new Error("not measured: it is compared with itself");
    await who.run("load", "-q", "-i", nginx as string);
    await who.run("run", "-d", "--name", "bench-crowd", "-p", "0:80", "nginx:bench");
  },
  async measure(who) {
    const port = await who.read("inspect", "-f", '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "bench-crowd");
    const alone: number[] = [];
    const beside: number[] = [];
    // To and fro, so that what else the machine does falls on both.
    for (let round = 0; round < 3; round++) {
      alone.push(await requests(port));
      const names = Array.from({ length: 200 }, (_, at) => `bench-crowd-${at}`);
      for (let at = 0; at < names.length; at += 10) await Promise.all(names.slice(at, at + 10).map((name) => who.run("run", "-d", "--name", name, "-p", "0:81", "-p", "0:82", "busybox", "sleep", "100000")));
      beside.push(await requests(port));
      await who.run("rm", "-f", ...names);
    }
    return Math.max(...beside) / Math.max(...alone);
  },
  finish: (who) => who.run("rm", "-f", "bench-crowd"),
};

async function requests(port: string): Promise<number> {
  const { stdout } = await promisify(execFile)("wrk", ["-c", "32", "-t", "2", "-d", "3s", `http://127.0.0.1:${port}/`]);
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
}
