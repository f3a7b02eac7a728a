import assert from "node:assert/strict";
import { test } from "node:test";
import { type Failure, kindOf } from "#base/errors.ts";
import type { BuildEvent } from "../events.ts";
import { LOCAL, openWorld, type World, writer } from "./world-fixture.ts";

const wait = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** FROM base; COPY src/ /app; RUN make /out; COPY doc /doc */
function project(world: World, { env = [] as string[], noCache = false } = {}) {
  const g = writer();
  const base = g.step(world.image({ etc: "1" }), []);
  const context = g.step(LOCAL, []);
  const copied = g.copy(base, context, ["src/"], "/app");
  const made = g.run(copied, ["make", "out", "/app/src/a"], { env, step: { noCache } });
  g.copy(made, context, ["doc"], "/doc");
  return { steps: g.steps };
}

const cachedNames = (events: readonly BuildEvent[]) => events.flatMap((event) => (event.kind === "vertex" && event.cached === true ? [event.name] : []));

test("nothing is made twice; what an edit reaches is made again, and only that", async (t) => {
  const world = openWorld(t);
  world.context = { "src/a": "1", doc: "x" };
  const first = await world.solve(project(world));
  assert.deepEqual(world.made.splice(0), ["file src/ /app", "exec make out /app/src/a", "file doc /doc"]);
  const second = await world.solve(project(world));
  assert.deepEqual(world.made, []);
  assert.deepEqual(second.trees, first.trees);
  assert.equal(second.steps.get(3)!.created, first.steps.get(3)!.created);
  assert.deepEqual(cachedNames(second.events).filter((name) => !name.startsWith("[")), ["COPY src/ /app", "RUN make out /app/src/a", "COPY doc /doc"]);
  world.context = { ...world.context, doc: "y" };
  await world.solve(project(world));
  assert.deepEqual(world.made.splice(0), ["file doc /doc"]);
  world.context = { ...world.context, other: "is copied by nobody" };
  await world.solve(project(world));
  assert.deepEqual(world.made, []);
  await world.solve(project(world, { env: ["A=1"] }));
  assert.deepEqual(world.made.splice(0), ["exec make out /app/src/a", "file doc /doc"]);
});

test("a step that results in the same as before makes what follows a hit again", async (t) => {
  const world = openWorld(t);
  const graph = (flag: string) => {
    const g = writer();
    const made = g.run(g.step(world.image({ etc: "1" }), []), ["touch", "out"], { step: { noCache: flag === "again" } });
    g.run(made, ["after", "next", "out"]);
    return { steps: g.steps };
  };
  await world.solve(graph(""));
  world.made.length = 0;
  await world.solve(graph("again"));
  assert.deepEqual(world.made, ["exec touch out"]);
});

test("what a step was made of is remembered when its result went", async (t) => {
  const world = openWorld(t);
  const graph = (tail: string) => {
    const g = writer();
    const base = g.step(world.image({ etc: "1" }), []);
    const tool = g.run(base, ["tool", "bin"]);
    const copied = g.copy(base, tool, ["bin"], "/usr");
    g.run(copied, [tail, "done", "/usr/bin"]);
    return { steps: g.steps };
  };
  await world.solve(graph("a"));
  const doomed = (await world.cache.usage()).find(({ description }) => description === "mount / from exec tool bin")!;
  const pruned = await world.cache.prune({ all: true, reserved: 1, filters: new Map([["id", [doomed.id]]]) });
  assert.deepEqual(pruned.removed.map(({ id }) => id), [doomed.id]);
  world.made.length = 0;
  await world.solve(graph("a"));
  await world.solve(graph("b"));
  assert.deepEqual(world.made.splice(0), ["exec b done /usr/bin"]);
  await world.cache.prune({ all: true });
  assert.deepEqual(await world.cache.usage(), []);
  await world.solve(graph("a"));
  assert.equal(world.made.length, 3);
});

test("what was made again with another result is not mixed with what came of the first", async (t) => {
  const world = openWorld(t);
  const graph = (tail: string) => {
    const g = writer();
    const base = g.step(world.image({ etc: "1" }), []);
    const odd = g.run(base, ["date", "now"]);
    const left = g.copy(base, odd, ["now"], "/left");
    const right = g.copy(left, odd, ["now"], `/${tail}`);
    g.run(right, ["join", "both", "/left/now", `/${tail}/now`]);
    return { steps: g.steps };
  };
  world.time = "first";
  await world.solve(graph("a"));
  const odd = (await world.cache.usage(new Map([["description", ["date"]]])))[0]!;
  await world.cache.prune({ all: true, reserved: 1, filters: new Map([["id", [odd.id]]]) });
  world.time = "second";
  const again = world.read((await world.solve(graph("b"))).trees[0]!);
  assert.equal(again["/left/now"], again["/b/now"]);
  assert.deepEqual(world.made.filter((name) => name === "exec date now").length, 2);
});

test("two builds of the same thing at once do the work once; each hears all of it", async (t) => {
  const world = openWorld(t);
  world.context = { "src/a": "1", doc: "x" };
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  world.during = async (_, context) => {
    context.log(1, Buffer.from("early "));
    begun.resolve();
    await gate.promise;
    context.log(1, Buffer.from("late"));
  };
  const heard = (events: readonly BuildEvent[]) => events.map((event) => (event.kind === "log" ? Buffer.from(event.data).toString() : "")).join("");
  const first = world.solve(project(world));
  await begun.promise;
  const joined = Promise.withResolvers<void>();
  const second = world.solve(project(world), { report: (event) => void (event.kind === "log" && joined.resolve()) });
  await joined.promise;
  gate.resolve();
  const results = await Promise.all([first, second]);
  assert.deepEqual(world.made, ["file src/ /app", "exec make out /app/src/a", "file doc /doc"]);
  assert.deepEqual(results.map(({ events }) => heard(events)), ["early late", "early late"]);
  assert.deepEqual(results[0].trees, results[1].trees);
});

