/** Joins what is done with containers' files. See files.ts. */
import type { Core } from "#core/core.ts";
import type { Context } from "../containers/context.ts";
import type { Events } from "../engine.ts";
import { changes } from "./changes.ts";
import { commit } from "./commit.ts";
import { exportTree } from "./export.ts";
import type { Files } from "./files.ts";
import { read } from "./read.ts";
import { stat } from "./stat.ts";
import { write } from "./write.ts";

export type FilesParts = {
  readonly containers: Context;
  readonly core: Core;
  readonly publish: Events["publish"];
};

export function openFiles({ containers: ctx, core, publish }: FilesParts): Files {
  /** Waits for what is being found out about a container. */
  const known = async (ref: string): Promise<void> => ctx.settled(ctx.store.find(ref).id);
  return {
    stat: async (ref, path) => (await known(ref), await stat(ctx, ref, path)),
    read: async (ref, path, options) => (await known(ref), await read(ctx, ref, path, options)),
    write: async (ref, path, archive, options) => (await known(ref), await write(ctx, ref, path, archive, options)),
    changes: async (ref) => (await known(ref), await changes(ctx, ref)),
    export: async (ref, options) => (await known(ref), await exportTree(ctx, ref, options)),
    commit: async (ref, options) => (await known(ref), await commit({ ctx, core, publish }, ref, options)),
  };
}
