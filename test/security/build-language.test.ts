/** The Dockerfile's language against those who mean harm: rows BLD-05 and BLD-15 of the catalogue. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { tar } from "../fixtures/tar.ts";
import { attacks } from "./attack.ts";
import { call } from "./engine-call.ts";

const { attack } = attacks("language");

/** Those that are let through: what they are is small. The others are refused, and say why. */
const harmless = new Set([
  ...["four megabytes of comments", "two megabytes of empty lines", "10,000 stages", "continuations of nothing", "blanks in a directive", "an array of arrays", "a heredoc of 4 MB", "16,000 heredocs in a line", "90,000 heredocs with names of their own"],
  ...["4,000 labels and variables", "60,000 sources in a line", "10,000 arguments before 2,000 stages", "names that are nearly the same", "a long name that is nearly another", "a line of warnings", "10,000 empty continuations"],
  ...["a pattern of stars", "words without end", "stars in an ignore file", "double stars in an ignore file", "10,000 patterns"],
]);

test("BLD-15 Dockerfiles and ignore files that are bombs are read or refused in little memory", { timeout: 60_000 }, () => {
  // Node ends the process that needs more; a pattern that never ends would end with the test's time.
  const printed = execFileSync(process.execPath, ["--max-old-space-size=96", join(import.meta.dirname, "../fixtures/dockerfile-bombs.ts")], { encoding: "utf8", timeout: 50_000 });
  const outcomes = printed.trim().split("\n").map((line) => JSON.parse(line) as [name: string, outcome: string]);
  assert.ok(outcomes.length > 25, printed);
  for (const [name, outcome] of outcomes) assert.equal(/^[a-z-]+: /.test(outcome) ? outcome.split(":")[0] : "read", harmless.has(name) ? "read" : "invalid", `${name}: ${outcome}`);
});

const dockerfile = (text: string | Buffer): Buffer => tar([{ path: "Dockerfile", data: text }]);

attack("BLD-15 an engine refuses a Dockerfile of 100 MB, and one of 100,000 stages", async ({ engine }) => {
  const large = await call(engine, "POST", "/build", { body: dockerfile(Buffer.alloc(100 * 2 ** 20, "#\n")) });
  assert.deepEqual([large.status, /4194304/.test(large.body.toString())], [400, true], large.body.toString());
  const stages = await call(engine, "POST", "/build", { body: dockerfile(`${"FROM scratch\n".repeat(100_000)}`) });
  assert.deepEqual([stages.status, /at most/.test(stages.body.toString())], [400, true], stages.body.toString().slice(0, 300));
});

attack("BLD-15 variables that double themselves come to an end", async ({ engine }) => {
  const doubling = `FROM scratch\nENV a=${"x".repeat(1000)}\n${"ENV a=$a$a\n".repeat(60)}`;
  const { body } = await call(engine, "POST", "/build", { body: dockerfile(doubling) });
  const last = JSON.parse(body.toString().trim().split("\n").at(-1)!) as { error?: string };
  assert.match(last.error ?? "", /more than 1048576 characters/);
});

attack("BLD-05 a syntax line fetches nothing and runs nothing", async ({ engine, evil }) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    const here = await evil([{ path: "frontend", data: "x" }]);
    for (const syntax of [`127.0.0.1:${port}/frontend:latest`, here, "../../frontend", `127.0.0.1:${port}/docker/dockerfile:1`]) {
      const { status, body } = await call(engine, "POST", "/build", { body: dockerfile(`# syntax=${syntax}\nFROM scratch\nLABEL a=b`) });
      assert.deepEqual([status, /only docker\/dockerfile is known/.test(body.toString())], [400, true], `${syntax}: ${body.toString()}`);
    }
    // Ours in any version is ours, and nobody is asked for it.
    const ours = await call(engine, "POST", "/build", { body: dockerfile(`# syntax=docker/dockerfile:1.99-labs\nFROM scratch\nLABEL a=b`) });
    assert.match(ours.body.toString(), /Successfully built/);
    assert.equal(connections, 0);
  } finally {
    server.close();
  }
});
