/** Volumes, mounts and secrets: rows VOL of the catalogue. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tar, type Entry } from "../fixtures/tar.ts";
import { attacks, type Scene } from "./attack.ts";
import { call } from "./engine-call.ts";

const { attack } = attacks("volumes");

/** What the canary's files hold. */
const SECRET = "canary";
const ROUNDS = 15;

const volumeFolder = ({ engine }: Scene, name: string) => join(engine.place.dataRoot, "volumes", name);
const subpath = (name: string, path: string) => ["--mount", `type=volume,src=${name},dst=/m,volume-subpath=${path}`];

attack("VOL-01 the subpath of a volume becomes a link while containers are started on it", async ({ cli, canary }) => {
  const racer = (await cli.ok("run", "-d", "--network", "none", "-v", "shared:/v", "box", "sh", "-c", `mkdir -p /v/a; echo own > /v/a/file; ln -s ${canary} /v/x; touch /ready; exec inside race /v/a /v/x`)).trim();
  await cli.ok("exec", racer, "sh", "-c", "until [ -e /ready ]; do :; done");
  let inside = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { code, stdout, stderr } = await cli("run", "--rm", "--network", "none", ...subpath("shared", "a"), "box", "cat", "/m/file");
    assert.doesNotMatch(stdout + stderr, new RegExp(SECRET + "$", "m"), "read of the host");
    if (code === 0) {
      assert.equal(stdout, "own\n");
      inside++;
    } else assert.match(stderr, /escapes the base directory|cannot access path|no such file|No such file/);
  }
  assert.ok(inside > 0, "some of them found the directory");
});

attack("VOL-01 subpaths that lead out, or nowhere", async (scene) => {
  const { cli, canary } = scene;
  await cli.ok("run", "--rm", "-v", "sub:/v", "box", "sh", "-c", `mkdir -p /v/in/deep; echo f > /v/in/file; ln -s in /v/good; ln -s ${canary} /v/absolute; ln -s ../../../../../../../..${canary} /v/relative; ln -s /v/in /v/own`);
  assert.equal(await cli.ok("run", "--rm", ...subpath("sub", "good/file"), "box", "cat", "/m"), "f");
  for (const path of ["absolute", "relative", "own", "good/../absolute"]) assert.match(await cli.refused("run", "--rm", ...subpath("sub", path), "box", "true"), /escapes the base directory/);
  assert.match(await cli.refused("run", "--rm", ...subpath("sub", "in/none"), "box", "true"), /cannot access path .*: no such file or directory/);
  for (const path of ["../sub", "/in", "in/../../x"]) assert.match(await cli.refused("run", "--rm", ...subpath("sub", path), "box", "true"), /subpath must be a relative path within the volume/);
  assert.equal(existsSync(join(volumeFolder(scene, "sub"), "_data/in/none")), false, "nothing is made for a path that is not there");
});

attack("VOL-01 the subpath of an image leads out", async ({ cli, canary, evil }) => {
  const image = await evil([{ path: "way/out", link: canary }, { path: "way/up", link: `../../../../../..${canary}` }, { path: "way/in", link: "../bin" }]);
  const mount = (path: string) => ["--mount", `type=image,src=${image},dst=/m,image-subpath=${path}`];
  // Inside an image an absolute link leads out of what is mounted, too.
  for (const path of ["way/out", "way/up"]) assert.match(await cli.refused("run", "--rm", ...mount(path), "box", "true"), /escapes the base directory/);
  assert.match(await cli.ok("run", "--rm", ...mount("way/in"), "box", "ls", "/m"), /busybox/);
});

attack("VOL-02 at the second start a container's link stands where something is mounted", async ({ cli, canary }) => {
  const secret = join(canary, "../", `secret-${process.pid}`);
  writeFileSync(secret, "given\n");
  try {
    const trap = `mkdir -p ${canary}/dir; if [ -e /trapped ]; then cat /run/secrets/s; exit 0; fi; mv /run/secrets /run/away; ln -s ${canary} /run/secrets; mv /data /gone; ln -s ../../../../..${canary}/dir /data; rm -f /etc/passwd; ln -s ${canary}/file /etc/passwd; touch /trapped`;
    await cli.ok("create", "--name", "twice", "-v", `${secret}:/run/secrets/s:ro`, "-v", "inner:/data/volume", "-w", "/data", "box", "sh", "-c", trap);
    await cli.ok("start", "-a", "twice");
    assert.equal(await cli.ok("start", "-a", "twice"), "given", "what was given is where it was asked for, inside");
    await cli("cp", secret, "twice:/data/volume/");
    await cli("cp", secret, "twice:/run/secrets/");
  } finally {
    rmSync(secret);
  }
});

