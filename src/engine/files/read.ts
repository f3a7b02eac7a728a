/** Files of a container as an archive: `docker cp` out of it. */
import type { Op } from "#linux/ops.ts";
import { publish, type Context } from "../containers/context.ts";
import type { PathStat } from "./files.ts";
import { parsePath } from "./paths.ts";
import { fileFailure, finishStat, HOLDER, statOps } from "./stat.ts";
import { stream } from "./stream.ts";
import { see } from "./view.ts";

export async function read(ctx: Context, ref: string, given: string, { signal }: { signal: AbortSignal }): Promise<{ stat: PathStat; archive: AsyncIterable<Uint8Array> }> {
  const path = parsePath(given);
  const seen = await see(ctx, ref, { mounts: true, signal });
  const archive: Op = { op: "archive", dir: HOLDER, path: path.base, name: path.name };
  const failed = (error: unknown) => fileFailure(error, path.path, ref);
  const { before, bytes } = await stream(ctx, seen, [...statOps(path), archive], { signal, failed });
  try {
    const found = await finishStat(ctx, seen.enter, path, before);
    publish(ctx, seen.record, "archive-path");
    return { stat: found, archive: bytes };
  } catch (error) {
    await bytes.return(undefined);
    throw failed(error);
  }
}
