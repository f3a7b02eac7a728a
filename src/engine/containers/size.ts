import type { ContainerRecord } from "../engine.ts";
import type { Context } from "./context.ts";

/** Bytes of the writable layer, and of everything that the container sees as its root. */
export async function size(ctx: Context, record: ContainerRecord): Promise<{ rw: number; root: number }> {
  const { bytes } = await ctx.snapshots.usage(record.snapshotKey);
  let root = bytes;
  for (let name = ctx.snapshots.stat(record.snapshotKey)?.parent; name !== undefined; ) {
    const below = ctx.snapshots.stat(name);
    root += below?.usage.bytes ?? 0;
    name = below?.parent;
  }
  return { rw: bytes, root };
}
