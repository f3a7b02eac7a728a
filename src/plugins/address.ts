/** Where a plugin listens, as its files say it. */
import { readFile } from "node:fs/promises";
import { fail, messageOf } from "#base/errors.ts";

export type Address = { readonly text: string } & (
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly tls?: PluginTls }
);

/** PEM. Without an authority of its own the plugin's certificate is not checked: that is what Docker does. */
export type PluginTls = { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly unchecked: boolean };

/** "unix:///path", "tcp://host:port", "http://…", "https://…". @throws invalid */
export function parseAddress(text: string): Address {
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text) ?? [];
  if (scheme === undefined) throw fail("invalid", "Unknown protocol");
  if (scheme === "unix") return { kind: "unix", text, path: decodeURIComponent(rest) };
  if (scheme !== "tcp" && scheme !== "http" && scheme !== "https") throw fail("invalid", `Unknown protocol: ${scheme}`);
  const [host, port] = hostAndPort(rest, scheme);
  return { kind: "tcp", text, host, port, ...(scheme === "https" ? { tls: { unchecked: false } } : {}) };
}

/** NAME.json: `{"Addr": "https://…", "TLSConfig": {"CAFile", "CertFile", "KeyFile", "InsecureSkipVerify"}}`. @throws invalid */
export async function parseDescription(text: string): Promise<Address> {
  const { Addr, TLSConfig } = parseObject(text);
  if (typeof Addr !== "string") throw fail("invalid", "Unknown protocol");
  const address = parseAddress(Addr);
  if (address.kind === "unix" || typeof TLSConfig !== "object" || TLSConfig === null) return address;
  return { ...address, tls: await readTls(TLSConfig as Record<string, unknown>) };
}

async function readTls(given: Record<string, unknown>): Promise<PluginTls> {
  const read = async (key: string) => (typeof given[key] === "string" && given[key] !== "" ? await readFile(given[key], "utf8") : undefined);
  const [ca, cert, key] = [await read("CAFile"), await read("CertFile"), await read("KeyFile")];
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    unchecked: ca === undefined || given["InsecureSkipVerify"] === true,
  };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw fail("invalid", messageOf(error), { cause: error });
  }
  throw fail("invalid", "not an object");
}

function hostAndPort(rest: string, scheme: string): [string, number] {
  try {
    const { hostname, port } = new URL(`http://${rest}`);
    const standard = scheme === "https" ? 443 : 80;
    if (hostname !== "") return [hostname.replace(/^\[|\]$/g, ""), port === "" ? standard : Number(port)];
  } catch {
    // Said below.
  }
  throw fail("invalid", `parse "${scheme}://${rest}": invalid address`);
}
