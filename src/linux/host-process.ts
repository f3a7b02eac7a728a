/** One `cell host`: a child process that performs one program at a time. The wire format is in native/host.c. */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { release, releaseWhole } from "#base/memory.ts";
import type { Outputs } from "./linux.ts";
import { lostError, programError, type Sent } from "./program-error.ts";

/** Flags of a frame: performed in a forked child; one of a stream's; the stream's last. */
export const FORKED = 1;
export const STREAM = 2;
export const END = 4;

const DONE = 0;
const OUTPUT = 2;
const HEADER = 12;
/** Of the op, before its output. */
const INDEX = 4;

export type HostOptions = {
  /** The program built from native/. */
  readonly cell: string;
  /** For tests: CELL_FAILPOINTS. */
  readonly failpoints?: string;
};

export type Host = {
  /** The process is gone, or was ended and will be: it performs nothing any more. */
  lost(): boolean;
  /** Sends the first (or only) frame of a program; resolves with its outputs. */
  run(sent: Sent, bytes: Buffer, flags: number, to?: Piped | Heard): Promise<Outputs>;
  /** Ends the process, and with it the program under way. */
  kill(): void;
  /** Sends another frame of the program under way. Resolves when the socket has room again. */
  send(bytes: Buffer, flags: number): Promise<void> | void;
  /** The same in pieces that are not copied; resolves when they are written. */
  sendParts(parts: readonly Uint8Array[], length: number, flags: number): Promise<void>;
  close(): Promise<void>;
};

/**
 * What one op of a program puts out goes to `take`, in pieces, instead of to the outputs. A piece is copied at once: its
 * memory is given back afterwards. False: hold the rest back until `go`.
 */
export type Piped = { readonly index: number; take(piece: Buffer, outputs: Outputs): boolean; resume(go: () => void): void };

/** Each output of a program is shown to `hear` when it is there; what that takes is not kept. */
export type Heard = { hear(output: Buffer): boolean };

type Pending = {
  readonly sent: Sent;
  readonly piped: Piped | undefined;
  readonly heard: Heard | undefined;
  readonly outputs: Map<number, Buffer>;
  /** Where outputs of several pieces are. */
  readonly rooms: Map<number, Buffer>;
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
    if (kind === OUTPUT) return pending && !pending.heard?.hear(payload.subarray(INDEX)) ? collect(pending, payload) : undefined;
    const taken = take();
    if (kind === DONE) taken?.resolve(taken.outputs);
    else taken?.reject(programError(taken.sent, payload.readInt32LE(0), payload.readInt32LE(4)));
  };
  const send = (bytes: Buffer, flags: number): Promise<void> | void => {
    if (lost) return;
    // It was ended, and is not gone yet: a socket that is closed is never drained.
    if (socket.destroyed) return ended;
    if (!writeFrame(socket, { id, flags, bytes })) return drained(socket);
  };

  const pipe = (index: number) => {
    const { piped, outputs } = pending ?? {};
    if (piped?.index !== index || outputs === undefined) return undefined;
    return (piece: Buffer) => {
      if (piped.take(piece, outputs)) return;
      socket.pause();
      piped.resume(() => socket.resume());
    };
  };

  socket.on("data", frames(answer, pipe)).on("error", () => lose("its socket failed"));
  child.unref();
  socket.unref();
  return {
    lost: () => lost || socket.destroyed,
    kill: () => void socket.destroy(),
    run(sent, bytes, flags, to) {
      const { promise, resolve, reject } = Promise.withResolvers<Outputs>();
      pending = { sent, piped: to !== undefined && "take" in to ? to : undefined, heard: to !== undefined && "hear" in to ? to : undefined, outputs: new Map(), rooms: new Map(), resolve, reject };
      if (lost) lose("it is gone");
      id = (id + 1) >>> 0;
      socket.ref();
      void send(bytes, flags);
      return promise;
    },
    send,
    sendParts(parts, length, flags) {
      if (lost) return Promise.resolve();
      return new Promise((resolve) => {
        socket.cork();
        socket.write(frameHeader({ id, flags, length }));
        for (const part of parts.slice(0, -1)) socket.write(part);
        // Also when it failed: what is lost is told elsewhere.
        socket.write(parts.at(-1)!, () => resolve());
        socket.uncork();
      });
    },
    async close() {
      child.ref();
      socket.destroy();
      await ended;
    },
  };
}

/** What an op says may come in many pieces. Room is doubled: a dump of a thousand interfaces is not copied a thousand times. */
function collect({ outputs, rooms }: Pending, payload: Buffer): void {
  const index = payload.readUInt32LE(0);
  const before = outputs.get(index);
  const bytes = payload.subarray(4);
  if (before === undefined) return void outputs.set(index, bytes);
  const length = before.length + bytes.length;
  let room = rooms.get(index);
  if (room === undefined || room.length < length) {
    rooms.set(index, (room = Buffer.allocUnsafe(length * 2)));
    before.copy(room);
  }
  bytes.copy(room, before.length);
  outputs.set(index, room.subarray(0, length));
}

type Pipe = (piece: Buffer) => void;

/** Cuts what arrives into answers. What is piped is not gathered first. */
function frames(answer: (kind: number, payload: Buffer) => void, pipe: (index: number) => Pipe | undefined): (chunk: Buffer) => void {
  let kept: Buffer = Buffer.alloc(0);
  let piping: { to: Pipe; left: number } | undefined;
  return (chunk) => {
    let input = kept.length === 0 ? chunk : Buffer.concat([kept, chunk]);
    /** Somebody holds a part of this chunk. */
    let held = false;
    while (input.length > 0) {
      if (piping !== undefined) {
        const piece = input.subarray(0, piping.left);
        input = input.subarray(piece.length);
        const { to } = piping;
        if ((piping.left -= piece.length) === 0) piping = undefined;
        to(piece);
        continue;
      }
      if (input.length < HEADER) break;
      const length = input.readUInt32LE(0);
      const output = input.readUInt32LE(8) === OUTPUT && length > INDEX;
      if (output && input.length < HEADER + INDEX) break;
      const to = output ? pipe(input.readUInt32LE(HEADER)) : undefined;
      if (to !== undefined) {
        piping = { to, left: length - INDEX };
        input = input.subarray(HEADER + INDEX);
        continue;
      }
      if (input.length < HEADER + length) break;
      held = true;
      answer(input.readUInt32LE(8), input.subarray(HEADER, HEADER + length));
      input = input.subarray(HEADER + length);
    }
    kept = input;
    if (held || kept.length > HEADER + INDEX) return;
    kept = Buffer.from(kept);
    releaseWhole(chunk);
  };
}

function frameHeader({ id, flags, length }: { id: number; flags: number; length: number }): Buffer {
  const header = Buffer.allocUnsafe(HEADER);
  header.writeUInt32LE(length, 0);
  header.writeUInt32LE(id, 4);
  header.writeUInt32LE(flags, 8);
  return header;
}

/** True when the socket has room for more. */
function writeFrame(socket: Socket, { id, flags, bytes }: { id: number; flags: number; bytes: Buffer }): boolean {
  socket.cork();
  socket.write(frameHeader({ id, flags, length: bytes.length }));
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
