import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stories } from "./harness.ts";

const { story } = stories("run: the process");

story("-i: what is written is read, and its end is the end of stdin", async ({ cli }) => {
  const result = await cli.with({ input: "one\ntwo\n" })("run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo ended");
  assert.deepEqual([result.code, result.stdout], [0, "one\ntwo\nended\n"]);
});

story("without -i stdin is empty", async ({ cli }) => {
  const result = await cli.with({ input: "never read\n" })("run", "--rm", "busybox", "cat");
  assert.deepEqual([result.code, result.stdout], [0, ""]);
});

story("stdout and stderr stay apart", async ({ cli }) => {
  const result = await cli("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2");
  assert.deepEqual([result.stdout, result.stderr], ["out\n", "err\n"]);
});

story("-a chooses what is attached", async ({ cli }) => {
  const result = await cli("run", "--rm", "-a", "stderr", "busybox", "sh", "-c", "echo out; echo err >&2");
  assert.deepEqual([result.code, result.stderr], [0, "err\n"]);
  assert.doesNotMatch(result.stdout, /out/);
  await cli.fails(1, /conflicting options: cannot specify both --attach and --detach/, "run", "-d", "-a", "stdout", "busybox", "true");
});

story("-d prints the id, and the container goes on", async ({ cli }) => {
  const id = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  assert.match(id, /^[0-9a-f]{64}$/);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.Running}} {{.Id}}", id.slice(0, 12)), `true ${id}`);
});

story("--rm removes it when it has ended", async ({ cli }) => {
  await cli.ok("run", "--rm", "--name", "short", "busybox", "true");
  assert.equal(await cli.ok("ps", "-aq"), "");
  await cli.ok("run", "-d", "--rm", "--name", "short", "busybox", "sleep", "1000");
  const removed = cli.spawn("events", "--since", String(Math.floor(Date.now() / 1000)), "--filter", "container=short", "--filter", "event=destroy", "--format", "{{.Action}}");
  await cli.ok("kill", "short");
  await removed.until(/destroy/);
  removed.child.kill("SIGKILL");
  assert.equal(await cli.ok("ps", "-aq", "--filter", "name=short"), "");
});

story("--name: looked up by name, id and prefix; taken names are refused", async ({ cli }) => {
  const id = await cli.ok("create", "--name", "taken", "busybox", "true");
  await cli.fails(125, /Conflict\. The container name "\/taken" is already in use by container "?[0-9a-f]{64}"?\. You have to remove \(or rename\) that container to be able to reuse that name/, "run", "--name", "taken", "busybox", "true");
  for (const ref of ["taken", id, id.slice(0, 8)]) assert.equal(await cli.ok("inspect", "-f", "{{.Name}}", ref), "/taken");
  await cli.fails(125, /Invalid container name \(-x\)|only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/, "run", "--name=-x", "busybox", "true");
});

story("a name is made up when none is given", async ({ cli }) => {
  const id = await cli.ok("create", "busybox", "true");
  assert.match(await cli.ok("inspect", "-f", "{{.Name}}", id), /^\/[a-z]+_[a-z]+\d?$/);
});

story("-e and --env-file", async ({ cli, file }) => {
  const envFile = file("env", "# comment\nFROM_FILE=one two\nBOTH=file\nHOST_HAS\nHOST_HAS_NOT\n");
  const result = await cli.with({ env: { HOST_HAS: "yes", HOST_TOO: "as well" } })(
    ...["run", "--rm", "--env-file", envFile, "-e", "BOTH=flag", "-e", "HOST_TOO", "-e", "EMPTY=", "busybox", "env"],
  );
  const env = result.stdout.split("\n");
  for (const line of ["FROM_FILE=one two", "BOTH=flag", "HOST_HAS=yes", "HOST_TOO=as well", "EMPTY=", "HOME=/root"]) assert.ok(env.includes(line), `${line} in ${env}`);
  assert.ok(!env.some((line) => line.startsWith("HOST_HAS_NOT")));
  assert.ok(env.some((line) => line.startsWith("PATH=/usr/local/sbin:")));
});

story("-w: the folder is made if it is not there", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "-w", "/some/where", "busybox", "pwd"), "/some/where");
  assert.equal(await cli.ok("run", "--rm", "-w", "/tmp/..", "busybox", "pwd"), "/");
  await cli.fails(125, /working directory 'rel' is invalid|needs to be an absolute path/, "run", "--rm", "-w", "rel", "busybox", "pwd");
});

const users: [user: string, id: string, home: string][] = [
  ["ann", "uid=1000(ann) gid=1000(ann) groups=29(audio),1000(ann)", "/home/ann"],
  ["1000", "uid=1000(ann) gid=1000(ann) groups=29(audio),1000(ann)", "/home/ann"],
  ["1000:1", "uid=1000(ann) gid=1(daemon)", "/home/ann"],
  ["4242", "uid=4242 gid=0(root)", "/"],
  ["ann:audio", "uid=1000(ann) gid=29(audio)", "/home/ann"],
  ["nobody", "uid=65534(nobody) gid=65534(nogroup)", "/"],
];
story("-u: names and numbers, with and without a group", async ({ cli }) => {
  for (const [user, id, home] of users) {
    const [ids, where] = (await cli.ok("run", "--rm", "-u", user, "busybox", "sh", "-c", "id; echo $HOME")).split("\n");
    assert.ok(ids?.startsWith(id), `${user}: ${ids}`);
    assert.equal(where, home);
  }
  await cli.fails(125, /unable to find user nosuch: no matching entries in passwd file/, "run", "--rm", "-u", "nosuch", "busybox", "true");
  await cli.fails(125, /unable to find group nosuch: no matching entries in group file/, "run", "--rm", "-u", "ann:nosuch", "busybox", "true");
});

