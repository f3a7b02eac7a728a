import { readFileSync } from "node:fs";
import { fail, messageOf } from "#base/errors.ts";

export type Security = {
  readonly options: string[] | null;
  readonly maskedPaths: string[] | null;
  readonly readonlyPaths: string[] | null;
};

/** `--security-opt`. A seccomp profile is read here and sent along: the engine may be on another machine. */
export function parseSecurity(values: readonly string[]): Security {
  const options: string[] = [];
  let unconfined = false;
  for (const value of values) {
    if (value === "systempaths=unconfined") unconfined = true;
    else options.push(readOption(value));
  }
  return {
    options: options.length === 0 && !unconfined ? null : options,
    maskedPaths: unconfined ? [] : null,
    readonlyPaths: unconfined ? [] : null,
  };
}

function readOption(value: string): string {
  const equals = value.indexOf("=");
  const name = equals < 0 ? value : value.slice(0, equals);
  if (equals < 0 && value !== "no-new-privileges") {
    if (!value.includes(":")) throw fail("invalid", `Invalid --security-opt: ${JSON.stringify(value)}`);
    return value;
  }
  const rest = value.slice(equals + 1);
  if (name !== "seccomp" || rest === "unconfined" || rest === "builtin") return value;
  let text: string;
  try {
    text = readFileSync(rest, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw fail("invalid", `opening seccomp profile (${rest}) failed: open ${rest}: ${code === "ENOENT" ? "no such file or directory" : code}`, { cause: error });
  }
  try {
    return `seccomp=${JSON.stringify(JSON.parse(text))}`;
  } catch (error) {
    throw fail("invalid", `compacting json for seccomp profile (${rest}) failed: ${messageOf(error)}`, { cause: error });
  }
}
