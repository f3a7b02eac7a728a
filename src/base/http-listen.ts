/** Where a server listens: unix sockets that are never open to the wrong user, TCP, inherited descriptors. */
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { rmSync } from "node:fs";
import type { Server } from "node:http";
import { connect, type ListenOptions } from "node:net";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { fail } from "./errors.ts";
import type { Address } from "./http.ts";

export type Bound = {
  readonly name: string;
  /** Stops listening now; `closed` resolves when the last connection is gone. */
  close(): { server: Server; closed: Promise<void> };
};

export async function bind(server: Server, address: Address): Promise<Bound> {
  switch (address.kind) {
    case "unix":
      return await bindUnix(server, address.path, address.group ?? "");
    case "tcp":
      return await bindTcp(server, address);
    case "fd":
      await listen(server, { fd: address.fd } as ListenOptions);
      return boundTo(server, `fd://${address.fd}`, () => {});
  }
}

/**
 * Binds in a folder that only we can enter, gives the socket its owner and mode, then moves it to its place: there is
 * no moment at which somebody else could connect. A socket left by an engine that died is replaced; one that answers
 * is not.
 */
async function bindUnix(server: Server, path: string, group: string): Promise<Bound> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await refuseIfTaken(path);
  const gid = await groupId(group);
  const nest = await mkdtemp(join(folder, ".listen-"));
  try {
    const hatching = join(nest, "s");
    await listen(server, { path: hatching });
    await chown(hatching, process.getuid?.() ?? 0, gid);
    await chmod(hatching, 0o660);
    await rename(hatching, path);
  } catch (error) {
    server.close();
    throw fail("unavailable", `listen on unix://${path}: ${(error as Error).message}`, { cause: error });
  } finally {
    await rm(nest, { recursive: true, force: true });
  }
  return boundTo(server, `unix://${path}`, () => rmSync(path, { force: true }));
}

async function refuseIfTaken(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw fail("conflict", `listen on unix://${path}: something that is no socket is there`);
  if (await answers(path)) throw fail("conflict", `listen on unix://${path}: another engine answers there`);
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** The group's number in /etc/group; our own group when there is none of that name. */
async function groupId(name: string): Promise<number> {
  const own = process.getgid?.() ?? 0;
  if (name === "") return own;
  if (/^\d+$/.test(name)) return Number(name);
  const lines = (await readFile("/etc/group", "utf8").catch(() => "")).split("\n");
  const fields = lines.map((line) => line.split(":")).find((line) => line[0] === name);
  return fields === undefined ? own : Number(fields[2]);
}

async function bindTcp(server: Server, address: Address & { kind: "tcp" }): Promise<Bound> {
  const loopback = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(address.host);
  if (address.tls === undefined && address.guarded !== true && !(loopback && address.insecure === true)) {
    throw fail("forbidden", `listen on tcp://${address.host}:${address.port}: without TLS whoever reaches the port is root on this machine; give a certificate (--tlsverify)`);
  }
  await listen(server, { host: address.host, port: address.port });
  const at = server.address();
  const port = typeof at === "object" && at !== null ? at.port : address.port;
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return boundTo(server, `tcp://${host}:${port}`, () => {});
}

async function listen(server: Server, options: ListenOptions): Promise<void> {
  server.listen({ ...options, backlog: 1024 });
  try {
    await once(server, "listening");
  } catch (error) {
    throw fail("unavailable", `listen: ${(error as Error).message}`, { cause: error });
  }
}

function boundTo(server: Server, name: string, forget: () => void): Bound {
  return {
    name,
    close() {
      forget();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      return { server, closed };
    },
  };
}
