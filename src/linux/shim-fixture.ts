/** For tests: shims with processes of the host's own file system, cleaned up after. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { stringList } from "./encode.ts";
import { openKernel } from "./host.ts";
import type { Kernel } from "./linux.ts";
import { INIT_PIDFD, type Op, type Program } from "./ops.ts";
import { connectShim, CONTAINER, parseExitRecord, type AttachWish, type ConnectOptions, type ExitRecord, type Shim, type ShimEvent } from "./shim.ts";

/** Another build of cell (with sanitizers, say) may be named by CELL. */
export const cell = process.env["CELL"] ?? fileURLToPath(new URL("../../build/cell", import.meta.url));

const NEWPID = 0x20000000;
let count = 0;

export type Launched = AsyncDisposable & {
  readonly dir: string;
  readonly socket: string;
  readonly shim: Shim;
  /** Resolves to the first event of the type (and id), come or yet to come. */
  event<T extends ShimEvent["type"]>(type: T, id?: string): Promise<ShimEvent & { type: T }>;
  connect(options?: ConnectOptions): Promise<Shim>;
  attach(wish?: AttachWish): Promise<Duplex>;
  log(file?: string): string;
  record(id?: string): ExitRecord;
};

type Fields = Omit<Extract<Op, { op: "shim" }>, "op" | "init">;
/** `before`: performed by the host in the same program. */
export type Plan = Fields & { sh?: string; init?: Program; before?: Program };

export type Stage = AsyncDisposable & {
  readonly kernel: Kernel;
  readonly dir: string;
  /** A shim that waits for its start; of a container that has its own pid namespace unless cloneFlags says otherwise. */
  launch(plan: Plan): Promise<Launched>;
};

export async function openStage(options: { failpoints?: string } = {}): Promise<Stage> {
  const dir = mkdtempSync("/tmp/gantry-shim-");
  const kernel = await openKernel({ cell, ...options });
  return {
    kernel,
    dir,
    launch: (plan) => launch(kernel, `${dir}/${++count}`, plan),
    [Symbol.asyncDispose]: async () => {
      await kernel[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function launch(kernel: Kernel, dir: string, { sh = "true", init = [run(sh)], before = [], ...fields }: Plan): Promise<Launched> {
  const socket = `${dir}/socket`;
  await kernel.perform([
    { op: "mkdir", path: dir, mode: 0o700 },
    ...before,
    { op: "shim", flags: 2 | 4 | 8, cloneFlags: NEWPID, id: "c", socket, record: `${dir}/exit`, log: `${dir}/log`, init, ...fields },
  ]);
  const seen: ShimEvent[] = [];
  const waiting: { matches: (event: ShimEvent) => boolean; resolve: (event: ShimEvent) => void }[] = [];
  const shim = await connectShim(socket, {
    onEvent: (event) => {
      seen.push(event);
      for (const waiter of waiting) if (waiter.matches(event)) waiter.resolve(event);
    },
  });
  return {
    dir,
    socket,
    shim,
    event: (type, id) => {
      const matches = (event: ShimEvent) => event.type === type && (id === undefined || ("id" in event && event.id === id));
      const found = seen.find(matches);
      return (found === undefined ? new Promise((resolve) => waiting.push({ matches, resolve })) : Promise.resolve(found)) as never;
    },
    connect: (options) => connectShim(socket, options),
    attach: async (wish = { stdin: true, stdout: true, stderr: true }) => (await shim.attach(CONTAINER, wish)).stream,
    log: (file = "log") => readFileSync(`${dir}/${file}`, "utf8"),
    record: (id) => parseExitRecord(readFileSync(`${dir}/exit${id === undefined ? "" : "." + id}`, "utf8")),
    [Symbol.asyncDispose]: async () => {
      await shim[Symbol.asyncDispose]();
      await end(socket);
    },
  };
}

/** Kills the container whoever is connected, and waits until its shim has gone. */
async function end(socket: string): Promise<void> {
  const last = await connectShim(socket).catch(() => undefined);
  if (last === undefined) return;
  const { stream } = await last.attach(CONTAINER, {}).catch(() => ({ stream: undefined }));
  stream?.on("error", () => undefined);
  await last.signal(CONTAINER, 9).catch(() => undefined);
  await last[Symbol.asyncDispose]();
  if (stream !== undefined) await collect(stream).catch(() => undefined);
}

/** An exec op for a command. */
export function exec(...argv: string[]): Op {
  return { op: "exec", candidates: stringList([argv[0]!]), argv: stringList(argv), env: stringList(["PATH=/usr/bin:/bin", "LC_ALL=C"]) };
}

export const run = (script: string): Op => exec("/bin/sh", "-c", script);

/** A program that runs a script beside the container's process. */
export const beside = (script: string): Program => [{ op: "setns", slot: INIT_PIDFD, flags: NEWPID }, { op: "fork" }, run(script)];

/** A program that runs a script on a terminal. */
export const onTerminal = (script: string, size: { rows?: number; cols?: number } = {}): Program => [
  { op: "open", slot: 1, path: "/dev/ptmx", flags: 0o402 },
  { op: "pty", slot: 1, consoleDir: -1, ...size },
  run(script),
];

/** All bytes of a stream until its end. */
export async function collect(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  stream.destroy();
  return Buffer.concat(chunks);
}

/** Reads until the bytes so far hold `text`; the stream goes on. */
export async function readUntil(stream: Duplex, text: string): Promise<string> {
  let seen = "";
  await new Promise<void>((resolve, reject) => {
    const take = (chunk: Buffer) => {
      seen += chunk.toString("latin1");
      if (!seen.includes(text)) return;
      stream.off("data", take).off("end", ended).pause();
      resolve();
    };
    const ended = () => reject(new Error(`it ended before ${JSON.stringify(text)}: ${JSON.stringify(seen)}`));
    stream.on("data", take).on("end", ended).resume();
  });
  return seen;
}

/** Docker's frames, joined by stream. */
export function demux(bytes: Buffer): { out: Buffer; err: Buffer } {
  const parts: Record<number, Buffer[]> = { 1: [], 2: [] };
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    parts[bytes.readUInt8(at)]!.push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { out: Buffer.concat(parts[1]!), err: Buffer.concat(parts[2]!) };
}

/** A connection that says whatever a test likes. */
export async function raw(socket: string): Promise<Duplex> {
  const connection = createConnection({ path: socket, allowHalfOpen: true });
  await new Promise((resolve, reject) => connection.once("connect", resolve).once("error", reject));
  return connection.on("error", () => undefined);
}
