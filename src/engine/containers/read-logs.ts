import { fail } from "#base/errors.ts";
import type { LogOptions } from "../engine.ts";
import { readLog } from "../logs/logs.ts";
import { isRunning, type Context } from "./context.ts";

/** @throws not-implemented for a driver whose logs cannot be read. */
export function logs(ctx: Context, ref: string, options: LogOptions): AsyncIterable<Buffer> {
  const record = ctx.store.find(ref);
  if (record.hostConfig.LogConfig.Type !== "json-file") throw fail("not-implemented", "configured logging driver does not support reading");
  const run = ctx.lives.of(record.id).run;
  const ended = isRunning(record) ? (run?.promise ?? Promise.resolve()) : undefined;
  return readLog({ path: record.logPath, ended }, { ...options, raw: record.config.Tty, joined: !options.details });
}
