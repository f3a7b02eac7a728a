/** What Testcontainers asks of an engine, by its requests: labelled things, a port of the engine's choice, waiting, and a reaper that finds all by label. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { tar } from "../fixtures/tar.ts";
import { request } from "node:http";
import { clientsHere } from "./harness/client.ts";
import type { Engine } from "./harness/engine.ts";
import { stories } from "./harness.ts";

const { story } = stories("testcontainers");
const once = { only: clientsHere()[0] ?? "docker" } as const;

const session = { "org.testcontainers": "true", "org.testcontainers.session-id": "a1b2" };
const bySession = encodeURIComponent(JSON.stringify({ label: ["org.testcontainers=true", "org.testcontainers.session-id=a1b2"] }));

async function ask<Answer>(engine: Engine, method: string, path: string, body?: unknown, expected = [200, 201, 204]): Promise<Answer> {
  const answer = await engine.api(method, path, body);
  assert.ok(expected.includes(answer.status), `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body as Answer;
}

/** A server that says when it is ready, and serves one file on port 8000. */
const server = (network: string, alias: string) => ({
  Image: "busybox",
  Cmd: ["sh", "-c", "echo starting; sleep 0.2; echo ready to serve; exec httpd -f -p 8000 -h /www"],
  ExposedPorts: { "8000/tcp": {} },
  Labels: session,
  HostConfig: { NetworkMode: network, PortBindings: { "8000/tcp": [{ HostPort: "0" }] }, AutoRemove: false },
  NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [alias] } } },
  Healthcheck: { Test: ["CMD", "wget", "-qO-", "http://localhost:8000/file"], Interval: 200_000_000, Timeout: 5_000_000_000, Retries: 50 },
});

type Inspected = { State: { Health: { Status: string } }; NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[]>; Networks: Record<string, { IPAddress: string; Aliases: string[] }> } };

story("a server is awaited by its log, its port and its health, is reached by alias, and the reaper finds all of it", async ({ engine, cli }) => {
  const { Id: network } = await ask<{ Id: string }>(engine, "POST", "/networks/create", { Name: "tc-net", CheckDuplicate: true, Driver: "bridge", Internal: false, Attachable: false, EnableIPv6: false, Labels: session });
  await ask(engine, "POST", "/volumes/create", { Name: "tc-volume", Labels: session });
  const { Id } = await ask<{ Id: string }>(engine, "POST", "/containers/create?name=tc-server", server("tc-net", "web"));
  await putFile(engine, Id, "www/file", "from outside\n");
  await ask(engine, "POST", `/containers/${Id}/start`);

  await cli.spawn("logs", "-f", Id).until(/ready to serve/);
  const inspected = await healthy(engine, Id);
  const [bound] = inspected.NetworkSettings.Ports["8000/tcp"] ?? [];
  assert.match(await talk(Number(bound?.HostPort), "GET /file HTTP/1.0\r\n\r\n"), /from outside/);
  assert.equal(await cli.ok("run", "--rm", "--network", "tc-net", "busybox", "wget", "-qO-", "http://web:8000/file"), "from outside");
  assert.ok(inspected.NetworkSettings.Networks["tc-net"]?.Aliases.includes("web"));
  assert.equal(await cli.ok("exec", Id, "cat", "/www/file"), "from outside");

  // The reaper, when its connection ends: everything of the session, and nothing else.
  await cli.ok("run", "-d", "--name", "stranger", "busybox", "sleep", "100");
  const containers = await ask<{ Id: string }[]>(engine, "GET", `/containers/json?all=1&filters=${bySession}`);
  assert.deepEqual(containers.map((one) => one.Id), [Id]);
  for (const one of containers) await ask(engine, "DELETE", `/containers/${one.Id}?force=1&v=1`);
  const networks = await ask<{ Id: string }[]>(engine, "GET", `/networks?filters=${bySession}`);
  assert.deepEqual(networks.map((one) => one.Id), [network]);
  for (const one of networks) await ask(engine, "DELETE", `/networks/${one.Id}`);
  const { Volumes } = await ask<{ Volumes: { Name: string }[] }>(engine, "GET", `/volumes?filters=${bySession}`);
  assert.deepEqual(Volumes.map(({ Name }) => Name), ["tc-volume"]);
  for (const { Name } of Volumes) await ask(engine, "DELETE", `/volumes/${Name}`);
  assert.deepEqual(await ask(engine, "POST", `/images/prune?filters=${bySession}`), { ImagesDeleted: null, SpaceReclaimed: 0 });
  assert.equal(await cli.ok("ps", "--format", "{{.Names}}"), "stranger");
}, once);

story("prune removes what bears a label", async ({ engine, cli }) => {
  await cli.ok("network", "create", "--label", "org.testcontainers=true", "--label", "org.testcontainers.session-id=a1b2", "tc-pruned");
  await cli.ok("network", "create", "tc-kept");
  await cli.ok("run", "--name", "ended", "--label", "org.testcontainers=true", "--label", "org.testcontainers.session-id=a1b2", "busybox", "true");
  const { ContainersDeleted } = await ask<{ ContainersDeleted: string[] }>(engine, "POST", `/containers/prune?filters=${bySession}`);
  assert.equal(ContainersDeleted.length, 1);
  assert.deepEqual(await ask(engine, "POST", `/networks/prune?filters=${bySession}`), { NetworksDeleted: ["tc-pruned"] });
  await cli.ok("network", "rm", "tc-kept");
}, once);

async function healthy(engine: Engine, id: string): Promise<Inspected> {
  for (let tried = 0; ; tried++) {
    const inspected = await ask<Inspected>(engine, "GET", `/containers/${id}/json`);
    if (inspected.State.Health.Status === "healthy") return inspected;
    assert.ok(tried < 400, inspected.State.Health.Status);
    await pause(50);
  }
}

/** Into a container that was not started yet. */
async function putFile(engine: Engine, id: string, path: string, content: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const sent = request({ socketPath: engine.place.socket, method: "PUT", path: `/containers/${id}/archive?path=/`, headers: { "content-type": "application/x-tar" }, agent: false }, (response) => response.resume().once("end", () => resolve(response.statusCode ?? 0)));
  sent.once("error", reject).end(tar([{ path: "www/" }, { path, data: content }]));
  assert.equal(await promise, 200);
}

async function talk(port: number, text: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.end(text);
  return (await socket.setEncoding("utf8").toArray()).join("");
}
