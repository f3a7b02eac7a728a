/**
 * Failpoints: named places where a test can make the engine fail or die.
 *
 *     await failpoint("content.rename");     // in the code, between two steps
 *     GANTRY_FAILPOINTS="content.rename=kill,layers.commit=error:ENOSPC,images.put=delay:200"
 *
 * Dead unless the variable is set when the process starts. `kill`: the process is gone (SIGKILL). `error:CODE`: throws a
 * system error of that code. `delay:MS`: waits.
 */
import { constants } from "node:os";

export type Failpoint = { kind: "kill" } | { kind: "error"; code: string } | { kind: "delay"; ms: number };

const points = parseFailpoints(process.env["GANTRY_FAILPOINTS"] ?? "");

/** Does what the environment says of this name; usually nothing. */
export function failpoint(name: string): Promise<void> | void {
  const point = points.get(name);
  return point === undefined ? undefined : act(name, point);
}

/** The same where nothing can be awaited: a delay is none there. */
export function failpointSync(name: string): void {
  const point = points.get(name);
  if (point !== undefined && point.kind !== "delay") void act(name, point);
}

function act(name: string, point: Failpoint): Promise<void> | void {
  if (point.kind === "kill") process.kill(process.pid, "SIGKILL");
  if (point.kind === "error") throw systemError(name, point.code);
  if (point.kind === "delay") return new Promise((resolve) => setTimeout(resolve, point.ms));
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
  const match = /^([\w.-]+)=(?:(kill)|error:(E[A-Z0-9]+)|delay:(\d{1,6}))$/.exec(item);
  if (match === null) throw new TypeError(`GANTRY_FAILPOINTS: "${item}" is not NAME=kill|error:CODE|delay:MS`);
  const [, name, kill, code, ms] = match;
  if (kill !== undefined) return [name!, { kind: "kill" }];
  if (ms !== undefined) return [name!, { kind: "delay", ms: Number(ms) }];
  if (!(code! in constants.errno)) throw new TypeError(`GANTRY_FAILPOINTS: no error is called ${code}`);
  return [name!, { kind: "error", code: code! }];
}
