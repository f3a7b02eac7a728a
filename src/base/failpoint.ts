/**
 * Failpoints: named places where a test can make the engine fail or die.
 *
 *     await failpoint("content.rename");     // in the code, between two steps
 *     GANTRY_FAILPOINTS="content.rename=kill,layers.commit=error:ENOSPC,images.put=delay:200"
 *
 * Dead unless the variable is set when the process starts. `kill`: the process is gone (SIGKILL). `error:CODE`: throws a
 * system error of that code. `delay:MS`: waits. `turns:N`: lets up to N turns of the event loop go by, a number that
 * follows from GANTRY_FAILPOINT_SEED, so that a race that was found can be run again.
 */
import { constants } from "node:os";

export type Failpoint = { kind: "kill" } | { kind: "error"; code: string } | { kind: "delay"; ms: number } | { kind: "turns"; most: number };

const points = parseFailpoints(process.env["GANTRY_FAILPOINTS"] ?? "");

/** Does what the environment says of this name; usually nothing. */
export function failpoint(name: string): Promise<void> | void {
  const point = points.get(name);
  return point === undefined ? undefined : act(name, point);
}

/** The same where nothing can be awaited: a delay is none there. */
export function failpointSync(name: string): void {
  const point = points.get(name);
  if (point !== undefined && (point.kind === "kill" || point.kind === "error")) void act(name, point);
}

function act(name: string, point: Failpoint): Promise<void> | void {
  if (point.kind === "kill") process.kill(process.pid, "SIGKILL");
  if (point.kind === "error") throw systemError(name, point.code);
  if (point.kind === "delay") return new Promise((resolve) => setTimeout(resolve, point.ms));
  if (point.kind === "turns") return turns(draw(point.most + 1));
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

let state = Number(process.env["GANTRY_FAILPOINT_SEED"] ?? 1);

/** A linear congruence is random enough for an order of steps. */
function draw(below: number): number {
  state = (state * 1103515245 + 12345) % 2 ** 31;
  return Math.floor((state / 2 ** 31) * below);
}

function systemError(name: string, code: string): Error {
  const errno = -(constants.errno as Record<string, number>)[code]!;
  return Object.assign(new Error(`${code}: failpoint ${name}`), { code, errno, syscall: "failpoint" });
}

/** @throws TypeError for what it does not understand: a test that misses its point must not pass. */
export function parseFailpoints(text: string): Map<string, Failpoint> {
  const items = text.split(",").filter((item) => item !== "");
  return new Map(items.map(parseOne));
}

function parseOne(item: string): [string, Failpoint] {
  const match = /^([\w.-]+)=(?:(kill)|error:(E[A-Z0-9]+)|delay:(\d{1,6})|turns:(\d{1,3}))$/.exec(item);
  if (match === null) throw new TypeError(`GANTRY_FAILPOINTS: "${item}" is not NAME=kill|error:CODE|delay:MS|turns:N`);
  const [, name, kill, code, ms, most] = match;
  if (kill !== undefined) return [name!, { kind: "kill" }];
  if (ms !== undefined) return [name!, { kind: "delay", ms: Number(ms) }];
  if (most !== undefined) return [name!, { kind: "turns", most: Number(most) }];
  if (!(code! in constants.errno)) throw new TypeError(`GANTRY_FAILPOINTS: no error is called ${code}`);
  return [name!, { kind: "error", code: code! }];
}
