import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { stories, type Scene } from "./harness.ts";
import { root } from "./harness/engine.ts";

const { story } = stories("streams");

/** 1 GB through the official client; a part of it through ours, whose cost is the same code's. */
const amountOf = ({ cli }: Pick<Scene, "cli">): number => (cli.name === "docker" ? 1024 ** 3 : 1024 ** 3 / 4);

/** A client with raw pipes: nothing of what flows is kept. */
function pipes({ cli, engine }: Pick<Scene, "cli" | "engine">, ...argv: string[]) {
  const program = cli.name === "docker" ? "docker" : join(root, "gantry");
  return spawn(program, argv, { env: { ...process.env, DOCKER_HOST: `unix://${engine.place.socket}` }, stdio: ["pipe", "pipe", "inherit"] });
}

story("1 GB out of a container, each byte of it, without a log", async ({ cli, engine }) => {
  const child = pipes({ cli, engine }, "run", "--rm", "--log-driver", "none", "busybox", "sh", "-c", `yes 0123456789abcde | head -c ${amountOf({ cli })}`);
  let size = 0;
  const line = Buffer.from("0123456789abcde\n".repeat(4096));
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    const from = size % 16;
    for (let at = 0; at < chunk.length; at += 32768) {
      const part = chunk.subarray(at, at + 32768);
      const start = (from + at) % 16;
      assert.ok(part.equals(line.subarray(start, start + part.length)), `at ${size + at}`);
    }
    size += chunk.length;
  }
  assert.equal(size, amountOf({ cli }));
});

story("1 GB into a container", async ({ cli, engine }) => {
  const child = pipes({ cli, engine }, "run", "--rm", "-i", "busybox", "sh", "-c", "md5sum");
  const hash = createHash("md5");
  const block = Buffer.alloc(1 << 20, "gantry");
  for (let at = 0; at < amountOf({ cli }); at += block.length) {
    hash.update(block);
    if (!child.stdin.write(block)) await once(child.stdin, "drain");
  }
  child.stdin.end();
  assert.equal((await child.stdout.toArray()).join(""), `${hash.digest("hex")}  -\n`);
});

story("a client that does not read holds the container back, and loses nothing", async ({ cli, engine }) => {
  const child = pipes({ cli, engine }, "run", "--rm", "--log-driver", "none", "busybox", "sh", "-c", "seq 1 3000000");
  await once(child.stdout, "readable");
  await new Promise((resolve) => setTimeout(resolve, 300));
  let last = "";
  let lines = 0;
  for await (const chunk of child.stdout.setEncoding("latin1") as AsyncIterable<string>) {
    const text = last + chunk;
    const split = text.split("\n");
    last = split.pop() as string;
    lines += split.length;
    if (split.length > 0) assert.equal(Number(split.at(-1)), lines);
  }
  assert.equal(lines, 3_000_000);
});

story("a hundred children that outlive their parent end with the container", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "busybox", "sh", "-c", "for i in $(seq 100); do (sleep 4321 &) ; done; echo done; sleep 1000");
  await cli.spawn("logs", "-f", id).until(/done/);
  assert.equal((await cli.ok("top", id, "-o", "pid,args")).split("\n").filter((line) => line.includes("sleep 4321")).length, 100);
  await cli.ok("stop", "-t", "1", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}}", id), "false");
});

story("output that was written last is not lost when the process ends", async ({ cli }) => {
  for (let round = 0; round < 10; round++) {
    const result = await cli("run", "--rm", "busybox", "sh", "-c", "seq 1 20000; echo end >&2");
    assert.ok(result.stdout.endsWith("20000\n") && result.stderr === "end\n", `round ${round}`);
    assert.equal(result.stdout.length, 108_894);
  }
});
