/**
 * For tests: a world in memory that does what performers do, with trees that are maps of paths to texts. It notes what it
 * is asked to make, and from what.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { sha256 } from "#base/digest.ts";
import { openDatabase } from "#base/sqlite.ts";
import type { Core } from "#core/core.ts";
import { readGraph } from "#core/gc/graph.ts";
import type { Layer } from "#core/layers/layers.ts";
import { openLeases } from "#core/leases/leases.ts";
import { migrations } from "#core/schema.ts";
import type { Digest } from "#spec/digest.ts";
import { chainIds, MEDIA } from "#spec/image.ts";
import type { BuildClient, RunDefaults } from "../builder.ts";
import { type Cache, openCache } from "../cache/cache.ts";
import { openRecentTrees } from "../contexts/recent-trees.ts";
import type { BuildEvent } from "../events.ts";
import type { ExecOp, FileOp, Graph, ImageOp, Step, StepOp } from "../graph.ts";
import type { FileTree, LayerTree, Tree } from "../tree.ts";
import { identityOf } from "./keys.ts";
import { openSolver, type Performers, type SolveOptions, type Solved, type StepContext } from "./solve.ts";

export type Files = Readonly<Record<string, string>>;

export type World = {
  readonly cache: Cache;
  readonly core: CoreTwin;
  /** What was made: "exec make out", in order. */
  readonly made: string[];
  /** Called while a RUN is performed. */
  during: (op: ExecOp, context: StepContext) => Promise<void>;
  /** The client's folder. */
  context: Files;
  /** What commands called "date" see. */
  time: string;
  /** What was made, and all that could be seen meanwhile: no two are the same as long as nothing is pruned. */
  readonly seen: string[];
  image(files: Files): ImageOp;
  /** The files of a tree. */
  read(tree: Tree): Files;
  solve(graph: Graph, options?: Partial<SolveOptions> & { readonly targets?: readonly number[] }): Promise<Solved & { readonly events: readonly BuildEvent[] }>;
};

type CoreTwin = Pick<Core, "db" | "snapshots" | "content" | "graph" | "collect" | "root" | "images" | "leases">;

export const NO_RUN: RunDefaults = { network: "", extraHosts: [], ulimits: [], shmSize: 0, cgroupParent: "", limits: {} };
const HOST = { os: "linux", architecture: "amd64" };

export function openWorld(t: TestContext): World {
  const folder = mkdtempSync("/tmp/gantry-solve-");
  const db = openDatabase(join(folder, "db"), { migrations });
  const leases = openLeases();
  const trees = new Map<string, Files>([["", {}]]);
  const core = {
    db,
    leases,
    root: folder,
    snapshots: { stat: (name: string) => (trees.has(name) ? { usage: { bytes: 100, inodes: 1 } } : undefined) },
    content: { stat: (digest: Digest) => ({ digest, size: 1 }) },
    graph: readGraph(db, leases),
    images: { list: () => [] },
    collect: async () => ({ bytes: 0 }),
  } as unknown as CoreTwin;
  const cache = openCache({ core });
  t.after(async () => {
    await cache.flush();
    db.close();
    rmSync(folder, { recursive: true });
  });

  const filesOf = (tree: Tree): Files => (tree.kind === "layers" ? trees.get(tree.snapshot ?? "")! : Object.fromEntries(tree.entries.map(({ path, link }) => [path, link!])));
  const commit = (base: LayerTree, files: Files): LayerTree => {
    const layer = layerOf(files, filesOf(base));
    const layers = [...base.layers, layer];
    const snapshot = chainIds(layers.map(({ diffId }) => diffId)).at(-1)!;
    trees.set(snapshot, { ...filesOf(base), ...files });
    return { kind: "layers", snapshot, layers };
  };

  const performers: Performers = {
    image: async (op) => ({ kind: "layers", snapshot: op.chain, layers: op.layers }),
    async exec(op, inputs, context) {
      world.made.push(`exec ${op.args.join(" ")}`);
      await world.during(op, context);
      world.seen.push(seenBy(op, identityOf(inputs[op.base]!), inputs.map(filesOf)));
      return commit(inputs[op.base] as LayerTree, runOf(op, inputs.map(filesOf), world.time));
    },
    async file(op, inputs) {
      world.made.push(`file ${op.actions.map((action) => (action.action === "copy" ? `${action.sources.join(" ")} ${action.destination}` : action.path)).join(", ")}`);
      world.seen.push(seenBy(op, identityOf(inputs[op.base]!), inputs.map(filesOf)));
      return commit(inputs[op.base] as LayerTree, copyOf(op, inputs.map(filesOf)));
    },
    merge: async (base, upper) => commit(base, filesOf(upper)),
    git: async () => fileTree({}),
    gitKey: async () => "commit",
    http: async () => fileTree({}),
    httpKey: async () => "tag",
    selection: async (tree, sources) => sha256(JSON.stringify(Object.entries(select(filesOf(tree), sources)).toSorted())),
  };

  const client = { files: async () => fileTree(world.context) } as unknown as BuildClient;
  const solver = openSolver({ leases, snapshots: core.snapshots, cache, performers, contexts: { hold: () => ({ [Symbol.dispose]: () => undefined }), keep: async () => undefined, recall: async () => undefined, recent: openRecentTrees() } });

  const world: World = {
    cache,
    core,
    made: [],
    seen: [],
    context: {},
    time: "",
    during: async () => undefined,
    image(files) {
      const tree = commit({ kind: "layers", snapshot: undefined, layers: [] }, files);
      return { kind: "image", reference: "docker.io/library/base:latest", manifest: sha256(identityOf(tree)), layers: tree.layers, chain: tree.snapshot! };
    },
    read: filesOf,
    async solve(graph, { targets = [graph.steps.length - 1], report, ...options } = {}) {
      const events: BuildEvent[] = [];
      const lease = leases.open();
      const tell = (event: BuildEvent) => (events.push(event), report?.(event));
      try {
        const solved = await solver.solve(graph, targets, { lease, client, run: NO_RUN, entitlements: [], signal: new AbortController().signal, ...options, report: tell });
        return { ...solved, events };
      } finally {
        lease[Symbol.dispose]();
      }
    },
  };
  return world;
}

