/**
 * Containers in several networks each, killed, started and moved at random while the engine is killed in between.
 *
 *     node test/chaos/networks.ts [--seconds 300] [--containers 100] [--networks 8] [--seed 1] [--workers 6]
 *
 * Everything happens in a network namespace of its own, so that every interface and rule in it is the engine's. Checked
 * again and again: no address given twice, what the kernel has is what the engine says, every name resolves to who has it
 * and to nobody else, also while the engine is down. In the end all is removed, and nothing may be left. Ends with 1 and
 * a line for each thing that was wrong.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { busyboxArchive } from "../fixtures/image.ts";
import { openEngine, type Engine } from "../e2e/harness/engine.ts";
import { adopt } from "../e2e/harness/place.ts";
import { differences, footprint, type Footprint } from "./footprint.ts";
import { wrongNames, wrongState, type Seen } from "./state.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    containers: { type: "string", default: "100" },
    networks: { type: "string", default: "8" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "6" },
  },
});
const seconds = Number(values.seconds);
const names = Array.from({ length: Number(values.containers) }, (_, at) => `c${at}`);
const networks = Array.from({ length: Number(values.networks) }, (_, at) => `n${at}`);
const perContainer = 3;

type Chaos = {
  readonly engine: Engine;
  readonly random: (below: number) => number;
  /** What was wrong, as it was found. */
  readonly wrong: string[];
  readonly done: Record<string, number>;
  /** Nobody begins anything new while this is set. */
  gate: Promise<void> | undefined;
  inFlight: number;
  /** When somebody last did something to a container; Infinity while it lasts. */
  readonly touched: Map<string, number>;
  /** Counts the engine's deaths: a request that met one may fail. */
  deaths: number;
  alive: boolean;
};

if (process.env["GANTRY_CHAOS"] === undefined) {
  const again = ["--net", process.execPath, "--disable-warning=ExperimentalWarning", fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  process.exitCode = spawnSync("unshare", again, { stdio: "inherit", env: { ...process.env, GANTRY_CHAOS: "1" } }).status ?? 1;
} else {
  process.exitCode = (await run()) ? 0 : 1;
}

async function run(): Promise<boolean> {
  spawnSync("ip", ["link", "set", "lo", "up"]);
  const engine = await openEngine(["--default-address-pool", "base=10.64.0.0/12,size=24"]);
  const chaos: Chaos = { engine, random: seeded(Number(values.seed)), wrong: [], done: {}, gate: undefined, inFlight: 0, touched: new Map(), deaths: 0, alive: true };
  try {
    await loadImage(engine);
    await warm(chaos);
    const before = footprint(engine);
    await populate(chaos);
    await storm(chaos);
    await clear(chaos);
    await nothingLeft(chaos, before);
  } catch (error) {
    chaos.wrong.push((error as Error).stack ?? String(error));
  } finally {
    if (chaos.wrong.length > 0) process.stderr.write(`${engine.log().split("\n").slice(-40).join("\n")}\n`);
    await engine[Symbol.asyncDispose]();
  }
  process.stdout.write(`${JSON.stringify({ seed: Number(values.seed), ...chaos.done, wrong: chaos.wrong.length })}\n`);
  for (const line of chaos.wrong.slice(0, 50)) process.stdout.write(`WRONG ${line}\n`);
  return chaos.wrong.length === 0;
}

/** A linear congruential generator: the same seed asks for the same things. */
function seeded(seed: number): (below: number) => number {
  let state = BigInt(seed) + 0x9e3779b97f4a7c15n;
  return (below) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return Number((state >> 33n) % BigInt(below));
  };
}

async function loadImage(engine: Engine): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = { "content-type": "application/x-tar" };
  const sent = request({ socketPath: engine.place.socket, method: "POST", path: "/images/load", headers, agent: false }, (response) => response.resume().once("end", () => resolve(response.statusCode ?? 0)));
  sent.once("error", reject).end(busyboxArchive());
  if ((await promise) !== 200) throw new Error(`load: ${await promise}`);
}

/** One of each, made and gone: what the engine makes once and keeps is there before it is counted. */
async function warm(chaos: Chaos): Promise<void> {
  await ask(chaos, "POST", "/networks/create", { Name: "warm" }, [201]);
  await ask(chaos, "POST", "/containers/create?name=warm", { Image: "busybox", Cmd: ["true"], HostConfig: { NetworkMode: "warm", PortBindings: { "80/tcp": [{}] } } }, [201]);
  await ask(chaos, "POST", "/containers/warm/start", undefined, [204]);
  await ask(chaos, "POST", "/containers/warm/wait", undefined, [200]);
  await ask(chaos, "DELETE", "/containers/warm?force=1&v=1", undefined, [204]);
  await ask(chaos, "DELETE", "/networks/warm", undefined, [204]);
}

