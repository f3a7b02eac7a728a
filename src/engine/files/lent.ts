/** A client's connection, taken by a program: see base/http-lend.ts and base/http-lend-body.ts. */
import type { Op } from "#linux/ops.ts";
import type { Context } from "../containers/context.ts";

/** The view's own slots are beyond it. */
export const CONNECTION = 40;

/** To be performed before the view is entered. */
export const takeConnection = (fd: number, slot: number = CONNECTION): Op => ({ op: "takeFd", slot, pid: process.pid, fd, note: "the client's connection" });

/** Not before Linux 5.6, nor where a policy forbids to look into other processes. */
export async function mayTake(ctx: Context, fd: number): Promise<boolean> {
  return await ctx.kernel.perform([takeConnection(fd, -1)]).then(() => true, () => false);
}
