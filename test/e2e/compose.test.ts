/** A stack of five services, driven by both Composes: what Compose asks of an engine, and what the services see of it. */
import assert from "node:assert/strict";
import { cpSync, existsSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeStackImages, stackFolder, stackTree } from "../fixtures/stack.ts";
import { clientsHere, type Result } from "./harness/client.ts";
import { composeMissing, openCompose, type Compose, type ComposeTool } from "./harness/compose.ts";
import { peer, stories, type Scene } from "./harness.ts";

const { story } = stories("compose");

const tree = process.getuid?.() === 0 ? stackTree() : { missing: "containers need root" };
const noTree = "missing" in tree ? tree.missing : undefined;

/** A story for each Compose, told once: what the client of the command line is does not matter. */
function stackStory(name: string, tell: (stack: Stack, scene: Scene) => Promise<void>, tools: readonly ComposeTool[] = ["docker-compose", "plugin"]): void {
  for (const tool of tools) {
    const told = async (scene: Scene): Promise<void> => {
      if ("path" in tree && (await scene.cli.ok("images", "-q", "stack/database")) === "") await makeStackImages(scene.cli.ok, tree.path);
      cpSync(stackFolder, scene.folder, { recursive: true });
      writeFileSync(join(scene.folder, "password"), "open sesame");
      const compose = openCompose(tool, scene.engine, scene.folder, "stack");
      try {
        await tell(openStack(compose, scene), scene);
      } finally {
        await compose("down", "-v", "-t", "0", "--remove-orphans");
      }
    };
    story(`${name} [${tool}]`, told, { only: clientsHere()[0] ?? "docker", skip: noTree ?? composeMissing[tool] });
  }
}

type Row = { Id: string; State: string; Status: string; Labels: Record<string, string>; Ports: { PrivatePort: number; PublicPort?: number }[]; Mounts: { Name?: string; Destination: string }[]; NetworkSettings: { Networks: Record<string, { IPAddress: string }> } };
type Visit = { host: string; visits: number; rows: number; greeting: string; error?: string };
type Stack = ReturnType<typeof openStack>;

function openStack(compose: Compose, { cli, engine }: Scene) {
  const filter = encodeURIComponent(JSON.stringify({ label: ["com.docker.compose.project=stack"] }));
  const ask = async <Answer>(path: string): Promise<Answer> => {
    const { status, body } = await engine.api("GET", path);
    assert.equal(status, 200, `${path}: ${JSON.stringify(body)}`);
    return body as Answer;
  };
  const containers = async (service?: string): Promise<Row[]> =>
    (await ask<Row[]>(`/containers/json?all=1&filters=${filter}`)).filter(({ Labels }) => service === undefined || Labels["com.docker.compose.service"] === service);
  const addresses = async (service: string, network: string): Promise<string[]> => (await containers(service)).map((row) => row.NetworkSettings.Networks[`stack_${network}`]?.IPAddress ?? "").sort();
  const networks = async (): Promise<{ Id: string; Name: string; Labels: Record<string, string> }[]> => ask(`/networks?filters=${filter}`);
  const volumes = async (): Promise<string[]> => (((await ask<{ Volumes: { Name: string }[] | null }>(`/volumes?filters=${filter}`)).Volumes ?? []).map(({ Name }) => Name));
  /** A program's output in a running container of a service. Not by Compose, which takes long to start. */
  const inside = async (service: string, ...command: string[]): Promise<Result> => cli("exec", (await containers(service))[0]?.Id ?? service, ...command);
  const visit = async (): Promise<Visit> => get((await containers("web"))[0]?.Ports.find(({ PrivatePort }) => PrivatePort === 80)?.PublicPort ?? 0);
  return { compose, engine, ask, containers, addresses, networks, volumes, inside, visit };
}

async function get(port: number): Promise<Visit> {
  const { promise, resolve, reject } = Promise.withResolvers<Visit>();
  const sent = request({ host: "127.0.0.1", port, agent: false, timeout: 20_000 }, async (response) => {
    const text = (await response.setEncoding("utf8").toArray()).join("");
    if (response.statusCode === 200) resolve(JSON.parse(text) as Visit);
    else reject(new Error(`${response.statusCode}: ${text}`));
  });
  sent.on("error", reject).on("timeout", () => sent.destroy(new Error("no answer")));
  sent.end();
  return await promise;
}

