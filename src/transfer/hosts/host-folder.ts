/** A registry's folder: Docker's certs.d (`*.crt`, `*.cert` with `*.key`) and containerd's `hosts.toml`. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "#base/errors.ts";
import type { TlsSettings } from "../http/connections.ts";
import type { Endpoint } from "./endpoints.ts";

export type HostFolder = {
  /** Of the registry's own host, from the certificates beside hosts.toml. */
  readonly tls: TlsSettings;
  /** hosts.toml: its hosts, in their order, and what it says of the server itself. */
  readonly mirrors: readonly Endpoint[];
  readonly server: Endpoint | undefined;
};

const NONE: HostFolder = { tls: { verify: true, ca: [] }, mirrors: [], server: undefined };

/** The first folder that has one of the names, else containerd's `_default`. @throws invalid */
export async function readHostFolder(folders: readonly string[], names: readonly string[]): Promise<HostFolder> {
  for (const name of [...new Set(names)].flatMap((host) => [host, host.replace(/:(\d+)$/, "_$1_")])) {
    for (const folder of folders) {
      const files = await filesOf(join(folder, name));
      if (files !== undefined) return read(join(folder, name), files, names[0]!);
    }
  }
  for (const folder of folders) {
    const files = await filesOf(join(folder, "_default"));
    if (files !== undefined) return read(join(folder, "_default"), files, names[0]!);
  }
  return NONE;
}

async function filesOf(path: string): Promise<string[] | undefined> {
  return readdir(path).then((names) => names.toSorted(), (error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw fail("invalid", `read ${path}: ${error.message}`, { cause: error });
  });
}

async function read(folder: string, files: readonly string[], registry: string): Promise<HostFolder> {
  const tls = await readCertificates(folder, files);
  if (!files.includes("hosts.toml")) return { ...NONE, tls };
  const { readHostsToml } = await import("./hosts-toml.ts");
  return { tls, ...(await readHostsToml(folder, tls, registry)) };
}

async function readCertificates(folder: string, files: readonly string[]): Promise<TlsSettings> {
  const ca = await Promise.all(files.filter((name) => name.endsWith(".crt")).map((name) => readFile(join(folder, name), "utf8")));
  const cert = files.find((name) => name.endsWith(".cert"));
  const key = files.find((name) => name.endsWith(".key"));
  if (cert === undefined && key === undefined) return { verify: true, ca };
  if (cert === undefined) throw fail("invalid", `read ${folder}: missing client certificate ${key!.slice(0, -4)}.cert for key ${key}. CA certificates must use the extension .crt`);
  const wanted = `${cert.slice(0, -5)}.key`;
  if (!files.includes(wanted)) throw fail("invalid", `read ${folder}: missing key ${wanted} for client certificate ${cert}. CA certificates must use the extension .crt`);
  return { verify: true, ca, client: { cert: await readFile(join(folder, cert), "utf8"), key: await readFile(join(folder, wanted), "utf8") } };
}
