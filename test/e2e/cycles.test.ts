import assert from "node:assert/strict";
import { peer, stories } from "./harness.ts";
import { holdings, settled } from "./harness/leaks.ts";

const { story } = stories("cycles");

/** 1,000 shows what the project promises; 100 every day. */
const cycles = Number(process.env["CYCLES"] ?? 100);

story(`${cycles} times create, start, wait, remove: nothing is left, and it gets no slower`, async ({ engine }) => {
  const one = async (): Promise<number> => {
    const began = performance.now();
    const { body } = await engine.api("POST", "/containers/create", { Image: "busybox", Cmd: ["true"] });
    const { Id } = body as { Id: string };
    assert.equal((await engine.api("POST", `/containers/${Id}/start`)).status, 204);
    assert.equal(((await engine.api("POST", `/containers/${Id}/wait`)).body as { StatusCode: number }).StatusCode, 0);
    assert.equal((await engine.api("DELETE", `/containers/${Id}`)).status, 204);
    return performance.now() - began;
  };
  for (let at = 0; at < 10; at++) await one();
  const before = holdings(engine);
  const times: number[] = [];
  for (let at = 0; at < cycles; at++) times.push(await one());
  // dockerd takes its network namespaces' files away once a minute.
  if (peer === "gantry") assert.deepEqual(await settled(engine, before), {});
  const tenth = Math.ceil(cycles / 10);
  const [first, last] = [median(times.slice(0, tenth)), median(times.slice(-tenth))];
  // A hundred say nothing on a busy machine; the long run, by hand, does.
  if (cycles >= 1000) assert.ok(last < first * 2, `first ${first.toFixed(1)} ms, last ${last.toFixed(1)} ms`);
}, { only: "docker" });

story("failed starts leave nothing either", async ({ cli, engine }) => {
  const fails = async (): Promise<void> => {
    await cli.fails(127, /not found/, "run", "--rm", "busybox", "nope");
    await cli.fails(125, /unable to find user/, "run", "--rm", "-u", "nosuch", "busybox", "true");
    await cli("run", "--rm", "-v", "/dev/null/x:/y", "busybox", "true");
    await cli("run", "--rm", "-w", "/etc/passwd", "busybox", "true");
  };
  await fails();
  const before = holdings(engine);
  for (let at = 0; at < 3; at++) await fails();
  assert.deepEqual(await settled(engine, before), {});
}, { only: "gantry-engine" });

story("execs leave nothing", async ({ cli, engine }) => {
  const id = await cli.ok("run", "-d", "busybox", "sleep", "1000");
  await cli.ok("exec", id, "true");
  const before = holdings(engine);
  for (let at = 0; at < 10; at++) await cli.ok("exec", id, "true");
  assert.deepEqual(await settled(engine, before), {});
}, { only: "gantry-engine" });

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] as number;
}