/** Visits until that many replicas have answered (nginx asks names anew each second), and no other. */
async function visitedAll({ containers, visit }: Stack, replicas: number): Promise<Visit[]> {
  const ids = new Set((await containers("app")).map(({ Id }) => Id.slice(0, 12)));
  assert.equal(ids.size, replicas);
  const visits: Visit[] = [];
  for (let tried = 0; tried < 100 && new Set(visits.map(({ host }) => host)).size < replicas; tried++) {
    const seen = await visit().catch(() => undefined);
    if (seen !== undefined && ids.has(seen.host)) visits.push(seen);
    else await pause(100);
  }
  assert.deepEqual(new Set(visits.map(({ host }) => host)), ids);
  return visits;
}

/** What is published is reached when its program listens, and not when its container is started. */
const firstVisit = ({ visit }: Stack): Promise<Visit> =>
  eventually(() => visit().catch((error: Error) => ({ host: "", visits: 0, rows: 0, greeting: "", error: error.message })), ({ error }) => error === undefined);

async function eventually<Value>(look: () => Promise<Value>, fits: (value: Value) => boolean): Promise<Value> {
  for (let tried = 0; ; tried++) {
    const value = await look();
    if (fits(value) || tried > 200) return value;
    await pause(50);
  }
}

stackStory("five services come up in order, find each other by name, and are scaled and changed behind nginx", async (stack) => {
  await stack.compose.ok("up", "-d", "--scale", "app=2");
  await comeUp(stack);
  await findEachOther(stack);
  await haveWhatTheyAskedFor(stack);
  await areScaled(stack);
  await areChanged(stack);
});

async function comeUp(stack: Stack): Promise<void> {
  const { compose, containers, visit } = stack;
  const states = (await containers()).map(({ Labels, State, Status }) => `${Labels["com.docker.compose.service"]} ${State}${Status.includes("(healthy)") ? " healthy" : ""}`).sort();
  assert.deepEqual(states, ["app running healthy", "app running healthy", "cache running", "database running healthy", "migration exited", "web running"]);
  assert.match(await compose.out("logs", "migration"), /migrated/);
  const visits = await visitedAll(stack, 2);
  visits.forEach((seen, at) => assert.deepEqual([seen.rows, seen.visits, seen.greeting], [at + 1, at + 1, "hello"]));
  const following = compose.spawn("logs", "-f", "--tail", "1", "app");
  await following.until(/GET/);
  await visit();
  following.child.kill("SIGINT");
  await following.ended;
}

/** A name is all who bear it, in the networks of who asks. */
async function findEachOther({ compose, addresses, inside, networks }: Stack): Promise<void> {
  const front = await addresses("app", "front");
  const [database] = await addresses("database", "back");
  const [cache] = await addresses("cache", "back");
  const found = (await inside("web", "getent", "ahostsv4", "application")).stdout;
  assert.deepEqual(found.split("\n").filter((line) => /STREAM/.test(line)).map((line) => line.split(" ")[0]).sort(), front);
  assert.deepEqual((await compose.out("run", "--rm", "-T", "probe", "resolve", "database", "database.internal", "cache", "app")).split("\n"), [
    `database ${database}`, `database.internal ${database}`, `cache ${cache}`, `app ${(await addresses("app", "back")).sort().join(" ")}`,
  ]);
  assert.match((await inside("web", "getent", "hosts", "elsewhere.example")).stdout, /^192\.0\.2\.7 /);
  assert.notEqual((await inside("web", "getent", "hosts", "cache")).code, 0, "the front does not know who is only in the back");
  assert.notEqual((await inside("web", "python3", "-c", `import socket; socket.create_connection(("${cache}", 6379), 2)`)).code, 0, "front and back are kept apart");
  assert.deepEqual((await networks()).map(({ Name, Labels }) => [Name, Labels["stack.network"]]).sort(), [["stack_back", "back"], ["stack_front", undefined]]);
}

