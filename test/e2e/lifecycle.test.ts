import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { stories } from "./harness.ts";

const { story } = stories("lifecycle");

story("create, start, stop, start again, rm", async ({ cli }) => {
  const id = await cli.ok("create", "--name", "life", "busybox", "sleep", "1000");
  const state = (): Promise<string> => cli.ok("inspect", "-f", "{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}", "life");
  assert.equal(await state(), "created false 0");
  assert.equal(await cli.ok("start", "life"), "life");
  assert.equal(await state(), "running true 0");
  assert.equal(await cli.ok("start", "life"), "life");
  await cli.fails(1, /container .*is running|You cannot remove a running container|cannot remove container/, "rm", "life");
  assert.equal(await cli.ok("stop", "-t", "0", "life"), "life");
  assert.equal(await state(), "exited false 137");
  assert.equal(await cli.ok("stop", "life"), "life");
  await cli.ok("start", "life");
  assert.equal(await state(), "running true 0");
  assert.equal(await cli.ok("rm", "-f", "life"), "life");
  await cli.fails(1, /No such object: [0-9a-f]{64}/, "inspect", id);
});

story("kill sends the signal asked for", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "killme", "busybox", "sh", "-c", "trap 'echo usr' USR1; echo up; while :; do sleep 0.1; done");
  await cli.spawn("logs", "-f", "killme").until(/up/);
  await cli.ok("kill", "-s", "USR1", "killme");
  await cli.spawn("logs", "-f", "killme").until(/usr/);
  await cli.ok("kill", "--signal", "10", "killme");
  await cli.fails(1, /[Ii]nvalid signal: ?"?NOPE/, "kill", "-s", "NOPE", "killme");
  assert.equal(await cli.ok("kill", "killme"), "killme");
  assert.equal(await cli.ok("wait", "killme"), "137");
  await cli.fails(1, /is not running/, "kill", "killme");
});

story("stop: SIGTERM first, SIGKILL when the time is over", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "polite", "busybox", "sh", "-c", "trap 'exit 11' TERM; echo up; while :; do sleep 0.1; done");
  await cli.spawn("logs", "-f", "polite").until(/up/);
  await cli.ok("stop", "polite");
  assert.equal(await cli.ok("inspect", "-f", "{{.State.ExitCode}}", "polite"), "11");
  await cli.ok("run", "-d", "--name", "deaf", "busybox", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done");
  await cli.spawn("logs", "-f", "deaf").until(/up/);
  await cli.ok("stop", "-t", "1", "deaf");
  assert.equal(await cli.ok("inspect", "-f", "{{.State.ExitCode}}", "deaf"), "137");
});

story("restart", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "busybox", "sh", "-c", "echo run; exec sleep 1000");
  const pid = await cli.ok("inspect", "-f", "{{.State.Pid}}", id);
  await cli.ok("restart", "-t", "0", id);
  assert.notEqual(await cli.ok("inspect", "-f", "{{.State.Pid}}", id), pid);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}}", id), "true");
  await cli.ok("restart", await cli.ok("create", "busybox", "sleep", "1000"));
});

story("rename", async ({ cli }) => {
  await cli.ok("run", "-d", "--name", "before", "busybox", "sleep", "1000");
  await cli.ok("create", "--name", "other", "busybox");
  await cli.ok("rename", "before", "after");
  assert.equal(await cli.ok("inspect", "-f", "{{.Name}} {{.State.Running}}", "after"), "/after true");
  await cli.fails(1, /already in use/, "rename", "after", "other");
  await cli.fails(1, /No such container: before/, "rename", "before", "x1");
  await cli.fails(1, /Invalid container name|same as its current name|invalid/i, "rename", "after", "not/ok");
});

