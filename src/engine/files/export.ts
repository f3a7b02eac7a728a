/** The whole root file system of a container, flat: `docker export`. */
import type { Op } from "#linux/ops.ts";
import { publish, type Context } from "../containers/context.ts";
import type { ExportOptions, Sending } from "./files.ts";
import { CONNECTION, mayTake, takeConnection } from "./lent.ts";
import { fileFailure } from "./stat.ts";
import { stream } from "./stream.ts";
import { see, type Seen } from "./view.ts";

export async function exportTree(ctx: Context, ref: string, { connection, signal }: ExportOptions): Promise<AsyncIterable<Uint8Array> | Sending> {
  const seen = await see(ctx, ref, { mounts: false, signal });
  const failed = (error: unknown) => fileFailure(error, "/", ref);
  publish(ctx, seen.record, "export");
  if (connection !== undefined && (await mayTake(ctx, connection))) return { send: () => send(ctx, seen, { connection, signal, failed }) };
  return (await stream(ctx, seen, [{ op: "archive", path: ".", name: "" }], { signal, failed })).bytes;
}

type SendOptions = { readonly connection: number; readonly signal: AbortSignal; readonly failed: (error: unknown) => unknown };

async function send(ctx: Context, seen: Seen, { connection, signal, failed }: SendOptions): Promise<void> {
  using _ = seen;
  const program: Op[] = [takeConnection(connection), ...seen.enter, { op: "archive", path: ".", name: "", to: CONNECTION }];
  try {
    await ctx.kernel.perform(program, { forked: true, long: true, signal });
  } catch (error) {
    throw failed(error);
  }
}
