/** What lint had to say, after the end of a build, whether it failed or not. */
import { wantsColor } from "../../build/progress/colors.ts";
import type { ProgressMode } from "../../build/progress/display.ts";
import type { Warning } from "../../build/progress/trace.ts";
import type { Cli } from "../../client.ts";

export function tellWarnings({ err, env, globals }: Pick<Cli, "err" | "env" | "globals">, { mode, warnings: all }: { readonly mode: ProgressMode; readonly warnings: readonly Warning[] }): void {
  // Two words of a line may be wrong in the same way.
  const warnings = [...new Map(all.map((warning) => [`${warning.short.toString()}\0${warning.url}`, warning])).values()];
  if (warnings.length === 0 || mode === "quiet" || mode === "rawjson") return;
  const hint = globals.debug ? "" : " (use --debug to expand)";
  const head = `${warnings.length} warning${warnings.length === 1 ? "" : "s"} found${hint}:`;
  err.write(`\n ${err.isTerminal && wantsColor(env) ? `\x1b[33m${head}\x1b[0m` : head}\n`);
  for (const { short, detail, url } of warnings) {
    err.write(` - ${short.toString()}\n`);
    if (globals.debug) err.write([...detail.map((line) => line.toString()), url === "" ? "" : `More info: ${url}`].filter((line) => line !== "").map((line) => `${line}\n`).join(""));
  }
}
