/** Graphs of builds that are none: row BLD-04; and what a cache key is made of: row BLD-10. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGraph, MAX_STEPS } from "#builder/check-graph.ts";
import type { ExecOp, Graph, Step } from "#builder/graph.ts";
import { LOCAL, openWorld, writer } from "#builder/solve/world-fixture.ts";
import { random } from "../fixtures/mutate.ts";
import { Failure, kindOf } from "#base/errors.ts";

const NONE = { entitlements: [] };
const refused = (graph: unknown, targets: readonly number[], text: RegExp) => assert.throws(() => checkGraph(graph as Graph, targets, NONE), (error) => error instanceof Failure && error.kind === "invalid" && text.test(error.message), String(text));

const base = (): Step => ({ op: { kind: "scratch" }, inputs: [], name: "base", platform: { os: "linux", architecture: "amd64" } });
const run = (inputs: readonly unknown[], op: Partial<Record<keyof ExecOp, unknown>> = {}): Step => {
  const g = writer();
  g.run(0, ["true"]);
  const [step] = g.steps;
  return { ...step!, inputs: inputs as number[], op: { ...(step!.op as ExecOp), ...op } as ExecOp };
};

test("BLD-04 inputs that are no earlier steps", () => {
  for (const input of [-1, 1, 2, 99, 1e10, 0.5, NaN, Infinity, "0", null, undefined, 0n, {}, [0]]) refused({ steps: [base(), run([input])] }, [1], /which is no earlier step/);
  for (const target of [-1, 1, 0.5, NaN, "0"]) refused({ steps: [base()] }, [target as number], /is none of its steps/);
  refused({ steps: [run([0])] }, [0], /the input 0, which is no earlier step/);
  refused({ steps: [base(), run([2]), run([1])] }, [2], /the input 2/);
  for (const place of [-1, 1, 0.5, undefined, "0"]) refused({ steps: [base(), run([0], { base: place })] }, [1], /speaks of its input/);
  refused({ steps: [base(), run([0], { mounts: [{ type: "bind", from: 1, source: "/", rw: false, target: "/m" }] })] }, [1], /speaks of its input 1/);
});

test("BLD-04 operations that are none", () => {
  for (const op of [undefined, null, 5, "exec", {}, { kind: "nosuch" }, { kind: "__proto__" }, { kind: "toString" }, { kind: 3 }]) refused({ steps: [{ ...base(), op }] }, [0], /operation/);
  for (const graph of [undefined, null, {}, { steps: 5 }, { steps: {} }]) refused(graph, [0], /no steps/);
  for (const step of [undefined, null, 5, {}, { inputs: 3 }]) refused({ steps: [step] }, [0], /no inputs/);
  refused({ steps: [base(), run([0], { args: [] })] }, [1], /nothing to run/);
  refused({ steps: [base(), run([0], { args: ["a", 5] })] }, [1], /must be text/);
  refused({ steps: [base(), run([0], { mounts: [null] })] }, [1], /no mount is of type/);
  refused({ steps: [base(), { ...base(), op: { kind: "merge" }, inputs: [0] }] }, [1], /a merge of 1/);
});

test("BLD-03, BLD-04 security modes and entitlements: an unknown mode is none", () => {
  for (const security of [-1, 2, 99, "", "Insecure", null]) refused({ steps: [base(), run([0], { security })] }, [1], /no security mode/);
  const forbidden = (op: Partial<Record<keyof ExecOp, unknown>>, name: string) =>
    assert.throws(() => checkGraph({ steps: [base(), run([0], op)] }, [1], NONE), (error) => kindOf(error) === "forbidden" && (error as Failure).message === `${name} is not allowed`);
  forbidden({ security: "insecure" }, "security.insecure");
  forbidden({ network: "host" }, "network.host");
  checkGraph({ steps: [base(), run([0], { security: "insecure", network: "host" })] }, [1], { entitlements: ["security.insecure", "network.host"] });
});

test("BLD-04 a hundred thousand steps are too many; as many as may be are no burden, in a chain or side by side", async (t) => {
  refused({ steps: Array.from({ length: 100_000 }, (_, index) => (index === 0 ? base() : run([index - 1]))) }, [1], /the limit is/);
  refused({ steps: [base(), { ...run([0]), inputs: new Array(19_000).fill(0) }] }, [1], /inputs; the limit is/);
  const world = openWorld(t);
  const g = writer();
  let at = g.step(world.image({ etc: "1" }), []);
  for (let index = 0; index < 3_000; index++) at = g.step({ kind: "merge" }, [at, 0], { platform: { os: "linux", architecture: `v${index}` } });
  checkGraph({ steps: g.steps }, [at], NONE);
  const longest = { steps: Array.from({ length: MAX_STEPS }, (_, index) => (index === 0 ? base() : run([index - 1]))) };
  checkGraph(longest, [MAX_STEPS - 1], NONE);
  // What the target does not need costs nothing, however much there is of it.
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(world.solve(longest, { targets: [MAX_STEPS - 1], signal: stop.signal }), (error) => kindOf(error) === "cancelled");
  await world.solve({ steps: [...g.steps.slice(0, 1), ...longest.steps.slice(1)] }, { targets: [0] });
  assert.deepEqual(world.made, []);
});

test("BLD-04 mutated graphs are refused or solved: nothing else", async (t) => {
  const world = openWorld(t);
  world.context = { "src/a": "1" };
  const next = random(5);
  const outcomes = { refused: 0, solved: 0 };
  for (let round = 0; round < 400; round++) {
    const g = writer();
    const at = g.copy(g.step(world.image({ etc: "1" }), []), g.step(LOCAL, []), ["src/"], "/app");
    g.run(at, ["make", "out"], { mounts: [{ type: "bind", from: 1, source: "src/", rw: false, target: "/m" }], from: [1] });
    const graph = mutated(structuredClone({ steps: g.steps }), next);
    try {
      checkGraph(graph, [graph.steps.length - 1], NONE);
    } catch (error) {
      assert.ok(error instanceof Failure && ["invalid", "forbidden"].includes(error.kind), String((error as Error).stack));
      outcomes.refused++;
      continue;
    }
    await world.solve(graph).then(() => outcomes.solved++, (error: unknown) => assert.notEqual(kindOf(error), "cancelled", String((error as Error).stack)));
  }
  assert.ok(outcomes.refused > 50 && outcomes.solved > 10, JSON.stringify(outcomes));
});

/** One value somewhere in it becomes another one. */
function mutated(graph: { steps: Step[] }, next: () => number): Graph {
  const places: { holder: Record<string, unknown>; name: string }[] = [];
  const walk = (value: unknown) => {
    if (typeof value !== "object" || value === null) return;
    for (const name of Object.keys(value)) {
      places.push({ holder: value as Record<string, unknown>, name });
      walk((value as Record<string, unknown>)[name]);
    }
  };
  walk(graph.steps);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length) % list.length]!;
  const { holder, name } = pick(places);
  const values = [-1, 0, 1, 2, 1e9, 0.5, NaN, null, undefined, "", "../..", "insecure", [], {}, [0], [-1], true];
  holder[name] = pick(values);
  return graph;
}

