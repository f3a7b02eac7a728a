/**
 * The same lines given to the official client and to ours, against one dockerd: the same output, errors and exit
 * codes. Each group begins with an engine without containers, for each of the two.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { busyboxArchive, busyboxMissing } from "../fixtures/image.ts";
import { tar } from "../fixtures/tar.ts";
import { onPath } from "../packages.ts";
import { removeContainers } from "./harness.ts";
import { noDocker, normalized, runLine } from "./harness/compare.ts";
import { type Engine, openEngine } from "./harness/engine.ts";

const noDockerd = onPath("dockerd") ? undefined : "dockerd is not on this machine";
const why = process.getuid?.() !== 0 ? "containers need root" : (noDocker ?? noDockerd ?? busyboxMissing);

const long = `@ run -d --name kx -l a=b --network none -v vv:/data busybox sh -c 'echo one; usleep 300000; echo two >&2; usleep 300000; echo three; exec sleep 1000'`;

const groups: Readonly<Record<string, readonly string[]>> = {
  "run: outputs and exit codes": [
    "@ run --rm busybox echo hi",
    "echo hello | @ run --rm -i busybox cat",
    "@ run --rm busybox sh -c 'echo out; echo err >&2; exit 7'",
    "@ run --rm busybox nope",
    "@ run --rm busybox /etc",
    "@ run --rm --entrypoint /etc/passwd busybox",
    "@ run --rm --network foo busybox true",
    "@ run --rm -u nope busybox",
    "@ run --rm --device /nope busybox",
    "@ run --rm -a stdout busybox sh -c 'echo a; echo b >&2'",
    "echo x | @ run --rm -i -a stdout busybox cat",
    "@ run --rm -t busybox sh -c 'tty; exit 5'",
    "@ run --rm -it busybox true",
    "@ run -a stdin -d busybox",
    "@ run -d --name ok busybox true | wc -c",
    "@ run --name ok busybox true",
    "@ run --rm --pull never nope",
    "@ run --rm --env-file /nope busybox",
    "@ create --name cid --cidfile cid busybox | wc -c; wc -c < cid; rm cid",
  ],
  "a container's life": [
    long,
    "@ exec kx sleep 1", // until it has said its three lines, in order
    "@ ps --format '{{.Names}} {{.Image}} {{.State}} {{.Labels}} {{.Mounts}} {{.Networks}}'",
    "@ logs kx",
    "@ logs --tail 1 kx",
    "@ logs -n x kx",
    "@ logs --until 10m kx",
    "@ logs --since foo kx",
    "@ exec kx sh -c 'echo hi; exit 9'",
    "@ exec kx nope",
    "@ exec -e A=b -w /tmp kx sh -c 'echo $A; pwd'",
    "@ exec -u nope kx true",
    "echo hey | @ exec -i kx cat",
    "@ exec -t kx tty",
    "@ exec -it kx tty",
    "@ exec nope true",
    "@ top kx -o comm",
    "@ port kx",
    "@ port kx 80",
    "@ pause kx",
    "@ ps --format '{{.Status}}'",
    "@ exec kx true",
    "@ unpause kx",
    "@ unpause kx",
    "@ rename kx ky; @ rename ky kx",
    "@ rename kx kx",
    "@ kill -s HUPP kx",
    "@ rm kx",
    "@ restart -t 0 kx",
    "@ stop -t 0 kx nope",
    "@ kill kx",
    "@ attach kx",
    "@ wait kx nope",
    "@ start kx nope",
    "@ start -a kx kx",
    "@ rm -f kx nope",
  ],
  "attach and start": [
    "@ create --name kz busybox sh -c 'echo hi; exit 4' | wc -c",
    "@ start -a kz",
    "@ logs kz",
    "@ ps -a --format '{{.Names}} {{.State}}'",
    "@ rm kz",
    "@ create -i --name kz busybox sh -c 'cat; exit 4' | wc -c",
    "echo foo | @ start -ai kz",
    "@ container prune -f | tail -1",
    "@ attach nope",
    "@ wait nope",
    "@ container prune </dev/null",
    "printf 'n\\n' | @ container prune",
  ],
  inspect: [
    long,
    "@ inspect -f '{{.Name}} {{.State.Status}} {{.Config.Labels}} {{.Config.Labels.a}} {{.Config.Labels.x}}' kx",
    "@ inspect -f '{{.HostConfig.Binds}} {{.HostConfig.Init}} {{.HostConfig.CapAdd}} {{.HostConfig.PidsLimit}} {{.HostConfig.Memory}} {{.ExecIDs}}' kx",
    "@ inspect -f '{{.NetworkSettings.Ports}} {{.HostConfig.LogConfig}} {{.Config.Cmd}} {{.Config.Entrypoint}} {{.HostConfig.RestartPolicy}}' kx",
    "@ inspect -f '{{json .Config.Labels}} {{json .HostConfig.Binds}}{{json .HostConfig.Init}}{{json .HostConfig.Tmpfs}}' kx",
    "@ inspect -f '{{range .Mounts}}{{.Name}} {{.Destination}} {{.RW}}{{end}}' kx",
    '@ inspect -f \'{{index .Config.Labels "a"}}|{{index .Config.Labels "zz"}}|{{len .HostConfig.Binds}}{{if .State.Health}}a{{else}}b{{end}}\' kx',
    "@ inspect -f '{{.Id}}' kx",
    "@ inspect -f '{{.ID}} {{.State.Health}} {{.SizeRw}} {{.Config.Healthcheck}} {{.Config.StopTimeout}}' kx",
    "@ inspect -f '{{.Nope}}' kx",
    "@ inspect -f '{{.State.Health.Status}}' kx",
    "@ inspect -f '{{.Id' kx",
    "@ inspect -f json kx nope | wc -l",
    "@ inspect nope",
    "@ inspect --type container nope",
    "@ inspect --type foo kx",
    "@ container inspect -f '{{.Name}}' kx nope",
    "@ inspect kx | head -20",
    "@ image inspect -f '{{.RepoTags}} {{.Os}}/{{.Architecture}} {{.Config.Env}} {{.Config.Cmd}} {{.RootFS.Type}}' busybox",
    "@ image inspect busybox",
    "@ image inspect nope",
    "@ volume inspect vv",
    "@ volume inspect -f '{{.Nope}}' vv",
    "@ volume inspect nope",
    "@ network inspect none",
    "@ network inspect -f '{{.Name}} {{.IPAM}} {{.Options}} {{.Internal}} {{.Nope}}' none",
    "@ network inspect nope",
  ],
  images: [
    "@ images",
    "@ images -q --no-trunc",
    "@ images nope",
    "@ images -f reference=busy*",
    "@ tag busybox foo/bar:1; @ images foo/bar; @ rmi foo/bar:1",
    "@ tag busybox FOO",
    "@ tag nope x:1",
    "@ rmi nope nope2",
    "@ rmi -f nope",
    "@ history busybox",
    "@ history --no-trunc -H=false busybox",
    "@ history --format json busybox",
    "@ history nope",
    "@ save -o x.tar busybox; tar tf x.tar | wc -l; @ load -i x.tar; @ load -q < x.tar; rm x.tar",
    "@ save -o /nope/x busybox",
    "@ save -o / busybox",
    "@ load -i /nope",
    "echo foo | @ load",
    "@ import /nope",
    "@ import -c 'CMD x' -m msg root.tar imp:1 | wc -c; @ inspect -f '{{.Config.Cmd}} {{.Comment}}' imp:1; @ rmi imp:1",
    "@ import - < root.tar | wc -c; @ image prune -f",
    "@ import root.tar FOO",
    "@ image prune </dev/null",
  ],
  "volumes, networks, contexts, the system": [
    "@ volume create --label a=b -o type=tmpfs -o device=tmpfs vk; @ volume inspect vk; @ volume ls -q; @ volume rm vk",
    "@ volume rm nope",
    "@ volume rm -f nope",
    "@ volume create aa; @ volume prune -f",
    "@ volume prune -a",
    "@ network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'",
    "@ network ls -f driver=null -q | wc -l",
    "@ version -f '{{.Server.Version}} {{.Server.APIVersion}} {{.Server.Os}}'",
    "@ version -f '{{.Nope}}'",
    "@ version | sed -n '/Server/,$p'",
    "@ info | sed -n '/Server/,$p' | grep -v 'File Desc\\|Gorou\\|Runtimes'",
    "@ info -f '{{.Driver}} {{.NCPU}} {{.Swarm.LocalNodeState}} {{.Plugins.Volume}} {{.Nope}}'",
    "@ tag busybox ev:1; @ events --since 10m --until 0s --filter event=tag --filter image=busybox --format '{{.Type}} {{.Action}}' | tail -1; @ rmi ev:1",
    "@ events --since x",
    "@ context create kc --docker host=unix:///x --description 'my desc'; @ context ls; @ context inspect kc; @ context use kc; @ context rm kc; @ context use default; @ context rm kc",
    "@ context create default --docker host=unix:///x",
    "@ context use nope",
    "@ context rm default",
    "@ -H unix:///nope ps",
    "@ -H tcp://127.0.0.1:1 ps",
  ],
};

let engine: Engine | undefined;
before(async () => {
  if (why !== undefined) return;
  engine = await openEngine([], "dockerd");
  const { folder, socket } = engine.place;
  writeFileSync(join(folder, "busybox.tar"), busyboxArchive());
  writeFileSync(join(folder, "root.tar"), tar([{ path: "etc/" }, { path: "etc/x", data: "x" }]));
  const loaded = await runLine("docker", "@ load -q -i busybox.tar", { host: `unix://${socket}`, cwd: folder, config: join(folder, "config") });
  assert.equal(loaded.code, 0, loaded.stderr);
});
after(async () => engine?.[Symbol.asyncDispose]());

for (const [name, lines] of Object.entries(groups)) {
  test(`both clients: ${name}`, { skip: why ?? false, timeout: 300_000 }, async () => {
    const official = await tell("docker", lines);
    const ours = await tell("gantry", lines);
    for (const [at, line] of lines.entries()) assert.deepEqual(ours[at], official[at], line);
  });
}

async function tell(client: "docker" | "gantry", lines: readonly string[]) {
  const { folder, socket } = engine!.place;
  const printed = [];
  for (const line of lines) printed.push(normalized(await runLine(client, line, { host: `unix://${socket}`, cwd: folder, config: join(folder, "config") })));
  await removeContainers(engine!);
  return printed;
}
