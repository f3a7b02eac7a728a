/**
 * A registry for a test file: Debian's docker-registry where it is, else our own; on a port of loopback's, behind a tap
 * that sees all requests, and can cut answers.
 *
 *     const registry = await openRegistry({ accounts: { ann: "secret" } });
 *     await cli.ok("push", `${registry.host}/busybox:1`);
 *     registry.tap.count("GET", /\/blobs\//);
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { hashSync } from "bcryptjs";
import { onPath } from "../../packages.ts";
import { root } from "./engine.ts";

export type Registry = AsyncDisposable & {
  /** As in references: "localhost:41234". */
  readonly host: string;
  readonly kind: RegistryKind;
  readonly tap: Tap;
};

export type RegistryKind = "docker-registry" | "gantry-registry";

/** What went by. */
export type Tap = {
  readonly seen: readonly Seen[];
  /** Requests of a method to paths like this. */
  count(method: string, path: RegExp): number;
  forget(): void;
  /** Decides of each answer after how many of its bytes it is cut; undefined: not at all. */
  cut: ((seen: Seen) => number | undefined) | undefined;
  /** The same, but the connection stays open, and silent. */
  stall: ((seen: Seen) => number | undefined) | undefined;
  /** Resolves when an answer to such a path has sent so many bytes. */
  sent(path: RegExp, bytes: number): Promise<void>;
  /** Answers in the registry's place; undefined: the registry does. */
  answer: ((seen: Seen) => { status: number; headers: Record<string, string>; body: string } | undefined) | undefined;
  /** `come`: a request like this has come; its answer waits for `release`. `gone`: who asked does not wait any more. */
  hold(method: string, path: RegExp): { readonly come: Promise<void>; readonly gone: Promise<void>; release(): void };
};

export type Seen = { readonly method: string; readonly path: string; readonly headers: Readonly<Record<string, string | string[] | undefined>>; status: number; sent: number };

export type RegistryOptions = {
  readonly accounts?: Readonly<Record<string, string>>;
  readonly kind?: RegistryKind;
  /** With a certificate of its own making, and without a tap. */
  readonly tls?: boolean;
};

/** REGISTRY=gantry chooses our own. */
export const registryHere: RegistryKind = process.env["REGISTRY"] !== "gantry" && onPath("docker-registry") ? "docker-registry" : "gantry-registry";

export async function openRegistry({ accounts, tls = false, kind = registryHere }: RegistryOptions = {}): Promise<Registry> {
  const folder = mkdtempSync("/tmp/registry-");
  const port = await freePort();
  const certificate = tls ? makeCertificate(folder) : undefined;
  const child = (kind === "docker-registry" ? startDebian : startOurs)({ folder, port, accounts, certificate });
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await untilListening(port, child, join(folder, "log"));
  } catch (error) {
    await end();
    throw error;
  }
  const { server, tap, tapPort } = await openTap(port);
  return {
    host: `localhost:${tls ? port : tapPort}`,
    kind,
    tap,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await end();
    },
  };
}

type Start = { readonly folder: string; readonly port: number; readonly accounts: RegistryOptions["accounts"]; readonly certificate: Certificate | undefined };
type Certificate = { readonly cert: string; readonly key: string };

function startDebian({ folder, port, accounts, certificate }: Start): ChildProcess {
  const auth = accounts === undefined ? "" : `auth:\n  htpasswd:\n    realm: tests\n    path: ${writeAccounts(folder, accounts)}\n`;
  const tls = certificate === undefined ? "" : `  tls:\n    certificate: ${certificate.cert}\n    key: ${certificate.key}\n`;
  const config = join(folder, "config.yml");
  mkdirSync(join(folder, "root"));
  writeFileSync(config, `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/root\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:${port}\n  relativeurls: true\n${tls}${auth}`);
  return start(folder, ["docker-registry", "serve", config]);
}

function startOurs({ folder, port, accounts, certificate }: Start): ChildProcess {
  const auth = accounts === undefined ? [] : ["--htpasswd", writeAccounts(folder, accounts)];
  const tls = certificate === undefined ? [] : ["--tls-cert", certificate.cert, "--tls-key", certificate.key];
  return start(folder, [process.execPath, "--disable-warning=ExperimentalWarning", join(root, "src/bin/registry.ts"), "serve", "--listen", `127.0.0.1:${port}`, "--root", join(folder, "root"), ...auth, ...tls]);
}

function makeCertificate(folder: string): Certificate {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { cert, key };
}