test("BLD-10 a base image is its layers, whatever it says of itself; instructions that differ make another key", async (t) => {
  const world = openWorld(t);
  const from = (files: Record<string, string>, change: object = {}, op: Partial<ExecOp> = {}) => {
    const g = writer();
    g.run(g.step({ ...world.image(files), ...change }, []), ["make", "out"], op);
    return { steps: g.steps };
  };
  const honest = await world.solve(from({ etc: "1" }));
  assert.equal(world.made.splice(0).length, 1);
  await world.solve(from({ etc: "1" }, { reference: "other.example/name:1", manifest: `sha256:${"0".repeat(64)}` }));
  assert.equal(world.made.splice(0).length, 0, "the same layers under another name, with another manifest");
  const forged = await world.solve(from({ etc: "poisoned" }, { reference: "docker.io/library/base:latest" }));
  assert.equal(world.made.splice(0).length, 1, "other layers under the same name");
  assert.notDeepEqual(forged.trees, honest.trees);
  const different: Partial<ExecOp>[] = [{ env: ["A=1"] }, { cwd: "/w" }, { user: "1" }, { network: "none" }, { args: ["make", "out", ""] }, { mounts: [{ type: "tmpfs", target: "/t", size: 0 }] }, { files: { "/h": "x" } }, { files: { "/h": "y" } }];
  for (const op of different) await world.solve(from({ etc: "1" }, {}, op));
  assert.equal(world.made.length, different.length);
});
