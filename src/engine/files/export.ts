/** The whole root file system of a container, flat: `docker export`. */
import { publish, type Context } from "../containers/context.ts";
import { fileFailure } from "./stat.ts";
import { stream } from "./stream.ts";
import { see } from "./view.ts";

export async function exportTree(ctx: Context, ref: string, { signal }: { signal: AbortSignal }): Promise<AsyncIterable<Uint8Array>> {
  const seen = await see(ctx, ref, { mounts: false, signal });
  const { bytes } = await stream(ctx, seen, [{ op: "archive", path: ".", name: "" }], { signal, failed: (error) => fileFailure(error, "/", ref) });
  publish(ctx, seen.record, "export");
  return bytes;
}
