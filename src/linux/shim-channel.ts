/** A connection to a shim's socket while it speaks in frames. */
import { connect, type Socket } from "node:net";
import { fail } from "#base/errors.ts";
import { decodeMessage, type Message } from "./shim-protocol.ts";

export type Channel = {
  readonly socket: Socket;
  /** The next frame; undefined at the end of the connection. One caller at a time. */
  receive(): Promise<Message | undefined>;
  /** Gives the socket up as a plain stream: what came behind the last frame is read from it again. */
  release(): Socket;
};

/** Connects and sends the first frame. Rejects with `unavailable` when nobody listens. */
export async function openChannel(path: string, first: Buffer, signal?: AbortSignal): Promise<Channel> {
  signal?.throwIfAborted();
  const socket = connect({ path, allowHalfOpen: true });
  const abort = () => socket.destroy(signal?.reason as Error);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await connected(socket);
  } catch (cause) {
    signal?.throwIfAborted();
    throw fail("unavailable", `connect to the shim at ${path}: it is not there`, { cause });
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  socket.write(first);
  return frames(socket);
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect", () => (socket.off("error", reject), resolve()));
    socket.once("error", reject);
  });
}

function frames(socket: Socket): Channel {
  let input: Buffer = Buffer.alloc(0);
  let ended = false;
  let wake: (() => void) | undefined;
  const notice = () => wake?.();
  const end = () => ((ended = true), wake?.());
  socket.on("readable", notice).on("end", end).on("close", end).on("error", end);
  const next = (): Message | undefined => {
    const found = decodeMessage(input);
    if (found !== undefined) input = input.subarray(found.length);
    return found?.message;
  };
  return {
    socket,
    receive: async () => {
      for (;;) {
        const message = next();
        if (message !== undefined) return message;
        const chunk = socket.read() as Buffer | null;
        if (chunk !== null) input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
        else if (ended) return undefined;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    release: () => {
      socket.off("readable", notice).off("end", end).off("close", end).off("error", end);
      if (input.length > 0) socket.unshift(input);
      return socket;
    },
  };
}