attack("VOL-02 a container changes what is being cloned and exported", async (scene) => {
  const { cli, engine, canary } = scene;
  const script = `mkdir -p /v/a /v/b; echo own > /v/a/file; ln -s ${canary} /v/x; ln -s ${canary}/file /v/y; echo own > /v/b/y; touch /ready; inside race /v/a /v/x & inside race /v/b/y /v/y & while :; do echo own > /v/b/z; ln /v/b/z /v/b/w; rm -f /v/b/z /v/b/w; done`;
  const racer = (await cli.ok("run", "-d", "--network", "none", "-v", "busy:/v", "box", "sh", "-c", script)).trim();
  await cli.ok("exec", racer, "sh", "-c", "until [ -e /ready ]; do :; done");
  for (let round = 0; round < ROUNDS; round++) {
    const made = await engine.api("POST", "/gantry/volumes/busy/clone", { Name: `copy${round}` });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const { status, body } = await call(engine, "GET", `/gantry/volumes/copy${round}/export`);
    assert.equal(status, 200);
    assert.ok(!body.includes(`${SECRET}\n`), "copied from the host");
    assert.ok(!(await call(engine, "GET", "/gantry/volumes/busy/export")).body.includes(`${SECRET}\n`), "exported from the host");
  }
  await cli.ok("rm", "-f", racer);
});

attack("VOL-02 an archive that leads out is made a volume", async ({ engine, canary }) => {
  const archives: Entry[][] = [
    [{ path: "x", link: canary }, { path: "x/file", data: "evil" }],
    [{ path: "x", link: `../../../../../../..${canary}` }, { path: "x/dir/inner", data: "evil" }],
    [{ path: `../../../../../..${canary}/file`, data: "evil" }],
    [{ path: `${canary}/file`, data: "evil" }],
    [{ path: ".", link: canary }, { path: "file", data: "evil" }],
    [{ path: "_data", link: "/" }, { path: "../_data/x", data: "evil" }],
  ];
  for (const [index, entries] of archives.entries()) {
    const { status } = await call(engine, "POST", `/gantry/volumes/evil${index}/import`, { body: tar(entries) });
    assert.ok([201, 400].includes(status), `${index}: ${status}`);
    assert.equal((await engine.api("GET", `/volumes/evil${index}`)).status, status === 201 ? 200 : 404, "whole or absent");
  }
});

/** A volume that is a bind of the canary. */
const bound = (canary: string) => ["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", `device=${canary}`, "bound"];
const mountsOf = (folder: string) => readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter((line) => line.includes(` ${folder}`));

for (const point of ["start.planned", "start.started"]) {
  attack(`VOL-03 killed at ${point}, with the host's folder mounted in a volume; then everything is removed`, async (scene) => {
    const { cli, engine, canary } = scene;
    await cli.ok(...bound(canary));
    await cli.ok("create", "--name", "user", "-v", "bound:/m", "-v", `${canary}:/direct`, "box", "sleep", "1000");
    await engine.stop();
    process.env["GANTRY_FAILPOINTS"] = `${point}=kill`;
    try {
      await engine.start();
      await assert.rejects(call(engine, "POST", "/containers/user/start"));
    } finally {
      delete process.env["GANTRY_FAILPOINTS"];
    }
    await engine.kill();
    assert.equal(mountsOf(volumeFolder(scene, "bound")).length, 1, "the mount has outlived the engine");
    await engine.start();
    await cli.ok("rm", "-fv", "user");
    await cli.ok("volume", "rm", "bound");
    await cli("volume", "prune", "-af");
    assert.deepEqual(mountsOf(volumeFolder(scene, "bound")), []);
    assert.equal(existsSync(volumeFolder(scene, "bound")), false);
  });
}

