/** Where the engine listens: unix:///path, tcp://address:port, fd://name. */
import { isIP } from "node:net";
import { isAbsolute } from "node:path";
import { fail } from "#base/errors.ts";
import type { Host } from "./config.ts";

/** A unix socket's path fits 107 bytes and a NUL (unix(7)). */
const longestSocketPath = 107;

export function parseHost(text: string): Host {
  const [, scheme, rest] = /^([a-z]+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === "unix") return unixHost(text, rest as string);
  if (scheme === "tcp") return tcpHost(text, rest as string);
  if (scheme === "fd") return { kind: "fd", name: (rest as string).replace(/^\*$/, "") };
  if (scheme !== undefined) throw fail("invalid", `invalid bind address format: ${text}`);
  return tcpHost(text, text);
}

export function formatHost(host: Host): string {
  if (host.kind === "unix") return `unix://${host.path}`;
  if (host.kind === "fd") return `fd://${host.name}`;
  return `tcp://${host.address.includes(":") ? `[${host.address}]` : host.address}:${host.port}`;
}

function unixHost(text: string, path: string): Host {
  if (!isAbsolute(path) || path.includes("\0")) throw fail("invalid", `invalid unix socket address: ${text}: an absolute path is expected`);
  if (Buffer.byteLength(path) > longestSocketPath) {
    throw fail("invalid", `invalid unix socket address: ${text}: the path is longer than ${longestSocketPath} bytes`);
  }
  return { kind: "unix", path };
}

function tcpHost(text: string, rest: string): Host {
  const match = /^(?:\[([^\]]*)\]|([^:/]*)):(\d+)$/.exec(rest);
  const port = Number(match?.[3]);
  const address = match?.[1] ?? match?.[2] ?? "";
  const named = address === "" ? "127.0.0.1" : address === "localhost" ? "127.0.0.1" : address;
  if (match === null || port < 1 || port > 65535 || isIP(named) === 0) {
    throw fail("invalid", `invalid bind address format: ${text}: tcp://ADDRESS:PORT is expected`);
  }
  return { kind: "tcp", address: named, port };
}
