/**
 * Contexts: named engines, kept in the config folder as docker keeps them, so that both clients see the same ones.
 * `contexts/meta/SHA256(name)/meta.json`, and TLS files in `contexts/tls/SHA256(name)/docker/`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fail } from "#base/errors.ts";
import type { TlsFiles } from "./endpoint.ts";

export const DEFAULT_CONTEXT = "default";

export type Context = {
  readonly name: string;
  readonly description: string;
  readonly host: string;
  readonly skipVerify: boolean;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly metaFolder: string;
  readonly tlsFolder: string;
  tlsFiles(skipVerify: boolean): TlsFiles | undefined;
};

export function checkContextName(name: string): void {
  if (name === "") throw fail("invalid", "context name cannot be empty");
  if (name === DEFAULT_CONTEXT) throw fail("invalid", '"default" is a reserved context name');
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/.test(name)) {
    throw fail(
      "invalid",
      `context name "${name}" is invalid, names are validated against regexp "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"`,
    );
  }
}

export function readContext(folder: string, name: string): Context {
  const metaFolder = `${folder}/contexts/meta/${keyOf(name)}`;
  let text: string;
  try {
    text = readFileSync(`${metaFolder}/meta.json`, "utf8");
  } catch {
    throw fail("not-found", `context "${name}": context not found: open ${metaFolder}/meta.json: no such file or directory`, {
      facts: { context: name },
    });
  }
  return contextOf(folder, text);
}

/** All but the default one, by name. */
export function listContexts(folder: string): Context[] {
  const root = `${folder}/contexts/meta`;
  let keys: string[];
  try {
    keys = readdirSync(root);
  } catch {
    return [];
  }
  const contexts: Context[] = [];
  for (const key of keys) {
    try {
      contexts.push(contextOf(folder, readFileSync(`${root}/${key}/meta.json`, "utf8")));
    } catch {
      // A folder without a readable meta.json is no context.
    }
  }
  return contexts.sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

export function writeContext(
  folder: string,
  context: { name: string; description: string; host: string; skipVerify: boolean },
  tls: Readonly<Record<string, Uint8Array>>,
): void {
  const key = keyOf(context.name);
  const metaFolder = `${folder}/contexts/meta/${key}`;
  mkdirSync(metaFolder, { recursive: true, mode: 0o755 });
  const meta = {
    Name: context.name,
    Metadata: context.description === "" ? {} : { Description: context.description },
    Endpoints: { docker: { Host: context.host, SkipTLSVerify: context.skipVerify } },
  };
  if (Object.keys(tls).length > 0) {
    const tlsFolder = `${folder}/contexts/tls/${key}/docker`;
    mkdirSync(tlsFolder, { recursive: true, mode: 0o700 });
    for (const [file, bytes] of Object.entries(tls)) writeFileSync(`${tlsFolder}/${file}`, bytes, { mode: 0o600 });
  }
  writeFileSync(`${metaFolder}/meta.json`, JSON.stringify(meta), { mode: 0o644 });
}

export function removeContext(folder: string, name: string): void {
  const key = keyOf(name);
  rmSync(`${folder}/contexts/meta/${key}`, { recursive: true, force: true });
  rmSync(`${folder}/contexts/tls/${key}`, { recursive: true, force: true });
}

function keyOf(name: string): string {
  // Only here, and not at the top: loading the module takes longer than a whole `gantry ps` without contexts.
  const { createHash } = process.getBuiltinModule("node:crypto");
  return createHash("sha256").update(name).digest("hex");
}

function contextOf(folder: string, text: string): Context {
  const meta = JSON.parse(text) as {
    Name: string;
    Metadata?: { Description?: string };
    Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
  };
  const key = keyOf(meta.Name);
  const tlsFolder = `${folder}/contexts/tls/${key}`;
  return {
    name: meta.Name,
    description: meta.Metadata?.Description ?? "",
    host: meta.Endpoints?.docker?.Host ?? "",
    skipVerify: meta.Endpoints?.docker?.SkipTLSVerify ?? false,
    meta,
    metaFolder: `${folder}/contexts/meta/${key}`,
    tlsFolder,
    tlsFiles: (skipVerify) => findTls(`${tlsFolder}/docker`, skipVerify),
  };
}

function findTls(folder: string, skipVerify: boolean): TlsFiles | undefined {
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch {
    return skipVerify ? { verify: false } : undefined;
  }
  const has = (name: string) => files.includes(name);
  return {
    ...(has("ca.pem") ? { ca: `${folder}/ca.pem` } : {}),
    ...(has("cert.pem") ? { cert: `${folder}/cert.pem` } : {}),
    ...(has("key.pem") ? { key: `${folder}/key.pem` } : {}),
    verify: !skipVerify,
  };
}
