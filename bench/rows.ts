/** What is measured: each row does the same work with one contestant, and gives a number of which less is better, or more. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";
import { buildRows } from "./builds.ts";
import type { Contestant } from "./contestants.ts";
import { fileRows } from "./files.ts";
import type { Fixtures } from "./fixtures.ts";
import { crowded, networkRows } from "./networks.ts";
import { transferRows } from "./transfer.ts";

export type Row = {
  readonly id: string;
  readonly title: string;
  readonly unit: "ms" | "µs" | "req/s" | "Mbit/s" | "MB" | "of 1";
  /** A ratio of at most this to dockerd's (at least, where more is better); `absolute`: the number itself. */
  readonly must: number;
  readonly goal: number;
  readonly absolute?: true;
  readonly moreIsBetter?: true;
  /** Measurements of each contestant. */
  readonly rounds: number;
  /** Contestants besides gantry and dockerd that it makes sense for. */
  readonly also?: readonly string[];
  /** Compared with the best of all others, not with dockerd alone. */
  readonly best?: true;
  /** Why it cannot be measured here. */
  missing?(fixtures: Fixtures): string | undefined;
  /** What is made before the first round. */
  prepare?(who: Contestant, fixtures: Fixtures): Promise<void>;
  measure(who: Contestant, fixtures: Fixtures): Promise<number>;
  finish?(who: Contestant): Promise<void>;
};

export const rows: readonly Row[] = [
  {
    id: "run-bridge", title: "run --rm busybox true, bridge", unit: "ms", must: 0.25, goal: 0.15, rounds: 15, also: ["podman"],
    measure: (who) => timed(() => who.run("run", "--rm", "busybox", "true")),
  },
  {
    id: "run-none", title: "run --rm busybox true, --network none", unit: "ms", must: 0.25, goal: 0.15, rounds: 15, also: ["podman", "runc"],
    measure: (who) => timed(() => who.run("run", "--rm", "--network", "none", "busybox", "true")),
  },
  {
    id: "exec", title: "exec C true", unit: "ms", must: 0.5, goal: 0.33, rounds: 20, also: ["podman"],
    prepare: (who) => who.run("run", "-d", "--name", "bench-exec", "--network", "none", "busybox", "sleep", "100000"),
    measure: (who) => timed(() => who.run("exec", "bench-exec", "true")),
    finish: (who) => who.run("rm", "-f", "bench-exec"),
  },
  {
    id: "run-40", title: "40 concurrent run --rm", unit: "ms", must: 0.25, goal: 0.12, rounds: 3,
    measure: (who) => timed(() => Promise.all(Array.from({ length: 40 }, () => who.run("run", "--rm", "busybox", "true")))),
  },
  {
    id: "load", title: "load, one layer of 164 MB, 8,700 files, gzip", unit: "ms", must: 0.4, goal: 0.25, rounds: 3, also: ["podman"],
    async measure(who, { large }) {
      const time = await timed(() => who.run("load", "-q", "-i", large));
      await who.run("rmi", "-f", "large:1");
      return time;
    },
  },
  {
    id: "stream", title: "54 MB of lines through run", unit: "ms", must: 0.25, goal: 0.1, rounds: 3, also: ["podman"],
    measure: (who) => timed(() => who.run("run", "--rm", "--network", "none", "busybox", "seq", "1", "6900000")),
  },
  {
    id: "logs", title: "logs of 1,000,000 lines", unit: "ms", must: 0.25, goal: 0.1, rounds: 3, also: ["podman"],
    prepare: async (who) => {
      await who.run("run", "-d", "--name", "bench-logs", "--network", "none", "busybox", "seq", "1", "1000000");
      await who.run("wait", "bench-logs");
    },
    measure: (who) => timed(() => who.run("logs", "bench-logs")),
    finish: (who) => who.run("rm", "-f", "bench-logs"),
  },
  published("nginx", "nginx through a published port, wrk, 32 connections", hostAddress),
  published("nginx-local", "the same through 127.0.0.1", () => "127.0.0.1"),
  {
    id: "memory-container", title: "memory per idle container (its shim's PSS)", unit: "MB", must: 0.5, goal: 0.2, absolute: true, rounds: 1,
    async measure(who) {
      const before = new Set(who.processes());
      const ids = await Promise.all(Array.from({ length: 20 }, () => who.read("run", "-d", "--network", "none", "busybox", "sleep", "100000")));
      const own = who.processes().filter((pid) => !before.has(pid) && readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync("/proc/self/ns/pid"));
      const total = own.reduce((sum, pid) => sum + memory(pid, "smaps_rollup", "Pss"), 0);
      await who.run("rm", "-f", ...ids);
      return total / ids.length;
    },
  },
  {
    id: "memory-engine", title: "memory of the idle engine (RSS)", unit: "MB", must: 1.0, goal: 0.7, rounds: 1,
    measure: async (who) => who.processes().reduce((sum, pid) => sum + memory(pid, "status", "VmRSS"), 0),
  },
  ...networkRows,
  crowded,
  ...transferRows,
  ...fileRows,
  ...buildRows,
];

function published(id: string, title: string, address: () => string): Row {
  const name = `bench-${id}`;
  return {
    id, title, unit: "req/s", must: 1, goal: 1, moreIsBetter: true, rounds: 5,
    missing: ({ nginx }) => (nginx === undefined ? "nginx is not on this machine" : !existsSync("/usr/bin/wrk") ? "wrk is not on this machine" : undefined),
    prepare: async (who, { nginx }) => {
      await who.run("load", "-q", "-i", nginx as string);
      await who.run("run", "-d", "--name", name, "-p", "0:80", "nginx:bench");
    },
    async measure(who) {
      const port = await who.read("inspect", "-f", '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', name);
      const { stdout } = await promisify(execFile)("wrk", ["-c", "32", "-t", "2", "-d", "3s", `http://${address()}:${port}/`]);
      const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]);
      if (!(perSecond > 0) || /Non-2xx/.test(stdout)) throw new Error(`wrk: ${stdout}`);
      return perSecond;
    },
    finish: (who) => who.run("rm", "-f", name),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** MB. A process that has ended meanwhile has none. */
function memory(pid: number, file: string, field: string): number {
  try {
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** An address of this machine that is not loopback's nor a bridge's. */
function hostAddress(): string {
  const outer = Object.entries(networkInterfaces()).filter(([name]) => /^(e|w)/.test(name)).flatMap(([, list]) => list ?? []);
  return outer.find(({ family, internal }) => family === "IPv4" && !internal)?.address ?? "127.0.0.1";
}
