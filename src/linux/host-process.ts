/** One `cell host`: a child process that performs one program at a time. The wire format is in native/host.c. */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { release } from "#base/memory.ts";
import type { Outputs } from "./linux.ts";
import { lostError, programError, type Sent } from "./program-error.ts";

/** Flags of a frame: performed in a forked child; one of a stream's; the stream's last. */
export const FORKED = 1;
export const STREAM = 2;
export const END = 4;

const DONE = 0;
const OUTPUT = 2;
const HEADER = 12;

export type HostOptions = {
  /** The program built from native/. */
  readonly cell: string;
  /** For tests: CELL_FAILPOINTS. */
  readonly failpoints?: string;
};

export type Host = {
  /** The process is gone: it performs nothing any more. */
  lost(): boolean;
  /** Sends the first (or only) frame of a program; resolves with its outputs. */
  run(sent: Sent, bytes: Buffer, flags: number): Promise<Outputs>;
  /** Sends another frame of the program under way. Resolves when the socket has room again. */
  send(bytes: Buffer, flags: number): Promise<void> | void;
  close(): Promise<void>;
};

type Pending = {
  readonly sent: Sent;
  readonly outputs: Map<number, Buffer>;
  readonly resolve: (outputs: Outputs) => void;
  readonly reject: (error: unknown) => void;
};

export function startHost({ cell, failpoints }: HostOptions): Host {
  const env = failpoints === undefined ? {} : { CELL_FAILPOINTS: failpoints };
  const child = spawn(cell, ["host"], { stdio: ["ignore", "inherit", "inherit", "pipe"], env, cwd: "/" });
  const socket = child.stdio[3] as unknown as Socket;
  let lost = false;
  let id = 0;
  let pending: Pending | undefined;

  const take = (): Pending | undefined => {
    const taken = pending;
    pending = undefined;
    socket.unref();
    return taken;
  };
  const lose = (why: string) => {
    lost = true;
    const taken = take();
    taken?.reject(lostError(taken.sent, why));
  };
  const ended = new Promise<void>((resolve) => {
    child.on("error", (error) => (lose(error.message), resolve()));
    child.on("exit", (code, signal) => (lose(`it ended with ${signal ?? `exit code ${code}`}`), resolve()));
  });
  const answer = (kind: number, payload: Buffer) => {
    if (kind === OUTPUT) return pending && collect(pending.outputs, payload);
    const taken = take();
    if (kind === DONE) taken?.resolve(taken.outputs);
    else taken?.reject(programError(taken.sent, payload.readInt32LE(0), payload.readInt32LE(4)));
  };
  const send = (bytes: Buffer, flags: number): Promise<void> | void => {
    if (!lost && !writeFrame(socket, { id, flags, bytes })) return drained(socket);
  };

  socket.on("data", frames(answer)).on("error", () => lose("its socket failed"));
  child.unref();
  socket.unref();
  return {
    lost: () => lost,
    run(sent, bytes, flags) {
      const { promise, resolve, reject } = Promise.withResolvers<Outputs>();
      pending = { sent, outputs: new Map(), resolve, reject };
      if (lost) lose("it is gone");
      id = (id + 1) >>> 0;
      socket.ref();
      void send(bytes, flags);
      return promise;
    },
    send,
    async close() {
      child.ref();
      socket.destroy();
      await ended;
    },
  };
}

/** What an op says may come in several pieces. */
function collect(outputs: Map<number, Buffer>, payload: Buffer): void {
  const index = payload.readUInt32LE(0);
  const before = outputs.get(index);
  const bytes = payload.subarray(4);
  outputs.set(index, before === undefined ? bytes : Buffer.concat([before, bytes]));
}

/** Cuts what arrives into answers. */
function frames(answer: (kind: number, payload: Buffer) => void): (chunk: Buffer) => void {
  let kept: Buffer = Buffer.alloc(0);
  return (chunk) => {
    let input = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    while (input.length >= HEADER) {
      const length = input.readUInt32LE(0);
      if (input.length < HEADER + length) break;
      answer(input.readUInt32LE(8), input.subarray(HEADER, HEADER + length));
      input = input.subarray(HEADER + length);
    }
    kept = input;
  };
}

/** True when the socket has room for more. */
function writeFrame(socket: Socket, { id, flags, bytes }: { id: number; flags: number; bytes: Buffer }): boolean {
  const header = Buffer.allocUnsafe(HEADER);
  header.writeUInt32LE(bytes.length, 0);
  header.writeUInt32LE(id, 4);
  header.writeUInt32LE(flags, 8);
  socket.cork();
  socket.write(header);
  const room = socket.write(bytes, () => release(bytes));
  socket.uncork();
  return room;
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}
