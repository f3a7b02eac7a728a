import assert from "node:assert/strict";
import { chownSync, readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { peer, stories } from "./harness.ts";

const { story } = stories("volumes");

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

story("made, listed, inspected, removed", async ({ cli }) => {
  assert.equal(await cli.ok("volume", "create", "--label", "x=y", "first"), "first");
  assert.equal(await cli.ok("volume", "create", "first"), "first", "once more is no error");
  const anonymous = await cli.ok("volume", "create");
  assert.match(anonymous, /^[0-9a-f]{64}$/);
  assert.deepEqual(lines(await cli.ok("volume", "ls", "-q", "--filter", "driver=local")).sort(), [anonymous, "first"].sort());
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "label=x=y"), "first");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "name=irs"), "first");
  assert.equal(await cli.ok("volume", "inspect", "-f", "{{.Driver}} {{.Labels.x}} {{.Scope}}", "first"), "local y local");
  assert.deepEqual(lines(await cli.ok("volume", "rm", "first", anonymous)), ["first", anonymous]);
  await cli.fails(1, /no such volume/i, "volume", "rm", "first");
  await cli.ok("volume", "rm", "-f", "first");
});

story("in use it stays; dangling says which are not", async ({ cli }) => {
  const id = await cli.ok("create", "-v", "used:/d", "busybox", "true");
  await cli.ok("volume", "create", "spare");
  await cli.fails(1, new RegExp(`volume is in use - \\[${id}\\]`), "volume", "rm", "used");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "dangling=true"), "spare");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "dangling=false"), "used");
  await cli.ok("rm", "-v", id);
  await cli.ok("volume", "rm", "used", "spare");
});

story("names that are none", async ({ cli }) => {
  await cli.fails(1, /includes invalid characters for a local volume name/, "volume", "create", "a/b");
  await cli.fails(1, /volume name is too short/, "volume", "create", "a");
  await cli.fails(125, /includes invalid characters for a local volume name/, "run", "--rm", "-v", "a b:/x", "busybox", "true");
});

story("an empty volume is filled by one of many containers that start at once", async ({ cli }) => {
  await Promise.all(Array.from({ length: 6 }, () => cli.ok("run", "--rm", "-v", "shared:/bin", "busybox", "true")));
  await cli.ok("run", "--rm", "-v", "shared:/b", "busybox", "test", "-x", "/b/busybox");
  await cli.ok("volume", "rm", "shared");
});

story("prune takes those without a name; with -a all that nobody uses", async ({ cli }) => {
  const anonymous = await cli.ok("volume", "create");
  await cli.ok("volume", "create", "kept");
  const id = await cli.ok("create", "-v", "/inside", "busybox", "true");
  assert.match(await cli.ok("volume", "prune", "-f"), new RegExp(anonymous));
  assert.equal(lines(await cli.ok("volume", "ls", "-q", "--filter", "driver=local")).length, 2);
  assert.match(await cli.ok("volume", "prune", "-af"), /kept/);
  assert.equal(lines(await cli.ok("volume", "ls", "-q", "--filter", "driver=local")).length, 1);
  await cli.ok("rm", "-v", id);
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "driver=local"), "");
}, { only: "gantry-engine" });

story("what the driver local does not understand is refused, in its words", async ({ cli }) => {
  const wrong: [string[], RegExp][] = [
    [["-o", "foo=bar"], /create odd: invalid option: "foo"$/m],
    [["-o", "type=tmpfs"], /create odd: missing required option: "device"$/m],
    [["-o", "device=/x"], /create odd: missing required option: "type"$/m],
    [["-o", "o=bind"], /create odd: missing required option: "device"$/m],
    [["-o", "size=10m"], /create odd: quota size requested but no quota support$/m],
    [["--driver", "nobody-has-it"], /create odd: error looking up volume plugin nobody-has-it: plugin "nobody-has-it" not found$/m],
  ];
  for (const [options, message] of wrong) await cli.fails(1, message, "volume", "create", ...options, "odd");
  await cli.fails(1, /no such volume/, "volume", "inspect", "odd");
  await cli.ok("volume", "create", "taken");
  await cli.fails(1, /create taken: error looking up volume plugin nobody-has-it: plugin "nobody-has-it" not found$/m, "volume", "create", "--driver", "nobody-has-it", "taken");
});

