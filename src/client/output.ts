import { fstatSync, writeSync } from "node:fs";
import type { Output } from "./client.ts";

/**
 * Standard output or error, written to synchronously. A closed pipe ends the process as SIGPIPE would: the reader has
 * seen enough (`gantry ps | head -1`).
 */
export function openOutput(fd: 1 | 2): Output {
  let isTerminal: boolean | undefined;
  return {
    fd,
    get isTerminal() {
      return (isTerminal ??= isDevice(fd) && tty().isatty(fd));
    },
    get columns() {
      return this.isTerminal ? columnsOf(fd) : 0;
    },
    write: (data) => writeAll(fd, typeof data === "string" ? Buffer.from(data) : data),
  };
}

/** What is a file or a pipe is no terminal: then the module that knows terminals is not needed. */
function isDevice(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice();
  } catch {
    return false;
  }
}

function writeAll(fd: 1 | 2, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EPIPE") process.exit(141);
      // Somebody we share the pipe with made it non-blocking: wait for the reader a moment at a time.
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function columnsOf(fd: 1 | 2): number {
  const stream = fd === 1 ? process.stdout : process.stderr;
  return stream instanceof tty().WriteStream ? stream.columns : 0;
}

/** Loaded when it is asked for: it brings all of Node's networking in. */
function tty(): typeof import("node:tty") {
  return process.getBuiltinModule("node:tty");
}
