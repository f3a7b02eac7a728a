/** containerd's hosts.toml: `server`, and a table for each host that is asked before it. */
import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { parse } from "smol-toml";
import { fail, messageOf } from "#base/errors.ts";
import type { TlsSettings } from "../http/connections.ts";
import { ALL, type Capability, type Endpoint, parseHost } from "./endpoints.ts";

type Table = Record<string, unknown>;

/** @throws invalid, naming the file */
export async function readHostsToml(folder: string, tls: TlsSettings, registry: string): Promise<{ mirrors: readonly Endpoint[]; server: Endpoint | undefined }> {
  const path = join(folder, "hosts.toml");
  const top = parseFile(path, await readFile(path, "utf8"));
  const hosts = table(top["host"] ?? {}, path, "host");
  const mirrors: Endpoint[] = [];
  for (const [address, settings] of Object.entries(hosts)) mirrors.push(await endpoint(address, table(settings, path, address), { path, folder, tls }));
  const { host: _, server, ...own } = top;
  if (server === undefined && Object.keys(own).length === 0) return { mirrors, server: undefined };
  const address = server === undefined ? `https://${registry}` : text(server, path, "server");
  return { mirrors, server: await endpoint(address, own, { path, folder, tls }) };
}

function parseFile(path: string, toml: string): Table {
  try {
    return parse(toml) as Table;
  } catch (error) {
    throw fail("invalid", `read ${path}: ${messageOf(error).split("\n")[0]}`, { cause: error });
  }
}

type Place = { path: string; folder: string; tls: TlsSettings };

async function endpoint(address: string, settings: Table, { path, folder, tls }: Place): Promise<Endpoint> {
  const url = parseHost(address.includes("://") ? address : `https://${address}`, path);
  const skip = settings["skip_verify"] === true;
  const ca = await readAll(folder, list(settings["ca"], path, "ca"));
  const client = await readClient(folder, settings["client"], path);
  return {
    base: baseOf(url, settings["override_path"] === true),
    own: false,
    can: settings["capabilities"] === undefined ? ALL : new Set(list(settings["capabilities"], path, "capabilities").map((name) => capability(name, path))),
    insecure: skip || url.protocol === "http:",
    tls: { verify: !skip, ca: ca.length > 0 ? ca : tls.ca, client: client ?? tls.client },
    headers: headers(settings["header"], path),
    ns: "",
  };
}

/** `override_path`: the path is the API's root; else "/v2" is part of it. */
function baseOf(url: URL, override: boolean): string {
  const path = url.pathname.replace(/\/+$/, "");
  if (override) return `${url.origin}${path}`;
  return `${url.origin}${path.endsWith("/v2") ? path : `${path}/v2`}`;
}

function capability(name: string, path: string): Capability {
  if (name === "pull" || name === "resolve" || name === "push") return name;
  throw fail("invalid", `read ${path}: ${JSON.stringify(name)} is no capability: pull, resolve or push`);
}

function headers(value: unknown, path: string): Record<string, string> {
  if (value === undefined) return {};
  const entries = Object.entries(table(value, path, "header"));
  return Object.fromEntries(entries.map(([name, item]) => [name.toLowerCase(), list(item, path, name).join(", ")]));
}

/** One file with both, or [[certificate, key]], or [file with both]. */
async function readClient(folder: string, value: unknown, path: string): Promise<TlsSettings["client"]> {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (first === undefined) return undefined;
  const pair = list(first, path, "client");
  const [cert, key] = await readAll(folder, pair.length === 1 || pair[1] === "" ? [pair[0]!, pair[0]!] : pair);
  return { cert: cert!, key: key! };
}

function readAll(folder: string, names: readonly string[]): Promise<string[]> {
  return Promise.all(names.map((name) => {
    const path = isAbsolute(name) ? name : join(folder, name);
    return readFile(path, "utf8").catch((error: unknown) => {
      throw fail("invalid", `read ${path}: ${messageOf(error)}`, { cause: error });
    });
  }));
}

function table(value: unknown, path: string, what: string): Table {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Table;
  throw fail("invalid", `read ${path}: ${what} is no table`);
}

function text(value: unknown, path: string, what: string): string {
  if (typeof value === "string") return value;
  throw fail("invalid", `read ${path}: ${what} is no text`);
}

function list(value: unknown, path: string, what: string): string[] {
  if (value === undefined) return [];
  return (Array.isArray(value) ? value : [value]).map((item) => text(item, path, what));
}
