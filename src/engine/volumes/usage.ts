/** How much a volume holds. */
import { volumeUsage } from "#volumes/volumes.ts";
import type { VolumeRecord } from "../engine.ts";
import type { VolumeContext } from "./context.ts";

/** What a plugin keeps may be anywhere, and be large: it is not counted. */
export async function usageOf({ kernel }: Pick<VolumeContext, "kernel">, { mountpoint, driver }: VolumeRecord): Promise<{ bytes: number; inodes: number }> {
  if (driver !== "local") return { bytes: 0, inodes: 0 };
  const output = (await kernel.perform(volumeUsage(mountpoint))).get(0);
  return output === undefined ? { bytes: 0, inodes: 0 } : { bytes: Number(output.readBigUInt64LE(0)), inodes: Number(output.readBigUInt64LE(8)) };
}
