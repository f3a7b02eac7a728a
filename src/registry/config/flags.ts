/** The flags of `gantry registry serve` and `gc`, and the keys of its file: one table. */
import { parseArgs } from "node:util";
import { fail, messageOf } from "#base/errors.ts";
import type { Json } from "#base/json.ts";

export type Given = Readonly<Record<string, Json | undefined>>;

type Setting = {
  /** `objects`: only in the file. */
  readonly kind: "text" | "flag" | "list" | "objects";
  readonly value?: string;
  readonly help: string;
};

export const settingsTable: Readonly<Record<string, Setting>> = {
  config: { kind: "text", value: "FILE", help: "JSON file of settings (GANTRY_REGISTRY_CONFIG)" },
  listen: { kind: "text", value: "HOST:PORT", help: "where to listen (127.0.0.1:5000)" },
  root: { kind: "text", value: "DIR", help: "where images are kept: a folder, or s3://BUCKET/PREFIX?region=…&endpoint=…" },
  "tls-cert": { kind: "text", value: "FILE", help: "certificate (PEM); read again when it changes" },
  "tls-key": { kind: "text", value: "FILE", help: "its key (PEM)" },
  "behind-proxy": { kind: "flag", help: "listen beyond loopback without TLS: something before the registry has it" },
  open: { kind: "flag", help: "listen beyond loopback without accounts: everybody may read and write" },
  "allow-host": { kind: "list", value: "NAME", help: "a name the registry is asked by (Host header), beside localhost" },
  htpasswd: { kind: "text", value: "FILE", help: "accounts (bcrypt), as htpasswd -B writes them" },
  policy: { kind: "text", value: "FILE", help: "who may do what, by repository" },
  "anonymous-pull": { kind: "flag", help: "everybody may pull, accounts may do the rest" },
  tokens: { kind: "flag", help: "serve tokens (/token) also when nobody may do anything without an account" },
  "token-key": { kind: "text", value: "FILE", help: "the key of the token service (ROOT/token.key); instances share it" },
  "token-url": { kind: "text", value: "URL", help: "where clients reach the token service, if not where they asked" },
  issuers: { kind: "objects", help: "token services of others that are believed" },
  delete: { kind: "flag", help: "manifests, tags and blobs may be deleted (they may, unless --open); --no-delete: they may not" },
  "create-only": { kind: "list", value: "PATTERN", help: "repositories whose tags are never overwritten (team/*, **)" },
  "sparse-indexes": { kind: "flag", help: "take an index some of whose manifests are not here" },
  quota: { kind: "list", value: "PREFIX=SIZE", help: "what repositories of a prefix may hold together (team/=10GB)" },
  retention: { kind: "objects", help: "rules by which tags go" },
  "gc-every": { kind: "text", value: "DURATION", help: "between collections (1h); never: only by gantry registry gc" },
  "gc-grace": { kind: "text", value: "DURATION", help: "what is younger is never collected (1h)" },
  "gc-untagged": { kind: "text", value: "DURATION", help: "collect manifests that nothing names for so long (they are kept)" },
  "gc-uploads": { kind: "text", value: "DURATION", help: "collect uploads that nobody went on with (24h)" },
  upstreams: { kind: "objects", help: "registries that repositories are copies of" },
  webhooks: { kind: "objects", help: "who is told what happens" },
  audit: { kind: "text", value: "FILE", help: "a line for each change and pull; -: standard output" },
  metrics: { kind: "flag", help: "Prometheus metrics at /metrics" },
  "shutdown-timeout": { kind: "text", value: "DURATION", help: "how long requests may go on at the end (30s)" },
  "log-level": { kind: "text", value: "LEVEL", help: "debug, info, warn or error" },
  "log-format": { kind: "text", value: "FORMAT", help: "text or json" },
};

/** @throws invalid */
export function parseFlags(argv: readonly string[]): Given {
  const options = Object.entries(settingsTable).filter(([, { kind }]) => kind !== "objects");
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: Object.fromEntries(options.map(([name, { kind }]) => [name, { type: kind === "flag" ? "boolean" : "string", multiple: kind === "list" }])),
      allowPositionals: false,
      allowNegative: true,
    });
    return values as Given;
  } catch (error) {
    throw fail("invalid", messageOf(error).split(". ")[0]!, { cause: error });
  }
}

export function flagsHelp(): string {
  const options = Object.entries(settingsTable).filter(([, { kind }]) => kind !== "objects");
  return options.map(([name, { value, help }]) => `  ${`--${name}${value === undefined ? "" : ` ${value}`}`.padEnd(28)} ${help}`).join("\n");
}
