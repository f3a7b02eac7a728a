/** Which engine to talk to: options, then the environment, then the context, then Gantry's own socket. */
import { fail } from "#base/errors.ts";
import type { Globals } from "../client.ts";
import type { Config } from "./config.ts";
import { DEFAULT_CONTEXT, readContext } from "./contexts.ts";

export const DEFAULT_HOST = "unix:///run/gantry/gantry.sock";

export type TlsFiles = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly verify: boolean;
};

export type Endpoint = {
  /** As typed, or as the context says: for messages. */
  readonly host: string;
  /** Nobody chose it: it is Gantry's own socket, and the engine may be started. */
  readonly isDefault: boolean;
  readonly tls?: TlsFiles;
} & (
  | { readonly transport: "unix"; readonly path: string }
  | { readonly transport: "tcp"; readonly name: string; readonly port: number; readonly base: string }
  | { readonly transport: "ssh"; readonly user: string; readonly name: string; readonly port: string; readonly path: string }
);

type Env = Readonly<Record<string, string | undefined>>;

/** The name of the context in force. */
export function chooseContext(globals: Globals, env: Env, config: () => Config): string {
  if (globals.context !== "") {
    if (globals.host.length > 0) throw fail("invalid", "conflicting options: cannot specify both --host and --context", { facts: { bare: true } });
    return globals.context;
  }
  if (globals.host.length > 0 || env["DOCKER_HOST"]) return DEFAULT_CONTEXT;
  return env["DOCKER_CONTEXT"] || config().currentContext || DEFAULT_CONTEXT;
}

export function resolveEndpoint(globals: Globals, env: Env, config: () => Config): Endpoint {
  if (globals.host.length > 1) throw fail("invalid", "Specify only one -H");
  const name = chooseContext(globals, env, config);
  if (name === DEFAULT_CONTEXT) {
    const chosen = globals.host[0] ?? env["DOCKER_HOST"] ?? "";
    const tls = tlsOf(globals, env, config);
    const endpoint = parseHost(chosen || DEFAULT_HOST, tls !== undefined);
    return { ...endpoint, isDefault: chosen === "" || chosen === DEFAULT_HOST, ...(tls === undefined ? {} : { tls }) };
  }
  const context = readContext(config().folder, name);
  const tls = context.tlsFiles(context.skipVerify);
  const endpoint = parseHost(context.host || DEFAULT_HOST, tls !== undefined);
  return { ...endpoint, isDefault: false, ...(tls === undefined ? {} : { tls }) };
}

/** The address the default context stands for. */
export function defaultHost(globals: Globals, env: Env): string {
  return globals.host[0] ?? (env["DOCKER_HOST"] || DEFAULT_HOST);
}

export function parseHost(host: string, secure = false): Endpoint {
  const text = host.trim();
  const invalid = () => fail("invalid", `unable to parse docker host \`${host}\``);
  const at = text.indexOf("://");
  const scheme = at < 0 ? "tcp" : text.slice(0, at);
  const rest = at < 0 ? text : text.slice(at + 3);
  if (scheme === "unix") {
    if (rest === "") throw invalid();
    return { host: text, isDefault: false, transport: "unix", path: rest };
  }
  if (scheme === "ssh") return parseSsh(text);
  if (scheme !== "tcp" && scheme !== "http" && scheme !== "https") {
    throw fail("invalid", `invalid bind address format: ${host}`);
  }
  const slash = rest.indexOf("/");
  const base = slash < 0 ? "" : rest.slice(slash).replace(/\/+$/, "");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const match = /^(\[[0-9a-f:.]+(?:%[\w.-]+)?\]|[^:[\]@]*)(?::(\d{1,5}))?$/i.exec(authority);
  const port = Number(match?.[2] ?? (secure || scheme === "https" ? 2376 : 2375));
  if (match === null || port > 65535) throw fail("invalid", `invalid bind address format: ${host}`);
  const name = match[1]!.replace(/^\[|\]$/g, "") || "127.0.0.1";
  return { host: at < 0 ? `tcp://${text}` : text, isDefault: false, transport: "tcp", name, port, base };
}

/** Nothing that ssh could take for an option gets through: CVE class "ssh://-oProxyCommand=…". */
function parseSsh(host: string): Endpoint {
  const match = /^ssh:\/\/(?:([^@/:]+)@)?(\[[0-9a-f:.]+\]|[^:/@[\]]+)(?::(\d{1,5}))?(\/.*)?$/i.exec(host);
  if (match === null) throw fail("invalid", `invalid SSH URL: ${host}`);
  const [, user = "", name, port = "", path = ""] = match;
  const plain = name!.replace(/^\[|\]$/g, "");
  if (/^-/.test(plain) || /^-/.test(user) || /[\s\0'"`$;&|<>\\]/.test(user + plain + path)) {
    throw fail("invalid", `invalid SSH URL: ${host}`);
  }
  return { host, isDefault: false, transport: "ssh", user, name: plain, port, path: path === "/" ? "" : path };
}

function tlsOf(globals: Globals, env: Env, config: () => Config): TlsFiles | undefined {
  const verify = globals.tlsverify ?? Boolean(env["DOCKER_TLS_VERIFY"]);
  if (!verify && !globals.tls && !env["DOCKER_TLS"] && globals.tlsverify === undefined) return undefined;
  const folder = env["DOCKER_CERT_PATH"] || config().folder;
  return {
    ca: globals.tlscacert || `${folder}/ca.pem`,
    cert: globals.tlscert || `${folder}/cert.pem`,
    key: globals.tlskey || `${folder}/key.pem`,
    verify,
  };
}