test("a build that is cancelled leaves the work to the other; work that nobody waits for ends", async (t) => {
  const world = openWorld(t);
  world.context = { "src/a": "1", doc: "x" };
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  let ended = 0;
  world.during = async (_, { signal }) => {
    begun.resolve();
    const stopped = new Promise<never>((_, reject) => signal.addEventListener("abort", () => (ended++, reject(signal.reason as Error))));
    await Promise.race([gate.promise, stopped]);
  };
  const stop = new AbortController();
  const first = world.solve(project(world), { signal: stop.signal });
  await begun.promise;
  const heard = Promise.withResolvers<void>();
  const second = world.solve(project(world), { report: (event) => void (event.kind === "vertex" && event.name.startsWith("RUN") && heard.resolve()) });
  await heard.promise;
  await wait();
  stop.abort();
  await assert.rejects(first, (error) => kindOf(error) === "cancelled");
  assert.equal(ended, 0);
  gate.resolve();
  await second;
  assert.equal(world.made.filter((name) => name.startsWith("exec")).length, 1);

  const alone = new AbortController();
  const started = Promise.withResolvers<void>();
  const third = world.solve(project(world, { env: ["B=1"] }), { signal: alone.signal, report: (event) => void (event.kind === "vertex" && event.name.startsWith("RUN") && started.resolve()) });
  world.during = async (_, { signal }) => new Promise<void>((_, reject) => signal.addEventListener("abort", () => (ended++, reject(signal.reason as Error))));
  await started.promise;
  await wait();
  alone.abort();
  await assert.rejects(third, (error) => kindOf(error) === "cancelled");
  assert.equal(ended, 1);
});

test("the first failure is the build's, names its step, and ends the others", async (t) => {
  const world = openWorld(t);
  const g = writer();
  const base = g.step(world.image({ etc: "1" }), []);
  const slow = g.run(base, ["slow", "a"]);
  const bad = g.run(base, ["bad", "b"]);
  const both = g.copy(slow, bad, ["b"], "/b");
  let stopped = false;
  const begun = Promise.withResolvers<void>();
  world.during = async (op, { signal }) => {
    if (op.args[0] === "bad") {
      await begun.promise;
      throw Object.assign(new Error("exit code: 3"));
    }
    begun.resolve();
    await new Promise<void>((_, reject) => signal.addEventListener("abort", () => ((stopped = true), reject(signal.reason as Error))));
  };
  const events: BuildEvent[] = [];
  const error = await world.solve({ steps: g.steps }, { targets: [both], report: (event) => void events.push(event) }).then(() => undefined, (reason: unknown) => reason as Failure);
  assert.equal(error!.message, "exit code: 3");
  assert.equal(error!.facts["step"], bad);
  assert.ok(stopped);
  const errors = events.flatMap((event) => (event.kind === "vertex" && event.error !== undefined ? [[event.name, event.error]] : []));
  assert.deepEqual(errors.toSorted(), [["RUN bad b", "exit code: 3"], ["RUN slow a", "context canceled"]]);
  assert.deepEqual(await world.cache.usage(), []);
});

test("stages that wait run at once, and what the target does not need is not touched", async (t) => {
  const world = openWorld(t);
  const g = writer();
  const base = g.step(world.image({ etc: "1" }), []);
  const stages = ["a", "b", "c", "d"].map((name) => g.run(base, [name, name]));
  const target = stages.reduce((below, stage, index) => g.copy(below, stage, ["abcd"[index]!], "/"), base);
  g.run(base, ["unneeded", "z"]);
  let running = 0;
  const all = Promise.withResolvers<void>();
  world.during = async () => {
    if (++running === 4) all.resolve();
    await all.promise;
  };
  await world.solve({ steps: g.steps }, { targets: [target] });
  assert.ok(!world.made.some((name) => name.includes("unneeded")));
});

test("a miss says what is different", async (t) => {
  const world = openWorld(t);
  world.context = { "src/a": "1", doc: "x" };
  const why = (events: readonly BuildEvent[]) => events.flatMap((event) => (event.kind === "vertex" && event.why !== undefined && event.why.length > 0 && event.completed === undefined ? [`${event.name}: ${event.why.join("; ")}`] : []));
  const first = await world.solve(project(world, { env: ["A=1"] }));
  assert.deepEqual(why(first.events)[0], "COPY src/ /app: it is not known to have been made before");
  const second = await world.solve(project(world, { env: ["A=2"] }));
  assert.deepEqual(why(second.events), ['RUN make out /app/src/a: env A: was "1", is "2"', "COPY doc /doc: what it is made on changed"]);
  world.context = { "src/a": "2", doc: "x" };
  const third = await world.solve(project(world, { env: ["A=2"] }));
  assert.equal(why(third.events)[0], "COPY src/ /app: files of src/: src/a changed");
  await world.cache.prune({ all: true });
  const fourth = await world.solve(project(world, { env: ["A=2"] }));
  assert.deepEqual(new Set(why(fourth.events).map((text) => text.replace(/^.*: /, ""))), new Set(["it was made before, but its result is not kept any more"]));
});
