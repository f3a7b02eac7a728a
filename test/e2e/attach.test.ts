import assert from "node:assert/strict";
import { stories } from "./harness.ts";

const { story } = stories("attach and terminals");

story("a terminal: size, resize, Ctrl-C, Ctrl-D", async ({ cli }) => {
  const terminal = cli.terminal("run", "--rm", "-it", "busybox", "sh");
  await terminal.until(/# /);
  terminal.write("stty size; tty\n");
  await terminal.until(/24 80\r\n\/dev\/pts\/0\r\n/);
  await terminal.resize(40, 120);
  terminal.write("sleep 0.2; stty size\n");
  await terminal.until(/40 120\r\n/);
  terminal.write("sh -c 'echo up; cat'\n");
  await terminal.until(/\nup\r\n/);
  terminal.write("\x03");
  await terminal.until(/\^C[^]*# /);
  terminal.write("exit 3\n");
  assert.equal((await terminal.ended).code, 3);
});

story("Ctrl-P Ctrl-Q leaves, attach comes back", async ({ cli }) => {
  const first = cli.terminal("run", "-it", "--name", "left", "busybox", "sh");
  await first.until(/# /);
  first.write("A=here\n");
  await first.until(/# /);
  first.write("\x10\x11");
  await first.ended;
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}}", "left"), "true");
  const second = cli.terminal("attach", "left");
  second.write("echo $A again\n");
  await second.until(/here again/);
  second.write("exit 2\n");
  assert.equal((await second.ended).code, 2);
});

story("--detach-keys", async ({ cli }) => {
  const terminal = cli.terminal("run", "-it", "--detach-keys", "ctrl-a,x", "--name", "keys", "busybox", "sh");
  await terminal.until(/# /);
  terminal.write("\x01x");
  await terminal.ended;
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}}", "keys"), "true");
});

story("two clients see the same output, and both may write", async ({ cli }) => {
  const id = await cli.ok("run", "-di", "busybox", "sh", "-c", "while read line; do echo got $line; done");
  const one = cli.spawn("attach", id);
  const two = cli.spawn("attach", id);
  const logs = cli.spawn("logs", "-f", id);
  // Which of them is attached first is not known: write until each has seen something.
  const poke = setInterval(() => one.child.stdin?.write("poke\n"), 100);
  await Promise.all([one.until(/got poke/), two.until(/got poke/)]);
  clearInterval(poke);
  two.child.stdin?.write("second\n");
  await Promise.all([one.until(/got second/), two.until(/got second/), logs.until(/got second/)]);
  one.child.kill("SIGKILL");
  await one.ended;
  two.child.stdin?.write("third\n");
  await two.until(/got third/);
  for (const left of [two, logs]) left.child.kill("SIGKILL");
});

story("attach ends with the container, and with its exit code", async ({ cli }) => {
  const id = await cli.ok("run", "-di", "busybox", "sh", "-c", "read x; echo $x; exit 5");
  const attached = cli.spawn("attach", id);
  attached.child.stdin?.write("word\n");
  const result = await attached.ended;
  assert.deepEqual([result.code, result.stdout], [5, "word\n"]);
});

story("--no-stdin and --sig-proxy=false", async ({ cli }) => {
  const id = await cli.ok("run", "-di", "busybox", "sh", "-c", "trap 'echo told' TERM; while :; do echo tick; sleep 0.1; done");
  const attached = cli.spawn("attach", "--no-stdin", "--sig-proxy=false", id);
  await attached.until(/tick/);
  attached.child.kill("SIGTERM");
  const ticks = (await cli.ok("logs", id)).length;
  while ((await cli.ok("logs", id)).length < ticks + 15);
  attached.child.kill("SIGKILL");
  await attached.ended;
  assert.doesNotMatch(await cli.ok("logs", id), /told/);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}}", id), "true");
});

story("a client that goes away does not take the container with it", async ({ cli }) => {
  const running = cli.spawn("run", "-i", "--name", "orphan", "busybox", "sh", "-c", "echo up; while :; do sleep 0.1; done");
  await running.until(/up/);
  running.child.kill("SIGKILL");
  await running.ended;
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}}", "orphan"), "true");
});

story("start -ai: the outputs from the first byte", async ({ cli }) => {
  const id = await cli.ok("create", "-i", "busybox", "sh", "-c", "echo first; cat");
  const result = await cli.with({ input: "second\n" })("start", "-ai", id);
  assert.deepEqual([result.code, result.stdout], [0, "first\nsecond\n"]);
});

story("-t without a terminal is told apart", async ({ cli }) => {
  const result = await cli("run", "--rm", "-it", "busybox", "true");
  assert.notEqual(result.code, 0);
  assert.match(result.stderr, /the input device is not a TTY|cannot attach stdin to a TTY-enabled container because stdin is not a terminal/);
  assert.match((await cli("run", "--rm", "-t", "busybox", "sh", "-c", "test -t 1 && echo yes")).stdout, /^yes\r\n$/);
});

story("wrong input", async ({ cli }) => {
  await cli.fails(1, /No such container: nosuch/, "attach", "nosuch");
  const id = await cli.ok("create", "busybox");
  await cli.fails(1, /cannot attach to a stopped container, start it first/, "attach", id);
});
