/** `--secret id=token,src=file`, `id=token,env=TOKEN`, `id=token` and `--ssh default`, `--ssh id=key`. */
import { statSync } from "node:fs";
import type { Duplex } from "node:stream";
import { fail } from "#base/errors.ts";
import { MAX_SECRET } from "#spec/buildkit/session.ts";
import { splitCsv } from "#spec/csv.ts";
import type { SecretSource } from "../build.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** @throws invalid; not-found for a file that is not there */
export function parseSecrets(texts: readonly string[], env: Env): Map<string, SecretSource> {
  return new Map(texts.filter((text) => text !== "").map((text) => parseSecret(text, env)));
}

function parseSecret(text: string, env: Env): [string, SecretSource] {
  const found: Record<string, string> = {};
  for (const field of splitCsv(text)) {
    const equals = field.indexOf("=");
    if (equals < 0) throw fail("invalid", `invalid field '${field}' must be a key=value pair`);
    const key = KEYS[field.slice(0, equals).toLowerCase()];
    if (key === undefined) throw fail("invalid", `unexpected key '${field.slice(0, equals)}' in '${field}'`);
    found[key] = field.slice(equals + 1);
  }
  const { id = "", type, file, env: name } = found;
  if (type !== undefined && type !== "file" && type !== "env") throw fail("invalid", `unsupported secret type ${JSON.stringify(type)}`);
  if (id === "") throw fail("invalid", "secret missing ID");
  // "src" of an env secret is the variable's name; without any source, a variable of the secret's name comes first.
  const variable = name ?? (type === "env" ? (file ?? id) : file === undefined && type !== "file" && env[id] !== undefined ? id : undefined);
  if (variable !== undefined) return [id, { env: variable }];
  const path = file ?? id;
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw fail("not-found", `failed to stat ${path}: stat ${path}: no such file or directory`);
  if (stats.size > MAX_SECRET) throw fail("invalid", `secret ${id} too big. max size 500KiB`);
  return [id, { file: path }];
}

const KEYS: Readonly<Record<string, string>> = { id: "id", type: "type", source: "file", src: "file", env: "env" };

export type AgentSource = { readonly socket: string } | { readonly keys: readonly string[] };

/** @throws invalid */
export function parseAgents(texts: readonly string[], env: Env): Map<string, AgentSource> {
  return new Map(
    texts.filter((text) => text !== "").map((text): [string, AgentSource] => {
      const equals = text.indexOf("=");
      const id = (equals < 0 ? text : text.slice(0, equals)) || "default";
      const paths = equals < 0 ? [] : text.slice(equals + 1).split(",");
      return [id, sourceOf(paths, env)];
    }),
  );
}

function sourceOf(paths: readonly string[], env: Env): AgentSource {
  if (paths.length === 0) {
    const socket = env["SSH_AUTH_SOCK"] ?? "";
    if (socket === "") throw fail("invalid", "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set");
    return { socket };
  }
  const kinds = paths.map((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) throw fail("not-found", `failed to stat ${path}: stat ${path}: no such file or directory`);
    return found.isSocket();
  });
  if (!kinds.includes(true)) return { keys: paths };
  if (paths.length > 1) throw fail("invalid", kinds.includes(false) ? "invalid combination of keys and sockets" : "only single socket allowed");
  return { socket: paths[0]! };
}

/** Connections to an agent: the user's own, or one that is started for these keys, and ends with us. */
export function openAgent(source: AgentSource): () => Promise<Duplex> {
  let address: Promise<string> | undefined;
  return async () => {
    address ??= "socket" in source ? Promise.resolve(source.socket) : import("./key-agent.ts").then(({ startAgent }) => startAgent(source.keys));
    const { connect } = process.getBuiltinModule("node:net");
    return connect(await address);
  };
}