async function haveWhatTheyAskedFor({ compose, inside }: Stack): Promise<void> {
  assert.equal(await compose.out("exec", "-T", "app", "sh", "-c", "ulimit -Sn; ulimit -Hn; cat /run/secrets/password"), "1000\n2000\nopen sesame");
  assert.match((await inside("app", "cat", "/proc/1/cmdline")).stdout, /init\0--\0python3/);
  assert.equal((await inside("cache", "cat", "/proc/sys/net/core/somaxconn")).stdout, "512\n");
  assert.match(await compose.out("port", "web", "80"), /^127\.0\.0\.1:\d+$/);
}

async function areScaled(stack: Stack): Promise<void> {
  await stack.compose.ok("up", "-d", "--no-recreate", "--scale", "app=3");
  await visitedAll(stack, 3);
  await stack.compose.ok("up", "-d", "--no-recreate", "--scale", "app=1");
  await visitedAll(stack, 1);
}

/** Another variable: another container, with the volumes of the former. A service that ends comes back under its name. */
async function areChanged(stack: Stack): Promise<void> {
  const { compose, containers, inside } = stack;
  await inside("app", "sh", "-c", "echo kept >/scratch/file");
  const [before] = await containers("app");
  await compose.with({ GREETING: "good evening" }).ok("up", "-d", "--scale", "app=1");
  const [after] = await containers("app");
  assert.notEqual(after?.Id, before?.Id);
  const scratch = (row: Row | undefined) => row?.Mounts.find(({ Destination }) => Destination === "/scratch")?.Name;
  assert.equal(scratch(after), scratch(before));
  assert.equal((await inside("app", "cat", "/scratch/file")).stdout, "kept\n");
  const { greeting, visits } = await firstVisit(stack);
  assert.equal(greeting, "good evening");
  assert.ok(visits > 1);
  await inside("cache", "redis-cli", "shutdown", "nosave");
  assert.equal((await firstVisit(stack)).visits, 1);
}

stackStory("what the database holds survives down and up; down stops in order and leaves nothing", async (stack, { cli }) => {
  const { compose, containers, networks, volumes } = stack;
  await compose.ok("up", "-d");
  const first = await firstVisit(stack);
  assert.equal(first.rows, 1);
  const made = await networks();
  const services = new Map((await containers()).map(({ Id, Labels }) => [Id, Labels["com.docker.compose.service"]]));
  const since = Date.now() / 1000;
  await compose.ok("stop");
  const died = (await cli.ok("events", "--since", String(since), "--until", String(Date.now() / 1000), "--filter", "event=die", "--format", "{{.Actor.ID}}")).split("\n").map((id) => services.get(id));
  assert.deepEqual([died[0], died[1]], ["web", "app"]);
  assert.deepEqual(died.slice(2).sort(), ["cache", "database"]);
  await compose.ok("down");
  assert.deepEqual(await containers(), []);
  assert.deepEqual(await networks(), []);
  assert.deepEqual(await volumes(), ["stack_data"]);
  noTrace(made.map(({ Id }) => Id));

  await compose.ok("up", "-d");
  const second = await firstVisit(stack);
  assert.deepEqual([second.rows, second.visits], [2, 1]);
  // In the foreground: what it prints, and that it ends, comes from logs and events.
  const printed = await compose.ok("up", "--abort-on-container-exit", "--exit-code-from", "migration", "migration");
  assert.match(printed, /migrated/);
  assert.doesNotMatch(printed, /Exception/);
  await compose.ok("down", "-v");
  assert.deepEqual([...(await containers()), ...(await networks()), ...(await volumes())], []);
});

/** Nothing in the kernel is named after these networks. */
function noTrace(ids: readonly string[]): void {
  for (const id of ids) assert.equal(existsSync(`/sys/class/net/br-${id.slice(0, 12)}`), false, `br-${id.slice(0, 12)}`);
  if (peer !== "gantry") return;
  const rules = execFileSync("nft", ["list", "ruleset"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  for (const id of ids) assert.doesNotMatch(rules, new RegExp(`br-${id.slice(0, 12)}`));
}
