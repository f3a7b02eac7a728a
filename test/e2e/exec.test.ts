import assert from "node:assert/strict";
import { peer, stories, type Scene } from "./harness.ts";

const { story } = stories("exec");

const sleeping = ({ cli }: Pick<Scene, "cli">, ...flags: string[]): Promise<string> => cli.ok("run", "-d", ...flags, "busybox", "sleep", "1000");

story("outputs, exit code, and the container's surroundings", async ({ cli }) => {
  const id = await sleeping({ cli }, "-e", "A=1", "-w", "/tmp", "-h", "box");
  const result = await cli("exec", id, "sh", "-c", "echo $A $PWD $(hostname); echo err >&2; exit 6");
  assert.deepEqual([result.code, result.stdout, result.stderr], [6, "1 /tmp box\n", "err\n"]);
});

story("-i: stdin and its end", async ({ cli }) => {
  const id = await sleeping({ cli });
  const result = await cli.with({ input: "a\nb\n" })("exec", "-i", id, "sh", "-c", "cat; echo ended");
  assert.equal(result.stdout, "a\nb\nended\n");
});

story("-u, -w, -e, --env-file", async ({ cli, file }) => {
  const id = await sleeping({ cli });
  assert.equal(await cli.ok("exec", "-u", "ann", id, "id", "-un"), "ann");
  assert.equal(await cli.ok("exec", "-u", "1:29", id, "sh", "-c", "id -u; id -g"), "1\n29");
  assert.equal(await cli.ok("exec", "-w", "/home", id, "pwd"), "/home");
  assert.equal(await cli.ok("exec", "-e", "X=1", "--env-file", file("e", "Y=2\n"), id, "sh", "-c", "echo $X$Y"), "12");
});

story("the same restrictions as the container's own process", async ({ cli }) => {
  const id = await sleeping({ cli }, "--cap-drop", "ALL");
  const fields = "grep -E '^(CapEff|CapBnd|Seccomp:|NoNewPrivs)' /proc/self/status";
  assert.equal(await cli.ok("exec", id, "sh", "-c", fields), await cli.ok("run", "--rm", "--cap-drop", "ALL", "busybox", "sh", "-c", fields));
  assert.equal(await cli.ok("exec", id, "sh", "-c", "for n in pid net mnt ipc uts cgroup; do [ $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) ] || echo $n; done"), "");
});

story("--privileged has the capabilities", async ({ cli }) => {
  const id = await sleeping({ cli });
  const plain = await cli.ok("exec", id, "grep", "CapEff", "/proc/self/status");
  const result = await cli("exec", "--privileged", id, "grep", "CapEff", "/proc/self/status");
  assert.notEqual(result.stdout.trim(), plain);
});

story("-d does not wait", async ({ cli }) => {
  const id = await sleeping({ cli });
  await cli.ok("exec", "-d", id, "sh", "-c", "sleep 0.2; touch /done");
  for (let tried = 0; (await cli("exec", id, "test", "-e", "/done")).code !== 0; tried++) assert.ok(tried < 100);
});

story("-t: a terminal", async ({ cli }) => {
  const id = await sleeping({ cli });
  assert.match((await cli("exec", "-t", id, "sh", "-c", "tty; test -t 1 && echo yes")).stdout, /^\/dev\/pts\/\d+\r\nyes\r\n$/);
  const terminal = cli.terminal("exec", "-it", id, "sh");
  await terminal.until(/# /);
  terminal.write("stty size\n");
  await terminal.until(/24 80\r\n/);
  await terminal.resize(31, 99);
  terminal.write("sleep 0.2; stty size\n");
  await terminal.until(/31 99\r\n/);
  terminal.write("exit 4\n");
  assert.equal((await terminal.ended).code, 4);
});

story("errors: Docker's words and codes", async ({ cli }) => {
  const id = await sleeping({ cli });
  for (const [code, message, ...argv] of [
    [peer === "gantry" ? 127 : 126, /executable file not found in \$PATH/, id, "nope"],
    [126, /permission denied/, id, "/etc/passwd"],
    [126, /unable to find user nosuch/, "-u", "nosuch", id, "true"],
  ] as [number, RegExp, ...string[]][]) {
    // The engine has answered already when it fails: the message comes as the process's output.
    const result = await cli("exec", ...argv);
    assert.equal(result.code, code, String(message));
    assert.match(result.stdout + result.stderr, message);
  }
  await cli.fails(1, /No such container: nosuch/, "exec", "nosuch", "true");
  await cli.ok("kill", id);
  await cli.ok("wait", id);
  await cli.fails(1, /is not running/, "exec", id, "true");
});

story("a process that a signal ended: 128 and the signal", async ({ cli }) => {
  const id = await sleeping({ cli });
  assert.equal((await cli("exec", id, "sh", "-c", "kill -9 $$")).code, 137);
});

story("when the container ends, what was executed in it ends", async ({ cli }) => {
  const id = await sleeping({ cli });
  const running = cli.spawn("exec", id, "sh", "-c", "echo up; sleep 1000");
  await running.until(/up/);
  await cli.ok("kill", id);
  assert.equal((await running.ended).code, 137);
});

story("many at once", async ({ cli }) => {
  const id = await sleeping({ cli });
  const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => cli.ok("exec", id, "sh", "-c", `echo ${at}`)));
  assert.deepEqual(answers, Array.from({ length: 12 }, (_, at) => String(at)));
});

story("inspect of a container lists what is executed in it", async ({ cli, engine }) => {
  const id = await sleeping({ cli });
  const running = cli.spawn("exec", id, "sh", "-c", "echo up; sleep 1000");
  await running.until(/up/);
  const { body } = await engine.api("GET", `/containers/${id}/json`);
  const [execId = ""] = (body as { ExecIDs: string[] }).ExecIDs;
  assert.match(execId, /^[0-9a-f]{64}$/);
  const exec = (await engine.api("GET", `/exec/${execId}/json`)).body as { Running: boolean; ContainerID: string; ProcessConfig: { entrypoint: string } };
  assert.deepEqual([exec.Running, exec.ContainerID, exec.ProcessConfig.entrypoint], [true, id, "sh"]);
  running.child.kill("SIGKILL");
});