async function populate(chaos: Chaos): Promise<void> {
  for (const [at, name] of networks.entries()) await ask(chaos, "POST", "/networks/create", { Name: name, Internal: at === networks.length - 1 }, [201]);
  await eachInTurn(names, async (name) => {
    const chosen = choose(chaos, perContainer);
    const request = {
      Image: "busybox",
      Cmd: ["sleep", "100000"],
      HostConfig: { NetworkMode: chosen[0], PortBindings: chaos.random(4) === 0 ? { "80/tcp": [{ HostPort: "" }] } : {} },
      NetworkingConfig: { EndpointsConfig: Object.fromEntries(chosen.map((network) => [network, { Aliases: [`also-${name}`] }])) },
    };
    await ask(chaos, "POST", `/containers/create?name=${name}`, request, [201]);
    await ask(chaos, "POST", `/containers/${name}/start`, undefined, [204]);
  });
}

async function storm(chaos: Chaos): Promise<void> {
  const end = Date.now() + seconds * 1000;
  const worker = async (): Promise<void> => {
    while (Date.now() < end) {
      while (chaos.gate !== undefined) await chaos.gate;
      const at = chaos.random(names.length);
      // One in five is left alone until the next death, to be asked for meanwhile.
      if (at % 5 !== chaos.deaths % 5) await act(chaos, names[at] as string);
    }
  };
  const workers = Array.from({ length: Number(values.workers) }, worker);
  while (Date.now() < end) {
    await pause(1000 + chaos.random(3000));
    await killEngine(chaos);
    await pause(500 + chaos.random(2000));
    await quietly(chaos, () => check(chaos));
  }
  await Promise.all(workers);
  await check(chaos);
}

/** Waits until nobody does anything, and holds everybody until the work is done. */
async function quietly(chaos: Chaos, work: () => Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  chaos.gate = promise;
  try {
    while (chaos.inFlight > 0) await pause(10);
    await work();
  } finally {
    chaos.gate = undefined;
    resolve();
  }
}

/** One thing that happens to a container. */
async function act(chaos: Chaos, name: string): Promise<void> {
  const what = chaos.random(100);
  chaos.inFlight++;
  chaos.touched.set(name, Infinity);
  try {
    if (what < 35) await ask(chaos, "POST", `/containers/${name}/kill`, undefined, [204, 409]);
    else if (what < 75) await ask(chaos, "POST", `/containers/${name}/start`, undefined, [204, 304]);
    else if (what < 80) await ask(chaos, "POST", `/containers/${name}/restart?t=0`, undefined, [204]);
    else if (what < 86) await killFromOutside(chaos, name, (pid) => pid);
    else if (what < 90) await killFromOutside(chaos, name, parentOf);
    else await move(chaos, name);
  } finally {
    chaos.inFlight--;
    chaos.touched.set(name, Date.now());
  }
}

/** The container's process, or its shim, killed by somebody else on the host. */
async function killFromOutside(chaos: Chaos, name: string, whom: (pid: number) => number): Promise<void> {
  const found = (await ask(chaos, "GET", `/containers/${name}/json`, undefined, [200])) as { State: { Pid: number } } | undefined;
  const pid = found?.State.Pid ?? 0;
  const target = pid === 0 ? 0 : whom(pid);
  if (target < 2 || target === chaos.engine.pid) return;
  spawnSync("kill", ["-9", String(target)], { stdio: "ignore" });
  count(chaos, target === pid ? "killed outside" : "shims killed");
}

/** 0 when the process is gone. */
function parentOf(pid: number): number {
  try {
    return /cell\0/.test(readFileSync(`/proc/${ppidOf(pid)}/cmdline`, "utf8")) ? ppidOf(pid) : 0;
  } catch {
    return 0;
  }
}

function ppidOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}

/** Out of one of its networks, into another. */
async function move(chaos: Chaos, name: string): Promise<void> {
  const found = (await ask(chaos, "GET", `/containers/${name}/json`, undefined, [200])) as { NetworkSettings: { Networks: Record<string, unknown> } } | undefined;
  const now = Object.keys(found?.NetworkSettings.Networks ?? {});
  const others = networks.filter((network) => !now.includes(network));
  const to = others[chaos.random(Math.max(1, others.length))];
  const from = now[chaos.random(Math.max(1, now.length))];
  // Somebody else may have moved it meanwhile, or it was just killed: told, not done.
  if (to !== undefined && now.length <= perContainer) await ask(chaos, "POST", `/networks/${to}/connect`, { Container: name, EndpointConfig: { Aliases: [`also-${name}`] } }, [200, 403], /already exists in network/);
  if (from !== undefined && now.length >= perContainer) await ask(chaos, "POST", `/networks/${from}/disconnect`, { Container: name }, [200, 500], /is not connected to network/);
}

