import { int, text } from "../../flags/kinds.ts";

/** Of `stop` and `restart`. "--time" is what "--timeout" was called. */
export const stopFlags = {
  signal: text("s", "The signal to stop it with"),
  timeout: int("t", "Seconds to wait before it is killed; -1 waits for ever", 0),
  time: { ...int("", "The old name of --timeout", 0), hidden: true },
} as const;

type StopOptions = { readonly signal: string; readonly timeout: number; readonly time: number; readonly given: ReadonlySet<string> };

export function stopQuery(options: StopOptions): { signal?: string; t?: string } {
  const seconds = options.given.has("timeout") ? options.timeout : options.given.has("time") ? options.time : undefined;
  return {
    ...(options.signal === "" ? {} : { signal: options.signal }),
    ...(seconds === undefined ? {} : { t: String(seconds) }),
  };
}