story("pause and unpause: nothing runs in between", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "busybox", "sh", "-c", "while :; do echo x >>/ticks; sleep 0.02; done");
  const ticks = async (): Promise<number> => Number(await cli.ok("exec", id, "sh", "-c", "wc -l </ticks"));
  await cli.ok("pause", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Status}} {{.State.Paused}}", id), "paused true");
  await cli.fails(1, /is already paused/, "pause", id);
  await cli.fails(1, /is paused, unpause the container before exec/, "exec", id, "true");
  assert.match(await cli.ok("ps", "--format", "{{.Status}}"), /\(Paused\)/);
  await cli.ok("unpause", id);
  const first = await ticks();
  for (let tried = 0; (await ticks()) === first; tried++) assert.ok(tried < 50);
  await cli.fails(1, /is not paused/, "unpause", id);
  await cli.ok("pause", id);
  await cli.ok("rm", "-f", id);
});

story("top", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "busybox", "sh", "-c", "sleep 2222 & sleep 3333");
  const table = await cli.ok("top", id);
  assert.match(table, /^UID +PID +PPID +C +STIME +TTY +TIME +CMD\n/);
  assert.match(table, /sleep 3333/);
  assert.match(await cli.ok("top", id, "-o", "pid,comm"), /^PID +COMMAND\n/);
  await cli.ok("kill", id);
  await cli.ok("wait", id);
  await cli.fails(1, /is not running/, "top", id);
});

story("ps: columns, -a, -q, -n, -l, -s, --no-trunc, filters, formats", async ({ cli }) => {
  const first = await cli.ok("run", "-d", "--name", "one", "-l", "k=v", "busybox", "sleep", "1000");
  const second = await cli.ok("create", "--name", "two", "busybox", "echo", "a very long command that is cut", "x");
  assert.match(await cli.ok("ps"), /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n[0-9a-f]{12} +busybox +"sleep 1000" +.* ago +Up .* +one$/);
  assert.equal(await cli.ok("ps", "-aq", "--no-trunc"), `${second}\n${first}`);
  assert.equal(await cli.ok("ps", "-l", "--format", "{{.Names}}"), "two");
  assert.equal(await cli.ok("ps", "-n", "1", "-q", "--no-trunc"), second);
  assert.equal(await cli.ok("ps", "-a", "--filter", "status=created", "--format", "{{.Names}} {{.Status}}"), "two Created");
  assert.equal(await cli.ok("ps", "-a", "--filter", "label=k=v", "--format", "{{.Names}}|{{.Label \"k\"}}"), "one|v");
  assert.equal(await cli.ok("ps", "-a", "--filter", "name=w", "--format", "{{.Names}}"), "two");
  assert.equal(await cli.ok("ps", "-a", "--filter", `id=${first.slice(0, 6)}`, "--format", "{{.Names}}"), "one");
  assert.equal(await cli.ok("ps", "-a", "--filter", "ancestor=busybox", "-q", "--no-trunc"), `${second}\n${first}`);
  assert.equal(await cli.ok("ps", "-a", "--filter", "before=two", "--format", "{{.Names}}"), "one");
  assert.match(await cli.ok("ps", "-a", "--format", "table {{.ID}}\t{{.Names}}"), /^CONTAINER ID +NAMES\n/);
  assert.equal((JSON.parse((await cli.ok("ps", "--format", "json")).split("\n")[0] as string) as { Names: string }).Names, "one");
  assert.match(await cli.ok("ps", "-s", "--format", "{{.Size}}"), /^\d.*B \(virtual .*B\)$/);
  await cli.fails(1, /invalid filter 'nope'/i, "ps", "--filter", "nope=x");
});

