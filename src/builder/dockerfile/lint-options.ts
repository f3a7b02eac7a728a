/** "# check=skip=RuleA,RuleB;error=true": which rules count. */
import { fail } from "#base/errors.ts";
import { rules } from "./rules.ts";
import type { Rule, RuleName } from "./rules.ts";

export type LintOptions = {
  readonly skip: ReadonlySet<string> | "all";
  readonly experimental: ReadonlySet<string> | "all";
  /** A warning fails the build. */
  readonly error: boolean;
};

const nothing: LintOptions = { skip: new Set(), experimental: new Set(), error: false };
const truths: Readonly<Record<string, boolean>> = { "1": true, t: true, T: true, true: true, TRUE: true, True: true, "0": false, f: false, F: false, false: false, FALSE: false, False: false };

/** @throws invalid */
export function parseLintOptions(text: string): LintOptions {
  let options = nothing;
  if (text.trim() === "") return options;
  for (const part of splitAtMost(text.trim(), ";", 3)) {
    const equals = part.indexOf("=");
    if (equals === -1) throw fail("invalid", `invalid check option ${JSON.stringify(part)}`);
    const name = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    if (name === "skip" || name === "experimental") options = { ...options, [name]: value === "all" ? "all" : new Set(value.split(",").map((rule) => rule.trim())) };
    else if (name !== "error") throw fail("invalid", `invalid check option ${JSON.stringify(name)}`);
    else if (!Object.hasOwn(truths, value)) throw fail("invalid", `failed to parse check option ${JSON.stringify(part)}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
    else options = { ...options, error: truths[value]! };
  }
  return options;
}

export function counts(name: RuleName, { skip, experimental }: LintOptions): boolean {
  const rule: Rule = rules[name];
  return rule.experimental === true ? experimental === "all" || experimental.has(name) : skip !== "all" && !skip.has(name);
}

/** The last part has the separators that are too many. */
function splitAtMost(text: string, separator: string, limit: number): string[] {
  const parts = text.split(separator);
  return parts.length <= limit ? parts : [...parts.slice(0, limit - 1), parts.slice(limit - 1).join(separator)];
}
