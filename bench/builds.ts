/**
 * Builds: beside dockerd's classic builder, its BuildKit (where a `buildx` is found), and buildah. The best of the peers is
 * the measure. A row is through the official client with the classic protocol, or through each one's own.
 */
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Contestant } from "./contestants.ts";
import type { Row } from "./rows.ts";

const PEERS = ["buildkit", "buildah"];
const FILES = 5_000;
const FILE_BYTES = 10_000;
const STAGES = 4;
const WAIT_SECONDS = 2;
const STEPS = 12;

type Through = "official" | "own";
type Case = {
  readonly id: string;
  readonly title: string;
  readonly through: Through;
  readonly must: number;
  readonly goal: number;
  readonly rounds: number;
  readonly dockerfile: (round: number) => string;
  /** Of 50 MB. */
  readonly large?: true;
  readonly change?: (folder: string, round: number) => void;
  /** What BuildKit does at once, too: compared with dockerd's classic builder. */
  readonly classic?: true;
};

const small = ["FROM busybox", "COPY hello /hello", "RUN true", 'CMD ["cat", "/hello"]'].join("\n");
const whole = ["FROM busybox", "WORKDIR /src", "COPY . .", 'CMD ["true"]'].join("\n");
const waits = [
  "FROM busybox AS base",
  ...Array.from({ length: STAGES }, (_, at) => `FROM base AS s${at}\nARG ROUND\nRUN echo $ROUND; sleep ${WAIT_SECONDS}; echo ${at} > /out${at}`),
  "FROM base",
  ...Array.from({ length: STAGES }, (_, at) => `COPY --from=s${at} /out${at} /`),
].join("\n");
const steps = ["FROM busybox", "ARG ROUND", ...Array.from({ length: STEPS - 2 }, (_, at) => `RUN echo $ROUND > /step${at}`)].join("\n");

const cases: readonly Case[] = [
  { id: "build-same", title: "build again, nothing changed, the official client", through: "official", must: 0.7, goal: 0.5, rounds: 11, dockerfile: () => small },
  { id: "build-same-large", title: "the same with a context of 50 MB in 5,000 files, each one's own client", through: "own", must: 0.25, goal: 0.15, rounds: 5, dockerfile: () => whole, large: true },
  { id: "build-changed", title: "one file of it changed", through: "own", must: 0.35, goal: 0.25, rounds: 5, dockerfile: () => whole, large: true, change: touch },
  { id: "build-stages", title: `${STAGES} independent stages that each wait ${WAIT_SECONDS} s`, through: "official", must: 0.4, goal: 0.3, rounds: 3, dockerfile: () => waits, classic: true },
  { id: "build-cold", title: `a Dockerfile of ${STEPS} steps, none of them in the cache`, through: "official", must: 0.8, goal: 0.3, rounds: 3, dockerfile: () => steps },
];

export const buildRows: readonly Row[] = cases.map((one) => ({
  id: one.id, title: one.title, unit: "ms", must: one.must, goal: one.goal, rounds: one.rounds, also: PEERS, ...(one.classic === undefined && { best: true as const }),
  async prepare(who) {
    makeContext(one);
    await build(who, one, 0);
  },
  measure: async (who) => {
    const round = rounds.get(who.name) ?? 1;
    rounds.set(who.name, round + 1);
    one.change?.(folderOf(one), round);
    return await timed(() => build(who, one, round));
  },
  finish: async () => rmSync(folderOf(one), { recursive: true, force: true }),
}));

/** Each contestant's own, so that what one has built says nothing of the next one's round. */
const rounds = new Map<string, number>();

function touch(folder: string, round: number): void {
  writeFileSync(join(folder, "d7", "f7"), `${round} ${randomBytes(FILE_BYTES / 2).toString("hex")}`);
}

async function build(who: Contestant, one: Case, round: number): Promise<void> {
  const argv = ["build", "-t", `bench-${one.id}`, "--build-arg", `ROUND=${round} ${process.pid}`, folderOf(one)];
  if (one.through === "official" || who.name !== "gantry") return await who.run(...argv);
  await promisify(execFile)(join(import.meta.dirname, "../gantry"), argv, { env: { ...process.env, ...who.env } });
}

const folderOf = ({ id }: Case): string => join(tmpdir(), `bench-${id}-${process.pid}`);

function makeContext(one: Case): void {
  const folder = folderOf(one);
  if (existsSync(folder)) return;
  mkdirSync(folder);
  writeFileSync(join(folder, "Dockerfile"), one.dockerfile(0));
  writeFileSync(join(folder, "hello"), "hello\n");
  if (one.large !== true) return;
  let seed = createHash("sha256").update("context").digest();
  for (let at = 0; at < FILES; at++) {
    if (at < 100) mkdirSync(join(folder, `d${at}`));
    seed = createHash("sha256").update(seed).digest();
    writeFileSync(join(folder, `d${at % 100}`, `f${at}`), Buffer.alloc(FILE_BYTES, seed));
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
