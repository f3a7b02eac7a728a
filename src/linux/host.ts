/** The kernel's implementation: a pool of `cell` hosts, each a child process that performs one program at a time. */
import { spawn, type ChildProcess } from "node:child_process";
import { constants } from "node:os";
import type { Socket } from "node:net";
import { getSystemErrorMessage } from "node:util";
import { release } from "#base/memory.ts";
import { describeOp } from "./describe.ts";
import { encodeProgram, flatten } from "./encode.ts";
import { ProgramError, type Kernel, type Outputs, type PerformOptions, type ProgramStream } from "./linux.ts";
import type { Op, OpName, Program } from "./ops.ts";

const FORKED = 1;
const STREAM = 2;
const END = 4;
const DONE = 0;
const OUTPUT = 2;
const HEADER = 12;
const IDLE_HOSTS = 2;
const MOST_HOSTS = 8;
/** Ops of a stream that are kept for the message of a failure: more than can be on their way. */
const REMEMBERED = 50_000;
const ECHILD = constants.errno.ECHILD;

/** Ops that change a process for good: their program must be performed in a forked child. */
const LASTING = new Set<OpName>([
  "unshare", "setns", "pivot", "chdir", "fchdir", "umask", "setsid", "setuser", "setgroups",
  "capBounding", "capSet", "capAmbient", "seccomp", "prctl", "rlimit", "pty", "exec", "fork", "sethostname",
]);

export type KernelOptions = {
  /** The program built from native/. */
  cell: string;
  /** For tests: CELL_FAILPOINTS. */
  failpoints?: string;
};

/** Starts the hosts. Rejects with a sentence when `cell` cannot be run. */
export async function openKernel(options: KernelOptions): Promise<Kernel> {
  const pool = new Pool(options);
  await pool.prepare();
  return {
    perform: async (program, { forked = false, signal } = {}) => {
      if (!forked) refuseLasting(program);
      const host = await pool.take(signal);
      const done = host.run(flatten(program), encodeProgram(program), forked ? FORKED : 0);
      return done.finally(() => pool.give(host));
    },
    stream: async ({ signal }: PerformOptions = {}) => openStream(pool, await pool.take(signal)),
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

function refuseLasting(program: Program): void {
  const op = program.find((op) => LASTING.has(op.op));
  if (op !== undefined) throw new TypeError(`perform ${op.op}: it changes the process for good, so the program must be forked`);
}

/** Hosts that are free, and those who wait for one. */
class Pool {
  readonly #options: KernelOptions;
  readonly #free: Host[] = [];
  readonly #waiting: ((host: Host) => void)[] = [];
  readonly #all = new Set<Host>();
  #closed = false;

  constructor(options: KernelOptions) {
    this.#options = options;
  }

  async prepare(): Promise<void> {
    for (let i = 0; i < IDLE_HOSTS; i++) this.#free.push(this.#start());
    await this.#free[0]!.run([], encodeProgram([]), 0);
  }

  async take(signal?: AbortSignal): Promise<Host> {
    signal?.throwIfAborted();
    if (this.#closed) throw new Error("perform a program: the kernel is closed");
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#all.size < MOST_HOSTS) return this.#start();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  give(host: Host): void {
    if (host.lost) this.#all.delete(host);
    const next = this.#waiting.shift();
    const live = host.lost ? (next && !this.#closed ? this.#start() : undefined) : host;
    if (next !== undefined && live !== undefined) next(live);
    else if (live !== undefined) this.#free.push(live);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((host) => host.close()));
  }

  #start(): Host {
    const host = new Host(this.#options);
    this.#all.add(host);
    return host;
  }
}

/** The ops of a program, or the last ones of a stream: any number may go by, and failures are told of soon. */
type Sent = { readonly ops: Op[]; /** How many went by before those. */ before: number };

type Pending = {
  sent: Sent;
  outputs: Map<number, Buffer>;
  resolve: (outputs: Outputs) => void;
  reject: (error: unknown) => void;
};

/** One `cell host` child. */
class Host {
  lost = false;
  readonly #child: ChildProcess;
  readonly #socket: Socket;
  readonly #ended: Promise<void>;
  #id = 0;
  #pending: Pending | undefined;
  #input: Buffer = Buffer.alloc(0);

  constructor({ cell, failpoints }: KernelOptions) {
    const env = failpoints === undefined ? {} : { CELL_FAILPOINTS: failpoints };
    this.#child = spawn(cell, ["host"], { stdio: ["ignore", "inherit", "inherit", "pipe"], env, cwd: "/" });
    this.#socket = this.#child.stdio[3] as unknown as Socket;
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("error", () => this.#lose("its socket failed"));
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => (this.#lose(error.message), resolve()));
      this.#child.on("exit", (code, signal) => (this.#lose(`it ended with ${signal ?? `exit code ${code}`}`), resolve()));
    });
    this.#child.unref();
    this.#socket.unref();
  }

  /** Sends the first (or only) frame of a program; resolves with its outputs. */
  run(ops: Op[], bytes: Buffer, flags: number, sent: Sent = { ops, before: 0 }): Promise<Outputs> {
    const done = new Promise<Outputs>((resolve, reject) => {
      this.#pending = { sent, outputs: new Map(), resolve, reject };
    });
    if (this.lost) this.#lose("it is gone");
    this.#id = (this.#id + 1) >>> 0;
    this.#socket.ref();
    this.send(bytes, flags);
    return done;
  }

  /** Sends a frame of the program under way. Resolves when the socket has room again. */
  send(bytes: Buffer, flags: number): Promise<void> | void {
    if (this.lost) return;
    const header = Buffer.allocUnsafe(HEADER);
    header.writeUInt32LE(bytes.length, 0);
    header.writeUInt32LE(this.#id, 4);
    header.writeUInt32LE(flags, 8);
    this.#socket.cork();
    this.#socket.write(header);
    const room = this.#socket.write(bytes, () => release(bytes));
    this.#socket.uncork();
    if (!room) return this.#drained();
  }

  async close(): Promise<void> {
    this.#child.ref();
    this.#socket.destroy();
    await this.#ended;
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.on("drain", done);
      this.#socket.on("close", done);
    });
  }

  #receive(chunk: Buffer): void {
    let input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    while (input.length >= HEADER) {
      const length = input.readUInt32LE(0);
      if (input.length < HEADER + length) break;
      this.#answer(input.readUInt32LE(8), input.subarray(HEADER, HEADER + length));
      input = input.subarray(HEADER + length);
    }
    this.#input = input;
  }

  #answer(kind: number, payload: Buffer): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    if (kind === OUTPUT) {
      const index = payload.readUInt32LE(0);
      const before = pending.outputs.get(index);
      const bytes = payload.subarray(4);
      pending.outputs.set(index, before === undefined ? bytes : Buffer.concat([before, bytes]));
      return;
    }
    this.#pending = undefined;
    this.#socket.unref();
    if (kind === DONE) pending.resolve(pending.outputs);
    else pending.reject(programError(pending.sent, payload.readInt32LE(0), payload.readInt32LE(4)));
  }

  #lose(why: string): void {
    this.lost = true;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(lostError(pending.sent, why));
  }
}