story("options of the driver local: a tmpfs, a folder of the host, shared by its users and gone after the last", async ({ cli, folder, file }) => {
  file("own", "from the host");
  await cli.ok("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=7", "quick");
  await cli.ok("volume", "create", "-o", "type=none", "-o", `device=${folder}`, "-o", "o=bind", "host");
  assert.deepEqual(JSON.parse(await cli.ok("volume", "inspect", "-f", "{{json .Options}}", "quick")), { device: "tmpfs", o: "size=1m,uid=7", type: "tmpfs" });
  const [mountpoint, ...rest] = lines(await cli.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "quick"));
  assert.deepEqual(rest, []);
  const mounted = () => readFileSync("/proc/self/mountinfo", "utf8").includes(` ${mountpoint} `);
  await cli.ok("run", "-d", "--name", "first", "--network", "none", "-v", "quick:/m", "-v", "host:/h", "busybox", "sleep", "1000");
  await cli.ok("run", "-d", "--name", "second", "--network", "none", "-v", "quick:/q", "busybox", "sleep", "1000");
  await cli.ok("exec", "first", "sh", "-c", "echo shared > /m/file");
  assert.equal(await cli.ok("exec", "second", "cat", "/q/file"), "shared");
  assert.match(await cli.ok("exec", "second", "cat", "/proc/mounts"), /^tmpfs \/q tmpfs rw,relatime,size=1024k,uid=7/m);
  assert.equal(await cli.ok("exec", "first", "cat", "/h/own"), "from the host");
  await cli.ok("rm", "-f", "first");
  assert.ok(mounted(), "the second one still has it");
  await cli.ok("rm", "-f", "second");
  assert.ok(!mounted(), "the last one has gone");
  await cli.ok("volume", "rm", "quick", "host");
  assert.equal(readFileSync(join(folder, "own"), "utf8"), "from the host");
});

story("what cannot be mounted is told at the start, and nothing is left", async ({ cli }) => {
  await cli.ok("volume", "create", "-o", "type=none", "-o", "device=/nothing/here", "-o", "o=bind", "nowhere");
  await cli.ok("volume", "create", "-o", "type=nosuchtype", "-o", "device=/dev/null", "unknown");
  await cli.fails(127, /error while mounting volume '.*\/nowhere\/_data': failed to mount local volume: mount \/nothing\/here:.*\/nowhere\/_data, flags: 0x1000: no such file or directory/, "run", "--rm", "-v", "nowhere:/m", "busybox", "true");
  await cli.fails(125, /failed to mount local volume: mount \/dev\/null:.*\/unknown\/_data: no such device/, "run", "--rm", "-v", "unknown:/m", "busybox", "true");
  await cli.ok("volume", "rm", "nowhere", "unknown");
});

story("--mount makes a volume with options", async ({ cli }) => {
  const mount = "type=volume,src=made,dst=/m,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=b";
  assert.match(await cli.ok("run", "--rm", "--mount", mount, "busybox", "cat", "/proc/mounts"), /^tmpfs \/m tmpfs/m);
  assert.equal(await cli.ok("volume", "inspect", "-f", "{{.Options.type}} {{.Labels.a}}", "made"), "tmpfs b");
  await cli.fails(125, /missing required option: "device"/, "run", "--rm", "--mount", "type=volume,src=wrong,dst=/m,volume-opt=type=tmpfs", "busybox", "true");
  await cli.ok("volume", "rm", "made");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "driver=local"), "");
});

story("a container that could not be made leaves no volume", async ({ cli }) => {
  await cli.fails(1, /missing required option: "device"/, "create", "-v", "/anonymous", "-v", "named:/n", "--mount", "type=volume,src=wrong,dst=/m,volume-opt=type=tmpfs", "busybox", "true");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "driver=local"), "");
}, { only: "gantry-engine" });

story("a part of a volume, and images, are mounted", async ({ cli }) => {
  await cli.ok("run", "--rm", "-v", "parts:/p", "busybox", "sh", "-c", "mkdir -p /p/a/b; echo one > /p/a/b/file; ln -s a/b /p/link");
  const part = (path: string, more = "") => ["run", "--rm", "--mount", `type=volume,src=parts,dst=/m,volume-subpath=${path}${more}`, "busybox"];
  assert.equal(await cli.ok(...part("a/b"), "ls", "/m"), "file");
  assert.equal(await cli.ok(...part("link/file"), "cat", "/m"), "one");
  await cli.fails(1, /Read-only file system/, ...part("a", ",readonly"), "touch", "/m/x");
  await cli.fails(127, /cannot access path .*\/none: no such file or directory/, ...part("none"), "true");
  await cli.fails(125, /subpath must be a relative path within the volume/, ...part("../x"), "true");
  assert.match(await cli.ok("run", "--rm", "--mount", "type=image,src=busybox,dst=/i", "busybox", "ls", "/i"), /bin/);
  assert.match(await cli.ok("run", "--rm", "--mount", "type=image,src=busybox,dst=/i,image-subpath=bin", "busybox", "ls", "/i"), /busybox/);
  await cli.fails(1, /Read-only file system/, "run", "--rm", "--mount", "type=image,src=busybox,dst=/i", "busybox", "touch", "/i/x");
  await cli.ok("create", "--name", "looked-at", "--mount", "type=volume,src=parts,dst=/m,volume-subpath=a/b", "busybox");
  assert.equal(await cli.ok("cp", "looked-at:/m/file", "-").then((tar) => tar.includes("one")), true);
  await cli.ok("rm", "looked-at");
  await cli.ok("volume", "rm", "parts");
}, { only: "gantry-engine" });

