/** How much a volume holds. */
import { volumeUsage } from "#volumes/volumes.ts";
import type { VolumeRecord } from "../engine.ts";
import type { VolumeContext } from "./context.ts";

/** Types of mounts of the driver local that are of this host. */
const NEAR = new Set([undefined, "", "none", "bind", "tmpfs"]);

/** What a plugin keeps, or another host, may be large, and its server silent: it is not counted. */
export async function usageOf({ kernel }: Pick<VolumeContext, "kernel">, { mountpoint, driver, options }: VolumeRecord): Promise<{ bytes: number; inodes: number }> {
  if (driver !== "local" || !NEAR.has(options["type"])) return { bytes: 0, inodes: 0 };
  const [output] = (await kernel.perform(volumeUsage(mountpoint))).values();
  return output === undefined ? { bytes: 0, inodes: 0 } : { bytes: Number(output.readBigUInt64LE(0)), inodes: Number(output.readBigUInt64LE(8)) };
}
