/**
 * Where a step's own mounts go. What is missing there is made in a layer of its own, which lies between the tree that the
 * step starts from and what it writes, and which is thrown away: so it is never in the step's layer, and nothing is taken
 * out of a tree afterwards that the step could have changed meanwhile (BLD-02).
 */
import { getSystemErrorMessage } from "node:util";
import { fail } from "#base/errors.ts";
import { ProgramError } from "#core/tasks/tasks.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { Op } from "#linux/ops.ts";
import type { Context } from "../../containers/context.ts";
import { containerFolder } from "../../containers/folders.ts";

export type Place = { readonly path: string; readonly type: "file" | "directory"; readonly mode?: number };

const SLOT = 1;

/** In these there are file systems of the step's own. */
const OWN = /^\/(dev|proc|sys)(\/|$)/;

/** The root with everything in it that mounts go onto. */
export async function layPlaces(ctx: Context, { id, root }: { readonly id: string; readonly root: Mounts }, all: readonly Place[]): Promise<Mounts> {
  const places = all.filter(({ path }) => !OWN.test(path)).toSorted((a, b) => depth(a.path) - depth(b.path));
  // A whole copy has no layers: what is made there is the copy's.
  if (places.length === 0 || root.type !== "overlay") return root;
  const folder = `${containerFolder(ctx, id)}/places`;
  const laid = { type: "overlay", lower: root.lower, ...(await makeLayer(ctx, folder)) } as const;
  await ctx.kernel.perform([...ctx.tasks.enterView({ root: { kind: "snapshot", mounts: laid }, mounts: [] }), ...places.map(make)], { forked: true }).catch(explain);
  return { ...root, lower: [laid.upper, ...root.lower] };
}

/** Folders for an overlay's upper layer, gone with the step's. */
export async function makeLayer(ctx: Pick<Context, "kernel">, folder: string): Promise<{ readonly upper: string; readonly work: string }> {
  const [upper, work] = [`${folder}/fs`, `${folder}/work`];
  await ctx.kernel.perform([folder, upper, work].map((path): Op => ({ op: "mkdirAll", slot: SLOT, path, mode: path === upper ? 0o755 : 0o710 })));
  return { upper, work };
}

/** What stands there cannot be mounted on, or is a link to nowhere. */
function explain(error: unknown): never {
  const op = error instanceof ProgramError ? error.op : undefined;
  if (op?.op !== "mkdirAll" && op?.op !== "mkfileAll") throw error;
  throw fail("invalid", `RUN --mount: target ${String(op.path)}: ${getSystemErrorMessage(-(error as ProgramError).errno)}`, { cause: error });
}

const make = ({ path, type, mode }: Place): Op => ({ op: type === "file" ? "mkfileAll" : "mkdirAll", slot: SLOT, path, mode: mode ?? 0o755 });
const depth = (path: string) => path.split("/").filter((name) => name !== "").length;