story("the owner of the source and the container's user change places", async ({ cli, folder, file }) => {
  const path = file("mine", "mine");
  chownSync(folder, 1234, 1235);
  chownSync(path, 1234, 1235);
  const look = ["busybox", "sh", "-c", "stat -c '%u %g' /m/mine; echo more > /m/made"];
  assert.equal(await cli.ok("run", "--rm", "--user", "77:78", "-v", `${folder}:/m:U`, ...look), "77 78");
  const { uid, gid } = statSync(join(folder, "made"));
  assert.deepEqual([uid, gid], [1234, 1235], "on the disk it belongs to the owner");
  assert.equal(await cli.ok("run", "--rm", "-v", `${folder}:/m:U,ro`, "busybox", "stat", "-c", "%u %g", "/m/made"), "0 0");
  await cli.fails(1, /Permission denied/, "run", "--rm", "--user", "77:78", "-v", `${folder}:/m`, "busybox", "touch", "/m/other");
}, { only: "gantry-engine", skip: idMapped() });

/** Where temporary files are. */
function idMapped(): string | false {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 15) ? false : "the kernel is older than id-mapped mounts";
}

story("renamed, cloned, kept, exported and imported, counted", async ({ cli, folder }) => {
  await cli.ok("run", "--rm", "-v", "first:/v", "busybox", "sh", "-c", "mkdir /v/d; echo content > /v/d/file; ln -s d /v/link; chown 5:6 /v; chmod 750 /v");
  const id = await cli.ok("create", "-v", "first:/v", "busybox");
  await cli.fails(1, new RegExp(`rename first: volume is in use - \\[${id}\\]`), "volume", "rename", "first", "second");
  await cli.ok("rm", id);
  assert.equal(await cli.ok("volume", "rename", "first", "second"), "second");
  await cli.fails(1, /get first: no such volume/, "volume", "inspect", "first");
  assert.equal(await cli.ok("volume", "clone", "second", "third"), "third");
  await cli.fails(1, /create third: a volume of this name exists already/, "volume", "clone", "second", "third");
  assert.equal(await cli.ok("volume", "snapshot", "second", "kept"), "kept");
  await cli.ok("run", "--rm", "-v", "second:/v", "busybox", "rm", "-r", "/v/d");
  const content = (volume: string) => cli.ok("run", "--rm", "-v", `${volume}:/v`, "busybox", "sh", "-c", "cat /v/link/file; stat -c '%u %g %a' /v");
  assert.equal(await content("third"), "content\n5 6 750");
  assert.equal(await content("kept"), "content\n5 6 750");
  await cli.fails(1, /Read-only file system/, "run", "--rm", "-v", "kept:/v", "busybox", "touch", "/v/x");
  assert.equal(await cli.ok("volume", "inspect", "-f", "{{.Status.SnapshotOf}}", "kept"), "second");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "snapshot=second"), "kept");
  await cli.ok("volume", "prune", "-af");
  assert.equal(await cli.ok("volume", "ls", "-q", "--filter", "driver=local"), "kept", "what is kept is not pruned");
  assert.equal(await cli.ok("volume", "clone", "kept", "back"), "back");
  const archive = join(folder, "back.tar");
  await cli.ok("volume", "export", "-o", archive, "back");
  assert.equal(await cli.ok("volume", "import", "again", archive), "again");
  assert.equal(await content("again"), "content\n5 6 750");
  await cli.fails(1, /a volume of this name exists already/, "volume", "import", "again", archive);
  await cli.fails(1, /tar archive/, "volume", "import", "broken", "/etc/passwd");
  await cli.fails(1, /read a tar archive: it is empty/, "volume", "import", "broken", "/dev/null");
  await cli.fails(1, /no such volume/, "volume", "inspect", "broken");
  const rows = lines(await cli.ok("volume", "du", "--format", "{{.Name}} {{.Files}} {{.Containers}}")).sort();
  assert.deepEqual(rows, ["again 3 0", "back 3 0", "kept 3 0"]);
  await cli.ok("volume", "rm", "again", "back", "kept");
}, { only: "gantry", skip: peer === "gantry" ? false : "only Gantry has it" });
