/** Whatever is edited: a build from the cache equals one without, and makes only what the edit reaches. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Graph } from "../graph.ts";
import { interpret, LOCAL, openWorld, type World, writer } from "./world-fixture.ts";

const EDITS = 200;

/** Everything that may be edited. */
type Project = {
  context: Record<string, string>;
  base: Record<string, string>;
  args: Record<string, string>;
  stages: { name: string; steps: ProjectStep[] }[];
};
type ProjectStep = { kind: "run"; name: string; reads: string[]; arg: string | undefined; mount: boolean } | { kind: "copy"; sources: string[]; from: "context" | number; to: string };

test(`${EDITS} random edits`, async (t) => {
  const random = openRandom(Number(process.env["GANTRY_TEST_SEED"] ?? 7));
  const world = openWorld(t);
  const project = newProject();
  const seen = new Set<string>();
  for (let edit = 0; edit < EDITS; edit++) {
    if (edit > 0) change(project, random);
    world.context = { ...project.context };
    const cached = await world.solve(graphOf(world, project));
    for (const one of world.seen.splice(0)) {
      assert.ok(!seen.has(one), `edit ${edit} made something again: ${one}`);
      seen.add(one);
    }
    assert.deepEqual(world.read(cached.trees[0]!), interpret(graphOf(world, project), project.base, project.context), `edit ${edit}`);
  }
  assert.ok(seen.size > EDITS, `only ${seen.size} steps were made`);
});

function newProject(): Project {
  return {
    context: { "src/a": "1", "src/b": "1", "doc/x": "1", "lib/l": "1", top: "1" },
    base: { etc: "1", usr: "1" },
    args: { A: "1", B: "1" },
    stages: [
      { name: "one", steps: [{ kind: "copy", sources: ["src/"], from: "context", to: "/one" }, { kind: "run", name: "make", reads: ["/one/src/a"], arg: "A", mount: false }] },
      { name: "two", steps: [{ kind: "copy", sources: ["lib/", "top"], from: "context", to: "/two" }, { kind: "run", name: "link", reads: ["/two/lib/l", "etc"], arg: undefined, mount: true }] },
      { name: "three", steps: [{ kind: "run", name: "setup", reads: ["usr"], arg: "B", mount: false }, { kind: "copy", sources: ["out-make"], from: 0, to: "/bin" }, { kind: "copy", sources: ["out-link"], from: 1, to: "/lib" }, { kind: "run", name: "pack", reads: ["/bin/out-make"], arg: undefined, mount: false }] },
    ],
  };
}

function graphOf(world: World, { base, args, stages }: Project): Graph {
  const g = writer();
  const image = g.step(world.image(base), []);
  const context = g.step(LOCAL, []);
  const ends: number[] = [];
  for (const { steps } of stages) {
    let at = image;
    for (const step of steps) {
      if (step.kind === "copy") at = g.copy(at, step.from === "context" ? context : ends[step.from]!, step.sources, step.to);
      else {
        const env = step.arg === undefined ? [] : [`${step.arg}=${args[step.arg] ?? ""}`];
        const bind = { type: "bind", from: 1, source: "doc/", rw: false, target: "/m" } as const;
        at = g.run(at, [step.name, `out-${step.name}`, ...step.reads], { env, ...(step.mount && { mounts: [bind], from: [context] }) });
      }
    }
    ends.push(at);
  }
  return { steps: g.steps };
}

function change(project: Project, { pick, number }: Random): void {
  const edits: (() => void)[] = [
    () => (project.context[pick(Object.keys(project.context))] = String(number(3))),
    () => (project.context[`src/n${number(4)}`] = String(number(2))),
    () => (project.context[`unused${number(4)}`] = String(number(9))),
    () => void delete project.context[`src/n${number(4)}`],
    () => (project.base[pick(Object.keys(project.base))] = String(number(3))),
    () => (project.args[pick(Object.keys(project.args))] = String(number(3))),
    () => {
      const step = pick(project.stages.flatMap(({ steps }) => steps));
      if (step.kind === "run") step.reads = step.reads.length > 1 ? step.reads.slice(1) : [...step.reads, "etc"];
      else step.to = `/${pick(["one", "two", "bin", "lib"])}`;
    },
    () => {
      const { steps } = pick(project.stages);
      const extra = steps.findIndex((step) => step.kind === "run" && step.name === "extra");
      if (extra >= 0) steps.splice(extra, 1);
      else steps.splice(number(steps.length + 1), 0, { kind: "run", name: "extra", reads: [pick(["etc", "usr"])], arg: pick(["A", undefined]), mount: number(2) === 0 });
    },
  ];
  pick(edits)();
}

type Random = { number(below: number): number; pick<T>(from: readonly T[]): T };

function openRandom(seed: number): Random {
  let state = seed;
  const number = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  return { number, pick: (from) => from[number(from.length)]! };
}