function layerOf(files: Files, base: Files): Layer {
  const diffId = sha256(JSON.stringify(Object.entries(files).filter(([path, text]) => base[path] !== text).toSorted()));
  return { diffId, descriptor: { mediaType: MEDIA.ociLayer, digest: diffId, size: 10 } };
}

/** A command "NAME OUT IN…": writes into OUT a digest of everything it can see of its world. */
function runOf(op: ExecOp, inputs: readonly Files[], time: string): Files {
  const [name, out = "out", ...reads] = op.args;
  const base = inputs[op.base]!;
  const mounted = op.mounts.flatMap((mount) => (mount.type === "bind" ? [select(inputs[mount.from]!, [mount.source === "/" ? "." : mount.source])] : []));
  return { [out]: sha256(JSON.stringify([name === "date" ? time : "", op.args, op.env, op.cwd, op.user, reads.map((path) => base[path] ?? null), mounted])) };
}

/** What the last step of a graph results in, by doing all of it. */
export function interpret({ steps }: Graph, base: Files, context: Files): Files {
  const trees: Files[] = [];
  for (const { op, inputs } of steps) {
    const given = inputs.map((input) => trees[input]!);
    if (op.kind === "exec") trees.push({ ...given[op.base], ...runOf(op, given, "") });
    else if (op.kind === "file") trees.push({ ...given[op.base], ...copyOf(op, given) });
    else trees.push(op.kind === "local" ? context : base);
  }
  return trees.at(-1)!;
}

/** Everything that the result may depend on: the op, the base's layers, and of the other inputs what is selected. */
function seenBy(op: ExecOp | FileOp, base: string, inputs: readonly Files[]): string {
  const others =
    op.kind === "exec"
      ? op.mounts.map((mount) => (mount.type === "bind" ? select(inputs[mount.from]!, [mount.source === "/" ? "." : mount.source]) : {}))
      : op.actions.map((action) => (action.action === "copy" ? select(inputs[action.from]!, action.sources) : {}));
  return JSON.stringify([op, base, others.map((files) => Object.entries(files).toSorted())]);
}

function copyOf(op: FileOp, inputs: readonly Files[]): Files {
  const files: Record<string, string> = {};
  for (const action of op.actions) {
    if (action.action === "mkdir") files[action.path] = "directory";
    if (action.action === "mkfile") files[action.path] = action.data;
    if (action.action !== "copy") continue;
    for (const [path, text] of Object.entries(select(inputs[action.from]!, action.sources))) files[`${action.destination}/${path}`] = text;
  }
  return files;
}

/** A source is a name or what a name begins with ("src/"), or "." for all. */
const select = (files: Files, sources: readonly string[]): Files =>
  Object.fromEntries(Object.entries(files).filter(([path]) => sources.some((source) => source === "." || path === source || (source.endsWith("/") && path.startsWith(source)))));

export function fileTree(files: Files): FileTree {
  const entries = Object.entries(files).toSorted().map(([path, text]) => ({ path, type: "file" as const, mode: 0o644, uid: 0, gid: 0, mtime: 0n, size: text.length, link: text }));
  return { kind: "files", digest: sha256(JSON.stringify(Object.entries(files).toSorted())), entries };
}

export type Writer = {
  readonly steps: Step[];
  step(op: StepOp, inputs: readonly number[], options?: Partial<Step>): number;
  run(base: number, args: readonly string[], options?: Partial<ExecOp> & { from?: readonly number[]; step?: Partial<Step> }): number;
  copy(base: number, from: number, sources: readonly string[], destination: string): number;
};

const EXEC = { env: [], proxies: [], cwd: "/", user: "", hostname: "", network: "default", security: "sandbox", mounts: [], devices: [], files: {} } as const;

/** Writes graphs: each function adds a step and returns its index. */
export function writer(): Writer {
  const steps: Step[] = [];
  const step = (op: StepOp, inputs: readonly number[], options: Partial<Step> = {}): number => steps.push({ op, inputs, name: `[${steps.length}] ${op.kind}`, platform: HOST, ...options }) - 1;
  return {
    steps,
    step,
    run: (base, args, { from = [], step: options = {}, ...more } = {}) =>
      step({ kind: "exec", base: 0, args, ...EXEC, ...more }, [base, ...from], { name: `RUN ${args.join(" ")}`, ...options }),
    copy: (base, from, sources, destination) =>
      step({ kind: "file", base: 0, actions: [{ action: "copy", from: 1, sources, destination, exclude: [], parents: false, unpack: false, link: false }] }, [base, from], { name: `COPY ${sources.join(" ")} ${destination}` }),
  };
}

export const LOCAL: StepOp = { kind: "local", name: "context", include: [], exclude: [] };
