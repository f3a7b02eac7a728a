/** The whole root file system of a container, flat: `docker export`. */
import type { Op } from "#linux/ops.ts";
import { publish, type Context } from "../containers/context.ts";
import type { ExportOptions, Sending } from "./files.ts";
import { fileFailure } from "./stat.ts";
import { stream } from "./stream.ts";
import { see, type Seen } from "./view.ts";

/** Slot of the connection: the view's own are beyond it. */
const CONNECTION = 40;

export async function exportTree(ctx: Context, ref: string, { connection, signal }: ExportOptions): Promise<AsyncIterable<Uint8Array> | Sending> {
  const seen = await see(ctx, ref, { mounts: false, signal });
  const failed = (error: unknown) => fileFailure(error, "/", ref);
  publish(ctx, seen.record, "export");
  if (connection !== undefined && (await mayTake(ctx, connection))) return { send: () => send(ctx, seen, { connection, signal, failed }) };
  return (await stream(ctx, seen, [{ op: "archive", path: ".", name: "" }], { signal, failed })).bytes;
}

const takeOp = (fd: number, slot: number): Op => ({ op: "takeFd", slot, pid: process.pid, fd, note: "the client's connection" });

/** Not before Linux 5.6, nor where a policy forbids to look into other processes. */
async function mayTake(ctx: Context, connection: number): Promise<boolean> {
  return await ctx.kernel.perform([takeOp(connection, -1)]).then(() => true, () => false);
}

type SendOptions = { readonly connection: number; readonly signal: AbortSignal; readonly failed: (error: unknown) => unknown };

async function send(ctx: Context, seen: Seen, { connection, signal, failed }: SendOptions): Promise<void> {
  using _ = seen;
  const program: Op[] = [takeOp(connection, CONNECTION), ...seen.enter, { op: "archive", path: ".", name: "", to: CONNECTION }];
  try {
    await ctx.kernel.perform(program, { forked: true, long: true, signal });
  } catch (error) {
    throw failed(error);
  }
}