function openStream(pool: Pool, host: Host): ProgramStream {
  const sent: Sent = { ops: [], before: 0 };
  let failure: unknown;
  let open = true;
  const outputs = host.run([], encodeProgram([]), STREAM | FORKED, sent);
  outputs.catch((error: unknown) => (failure = error));
  const finish = (): void => {
    if (!open) return;
    open = false;
    host.send(Buffer.alloc(0), STREAM | END);
  };
  const settle = () => outputs.finally(() => pool.give(host));
  let settled: Promise<Outputs> | undefined;
  return {
    push: async (more) => {
      if (failure !== undefined) throw failure;
      remember(sent, more);
      await host.send(encodeProgram(more), STREAM);
      if (failure !== undefined) throw failure;
    },
    end: () => {
      finish();
      return (settled ??= settle());
    },
    [Symbol.asyncDispose]: async () => {
      finish();
      await (settled ??= settle()).catch(() => undefined);
    },
  };
}

/** Keeps ops for the message of a failure, without the bytes that they carry. */
function remember(sent: Sent, more: Program): void {
  for (const op of flatten(more)) sent.ops.push("data" in op ? ({ ...op, data: "" } as Op) : op);
  if (sent.ops.length < 2 * REMEMBERED) return;
  const forgotten = sent.ops.length - REMEMBERED;
  sent.ops.splice(0, forgotten);
  sent.before += forgotten;
}

function programError({ ops, before }: Sent, index: number, errno: number): ProgramError {
  const op = ops[index - before];
  const total = before + ops.length;
  const code = errnoName(errno);
  const what = op === undefined ? "perform a program" : describeOp(op);
  const text = `${what}: ${code} (${getSystemErrorMessage(-errno) ?? "unknown error"}), operation ${index} of ${total}`;
  return new ProgramError({ index, total, errno, code, op, text });
}

function lostError({ ops, before }: Sent, why: string): ProgramError {
  const text = `perform a program: cell was lost: ${why}`;
  return new ProgramError({ index: -1, total: before + ops.length, errno: ECHILD, code: "ECHILD", op: undefined, text });
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** "EPERM" for 1. */
export function errnoName(errno: number): string {
  return errnoNames.get(errno) ?? `errno ${errno}`;
}