attack("VOL-03 nobody uses the mount that a killed engine left: it goes at the start", async (scene) => {
  const { cli, engine, canary } = scene;
  await cli.ok(...bound(canary));
  await cli.ok("run", "-d", "--name", "user", "-v", "bound:/m", "box", "sleep", "1000");
  const { body } = await engine.api("GET", "/containers/user/json");
  await engine.kill();
  process.kill((body as { State: { Pid: number } }).State.Pid, "SIGKILL");
  await engine.start();
  await cli("wait", "user");
  await until(() => mountsOf(volumeFolder(scene, "bound")).length === 0);
  await cli.ok("start", "user");
  assert.equal(mountsOf(volumeFolder(scene, "bound")).length, 1);
  await engine.kill();
  await engine.start();
  assert.equal(await cli.ok("exec", "user", "cat", "/m/file"), SECRET);
  await cli.ok("rm", "-f", "user");
  assert.equal(mountsOf(volumeFolder(scene, "bound")).length, 0, "the last user has gone");
});

async function until(test: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!test() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(test());
}

attack("VOL-03 somebody has mounted the host's folder inside what is removed", async (scene) => {
  const { cli, engine, canary } = scene;
  await cli.ok("volume", "create", "plain");
  const id = (await cli.ok("create", "--name", "holder", "-v", "/anonymous", "box", "true")).trim();
  const places = [join(volumeFolder(scene, "plain"), "_data/deep/in"), join(engine.place.dataRoot, "containers", id, "in")];
  for (const place of places) {
    mkdirSync(place, { recursive: true });
    execFileSync("mount", ["--bind", canary, place]);
  }
  writeFileSync(join(volumeFolder(scene, "plain"), "_data/own"), "kept");
  try {
    await cli.fails(1, /something is mounted at/, "volume", "rm", "plain");
    await cli.fails(1, /something is mounted at/, "volume", "rm", "-f", "plain");
    await cli.ok("volume", "prune", "-af");
    assert.equal(readFileSync(join(volumeFolder(scene, "plain"), "_data/own"), "utf8"), "kept", "refused before anything was removed");
    const { code, stderr } = await cli("rm", "-fv", "holder");
    assert.notEqual(code, 0);
    assert.match(stderr, /EBUSY|busy/);
    // Nor does the sweep of the next start go through it.
    await engine.kill();
    await engine.start();
    await cli("container", "prune", "-f");
    assert.equal(readFileSync(join(places[1]!, "file"), "utf8"), `${SECRET}\n`);
  } finally {
    for (const place of places) if (mountsOf(place).length > 0) execFileSync("umount", [place]);
  }
  await cli.ok("volume", "rm", "plain");
});

attack("VOL-04 a secret is nowhere but where it is mounted", async ({ cli, engine, canary }) => {
  const secret = "s3cret-that-nobody-prints";
  const file = join(canary, "..", `secret-${process.pid}`);
  writeFileSync(file, `${secret}\n`, { mode: 0o400 });
  try {
    const mounts = ["--mount", "type=tmpfs,dst=/run/secrets,tmpfs-mode=0700,tmpfs-size=1m", "-v", `${file}:/run/secret:ro`];
    const write = `cp /run/secret /run/secrets/s; chmod 0400 /run/secrets/s; ls -l /run/secrets/s; touch /ready; exec sleep 1000`;
    const id = (await cli.ok("run", "-d", "--name", "holder", ...mounts, "box", "sh", "-c", write)).trim();
    await cli.ok("exec", id, "sh", "-c", "until [ -e /ready ]; do :; done");
    assert.equal(await cli.ok("exec", id, "cat", "/run/secrets/s"), secret);
    assert.match(await cli.ok("logs", id), /^-r-------- /m);
    assert.match(await cli.ok("exec", id, "stat", "-f", "-c", "%T", "/run/secrets"), /tmpfs/);
    const image = (await cli.ok("commit", id)).trim();
    const places = { inspect: await cli.ok("inspect", id), logs: await cli.ok("logs", id), diff: await cli.ok("diff", id) };
    for (const [place, text] of Object.entries(places)) assert.ok(!text.includes(secret), place);
    for (const path of [`/containers/${id}/export`, `/images/${encodeURIComponent(image)}/get`]) {
      const { status, body } = await call(engine, "GET", path);
      assert.equal(status, 200);
      assert.ok(!body.includes(secret), path);
    }
    await cli.ok("kill", id);
    await cli.ok("start", id);
    await cli.ok("exec", id, "sh", "-c", "until [ -e /run/secrets/s ]; do :; done");
    await cli.ok("kill", id);
    const { body } = await call(engine, "GET", `/containers/${id}/export`);
    assert.ok(!body.includes(secret), "it went with the process");
    await cli.ok("rm", id);
    await cli.ok("rmi", "-f", image);
  } finally {
    rmSync(file);
  }
});
