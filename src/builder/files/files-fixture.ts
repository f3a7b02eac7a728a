/** For tests: files of a build over a core of their own, and what a layer holds as lines. */
import type { TestContext } from "node:test";
import { collect } from "#base/streams.ts";
import { type TarEvent, tarReader } from "#base/tar.ts";
import { type NewEntry, tarArchive } from "#base/tar-write.ts";
import { cleanup, storeLayer, testCore } from "#core/core-fixture.ts";
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import { enterView } from "#core/tasks/view.ts";
import type { Kernel } from "#linux/linux.ts";
import { readHostFacts } from "#runtime/facts.ts";
import { viewRoot } from "#runtime/rootfs.ts";
import { openContexts } from "../contexts/open-contexts.ts";
import type { Contexts } from "../contexts/contexts.ts";
import type { CopyAction, FileAction } from "../graph.ts";
import type { StepContext } from "../solve/solve.ts";
import type { FileTree, LayerTree, Tree } from "../tree.ts";
import { type Files, openFiles } from "./files.ts";

export type Entry = NewEntry & { data?: string };

export type World = {
  readonly core: Core & { kernel: Kernel };
  readonly files: Files;
  readonly contexts: Contexts;
  readonly lease: Lease;
  readonly context: StepContext;
  base(...layers: (readonly Entry[])[]): Promise<LayerTree>;
  folder(entries: readonly Entry[]): Promise<FileTree>;
  perform(actions: readonly FileAction[], base: LayerTree, ...inputs: Tree[]): Promise<LayerTree>;
};

export const SCRATCH: LayerTree = { kind: "layers", snapshot: undefined, layers: [] };

export const dir = (name: string, mode = 0o755, more: Partial<Entry> = {}): Entry => ({ name, type: "directory", mode, sec: 1000, ...more });
export const file = (name: string, data = name, more: Partial<Entry> = {}): Entry => ({ name, type: "file", data, mode: 0o644, sec: 1000, ...more });
export const symlink = (name: string, linkName: string): Entry => ({ name, type: "symlink", linkName, sec: 1000 });

export const copyOf = (sources: string | readonly string[], destination: string, more: Partial<CopyAction> = {}): CopyAction => ({
  action: "copy", from: 1, sources: typeof sources === "string" ? [sources] : sources, destination, exclude: [], parents: false, unpack: false, link: false, allowEmpty: true, ...more,
});

export async function openWorld(t: TestContext, driver: "overlay" | "vfs" = "overlay"): Promise<World> {
  const core = await testCore(t, driver);
  const { kernel } = core;
  const place = { host: await readHostFacts(), staging: core.root };
  const tasks = { openRoot: (root: Parameters<typeof viewRoot>[0], slot: number) => viewRoot(root, slot, place), enterView: (view: Parameters<typeof enterView>[0]) => enterView(view, place) };
  const contexts = await openContexts({ root: `${core.root}/build`, kernel });
  const files = openFiles({ kernel, core, tasks, pool: contexts.pool });
  const lease = cleanup(t).use(core.leases.open());
  const { signal } = new AbortController();
  const context = { lease, signal } as StepContext;
  return {
    core, files, contexts, lease, context,
    async base(...archives) {
      const layers = await Promise.all(archives.map((entries) => storeLayer(core, lease, entries, false)));
      return { kind: "layers", snapshot: await core.layers.unpack(lease, layers), layers };
    },
    folder: (entries) => contexts.fromArchive((async function* () { yield tarArchive([...entries]); })(), { signal }),
    perform: (actions, base, ...inputs) => files.file({ kind: "file", base: 0, actions }, [base, ...inputs], context),
  };
}

/** What the topmost layer holds: "f 644 0:0 app/a = text", "d 755 0:0 app", "l app/x -> a", "h app/y => app/a". */
export async function layerLines({ core }: Pick<World, "core">, tree: LayerTree): Promise<string[]> {
  const bytes = await collect(core.content.stream(tree.layers.at(-1)!.descriptor.digest), 2 ** 30, "a layer");
  return linesOf(tarReader().push(bytes));
}

export function linesOf(events: Iterable<TarEvent>): string[] {
  const lines: string[] = [];
  for (const event of events) {
    if (event.kind === "data") {
      lines.push(`${lines.pop()}${event.bytes.toString("utf8")}`);
      continue;
    }
    const { name, type, mode, uid, gid, linkName, xattrs, major, minor } = event.entry;
    const path = name.toString("utf8").replace(/\/$/, "");
    const status = `${mode.toString(8)} ${uid}:${gid}`;
    const more = xattrs.map(([key, value]) => ` [${key.toString()}=${value.toString()}]`).join("");
    if (type === "symlink") lines.push(`l ${uid}:${gid} ${path} -> ${linkName.toString()}`);
    else if (type === "link") lines.push(`h ${path} => ${linkName.toString()}`);
    else if (type === "file") lines.push(`f ${status} ${path}${more} = `);
    else lines.push(`${type[0]} ${status} ${path}${more}${type === "char" || type === "block" ? ` ${major}:${minor}` : ""}`);
  }
  return lines;
}
