/**
 * Attacks on an engine of the file's own, by images and containers that mean harm. Around each, things of the host are
 * looked at (the canary): whatever the command answered, they must be as they were, and the engine must answer.
 *
 *     const { attack } = attacks("RT");
 *     attack("RT-02 /proc is a link: refused", async ({ cli, evil }) => {
 *       const image = await evil([{ path: "proc", link: "/fake" }]);
 *       assert.match(await cli.refused("run", "--rm", image, "true"), /ordinary directory/);
 *     });
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { busyboxLayer, busyboxMissing, imageArchive, searchPath, type ImageConfig } from "../fixtures/image.ts";
import { tar, type Entry } from "../fixtures/tar.ts";
import { removeContainers } from "../e2e/harness.ts";
import { clientsHere, openClient, type Client } from "../e2e/harness/client.ts";
import { openEngine, type Engine } from "../e2e/harness/engine.ts";

export type Scene = {
  readonly engine: Engine;
  readonly cli: Client & {
    /** Runs a command that has to fail, other than by the program's own doing; what it said. */
    refused(...argv: string[]): Promise<string>;
  };
  /** Folder of the host with file, dir, fifo: nobody may reach it who was not given it. */
  readonly canary: string;
  /** busybox with entries over it, as an image; its name. */
  evil(entries: readonly Entry[], config?: ImageConfig): Promise<string>;
};

export type Attacks = { attack(name: string, tell: (scene: Scene) => Promise<void>, options?: { skip?: string | false }): void };

/** Registers a file's attacks. The image "box" is busybox with `inside` (fixtures/inside.c). */
export function attacks(title: string): Attacks {
  const client = clientsHere()[0];
  const why = process.getuid?.() !== 0 ? "containers need root" : client === undefined ? "no client is here" : busyboxMissing;
  let engine: Engine;
  let cli: Scene["cli"];
  let canary: string;
  let layer: Buffer;
  let images = 0;
  before(async () => {
    if (why !== undefined) return;
    engine = await openEngine([], "gantry");
    cli = withRefused(openClient(client!, engine));
    canary = makeCanary();
    layer = busyboxLayer();
    await load(cli, engine, imageArchive(["box:latest"], [layer, tar([{ path: "bin/inside", mode: 0o755, data: compiled("inside.c") }])], { Cmd: ["sh"], Env: [`PATH=${searchPath}`] }));
  });
  after(async () => {
    if (why !== undefined) return;
    await engine[Symbol.asyncDispose]();
    rmSync(canary, { recursive: true, force: true });
  });
  const evil: Scene["evil"] = async (entries, config = {}) => {
    const name = `evil:${++images}`;
    await load(cli, engine, imageArchive([name], [layer, tar(entries)], { Cmd: ["sh"], Env: [`PATH=${searchPath}`], ...config }));
    return name;
  };
  return {
    attack(name, tell, { skip = false } = {}) {
      test(`${name} [${title}]`, { skip: why ?? skip, timeout: 60_000 }, async () => {
        const seen = look(canary);
        try {
          await tell({ engine, cli, canary, evil });
        } finally {
          await removeContainers(engine);
        }
        assert.deepEqual(look(canary), seen, "something of the host was touched");
        assert.equal((await engine.api("GET", "/_ping")).status, 200);
      });
    },
  };
}

export function compiled(source: string): Buffer {
  const folder = mkdtempSync("/tmp/compiled-");
  try {
    execFileSync(process.env["CC"] ?? "cc", ["-static", "-O1", "-w", "-o", join(folder, "program"), join(import.meta.dirname, "../fixtures", source)]);
    return readFileSync(join(folder, "program"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function withRefused(cli: Client): Scene["cli"] {
  return Object.assign(cli, {
    async refused(...argv: string[]) {
      const { code, stderr } = await cli(...argv);
      assert.ok(code !== null && code >= 125, `${argv.join(" ")}: ${code === 0 ? "was let through" : `code ${code}, ${stderr}`}`);
      return stderr;
    },
  });
}

async function load(cli: Client, engine: Engine, archive: Buffer): Promise<void> {
  const path = join(engine.place.folder, "image.tar");
  writeFileSync(path, archive);
  await cli.ok("load", "-q", "-i", path);
}

function makeCanary(): string {
  const folder = mkdtempSync("/tmp/canary-");
  mkdirSync(join(folder, "dir"));
  writeFileSync(join(folder, "dir/inner"), "inner\n");
  writeFileSync(join(folder, "file"), "canary\n");
  chmodSync(join(folder, "file"), 0o640);
  execFileSync("mkfifo", [join(folder, "fifo")]);
  return folder;
}

/** The canary, and what of the host an escape would change first. */
function look(canary: string): Record<string, string> {
  const below = readdirSync(canary, { recursive: true, encoding: "utf8" }).map((name) => join(canary, name));
  const watched = [canary, ...below, "/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/dev/null", "/dev/console", "/dev/pts", "/dev/ptmx", "/proc/sys/kernel/core_pattern", "/sys/kernel/uevent_helper"];
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter((line) => line.includes(canary)).join("\n");
  return { ...Object.fromEntries(watched.filter((path) => existsSync(path)).map((path) => [path, describe(path)])), mounts };
}

function describe(path: string): string {
  const { ino, mode, uid, gid, size, mtimeMs, nlink } = lstatSync(path);
  const device = path.startsWith("/dev/");
  const facts = [mode.toString(8), uid, gid, ...(path.startsWith("/proc/") || path.startsWith("/sys/") ? [] : [ino]), ...(device ? [] : [size, nlink]), ...(device || path.startsWith("/proc") || path.startsWith("/sys") ? [] : [mtimeMs])];
  const link = lstatSync(path).isSymbolicLink() ? readlinkSync(path) : "";
  const content = !device && statSync(path).isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : "";
  return [...facts, link, content].join(" ");
}
