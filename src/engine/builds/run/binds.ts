/** RUN --mount=type=bind: a part of another step's tree, or of a context. Its source is found by `cell`, inside that tree. */
import { Failure, fail } from "#base/errors.ts";
import type { ExecMount } from "#builder/graph.ts";
import type { LayerTree } from "#builder/tree.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { BindTree } from "#core/tasks/tasks.ts";
import { containerFolder } from "../../containers/folders.ts";
import { look } from "../../containers/mounts/use-mounts.ts";
import type { ExecParts } from "./exec.ts";
import { type Mounted, type MountWish, point } from "./mounts.ts";
import { makeLayer } from "./places.ts";

type Bind = Extract<ExecMount, { type: "bind" }>;
/** A part of a tree: what is mounted or copied of `from`. */
type Seen = { readonly from: Source; readonly subpath: string; readonly type: "directory" | "file" };
type Source = Exclude<BindTree["from"], { kind: "data" }>;

export async function bindMount(parts: ExecParts, wish: MountWish, { mount, index }: { mount: Bind; index: number }): Promise<Mounted> {
  const { target, from, source, rw } = mount;
  const seen = await see(parts, wish, { from, source });
  const writable = rw ? await overlaid(parts, seen.from, `${containerFolder(parts.containers, wish.id)}/writable-${index}`) : seen.from;
  return {
    point: point(target, { Type: "bind", RW: rw }),
    place: { path: target, type: seen.type },
    tree: { ...seen, from: writable, linksInside: true },
  };
}

/** What of an input is at a path, read-only. Links stay inside it. @throws not-found */
export async function see({ containers, trees }: ExecParts, { inputs, context, held }: MountWish, { from, source }: { from: number; source: string }): Promise<Seen> {
  const tree = inputs[from];
  if (tree === undefined) throw fail("invalid", "RUN --mount: it is of a step that there is not");
  if (tree.kind === "files") return held.use(await trees.use(tree, { source, signal: context.signal }));
  const root = mountsOf(containers.snapshots, tree) ?? { type: "bind", source: await trees.empty(), readOnly: true };
  return await seeInside(containers, { kind: "image", root }, source);
}

/** The same of a folder that steps write to. */
export const seeFolder = ({ containers }: ExecParts, path: string, source: string): Promise<Seen> => seeInside(containers, { kind: "folder", path }, source);

function mountsOf(snapshots: { mounts(name: string): Mounts }, { snapshot }: LayerTree): Mounts | undefined {
  return snapshot === undefined ? undefined : snapshots.mounts(snapshot);
}

async function seeInside(containers: ExecParts["containers"], from: Source, source: string): Promise<Seen> {
  const subpath = source.split("/").filter((name) => name !== "" && name !== ".").join("/");
  if (subpath === "") return { from, subpath, type: "directory" };
  try {
    const { directory } = await look(containers, from, { subpath, shown: source, linksInside: true });
    return { from, subpath, type: directory ? "directory" : "file" };
  } catch (error) {
    if (error instanceof Failure && error.kind === "invalid") throw fail("not-found", `RUN --mount: ${JSON.stringify(source)}: not found`, { cause: error });
    throw error;
  }
}

/** What is written goes to a layer of the step's, and with it. */
async function overlaid({ containers }: ExecParts, source: Source, folder: string): Promise<Source> {
  const { upper, work } = await makeLayer(containers, folder);
  const lower = source.kind === "folder" ? [source.path] : source.root.type === "bind" ? [source.root.source] : source.root.lower;
  return { kind: "image", root: { type: "overlay", lower, upper, work } };
}
