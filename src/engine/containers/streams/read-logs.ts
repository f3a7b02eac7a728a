import { fail } from "#base/errors.ts";
import type { LogOptions } from "../../engine.ts";
import { readLog } from "../../logs/logs.ts";
import { isUp, type Context } from "../context.ts";
import { wait } from "../run/wait.ts";

/** @throws not-implemented for a driver whose logs cannot be read. */
export function logs(ctx: Context, ref: string, options: LogOptions): AsyncIterable<Buffer> {
  const record = ctx.store.find(ref);
  if (record.hostConfig.LogConfig.Type !== "json-file") throw fail("not-implemented", "configured logging driver does not support reading");
  // A container that its policy starts again goes on with the same log.
  const ended = isUp(record) ? wait(ctx, record.id, "not-running", options.signal).then(() => {}, () => {}) : undefined;
  return readLog({ path: record.logPath, ended }, { ...options, raw: record.config.Tty, joined: !options.details });
}
