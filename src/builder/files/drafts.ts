/** Trees that become layers. See files.ts. */
import { unlessAborted } from "#base/abort.ts";
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import { diskFailure } from "#core/disk.ts";
import { MAX_LAYERS } from "#core/layers/layers.ts";
import { BELOW, INIT_PATHS, takeLayer } from "#core/layers/take-layer.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Draft as SnapshotDraft } from "#core/snapshots/snapshots.ts";
import { readUsage } from "#core/snapshots/store.ts";
import type { Program } from "#linux/ops.ts";
import { chainIds } from "#spec/image.ts";
import type { LayerTree } from "../tree.ts";
import type { Draft, Drafts, FilesParts } from "./files.ts";

const O_DIRECTORY = process.arch === "arm64" ? 0o40000 : 0o200000;
const O_PATH = 0o10000000;

/** `tree`: the folder of what changed (a whole copy without marks). */
export type OpenDraft = Draft & { readonly tree: string };

type Parts = Pick<FilesParts, "kernel" | "core">;

export type OpenDrafts = { begin(...options: Parameters<Drafts["begin"]>): Promise<OpenDraft> };

export function openDrafts(parts: Parts): OpenDrafts {
  const { snapshots } = parts.core;
  return {
    async begin(base, { init = false } = {}) {
      if (base.layers.length >= MAX_LAYERS) throw fail("invalid", `max depth exceeded: an image has at most ${MAX_LAYERS} layers`);
      const draft = await snapshots.draft(base.snapshot, { init });
      let open = true;
      return {
        mounts: draft.mounts,
        tree: draft.tree,
        async commit(lease, { signal, placesFor = [] }) {
          const tree = await commitDraft(parts, { base, draft, except: [...(init ? INIT_PATHS : []), ...placesFor.flatMap(withParents)], lease, signal });
          open = false;
          return tree;
        },
        async [Symbol.asyncDispose]() {
          if (!open) return;
          open = false;
          await snapshots.discard(draft);
        },
      };
    },
  };
}

type Committing = { readonly base: LayerTree; readonly draft: SnapshotDraft; readonly except: readonly string[]; readonly lease: Lease; readonly signal: AbortSignal };

async function commitDraft({ kernel, core }: Parts, { base, draft, except, lease, signal }: Committing): Promise<LayerTree> {
  const marks = core.snapshots.whiteouts === "marks";
  const below = marks ? [] : openBelow(core, base);
  const taken = { tree: draft.tree, marks, below, except };
  // The files go to the disk while they are archived. No disk can be told to stop: who gives up leaves it to that.
  const [synced, layer] = await Promise.allSettled([unlessAborted(sync({ kernel, core }, draft), signal), takeLayer({ kernel, content: core.content }, lease, taken, { signal }).catch(asLayerFailure)]);
  if (layer.status === "rejected") throw layer.reason;
  if (synced.status === "rejected") throw synced.reason;
  const layers = [...base.layers, layer.value];
  const name = chainIds(layers.map(({ diffId }) => diffId)).at(-1)!;
  lease.hold(`snapshot/${name}`);
  await failpoint("builder.commit");
  await core.snapshots.commit([{ draft, name, parent: base.snapshot, usage: synced.value }]);
  return { kind: "layers", snapshot: name, layers };
}

/** "/a/b" → "a", "a/b". */
function withParents(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "");
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

async function sync({ kernel, core }: Parts, draft: SnapshotDraft) {
  const outputs = await diskFailure("commit a layer", kernel.perform([
    { op: "open", slot: 1, path: core.root, flags: O_DIRECTORY },
    { op: "syncfs", slot: 1 },
    { op: "usage", path: draft.tree },
    // A slow disk: containers that start meanwhile need the other hosts.
  ], { long: true }));
  await failpoint("builder.sync");
  return readUsage(outputs.get(2)!);
}

/** Where nothing is below, nothing is compared. */
function openBelow(core: Parts["core"], base: LayerTree): Program {
  return base.snapshot === undefined ? [] : [{ op: "open", slot: BELOW, path: core.snapshots.tree(base.snapshot), flags: O_PATH | O_DIRECTORY }];
}

function asLayerFailure(error: unknown): never {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "EILSEQ") throw fail("invalid", `commit a layer: a file's name begins with ".wh.", which in a layer says that another file is deleted: remove or rename it`, { cause: error });
  if (code === "ENAMETOOLONG") throw fail("invalid", "commit a layer: it holds no path of more than 1024 components, and none of 4096 bytes or more: remove what lies so deep", { cause: error });
  throw error;
}