/** kill -9 in the midst of everything, names asked while it is down, some containers killed meanwhile, and up again. */
async function killEngine(chaos: Chaos): Promise<void> {
  // Who was left alone for a moment before the death is known to everybody's resolver; others may be half joined.
  const quietSince = Date.now() - 2000;
  const before = await look(chaos);
  chaos.deaths++;
  chaos.alive = false;
  await chaos.engine.kill();
  const seen = before.filter(({ name }) => (chaos.touched.get(name) ?? 0) < quietSince);
  const doomed = new Set(seen.filter(() => chaos.random(15) === 0));
  for (const { pid } of doomed) spawnSync("kill", ["-9", String(pid)], { stdio: "ignore" });
  chaos.done["killed while down"] = (chaos.done["killed while down"] ?? 0) + doomed.size;
  // Those are still answered for: nobody is there who could say that they have gone.
  const askers = seen.filter((one) => !doomed.has(one));
  const { wrong, asked } = await wrongNames(seen, { strangers: false, known: new Set(seen.map(({ name }) => name)), askers });
  chaos.done["names asked while down"] = (chaos.done["names asked while down"] ?? 0) + asked;
  chaos.wrong.push(...wrong.map((line) => `while the engine was down: ${line}`));
  await chaos.engine.start();
  adopt(chaos.engine.place, chaos.engine.pid);
  chaos.alive = true;
  count(chaos, "engine killed");
}

/** Who runs, by the engine's word. */
async function look(chaos: Chaos): Promise<Seen[]> {
  const listed = (await ask(chaos, "GET", "/containers/json", undefined, [200])) as { Id: string }[] | undefined;
  const all = await Promise.all((listed ?? []).map(({ Id }) => ask(chaos, "GET", `/containers/${Id}/json`, undefined, [200, 404])));
  return (all as Inspected[]).filter((found) => found?.State?.Running).map(toSeen);
}

type Inspected = {
  Name: string;
  Id: string;
  State: { Running: boolean; Pid: number };
  NetworkSettings: { Networks: Record<string, { IPAddress: string; MacAddress: string }>; Ports: Record<string, { HostPort: string }[] | null> };
};

function toSeen({ Name, Id, State, NetworkSettings }: Inspected): Seen {
  const addresses = Object.fromEntries(Object.entries(NetworkSettings.Networks).map(([network, { IPAddress }]) => [network, IPAddress]));
  const ports = Object.values(NetworkSettings.Ports).flatMap((bound) => (bound ?? []).map(({ HostPort }) => HostPort));
  return { name: Name.slice(1), id: Id, pid: State.Pid, addresses, ports: [...new Set(ports)] };
}

/** Nobody does anything now: what the engine says, what the kernel has and what the resolvers answer are the same. */
async function check(chaos: Chaos): Promise<void> {
  // An exit that was not asked for is noticed a moment later.
  let found: string[] = [];
  for (let tried = 0; tried < 40; tried++) {
    const seen = await look(chaos);
    const members = await Promise.all(networks.map(async (network) => [network, await ask(chaos, "GET", `/networks/${network}`, undefined, [200])] as const));
    found = wrongState(seen, new Map(members as [string, { Containers: Record<string, { Name: string; IPv4Address: string }> }][]));
    if (found.length === 0) {
      const { wrong, asked } = await wrongNames(seen, { strangers: true, known: new Set(names) });
      chaos.done["names asked"] = (chaos.done["names asked"] ?? 0) + asked;
      found = wrong;
    }
    if (found.length === 0) break;
    await pause(100);
  }
  chaos.wrong.push(...found);
  count(chaos, "checks");
}

async function clear(chaos: Chaos): Promise<void> {
  await eachInTurn(names, (name) => ask(chaos, "DELETE", `/containers/${name}?force=1&v=1`, undefined, [204, 404]));
  for (const name of networks) await ask(chaos, "DELETE", `/networks/${name}`, undefined, [204]);
}

async function nothingLeft(chaos: Chaos, before: Footprint): Promise<void> {
  let left: string[] = [];
  for (let tried = 0; tried < 100; tried++) {
    left = differences(before, footprint(chaos.engine));
    if (left.length === 0) return;
    await pause(100);
  }
  chaos.wrong.push(...left.map((line) => `left behind: ${line}`));
}

/**
 * A request; an answer that is not among the expected is wrong, unless the engine died meanwhile. `told`: what a failure
 * that is expected has to say.
 */
async function ask(chaos: Chaos, method: string, path: string, body: unknown, expected: readonly number[], told = /^/): Promise<unknown> {
  const deaths = chaos.deaths;
  try {
    const answer = await chaos.engine.api(method, path, body);
    count(chaos, `${method === "GET" ? "looks" : path.split("?")[0]?.split("/").at(-1)?.replace(/^[cn]\d+$/, "remove")}`);
    if (!expected.includes(answer.status) || (answer.status >= 400 && !told.test(JSON.stringify(answer.body)))) chaos.wrong.push(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return expected.includes(answer.status) && answer.status < 300 ? answer.body : undefined;
  } catch (error) {
    if (chaos.deaths === deaths && chaos.alive) chaos.wrong.push(`${method} ${path}: ${(error as Error).message}`);
    else await pause(100);
    return undefined;
  }
}

async function eachInTurn(list: readonly string[], action: (item: string) => Promise<unknown>): Promise<void> {
  const left = [...list];
  const work = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await action(item);
  };
  await Promise.all(Array.from({ length: 4 }, work));
}

function choose(chaos: Chaos, many: number): string[] {
  const left = [...networks];
  return Array.from({ length: Math.min(many, left.length) }, () => left.splice(chaos.random(left.length), 1)[0] as string);
}

function count(chaos: Chaos, what: string): void {
  chaos.done[what] = (chaos.done[what] ?? 0) + 1;
}
