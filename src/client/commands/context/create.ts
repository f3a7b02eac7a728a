import { readFileSync } from "node:fs";
import { fail, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { checkContextName, DEFAULT_CONTEXT, readContext, writeContext } from "../../connect/contexts.ts";
import { defaultHost, parseHost } from "../../connect/endpoint.ts";
import { parseBool, text } from "../../flags/kinds.ts";
import type { Flag } from "../../flags/flags.ts";
import { splitCsv } from "#spec/csv.ts";

const endpoint: Flag<Readonly<Record<string, string>>> = {
  text: 'The engine: "host=ADDRESS", "ca=FILE", "cert=FILE", "key=FILE", "skip-tls-verify=BOOL", "from=CONTEXT", with commas between',
  kind: "stringToString",
  initial: {},
  shown: "[]",
  parse: (value, before) => ({ ...before, ...Object.fromEntries(splitCsv(value).map(splitPair)) }),
};

const KEYS = ["from", "host", "ca", "cert", "key", "skip-tls-verify"];

export const command = define({
  flags: {
    description: text("", "What to say of it"),
    docker: endpoint,
    from: text("", "Copy this context"),
  },
  async run(cli, options, [name = ""]) {
    const { folder } = cli.config();
    checkContextName(name);
    if (exists(folder, name)) throw fail("already-exists", `context ${JSON.stringify(name)} already exists`);
    const wanted = options.docker;
    const from = options.from || wanted["from"] || "";
    const base = from === "" || from === DEFAULT_CONTEXT ? undefined : readContext(folder, from);
    const odd = Object.keys(wanted).find((key) => !KEYS.includes(key));
    if (odd !== undefined) throw fail("invalid", `unable to create docker endpoint config: unrecognized config key: ${odd}`);
    const host = wanted["host"] ?? base?.host ?? defaultHost(cli.globals, cli.env);
    checkHost(host);
    const skipVerify = wanted["skip-tls-verify"] === undefined ? (base?.skipVerify ?? false) : parseBool(wanted["skip-tls-verify"]);
    const description = options.given.has("description") ? options.description : (base?.description ?? (from === "" && wanted["host"] === undefined ? "Current DOCKER_HOST based configuration" : ""));
    writeContext(folder, { name, description, host, skipVerify }, readTls(wanted, base?.tlsFiles(skipVerify)));
    cli.out.write(`${name}\n`);
    cli.err.write(`Successfully created context ${JSON.stringify(name)}\n`);
  },
});

function splitPair(field: string): [string, string] {
  const equals = field.indexOf("=");
  if (equals < 0) throw fail("invalid", `${field} must be formatted as key=value`);
  return [field.slice(0, equals), field.slice(equals + 1)];
}

function checkHost(host: string): void {
  try {
    parseHost(host);
  } catch (error) {
    throw fail("invalid", `unable to create docker endpoint config: ${messageOf(error)}`, { cause: error });
  }
}

function readTls(wanted: Readonly<Record<string, string>>, base: Readonly<Record<string, unknown>> | undefined): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (const key of ["ca", "cert", "key"]) {
    const path = wanted[key] ?? base?.[key];
    if (typeof path !== "string") continue;
    try {
      files[`${key}.pem`] = readFileSync(path);
    } catch (error) {
      throw fail("invalid", `open ${path}: ${(error as NodeJS.ErrnoException).code}`, { cause: error });
    }
  }
  return files;
}

function exists(folder: string, name: string): boolean {
  try {
    readContext(folder, name);
    return true;
  } catch {
    return false;
  }
}
