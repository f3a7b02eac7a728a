/** Files of variables (`--env-file`) and labels (`--label-file`): a NAME=VALUE a line, # begins a comment line. */
import { readFileSync } from "node:fs";
import { fail } from "#base/errors.ts";

/** What the files and then the flags say. In a file, a name alone takes its value from our environment, if it has one. */
export function readVariables(
  files: readonly string[],
  flags: readonly string[],
  env: Readonly<Record<string, string | undefined>> | undefined,
): string[] {
  return [...files.flatMap((file) => readFile(file, env)), ...flags];
}

export function toMap(lines: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const line of lines) {
    const equals = line.indexOf("=");
    map[equals < 0 ? line : line.slice(0, equals)] = equals < 0 ? "" : line.slice(equals + 1);
  }
  return map;
}

function readFile(file: string, env: Readonly<Record<string, string | undefined>> | undefined): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = { ENOENT: "no such file or directory", EACCES: "permission denied", EISDIR: "is a directory" }[code ?? ""];
    throw fail("invalid", `open ${file}: ${reason ?? code}`, { cause: error });
  }
  const found: string[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw fail("invalid", `invalid env file (${file}): invalid utf8 bytes`);
  }
  text.split("\n").forEach((raw, index) => {
    const line = raw.replace(/\r$/, "").trimStart();
    if (line === "" || line.startsWith("#")) return;
    const equals = line.indexOf("=");
    const name = equals < 0 ? line : line.slice(0, equals);
    if (name === "") throw fail("invalid", `invalid env file (${file}): no variable name on line '${line}'`);
    if (/\s/.test(name)) throw fail("invalid", `invalid env file (${file}): variable '${name}' contains whitespaces`);
    if (equals >= 0) found.push(line);
    else if (env === undefined) found.push(line);
    else if (env[name] !== undefined) found.push(`${name}=${env[name]}`);
    void index;
  });
  return found;
}
