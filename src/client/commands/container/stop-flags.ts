import { int, oldName, text } from "../../flags/kinds.ts";

const timeout = int("t", "Seconds to wait before it is killed; -1 waits for ever");

/** Of `stop` and `restart`. */
export const stopFlags = { signal: text("s", "The signal to stop it with"), timeout, time: oldName("timeout", timeout) } as const;

type StopOptions = { readonly signal: string; readonly timeout: number; readonly given: ReadonlySet<string> };

export function stopQuery(options: StopOptions): { signal?: string; t?: string } {
  return {
    ...(options.signal === "" ? {} : { signal: options.signal }),
    ...(options.given.has("timeout") ? { t: String(options.timeout) } : {}),
  };
}
