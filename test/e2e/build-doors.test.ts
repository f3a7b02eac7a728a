/** BuildKit's doors, by a client of the test's own: what every client of them relies on. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { kindOf } from "#base/errors.ts";
import { method, openGrpcClient, statusOf } from "#base/grpc/grpc.ts";
import type { In, Of } from "#base/protobuf.ts";
import { tarReader } from "#base/tar.ts";
import { openBuildKitClient, status, type BuildKitClient, type ClientOptions } from "../fixtures/buildkit-client.ts";
import { CONTROL, type definition as definitionMessage, infoResponse, statusResponse } from "#spec/buildkit/control.ts";
import { BRIDGE, bridgeSolveRequest, bridgeSolveResponse, BUILD_ID, pong, returnRequest } from "#spec/buildkit/gateway.ts";
import { empty } from "#spec/buildkit/workers.ts";
import { tar } from "../fixtures/tar.ts";
import { call } from "../security/engine-call.ts";
import { clientsHere } from "./harness/client.ts";
import { stories, type Scene } from "./harness.ts";

const { story } = stories("buildkit's doors");
const once = { only: clientsHere()[0] ?? "docker" } as const;

const open = ({ engine }: Scene, dockerfile: string, options: ClientOptions = {}): Promise<BuildKitClient> =>
  openBuildKitClient(engine.place.socket, { ...options, folders: { dockerfile: { Dockerfile: dockerfile }, ...options.folders } });

const ping = method(`${BRIDGE}/Ping`, empty, pong);
const bridgeSolve = method(`${BRIDGE}/Solve`, bridgeSolveRequest, bridgeSolveResponse);
const bridgeReturn = method(`${BRIDGE}/Return`, returnRequest, empty);

const image = (name: string) => [{ type: "image", attrs: { name } }];

story("a build: files and a secret are asked for, progress is told, the image runs", async (scene) => {
  const dockerfile = "FROM busybox\nCOPY . /in\nRUN --mount=type=secret,id=s tr a-z A-Z < /run/secrets/s > /s && echo done with it\n";
  await using client = await open(scene, dockerfile, { folders: { context: { "a.txt": "a", "d/b.txt": "b" } }, secrets: { s: "hidden" } });
  const { answer, told } = await client.build({ exporters: image("doors:1") });
  assert.match(answer.exporterResponse["containerimage.digest"] ?? "", /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(told.errors, []);
  assert.match(told.logs, /done with it/);
  for (const name of [/^\[internal\] load build definition from Dockerfile$/, /^\[stage-0 2\/3\] COPY \. \/in$/, /^exporting to image$/]) assert.ok(told.names.some((one) => name.test(one)), `${name}: ${told.names.join("; ")}`);
  assert.equal(await scene.cli.ok("run", "--rm", "doors:1", "sh", "-c", "cat /in/a.txt /in/d/b.txt /s"), "abHIDDEN");
  assert.deepEqual(client.sent.toSorted(), ["Dockerfile", "a.txt", "d/b.txt"]);
  // Who asks when it is over is told the same.
  const ref = "asked-later";
  await client.solve({ ref });
  for (let again = 0; again < 2; again++) {
    const call = client.control.stream(status);
    void call.send({ ref });
    call.end();
    const names = (await Array.fromAsync(call.messages)).flatMap(({ vertexes }) => vertexes.map(({ name }) => name));
    assert.ok(names.includes("[stage-0 2/3] COPY . /in"), names.join("; "));
  }
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
    await using client = await open(scene, `FROM busybox\nARG W\nRUN echo begun $W && sleep 98765\n`);
    const abort = new AbortController();
    const begun = Promise.withResolvers<void>();
    const building = client.build({ frontendAttrs: { "build-arg:W": way } }, { signal: abort.signal, heard: ({ logs }) => logs.includes("begun") && begun.resolve() });
    const failed = assert.rejects(building, (error) => ["cancelled", "unavailable"].includes(kindOf(error)));
    await begun.promise;
    await until(() => processes("sleep\x0098765") === 1, "its process has begun");
    if (way === "cancel") abort.abort();
    else for (const connection of client.connections) connection.destroy();
    await failed;
    await until(() => processes("sleep\x0098765") === 0, `its processes have ended (${way})`);
  }
}, once);

story("a build that the client drives, and one that is made of another", async (scene) => {
  await using client = await open(scene, "FROM busybox\nRUN echo one > /one\n");
  await using second = await open(scene, "FROM first\nRUN cat /one /one > /two\n");
  const gateway = (ref: string) => ({ metadata: { [BUILD_ID]: [ref] } });
  const driven = async (from: BuildKitClient, ref: string, name: string, inputs: In<typeof bridgeSolveRequest>, between: (definition: Of<typeof definitionMessage>) => Promise<void>) => {
    const solving = from.solve({ ref, frontend: "", exporters: [{ type: "moby", attrs: { name } }] });
    solving.catch(() => {});
    const { llbCaps } = await from.control.unary(ping, {}, gateway(ref));
    assert.ok(llbCaps.some(({ id, enabled }) => id === "exporter.image.attestations" && enabled));
    const { result } = await from.control.unary(bridgeSolve, { frontend: "dockerfile.v0", ...inputs }, gateway(ref));
    await between(result!.ref!.definition!);
    await from.control.unary(bridgeReturn, { result: { ref: { id: result!.ref!.id } } }, gateway(ref));
    return await solving;
  };
  await driven(client, "driven-1", "driven:1", {}, async (definition) => {
    const wish = { frontendOpt: { "context:first": "input:first" }, frontendInputs: { first: definition } };
    await driven(second, "driven-2", "driven:2", wish, async () => {});
  });
  assert.equal(await scene.cli.ok("run", "--rm", "driven:2", "cat", "/two"), "one\none");
  assert.equal(await scene.cli.ok("run", "--rm", "driven:1", "cat", "/one"), "one");
  // What the client says went wrong is what becomes of its build.
  const failing = client.solve({ ref: "driven-3", frontend: "" });
  failing.catch(() => {});
  await client.control.unary(bridgeReturn, { error: { code: 2, message: "no, thank you" } }, gateway("driven-3"));
  await assert.rejects(failing, { message: "no, thank you" });
  // And of a graph of its own.
  const refused = client.solve({ ref: "driven-4", frontend: "" });
  refused.catch(() => {});
  await assert.rejects(client.control.unary(bridgeSolve, { definition: { def: [Buffer.from("x")] } }, gateway("driven-4")), /graph of instructions/);
  await client.control.unary(bridgeReturn, {}, gateway("driven-4"));
  assert.deepEqual({ ...(await refused).exporterResponse }, {});
}, once);

story("HTTP/2 from the first byte", async ({ engine }) => {
  const client = openGrpcClient(connect(engine.place.socket));
  const { buildkitVersion } = await client.unary(method(`${CONTROL}/Info`, empty, infoResponse), {});
  assert.equal(buildkitVersion?.package, "gantry");
  client.close();
}, once);

story("one request: an archive as the body, progress as lines", async ({ engine, cli }) => {
  const lines = async (path: string, dockerfile: string) => {
    const { status, body } = await call(engine, "POST", path, { body: tar([{ path: "Dockerfile", data: dockerfile }, { path: "f", data: "in the archive" }]) });
    assert.equal(status, 200);
    return body.toString().trim().split("\r\n").map((line) => JSON.parse(line) as { id?: string; aux?: string & { ID?: string }; error?: string });
  };
  const told = await lines("/build?version=2&t=one:1&buildargs=%7B%22A%22%3A%22b%22%7D", "FROM busybox\nARG A\nCOPY f /f\nRUN echo $A >> /f\n");
  const names = told.filter(({ id }) => id === "moby.buildkit.trace").flatMap(({ aux }) => statusResponse.decode(Buffer.from(aux!, "base64")).vertexes.map(({ name }) => name));
  assert.ok(names.includes("[2/3] COPY f /f"), names.join("; "));
  assert.equal(told.at(-1)?.id, "moby.image.id");
  assert.equal(told.at(-1)?.aux?.ID, await cli.ok("image", "inspect", "-f", "{{.Id}}", "one:1"));
  assert.equal(await cli.ok("run", "--rm", "one:1", "cat", "/f"), "in the archiveb");
  assert.match((await lines("/build?version=2", "FROM busybox\nRUN exit 4\n")).at(-1)?.error ?? "", /exit code: 4$/);
}, once);

async function until(isSo: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !isSo(); waited++) {
    assert.ok(waited < 100, `not so: ${what}`);
    await pause(50);
  }
}

function processes(command: string): number {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").startsWith(command);
    } catch {
      return false;
    }
  }).length;
}
