/** Joins what is done about the disk. See disk.ts. */
import { messageOf } from "#base/errors.ts";
import { checkAll } from "./check.ts";
import type { Disk, DiskParts } from "./disk.ts";
import { collectImages } from "./gc.ts";
import { diskUsage } from "./usage.ts";

/** How often it is looked whether rounds are wanted now: a reload may change that. */
const LOOK = 60_000;

export function openDisk(parts: DiskParts): Disk {
  let last = Date.now();
  let running: Promise<unknown> = Promise.resolve();
  const collect: Disk["collect"] = ({ dryRun, settings = {} }) => {
    const round = running.then(() => collectImages(parts, { ...parts.settings(), ...settings }, dryRun));
    running = round.catch(() => undefined);
    return round;
  };
  const timer = setInterval(() => {
    const { interval } = parts.settings();
    if (interval === undefined || Date.now() - last < Number(interval / 1_000_000n)) return;
    last = Date.now();
    collect({ dryRun: false }).catch((error: unknown) => parts.log.error("image gc", { error: messageOf(error) }));
  }, LOOK);
  timer.unref();

  return {
    usage: (wanted) => diskUsage(parts, wanted),
    check: (options) => checkAll(parts, options),
    collect,
    close: () => clearInterval(timer),
  };
}
