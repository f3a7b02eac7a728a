/** What lint had to say is said once, whatever is shown of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Warning } from "../../build/progress/trace.ts";
import { tellWarnings } from "./warnings.ts";

const warning = (short: string): Warning => ({ vertex: "v", level: 1, short: Buffer.from(short), detail: [], url: "https://HOST/rule", info: undefined, ranges: [] });

test("two words of a line that are wrong in the same way are one warning", () => {
  let said = "";
  const err = { isTerminal: false, write: (text: string) => (said += text) } as never;
  const warnings = ["A: $X (line 2)", "A: $X (line 2)", "A: $X (line 3)"].map(warning);
  tellWarnings({ err, env: {}, globals: { debug: false } as never }, { mode: "plain", warnings });
  assert.equal(said, "\n 2 warnings found (use --debug to expand):\n - A: $X (line 2)\n - A: $X (line 3)\n");
});
