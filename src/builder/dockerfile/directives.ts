/** The lines "# name=value" before anything else: syntax, escape, check. */
import { fail } from "#base/errors.ts";
import type { Escape } from "./dockerfile.ts";
import { checkSyntax } from "./syntax.ts";

const known: ReadonlySet<string> = new Set(["syntax", "escape", "check"]);

export type Directives = {
  /** Reads a line, without its end; false: it is none, and none can follow. @throws invalid when it is there twice or wrong */
  read(line: string): boolean;
  /** The first line was "#!…": what follows can still say syntax and check, but not escape. */
  skipShebang(): void;
  readonly values: Readonly<Record<string, string>>;
  readonly escape: Escape;
};

export function openDirectives(): Directives {
  const values: Record<string, string> = {};
  let escape: Escape = "\\";
  let done = false;
  let hadShebang = false;
  return {
    skipShebang: () => void (hadShebang = true),
    read: (line) => {
      if (done) return false;
      const found = parseDirective(line);
      if (found === undefined) return !(done = true);
      if (hadShebang && (found.name === "escape" || Object.hasOwn(values, found.name))) return true;
      if (Object.hasOwn(values, found.name)) throw fail("invalid", `only one ${found.name} parser directive can be used`);
      if (found.name === "syntax") checkSyntax(found.value);
      if (found.name === "escape") escape = escapeOf(found.value);
      values[found.name] = found.value;
      return true;
    },
    get values() {
      return values;
    },
    get escape() {
      return escape;
    },
  };
}

/** "# check = skip=all " → check, "skip=all". A name that is not known is a comment. */
function parseDirective(line: string): { readonly name: string; readonly value: string } | undefined {
  const equals = line.indexOf("=");
  if (!line.startsWith("#") || equals === -1) return undefined;
  const name = line.slice(1, equals).trim().toLowerCase();
  const value = line.slice(equals + 1).trim();
  return known.has(name) && value !== "" ? { name, value } : undefined;
}

function escapeOf(value: string): Escape {
  if (value === "\\" || value === "`") return value;
  throw fail("invalid", `invalid escape token '${value}' does not match \` or \\`);
}
