/**
 * Files of containers: cp both ways, commit, export. Through the official client, as the other rows; and, of cp, each
 * engine through its own client too, because what packs or unpacks the archive on this side is half of the work.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Contestant } from "./contestants.ts";
import type { Row } from "./rows.ts";

const FILES = 10_000;
const LARGE = 2 ** 30;
const MIB = 2 ** 20;
const CONTAINER = "bench-files";

type Data = { readonly name: "many" | "large"; readonly title: string };

const kinds: readonly Data[] = [{ name: "many", title: "10,000 files, 45 MB" }, { name: "large", title: "one file of 1 GiB" }];

export const fileRows: readonly Row[] = [
  ...kinds.flatMap((data) => [copyIn(data, "official"), copyOut(data, "official"), copyIn(data, "own"), copyOut(data, "own")]),
  {
    id: "commit", title: "commit of a container with 160 MB", unit: "ms", must: 0.7, goal: 0.5, rounds: 3,
    prepare: full,
    async measure(who) {
      const time = await timed(() => who.run("commit", CONTAINER, "bench-commit:1"));
      await who.run("rmi", "-f", "bench-commit:1");
      return time;
    },
    finish,
  },
  {
    id: "export", title: "export of a container with 160 MB", unit: "ms", must: 0.7, goal: 0.5, rounds: 5,
    prepare: full,
    measure: (who) => timed(() => who.run("export", "-o", join(folder(), "export.tar"), CONTAINER)),
    finish,
  },
];

type Through = "official" | "own";

function words(through: Through): string {
  return through === "own" ? ", each through its own client" : "";
}

function suffix(through: Through): string {
  return through === "own" ? "-own" : "";
}

function copyIn({ name, title }: Data, through: Through): Row {
  return {
    id: `cp-in-${name}${suffix(through)}`, title: `cp into a container: ${title}${words(through)}`, unit: "ms", must: 0.5, goal: 0.33, rounds: 3,
    prepare: empty,
    async measure(who) {
      const time = await timed(() => copy(who, through, join(folder(), name), `${CONTAINER}:/tmp/${name}`));
      await who.run("exec", CONTAINER, "rm", "-rf", `/tmp/${name}`);
      return time;
    },
    finish,
  };
}

function copyOut({ name, title }: Data, through: Through): Row {
  return {
    id: `cp-out-${name}${suffix(through)}`, title: `cp out of a container: ${title}${words(through)}`, unit: "ms", must: 0.5, goal: 0.33, rounds: 3,
    async prepare(who) {
      await empty(who);
      await who.run("cp", "-q", join(folder(), name), `${CONTAINER}:/tmp/${name}`);
    },
    async measure(who) {
      const to = join(folder(), "out");
      const time = await timed(() => copy(who, through, `${CONTAINER}:/tmp/${name}`, to));
      rmSync(to, { recursive: true });
      return time;
    },
    finish,
  };
}

async function copy(who: Contestant, through: Through, from: string, to: string): Promise<void> {
  if (through === "official" || who.name !== "gantry") return await who.run("cp", "-q", from, to);
  const host = await who.read("context", "inspect", "default", "-f", "{{.Endpoints.docker.Host}}");
  await promisify(execFile)(join(import.meta.dirname, "../gantry"), ["-H", host, "cp", "-q", from, to]);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

const folder = (): string => join(tmpdir(), `bench-files-${process.pid}`);

async function empty(who: Contestant): Promise<void> {
  makeData();
  await who.run("run", "-d", "--name", CONTAINER, "--network", "none", "busybox", "sh", "-c", "mkdir -p /tmp; exec sleep 100000");
}

/** Half of it is noise, half are words: as programs and data are. */
async function full(who: Contestant): Promise<void> {
  await empty(who);
  await who.run("exec", CONTAINER, "sh", "-c", "dd if=/dev/urandom of=/noise bs=1M count=80 && seq 1 11000000 | head -c 83886080 > /words");
}

async function finish(who: Contestant): Promise<void> {
  await who.run("rm", "-f", CONTAINER);
  rmSync(folder(), { recursive: true, force: true });
}

function makeData(): void {
  if (existsSync(folder())) return;
  let seed = createHash("sha256").update("files").digest();
  for (let at = 0; at < FILES; at++) {
    if (at < 100) mkdirSync(join(folder(), "many", `d${at}`), { recursive: true });
    seed = createHash("sha256").update(seed).digest();
    writeFileSync(join(folder(), "many", `d${at % 100}`, `f${at}`), Buffer.alloc(1000 + (seed.readUInt16LE(0) % 7000), seed));
  }
  const file = openSync(join(folder(), "large"), "w");
  const block = Buffer.alloc(MIB, seed);
  for (let at = 0; at < LARGE; at += MIB) writeSync(file, block);
  closeSync(file);
}
