/** How pull and push show what happens. */
import { fail } from "#base/errors.ts";
import { values } from "../../flags/kinds.ts";
import type { ProgressMode } from "../../format/progress.ts";

const MODES: readonly string[] = ["auto", "plain", "json"];

export const PROGRESS = values("", 'How to show what happens: "auto", "plain" (lines), "json"', {
  kind: "string",
  parse(value) {
    if (!MODES.includes(value)) throw fail("invalid", `invalid value ${JSON.stringify(value)}: expected auto, plain or json`);
    return value as ProgressMode;
  },
});

export function modeOf({ format, progress }: { readonly format: string; readonly progress: readonly ProgressMode[] }): ProgressMode {
  if (format !== "" && format !== "json") throw fail("invalid", `unsupported format ${JSON.stringify(format)}: expected json`);
  return format === "json" ? "json" : (progress.at(-1) ?? "auto");
}
