/** Opens a byte stream to an endpoint. TLS and ssh are loaded only when they are used. */
import { connect as connectSocket } from "node:net";
import type { Duplex } from "node:stream";
import { fail } from "#base/errors.ts";
import type { Endpoint, TlsFiles } from "./endpoint.ts";

export async function dial(endpoint: Endpoint, signal?: AbortSignal): Promise<Duplex> {
  if (endpoint.transport === "ssh") return dialSsh(endpoint);
  if (endpoint.tls !== undefined && endpoint.transport === "tcp") return dialTls(endpoint, endpoint.tls);
  const target = endpoint.transport === "unix" ? { path: endpoint.path } : { host: endpoint.name, port: endpoint.port };
  return new Promise((resolve, reject) => {
    // Half-open: the engine may close its side of a stream while we still send, and we end stdin before it answers.
    const socket = connectSocket({ ...target, allowHalfOpen: true, ...(signal === undefined ? {} : { signal }) });
    socket.once("error", (error) => reject(explain(endpoint, error)));
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      // An error after this shows where the stream is read; without a listener it would end the process.
      socket.on("error", () => {});
      if (endpoint.transport === "tcp") socket.setNoDelay(true).setKeepAlive(true, 30_000);
      resolve(socket);
    });
  });
}

function explain(endpoint: Endpoint, error: Error): Error {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const facts = { code, unreachable: true };
  if (code === "EACCES" || code === "EPERM") {
    return fail(
      "forbidden",
      `permission denied while trying to connect to the Gantry daemon socket at ${endpoint.host}: connect: permission denied`,
      { cause: error, facts: { code } },
    );
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    const name = endpoint.transport === "unix" ? "" : endpoint.name;
    return fail("unavailable", `error during connect: dial tcp: lookup ${name}: no such host`, { cause: error, facts });
  }
  return fail(
    "unavailable",
    `Cannot connect to the Gantry daemon at ${endpoint.host}. Is the gantry daemon running?`,
    { cause: error, facts },
  );
}

async function dialTls(endpoint: Endpoint & { transport: "tcp" }, files: TlsFiles): Promise<Duplex> {
  const { connect } = await import("node:tls");
  const { readFileSync } = await import("node:fs");
  const read = (file: string | undefined, needed: boolean) => {
    if (file === undefined) return undefined;
    try {
      return readFileSync(file);
    } catch (error) {
      if (!needed) return undefined;
      throw fail("invalid", `unable to resolve docker endpoint: open ${file}: no such file or directory`, { cause: error });
    }
  };
  const options = {
    host: endpoint.name,
    port: endpoint.port,
    servername: /^[\d.:a-f]+$/i.test(endpoint.name) && /[.:]\d*/.test(endpoint.name) ? "" : endpoint.name,
    ca: read(files.ca, files.verify),
    cert: read(files.cert, false),
    key: read(files.key, false),
    rejectUnauthorized: files.verify,
    minVersion: "TLSv1.2" as const,
    allowHalfOpen: true,
  };
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    socket.once("error", (error) => {
      const code = (error as NodeJS.ErrnoException).code ?? "";
      if (/^(ECONN|ENOTFOUND|EAI|EHOST|ENET|ETIMEDOUT)/.test(code)) reject(explain(endpoint, error));
      else reject(fail("unavailable", `error during connect: tls: ${error.message}`, { cause: error, facts: { code } }));
    });
    socket.once("secureConnect", () => {
      socket.removeAllListeners("error");
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** The other side runs `system dial-stdio`, which joins its standard streams to the engine's socket. */
async function dialSsh(endpoint: Endpoint & { transport: "ssh" }): Promise<Duplex> {
  const { spawn } = await import("node:child_process");
  const { Duplex } = await import("node:stream");
  const host = endpoint.path === "" ? "" : ` --host unix://${endpoint.path}`;
  const there = `command -v gantry >/dev/null 2>&1 && exec gantry${host} system dial-stdio || exec docker${host} system dial-stdio`;
  const args = [
    ...(endpoint.user === "" ? [] : ["-l", endpoint.user]),
    ...(endpoint.port === "" ? [] : ["-p", endpoint.port]),
    ...["-o", "ConnectTimeout=30", "-T", "--", endpoint.name, there],
  ];
  const child = spawn("ssh", args, { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-4096);
  });
  // What could not be written to a program that ended is told by how it ended.
  child.stdin.on("error", () => {});
  const stream = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk: Buffer, _, done) => void child.stdin.write(chunk, () => done()),
    final: (done) => void child.stdin.end(() => done()),
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  stream.on("error", () => {});
  child.stdout.on("data", (chunk: Buffer) => {
    if (!stream.push(chunk)) child.stdout.pause();
  });
  child.once("error", (error) => {
    stream.destroy(fail("unavailable", `error during connect: ssh: ${error.message}`, { cause: error }));
  });
  child.once("close", (code) => {
    if (code === 0) return void stream.push(null);
    const detail = said.trim() === "" ? "" : `, stderr=${said.trim()}`;
    const program = ["ssh", ...args.slice(0, -1)].join(" ");
    stream.destroy(fail("unavailable", `error during connect: command [${program}] has exited with exit status ${code}${detail}`));
  });
  return stream;
}
