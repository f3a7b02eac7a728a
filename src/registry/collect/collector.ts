/** Collections from time to time, within a server. */
import { messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { CollectSettings } from "../open-registry.ts";
import type { Storage } from "../storage/storage.ts";
import { collect } from "./collect.ts";

export type CollectorOptions = { readonly storage: Storage; readonly settings: CollectSettings; readonly log: Log; readonly changed: () => void };

export function openCollector({ storage, settings, log, changed }: CollectorOptions): AsyncDisposable {
  if (settings.everyMs === 0) return { [Symbol.asyncDispose]: async () => {} };
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    try {
      const report = await collect(storage, settings, { dryRun: false, log });
      if (report === undefined) return;
      if (report.tags > 0) changed();
      if (Object.values(report).some((count) => count > 0)) log.info("collected", report);
    } catch (error) {
      log.warn("the collection failed; the next one goes on", { error: messageOf(error) });
    }
  };
  const timer = setInterval(() => {
    running ??= run().finally(() => (running = undefined));
  }, settings.everyMs).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
