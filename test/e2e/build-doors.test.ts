/** BuildKit's doors, by a client of the test's own: what every client of them relies on. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { kindOf } from "#base/errors.ts";
import { statusOf } from "#base/grpc/grpc.ts";
import { tarReader } from "#base/tar.ts";
import { openBuildKitClient, type BuildKitClient, type ClientOptions } from "../fixtures/buildkit-client.ts";
import { clientsHere } from "./harness/client.ts";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("buildkit's doors");
const once = { only: clientsHere()[0] ?? "docker" } as const;

const open = ({ engine }: Scene, dockerfile: string, options: ClientOptions = {}): Promise<BuildKitClient> =>
  openBuildKitClient(engine.place.socket, { ...options, folders: { dockerfile: { Dockerfile: dockerfile }, ...options.folders } });

const image = (name: string) => [{ type: "image", attrs: { name } }];

story("a build: files and a secret are asked for, progress is told, the image runs", async (scene) => {
  const dockerfile = "FROM busybox\nCOPY . /in\nRUN --mount=type=secret,id=s tr a-z A-Z < /run/secrets/s > /s && echo done with it\n";
  await using client = await open(scene, dockerfile, { folders: { context: { "a.txt": "a", "d/b.txt": "b" } }, secrets: { s: "hidden" } });
  const { answer, told } = await client.build({ exporters: image("doors:1") });
  assert.match(answer.exporterResponse["containerimage.digest"] ?? "", /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(told.errors, []);
  assert.match(told.logs, /done with it/);
  for (const name of [/^\[internal\] load build definition from Dockerfile$/, /^\[2\/3\] COPY \. \/in$/, /^exporting to image$/]) assert.ok(told.names.some((one) => name.test(one)), `${name}: ${told.names.join("; ")}`);
  assert.equal(await scene.cli.ok("run", "--rm", "doors:1", "sh", "-c", "cat /in/a.txt /in/d/b.txt /s"), "abHIDDEN");
  assert.deepEqual(client.sent.toSorted(), ["Dockerfile", "a.txt", "d/b.txt"]);
}, once);

story("what was sent is not sent again; what changed is", async (scene) => {
  const folder = { "same.txt": "same", "other.txt": "before" };
  const build = async (context: Record<string, string>) => {
    await using client = await open(scene, "FROM busybox\nCOPY . /in\n", { folders: { context }, sharedKey: "doors" });
    const { told } = await client.build({ exporters: image("doors:2") });
    return { sent: client.sent.filter((path) => path !== "Dockerfile"), cached: told.cached };
  };
  assert.deepEqual((await build(folder)).sent.toSorted(), ["other.txt", "same.txt"]);
  const again = await build(folder);
  assert.deepEqual(again.sent, []);
  assert.ok(again.cached.includes("[2/2] COPY . /in"), again.cached.join("; "));
  assert.deepEqual((await build({ ...folder, "other.txt": "afterwards" })).sent, ["other.txt"]);
}, once);

story("an archive of the files goes to the client", async (scene) => {
  await using client = await open(scene, "FROM scratch\nCOPY a /sub/b\n", { folders: { context: { a: "content" } } });
  await client.build({ exporters: [{ type: "tar", attrs: {} }] });
  const events = [...tarReader().push(client.received.get("0")!)];
  const at = events.findIndex((event) => event.kind === "entry" && String(event.entry.name) === "sub/b");
  const next = events[at + 1];
  assert.equal(next?.kind === "data" && String(next.bytes), "content");
}, once);

story("a step that fails: code, text, and the Dockerfile's lines in the status", async (scene) => {
  await using client = await open(scene, "FROM busybox\n\nRUN echo before && exit 3\n");
  await assert.rejects(client.build({}), (error: Error) => {
    assert.equal(error.message, 'process "/bin/sh -c echo before && exit 3" did not complete successfully: exit code: 3');
    const source = statusOf(error).details.find(({ typeUrl }) => typeUrl === "github.com/moby/buildkit/errdefs.Source+json");
    const { ranges, info } = JSON.parse(String(source?.value)) as { ranges: { start: { line: number } }[]; info: { filename: string; data: string } };
    assert.deepEqual([ranges[0]?.start.line, info.filename], [3, "Dockerfile"]);
    assert.match(Buffer.from(info.data, "base64").toString(), /RUN echo before/);
    return true;
  });
}, once);

story("a client that goes away takes its build with it", async (scene) => {
  for (const way of ["cancel", "close"] as const) {
    const client = await open(scene, `FROM busybox\nARG W\nRUN echo begun $W && sleep 98765\n`);
    const abort = new AbortController();
    const begun = Promise.withResolvers<void>();
    const building = client.build({ frontendAttrs: { "build-arg:W": way } }, { signal: abort.signal, heard: ({ logs }) => logs.includes("begun") && begun.resolve() });
    const failed = assert.rejects(building, (error) => ["cancelled", "unavailable"].includes(kindOf(error)));
    await begun.promise;
    assert.equal(processes("sleep\x0098765"), 1);
    if (way === "cancel") abort.abort();
    else for (const connection of client.connections) connection.destroy();
    await failed;
    for (let waited = 0; processes("sleep\x0098765") > 0; waited++) {
      assert.ok(waited < 100, `its processes go on (${way})`);
      await pause(50);
    }
    await client[Symbol.asyncDispose]();
  }
}, once);

function processes(command: string): number {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").startsWith(command);
    } catch {
      return false;
    }
  }).length;
}
