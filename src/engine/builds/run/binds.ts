/** RUN --mount=type=bind: a part of another step's tree, or of a context. Its source is found by `cell`, inside that tree. */
import { fail } from "#base/errors.ts";
import type { ExecMount } from "#builder/graph.ts";
import type { LayerTree } from "#builder/tree.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import { type BindTree, ProgramError } from "#core/tasks/tasks.ts";
import { containerFolder } from "../../containers/folders.ts";
import { look } from "../../containers/mounts/use-mounts.ts";
import type { ExecParts } from "./exec.ts";
import { type Mounted, type MountWish, point } from "./mounts.ts";
import { makeLayer } from "./places.ts";

type Bind = Extract<ExecMount, { type: "bind" }>;
/** A tree as it can be mounted, and looked into. */
export type Seen = { readonly look: Source; readonly mount: Source };
type Source = Exclude<BindTree["from"], { kind: "data" }>;

export async function bindMount(parts: ExecParts, wish: MountWish, { mount, index }: { mount: Bind; index: number }): Promise<Mounted> {
  const { target, from, source, rw } = mount;
  const subpath = relative(source);
  const seen = await see(parts, wish, { from, source });
  const type = await kindOf(parts, seen, { subpath, shown: source });
  const writable = rw ? await overlaid(parts, seen, `${containerFolder(parts.containers, wish.id)}/writable-${index}`) : seen;
  return {
    point: point(target, { Type: "bind", RW: rw }),
    place: { path: target, type },
    tree: { from: writable, subpath, linksInside: true, type },
  };
}

/** "/a/b" → "a/b"; the tree itself is "". */
export const relative = (source: string): string => source.replace(/^\/+/, "").replace(/\/+$/, "").replace(/^\.$/, "");

/** The input as something that can be mounted, read-only. */
export async function see({ containers, trees }: ExecParts, { inputs, context, held }: MountWish, { from, source }: { from: number; source: string }): Promise<Source> {
  const tree = inputs[from];
  if (tree === undefined) throw fail("invalid", "RUN --mount: it is of a step that there is not");
  if (tree.kind === "layers") return { kind: "image", root: mountsOf(containers.snapshots, tree) ?? { type: "bind", source: await trees.empty(), readOnly: true } };
  const made = held.use(await trees.use(tree, { source, signal: context.signal }));
  return { kind: "folder", path: made.path };
}

function mountsOf(snapshots: { mounts(name: string): Mounts }, { snapshot }: LayerTree): Mounts | undefined {
  return snapshot === undefined ? undefined : snapshots.mounts(snapshot);
}

async function kindOf({ containers }: ExecParts, source: Source, { subpath, shown }: { subpath: string; shown: string }): Promise<"directory" | "file"> {
  if (subpath === "") return "directory";
  try {
    return (await look(containers, source, { subpath, shown, linksInside: true })).directory ? "directory" : "file";
  } catch (error) {
    if (error instanceof ProgramError || error instanceof Error) throw fail("not-found", `RUN --mount: ${JSON.stringify(shown)}: not found`, { cause: error });
    throw error;
  }
}

/** What is written goes to a layer of the step's, and with it. */
async function overlaid({ containers }: ExecParts, source: Source, folder: string): Promise<Source> {
  const { upper, work } = await makeLayer(containers, folder);
  const lower = source.kind === "folder" ? [source.path] : source.root.type === "bind" ? [source.root.source] : source.root.lower;
  return { kind: "image", root: { type: "overlay", lower, upper, work } };
}
