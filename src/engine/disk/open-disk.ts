/** Joins what is done about the disk, loaded when it is asked for. See disk.ts. */
import { messageOf } from "#base/errors.ts";
import type { Disk, DiskParts } from "./disk.ts";

/** Timers take no more. A round too early does no harm. */
const LONGEST = 2 ** 31 - 1;

export function openDisk(parts: DiskParts): Disk {
  let last = Date.now();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  const collect: Disk["collect"] = ({ dryRun, settings = {} }) => {
    const round = running.then(async () => {
      const { collectImages } = await import("./gc.ts");
      return collectImages(parts, { ...parts.settings(), ...settings }, dryRun);
    });
    running = round.catch(() => undefined);
    return round;
  };
  const arm = () => {
    clearTimeout(timer);
    const { interval } = parts.settings();
    if (interval === undefined) return;
    const wait = last + Number(interval / 1_000_000n) - Date.now();
    timer = setTimeout(tick, Math.min(Math.max(wait, 0), LONGEST)).unref();
  };
  const tick = async () => {
    last = Date.now();
    await collect({ dryRun: false }).catch((error: unknown) => parts.log.error("image gc", { error: messageOf(error) }));
    arm();
  };
  arm();

  return {
    usage: async (wanted) => (await import("./usage.ts")).diskUsage(parts, wanted),
    async *check(options) {
      yield* (await import("./check.ts")).checkAll(parts, options);
    },
    collect,
    reload: arm,
    close: () => clearTimeout(timer),
  };
}