story("--group-add", async ({ cli }) => {
  const groups = await cli.ok("run", "--rm", "--group-add", "audio", "--group-add", "777", "busybox", "id", "-G");
  assert.deepEqual(new Set(groups.split(" ")), new Set(["0", "29", "777"]));
});

story("-h and the hostname by default", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "-h", "box", "busybox", "hostname"), "box");
  assert.equal(await cli.ok("run", "--rm", "-h", "box", "busybox", "cat", "/etc/hostname"), "box");
  const id = await cli.ok("run", "-d", "busybox", "sh", "-c", "hostname");
  await cli.ok("wait", id);
  assert.equal(await cli.ok("logs", id), id.slice(0, 12));
});

story("--domainname", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "-h", "box", "--domainname", "example.org", "busybox", "cat", "/proc/sys/kernel/domainname"), "example.org");
});

story("--entrypoint, and what CMD then means", async ({ cli }) => {
  assert.equal(await cli.ok("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b"), "a b");
  assert.equal(await cli.ok("run", "--rm", "--entrypoint", "/bin/pwd", "-w", "/tmp", "busybox"), "/tmp");
  assert.equal(await cli.ok("run", "--rm", "--entrypoint", "", "busybox", "echo", "x"), "x");
});

story("-l and --label-file", async ({ cli, file }) => {
  const labels = file("labels", "from=file\nboth=file\n");
  const id = await cli.ok("create", "--label-file", labels, "-l", "both=flag", "-l", "bare", "busybox");
  assert.deepEqual(JSON.parse(await cli.ok("inspect", "-f", "{{json .Config.Labels}}", id)), { from: "file", both: "flag", bare: "" });
  assert.equal(await cli.ok("ps", "-aq", "--no-trunc", "--filter", "label=both=flag"), id);
  assert.equal(await cli.ok("ps", "-aq", "--filter", "label=both=file"), "");
});

story("--cidfile: holds the id, and must not exist before", async ({ cli, folder }) => {
  const path = join(folder, "cid");
  await cli.ok("run", "--cidfile", path, "busybox", "true");
  const id = await cli.ok("ps", "-aq", "--no-trunc");
  assert.equal(readFileSync(path, "utf8"), id);
  await cli.fails(125, /container ID file found, make sure the other container isn't running or delete/, "run", "--cidfile", path, "busybox", "true");
  const failed = join(folder, "failed");
  await cli("run", "--cidfile", failed, "--pull", "never", "absent:1");
  assert.equal(existsSync(failed), false);
});

story("a signal to the client reaches the process (--sig-proxy)", async ({ cli }) => {
  const trap = "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.1; done";
  const running = cli.spawn("run", "--rm", "busybox", "sh", "-c", trap);
  await running.until(/up/);
  running.child.kill("SIGTERM");
  const result = await running.ended;
  assert.deepEqual([result.code, result.stdout], [3, "up\ngot\n"]);
});

story("--stop-signal and --stop-timeout", async ({ cli }) => {
  const trap = (signal: string): string => `trap 'exit 5' ${signal}; echo up; while :; do sleep 0.1; done`;
  const id = await cli.ok("run", "-d", "--stop-signal", "USR1", "busybox", "sh", "-c", trap("USR1"));
  await cli.spawn("logs", "-f", id).until(/up/);
  await cli.ok("stop", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.ExitCode}}", id), "5");
  const deaf = await cli.ok("run", "-d", "--stop-timeout", "1", "busybox", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done");
  await cli.spawn("logs", "-f", deaf).until(/up/);
  await cli.ok("stop", deaf);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.ExitCode}}", deaf), "137");
  await cli.fails(125, /[Ii]nvalid signal: ?"?NOPE/, "run", "--stop-signal", "NOPE", "busybox");
});

story("--platform: this machine's runs, another's is refused", async ({ cli }) => {
  const here = { x64: "linux/amd64", arm64: "linux/arm64" }[process.arch as "x64"];
  await cli.ok("run", "--rm", "--platform", here, "busybox", "true");
  await cli.fails(125, /s390x|platform/, "run", "--rm", "--pull", "never", "--platform", "linux/s390x", "busybox", "true");
});

story("--pull never and missing: an image that is there is run", async ({ cli }) => {
  await cli.ok("run", "--rm", "--pull", "never", "busybox", "true");
  await cli.ok("run", "--rm", "--pull", "missing", "busybox", "true");
  await cli.fails(125, /No such image: absent:1/, "run", "--rm", "--pull", "never", "absent:1");
});