story("inspect: the fields that programs read", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "--name", "looked", "-e", "A=1", "-v", "/tmp:/t:ro", "busybox", "sleep", "1000");
  const [container] = JSON.parse(await cli.ok("inspect", "looked")) as Record<string, any>[];
  assert.equal(container?.["Id"], id);
  assert.equal(container["Name"], "/looked");
  assert.equal(container["Path"], "sleep");
  assert.deepEqual(container["Args"], ["1000"]);
  assert.equal(container["State"].Status, "running");
  assert.ok(existsSync(`/proc/${container["State"].Pid}`));
  assert.ok(Date.parse(container["State"].StartedAt) >= Date.parse(container["Created"]));
  assert.equal(container["State"].FinishedAt, "0001-01-01T00:00:00Z");
  assert.equal(container["Config"].Image, "busybox");
  assert.ok(container["Config"].Env.includes("A=1"));
  assert.deepEqual(container["HostConfig"].Binds, ["/tmp:/t:ro"]);
  assert.deepEqual(container["Mounts"].map((mount: any) => [mount.Type, mount.Source, mount.Destination, mount.RW]), [["bind", "/tmp", "/t", false]]);
  assert.ok(existsSync(container["LogPath"]) && existsSync(container["HostsPath"]) && existsSync(container["ResolvConfPath"]));
  assert.equal(await cli.ok("inspect", "--type", "container", "-f", "{{.Driver}}", "looked").then((driver) => driver.startsWith("overlay")), true);
  await cli.fails(1, /No such object: nosuch/, "inspect", "nosuch");
  await cli.fails(64, /template parsing error/, "inspect", "-f", "{{.Nope", "looked");
});

story("events: what happened, in order, with attributes", async ({ cli }) => {
  // From a moment ago on: the client may take its time to connect.
  const following = cli.spawn("events", "--since", String(Math.floor(Date.now() / 1000)), "--filter", `container=watched-${cli.name}`, "--format", "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}");
  await cli.ok("run", "--rm", "--name", `watched-${cli.name}`, "busybox", "true");
  await following.until(/destroy/);
  following.child.kill();
  const actions = following.stdout.trim().split("\n").map((line) => line.split(" ")[1]);
  for (const [before, after] of [["create", "start"], ["start", "die"], ["die", "destroy"]] as const) {
    assert.ok(actions.indexOf(before) >= 0 && actions.indexOf(before) < actions.indexOf(after), `${before} before ${after}: ${actions}`);
  }
  const past = await cli.ok("events", "--since", "5m", "--until", String(Math.ceil(Date.now() / 1000)), "--filter", `container=watched-${cli.name}`, "--filter", "event=die", "--format", "{{.Actor.Attributes.exitCode}}");
  assert.equal(past, "0");
});

story("start of several, and of one that does not exist", async ({ cli }) => {
  await cli.ok("create", "--name", "aa", "busybox", "sleep", "1000");
  await cli.ok("create", "--name", "bb", "busybox", "sleep", "1000");
  const result = await cli("start", "aa", "nosuch", "bb");
  assert.deepEqual([result.code, result.stdout], [1, "aa\nbb\n"]);
  assert.match(result.stderr, /No such container: nosuch/);
  assert.equal(await cli.ok("rm", "-f", "aa", "bb"), "aa\nbb");
});

story("id prefixes: unique ones are taken, ambiguous ones refused", async ({ cli }) => {
  const ids: string[] = [];
  while (new Set(ids.map((id) => id[0])).size === ids.length) ids.push(await cli.ok("create", "busybox"));
  const shared = ids.at(-1)?.[0] as string;
  await cli.fails(1, /multiple IDs found with provided prefix|Multiple IDs found|No such|Ambiguous/i, "start", shared);
  assert.equal(await cli.ok("inspect", "-f", "{{.Id}}", ids[0]?.slice(0, 20) as string), ids[0]);
});

story("version, info, ping", async ({ cli, engine }) => {
  assert.match(await cli.ok("version", "--format", "{{.Server.APIVersion}}"), /^1\.\d\d$/);
  assert.equal(await cli.ok("info", "--format", "{{.OSType}} {{.NCPU}}").then((text) => /^linux \d+$/.test(text)), true);
  await cli.ok("run", "-d", "busybox", "sleep", "1000");
  assert.equal(await cli.ok("info", "--format", "{{.Containers}} {{.ContainersRunning}}"), "1 1");
  assert.equal((await engine.api("GET", "/_ping")).body, "OK");
  assert.equal((await engine.api("HEAD", "/_ping")).status, 200);
});

story("container prune", async ({ cli }) => {
  await cli.ok("create", "busybox");
  const running = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  assert.match(await cli.ok("container", "prune", "-f"), /^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: /);
  assert.equal(await cli.ok("ps", "-aq", "--no-trunc"), running);
});
