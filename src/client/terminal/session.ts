/** A hijacked stream joined to our standard streams. */
import type { Duplex } from "node:stream";
import { messageOf } from "#base/errors.ts";
import type { Cli } from "../client.ts";
import { createDetacher, DEFAULT_KEYS, parseDetachKeys } from "./detach-keys.ts";
import { createDemuxer } from "./frames.ts";
import { enterRawMode } from "./terminal.ts";

export type SessionOptions = {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly detachKeys: string;
};

/** "detached": the user's keys; "ended": the container's outputs ended, or the connection did. */
export async function runSession(cli: Cli, stream: Duplex, options: SessionOptions): Promise<"ended" | "detached"> {
  const restore = options.stdin && options.tty ? enterRawMode() : () => {};
  try {
    const detached = options.stdin ? sendInput(cli, stream, options) : new Promise<"detached">(() => {});
    if (!options.stdin) stream.end();
    if (!options.stdout && !options.stderr) return await Promise.race([detached, untilInputEnds(stream)]);
    return await Promise.race([detached, showOutput(cli, stream, options)]);
  } finally {
    restore();
    // Asking for it would open it: only where it was used.
    if (options.stdin) process.stdin.pause();
    stream.destroy();
  }
}

/** Resolves only when the user detached: input that ends closes the container's, and the session goes on. */
function sendInput(cli: Cli, stream: Duplex, options: SessionOptions): Promise<"detached"> {
  const input = process.stdin;
  const detacher = options.tty ? createDetacher(keysOf(cli, options.detachKeys)) : undefined;
  return new Promise((resolve) => {
    input.on("data", (chunk: Buffer) => {
      const { data, detached } = detacher?.push(chunk) ?? { data: chunk, detached: false };
      if (data.length > 0 && !stream.writableEnded && !stream.destroyed && !stream.write(data)) {
        input.pause();
        stream.once("drain", () => input.resume());
      }
      if (detached) resolve("detached");
    });
    input.once("end", () => stream.end());
    input.once("error", () => stream.end());
  });
}

function keysOf(cli: Cli, text: string): readonly number[] {
  if (text === "") return DEFAULT_KEYS;
  try {
    return parseDetachKeys(text);
  } catch (error) {
    cli.err.write(`invalid detach escape keys, using default: ${messageOf(error)}\n`);
    return DEFAULT_KEYS;
  }
}

async function showOutput(cli: Cli, stream: Duplex, options: SessionOptions): Promise<"ended"> {
  const demuxer = createDemuxer((to, bytes) => (to === 2 ? cli.err : cli.out).write(bytes));
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
      if (options.tty) cli.out.write(chunk as Buffer);
      else demuxer.push(chunk as Buffer);
    }
  } catch (error) {
    // The engine went away, or the network: what the container's exit code is, is asked next.
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || !/^(ECONNRESET|EPIPE|ERR_STREAM_)/.test(code)) throw error;
  }
  demuxer.end();
  return "ended";
}

/** Nothing is shown: it is over when all input is sent and the other side has taken it. */
function untilInputEnds(stream: Duplex): Promise<"ended"> {
  return new Promise((resolve) => {
    stream.once("finish", () => resolve("ended")).once("close", () => resolve("ended"));
    stream.resume();
  });
}
