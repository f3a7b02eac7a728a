import assert from "node:assert/strict";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { debianRootfs } from "../fixtures/debian.ts";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("real programs");

const found = process.getuid?.() === 0 ? debianRootfs() : { missing: "containers need root" };
const options = { skip: "missing" in found ? found.missing : false } as const;

/** Imports the Debian image unless a story before did. */
async function debian({ cli }: Pick<Scene, "cli">): Promise<void> {
  if ((await cli.ok("images", "-q", "debian:stories")) !== "" || !("path" in found)) return;
  const result = await cli.with({ timeout: 280_000 })("import", "-c", 'CMD ["bash"]', "-c", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", found.path, "debian:stories");
  assert.equal(result.code, 0, result.stderr);
}

async function portOf({ cli }: Pick<Scene, "cli">, id: string, port: string): Promise<number> {
  return Number(await cli.ok("inspect", "-f", `{{(index (index .NetworkSettings.Ports "${port}") 0).HostPort}}`, id));
}

/** Sends, until something comes back: the program may still be starting. */
async function talk(port: number, text: string): Promise<string> {
  for (let tried = 0; ; tried++) {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("error", () => {});
    socket.setTimeout(3000, () => socket.destroy());
    socket.end(text);
    const answer = (await socket.setEncoding("utf8").toArray().catch(() => [])).join("");
    if (answer !== "" || tried > 100) return answer;
    await pause(50);
  }
}

story("bash with a terminal: prompt, editing, job control", async ({ cli }) => {
  await debian({ cli });
  const terminal = cli.terminal("run", "--rm", "-it", "-h", "deb", "debian:stories", "bash", "--norc");
  await terminal.until(/bash-[\d.]+# /);
  terminal.write("echo one twoo\x7f\n");
  await terminal.until(/one two\r\n/);
  terminal.write("tput cols; tput lines\n");
  await terminal.until(/80\r\n24\r\n/);
  await terminal.resize(30, 100);
  terminal.write("sleep 0.3; tput cols\n");
  await terminal.until(/100\r\n/);
  terminal.write("sleep 1000\n");
  await terminal.until(/sleep 1000\r\n/);
  await pause(300);
  terminal.write("\x1a");
  await terminal.until(/Stopped +sleep 1000/);
  terminal.write("kill %1; fg\n");
  await terminal.until(/# /);
  terminal.write("exit 9\n");
  assert.equal((await terminal.ended).code, 9);
}, options);

story("nginx, published", async ({ cli }) => {
  await debian({ cli });
  const id = await cli.ok("run", "-d", "-p", "0:80", "debian:stories", "nginx", "-g", "daemon off;");
  const answer = await talk(await portOf({ cli }, id, "80/tcp"), "GET / HTTP/1.0\r\n\r\n");
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\nServer: nginx/);
  assert.match(await cli.ok("top", id), /nginx: worker process/);
  await cli.ok("stop", "-t", "10", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.ExitCode}}", id), "0");
}, options);

story("redis, published, its data in a volume", async ({ cli }) => {
  await debian({ cli });
  const start = (): Promise<string> => cli.ok("run", "-d", "-p", "0:6379", "-v", "redis:/data", "-w", "/data", "debian:stories", "redis-server", "--protected-mode", "no", "--appendonly", "yes");
  const first = await start();
  assert.match(await talk(await portOf({ cli }, first, "6379/tcp"), "SET key value\r\nQUIT\r\n"), /^\+OK\r\n/);
  await cli.ok("stop", first);
  await cli.ok("rm", first);
  const second = await start();
  assert.match(await talk(await portOf({ cli }, second, "6379/tcp"), "GET key\r\nQUIT\r\n"), /\$5\r\nvalue\r\n/);
}, options);

story("a database writing to a volume, killed in the midst of it", async ({ cli }) => {
  await debian({ cli });
  const script = "sqlite3 /data/db 'create table t(n integer)'; i=0; while :; do i=$((i+1)); sqlite3 /data/db \"insert into t values($i)\" && echo $i; done";
  const id = await cli.ok("run", "-d", "-v", "db:/data", "debian:stories", "bash", "-c", script);
  await cli.spawn("logs", "-f", id).until(/^20$/m);
  await cli.ok("kill", id);
  const last = (await cli.ok("logs", "--tail", "1", id)).trim();
  const [check, count] = (await cli.ok("run", "--rm", "-v", "db:/data", "debian:stories", "sqlite3", "/data/db", "pragma integrity_check; select count(*) from t")).split("\n");
  assert.equal(check, "ok");
  assert.ok(Number(count) >= Number(last));
}, options);

story("apt-get update works inside", async ({ cli }) => {
  await debian({ cli });
  const result = await cli.with({ timeout: 120_000 })("run", "--rm", "--network", "host", "debian:stories", "bash", "-c", "apt-get -o Acquire::Retries=0 update 2>&1; echo ended");
  // Without a network there is nothing to fetch; apt's own sandboxing (setuid to _apt, its sockets) has to work all the same.
  assert.match(result.stdout, /ended/);
  assert.doesNotMatch(result.stdout, /Operation not permitted|Permission denied|setgroups|seteuid/);
}, options);

story("a process that ignores SIGTERM is killed in time", async ({ cli }) => {
  await debian({ cli });
  const id = await cli.ok("run", "-d", "debian:stories", "bash", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done");
  await cli.spawn("logs", "-f", id).until(/up/);
  await cli.ok("stop", "-t", "1", id);
  assert.equal(await cli.ok("inspect", "-f", "{{.State.ExitCode}}", id), "137");
}, options);