function writeAccounts(folder: string, accounts: Readonly<Record<string, string>>): string {
  const path = join(folder, "htpasswd");
  writeFileSync(path, Object.entries(accounts).map(([name, password]) => `${name}:${hashSync(password, 4)}\n`).join(""));
  return path;
}

function start(folder: string, [program, ...argv]: readonly string[]): ChildProcess {
  const log = openSync(join(folder, "log"), "a");
  const child = spawn(program!, argv, { stdio: ["ignore", log, log], env: { ...process.env, OTEL_TRACES_EXPORTER: "none" } });
  closeSync(log);
  return child;
}

async function untilListening(port: number, child: ChildProcess, log: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await connects(port))) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the registry did not start:\n${readFileSync(log, "utf8").slice(-2000)}`);
    await pause(20);
  }
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(true)).on("error", () => resolve(false)).on("close", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function openTap(port: number): Promise<{ server: Server; tap: Tap; tapPort: number }> {
  // Nothing is kept that one side may end just as the other uses it: a test that computes for seconds lets all timers come at once.
  const agent = new Agent({ keepAlive: false });
  const seen: Seen[] = [];
  const watchers = new Set<() => void>();
  const holds: { method: string; path: RegExp; come: PromiseWithResolvers<void>; gone: PromiseWithResolvers<void>; go: PromiseWithResolvers<void> }[] = [];
  const tap: Tap = {
    seen,
    cut: undefined,
    stall: undefined,
    sent: (path, bytes) =>
      new Promise((resolve) => {
        const look = () => {
          if (!seen.some((one) => path.test(one.path) && one.sent >= bytes)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    answer: undefined,
    count: (method, path) => seen.filter((one) => one.method === method && path.test(one.path)).length,
    forget: () => void seen.splice(0),
    hold(method, path) {
      const hold = { method, path, come: Promise.withResolvers<void>(), gone: Promise.withResolvers<void>(), go: Promise.withResolvers<void>() };
      holds.push(hold);
      return {
        come: hold.come.promise,
        gone: hold.gone.promise,
        release() {
          holds.splice(holds.indexOf(hold), 1);
          hold.go.resolve();
        },
      };
    },
  };
  const server = createServer(async (incoming, outgoing) => {
    const one: Seen = { method: incoming.method!, path: incoming.url!, headers: incoming.headers, status: 0, sent: 0 };
    seen.push(one);
    const held = holds.filter(({ method, path }) => method === one.method && path.test(one.path));
    outgoing.on("close", () => held.forEach(({ gone }) => gone.resolve()));
    for (const { come } of held) come.resolve();
    await Promise.all(held.map(({ go }) => go.promise));
    const instead = tap.answer?.(one);
    if (instead !== undefined) {
      incoming.resume();
      outgoing.writeHead((one.status = instead.status), { "content-length": Buffer.byteLength(instead.body), ...instead.headers }).end(one.method === "HEAD" ? undefined : instead.body);
      return;
    }
    const sent = request({ host: "127.0.0.1", port, agent, method: one.method, path: one.path, headers: incoming.headers }, (answer) => passOn(one, answer, outgoing, tap, () => watchers.forEach((look) => look())));
    sent.on("error", () => outgoing.destroy());
    incoming.pipe(sent);
  });
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, tap, tapPort: (server.address() as { port: number }).port };
}

function passOn(seen: Seen, answer: IncomingMessage, outgoing: ServerResponse, tap: Tap, told: () => void): void {
  seen.status = answer.statusCode!;
  outgoing.writeHead(answer.statusCode!, answer.headers);
  const stalled = tap.stall?.(seen);
  const limit = stalled ?? tap.cut?.(seen);
  answer.on("data", (chunk: Buffer) => {
    const part = limit === undefined ? chunk : chunk.subarray(0, Math.max(0, limit - seen.sent));
    seen.sent += part.length;
    told();
    if (!outgoing.write(part)) {
      answer.pause();
      outgoing.once("drain", () => answer.resume());
    }
    if (stalled !== undefined && seen.sent >= stalled) answer.pause();
    else if (limit !== undefined && seen.sent >= limit) {
      answer.destroy();
      // What was written goes out first: the client is to see it come, and break off.
      setImmediate(() => outgoing.destroy());
    }
  });
  answer.on("end", () => stalled ?? outgoing.end());
  answer.on("error", () => outgoing.destroy());
  outgoing.on("close", () => answer.destroy());
}
