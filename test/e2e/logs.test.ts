import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname } from "node:path";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("logs");

async function ended({ cli }: Pick<Scene, "cli">, script: string, ...flags: string[]): Promise<string> {
  const id = await cli.ok("run", "-d", ...flags, "busybox", "sh", "-c", script);
  await cli.ok("wait", id);
  return id;
}

story("both outputs, apart, of a container that ended", async ({ cli }) => {
  const id = await ended({ cli }, "echo out; echo err >&2; printf 'no newline'");
  const result = await cli("logs", id);
  assert.deepEqual([result.code, result.stdout, result.stderr], [0, "out\nno newline", "err\n"]);
});

story("--tail", async ({ cli }) => {
  const id = await ended({ cli }, "seq 1 100");
  assert.equal(await cli.ok("logs", "--tail", "2", id), "99\n100");
  assert.equal(await cli.ok("logs", "--tail", "0", id), "");
  assert.equal((await cli.ok("logs", "--tail", "all", id)).split("\n").length, 100);
  assert.equal((await cli.ok("logs", "-n", "1000", id)).split("\n").length, 100);
});

story("-t: each line with the time it was written", async ({ cli }) => {
  const id = await ended({ cli }, "echo a; echo b");
  const lines = (await cli.ok("logs", "-t", id)).split("\n");
  for (const [at, word] of ["a", "b"].entries()) assert.match(lines[at] as string, new RegExp(`^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{9}Z ${word}$`));
});

story("--since and --until, as times", async ({ cli }) => {
  const id = await ended({ cli }, "echo a; sleep 0.05; echo b; sleep 0.05; echo c");
  const times = (await cli.ok("logs", "-t", id)).split("\n").map((line) => line.split(" ")[0] as string);
  assert.equal(await cli.ok("logs", "--since", times[1] as string, id), "b\nc");
  assert.equal(await cli.ok("logs", "--until", times[1] as string, id), "a\nb");
  assert.equal(await cli.ok("logs", "--since", times[1] as string, "--until", times[1] as string, id), "b");
  assert.equal(await cli.ok("logs", "--since", "1h", "--tail", "1", id), "c");
});

story("-f follows to the end of the container, from the tail asked for", async ({ cli }) => {
  const id = await cli.ok("run", "-di", "busybox", "sh", "-c", "seq 1 5; read x; echo last");
  await cli.spawn("logs", "-f", id).until(/5/);
  const following = cli.spawn("logs", "-f", "--tail", "1", id);
  await following.until(/^5\n/);
  const attached = cli.spawn("attach", id);
  attached.child.stdin?.end("go\n");
  const result = await following.ended;
  assert.deepEqual([result.code, result.stdout], [0, "5\nlast\n"]);
  await attached.ended;
});

story("a terminal's log has its carriage returns", async ({ cli }) => {
  const id = await ended({ cli }, "echo a; echo b", "-t");
  assert.equal((await cli("logs", id)).stdout, "a\r\nb\r\n");
});

story("bytes that are no text, long lines and empty lines", async ({ cli }) => {
  const id = await ended({ cli }, "head -c 40000 /dev/zero | tr '\\0' x; echo; echo; printf '<&>\\t\"q\" \\\\ \\033[1m\\n'");
  const lines = (await cli("logs", id)).stdout.split("\n");
  assert.deepEqual(lines, ["x".repeat(40000), "", '<&>\t"q" \\ \x1b[1m', ""]);
});

story("json-file on disk: Docker's format", async ({ cli }) => {
  const id = await ended({ cli }, "echo out; echo err >&2");
  const path = await cli.ok("inspect", "-f", "{{.LogPath}}", id);
  const lines = readFileSync(path, "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, string>);
  assert.deepEqual(lines.map(({ log, stream }) => [stream, log]).sort(), [["stderr", "err\n"], ["stdout", "out\n"]]);
  for (const { time } of lines) assert.match(time as string, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
});

story("--log-opt max-size and max-file rotate, and logs reads across", async ({ cli }) => {
  const id = await ended({ cli }, "seq 1 3000", "--log-opt", "max-size=50k", "--log-opt", "max-file=3");
  const path = await cli.ok("inspect", "-f", "{{.LogPath}}", id);
  const files = readdirSync(dirname(path)).filter((name) => name.includes("-json.log"));
  assert.equal(files.length, 3);
  const lines = (await cli.ok("logs", id)).split("\n").map(Number);
  assert.equal(lines.at(-1), 3000);
  assert.ok(lines.length > 500 && lines.length < 3000, `${lines.length} lines`);
  assert.deepEqual(lines, Array.from(lines, (_, at) => (lines[0] as number) + at));
});

story("--log-opt labels, env: attributes that --details shows", async ({ cli }) => {
  const id = await ended({ cli }, "echo x", "--log-opt", "labels=a", "--log-opt", "env=B", "-l", "a=1", "-e", "B=2");
  assert.match(await cli.ok("logs", "--details", id), /^(a=1,B=2|B=2,a=1) x$/);
});

story("--log-driver none keeps nothing, and says so", async ({ cli }) => {
  const id = await ended({ cli }, "echo x", "--log-driver", "none");
  await cli.fails(1, /configured logging driver does not support reading/, "logs", id);
  assert.equal(await cli.ok("run", "--rm", "--log-driver", "none", "busybox", "echo", "seen"), "seen");
});

story("wrong input", async ({ cli }) => {
  await cli.fails(1, /No such container: nosuch/, "logs", "nosuch");
  await cli.fails(125, /log-opt|unknown log opt 'nope'/, "run", "--rm", "--log-opt", "nope=1", "busybox", "true");
  await cli.fails(125, /nosuch/, "run", "--rm", "--log-driver", "nosuch", "busybox", "true");
  await cli.fails(1, /invalid value for "since"|[Ii]nvalid|failed to parse/, "logs", "--since", "yesteryear", await ended({ cli }, "true"));
});
