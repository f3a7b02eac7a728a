/** Calls that we make: one message or several each way. */
import { fail, type Failure } from "#base/errors.ts";
import type { Connection, Headers, Stream } from "../h2/connection.ts";
import { readMessages } from "./messages.ts";
import { failureIn } from "./status.ts";

export type CallOptions = {
  readonly metadata?: Headers;
  readonly signal?: AbortSignal;
  /** Each message of the answer, in order: a view that must be copied to be kept. */
  readonly onMessage: (message: Buffer) => void;
};

export type Call = {
  /** False: wait for `room`. A message with its head (`frame` of base/grpc/frames.ts). */
  send(message: Buffer): boolean;
  room(): Promise<void>;
  end(): void;
  /** Resolves when the answer is complete. @throws its failure */
  readonly done: Promise<void>;
};

export function openCall(connection: Connection, path: string, { metadata = [], signal, onMessage }: CallOptions): Call {
  const done = Promise.withResolvers<void>();
  done.promise.catch(() => {});
  let last: Headers = [];
  const give = readMessages(onMessage);
  const settle = (error: Failure | undefined) => {
    signal?.removeEventListener("abort", stop);
    if (error === undefined) done.resolve();
    else done.reject(error);
  };
  const stop = () => {
    stream.reset();
    settle(fail("cancelled", "context canceled"));
  };
  const stream: Stream = connection.request(
    [[":method", "POST"], [":scheme", "http"], [":path", path], [":authority", "localhost"], ["content-type", "application/grpc"], ["te", "trailers"], ...metadata],
    {
      headers: (list) => void (last = list),
      data(chunk) {
        try {
          give(chunk);
          stream.took(chunk.length);
        } catch (error) {
          stream.reset();
          settle(error as Failure);
        }
      },
      end: () => settle(failureIn(last, path)),
      failed: settle,
    },
  );
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return { send: (message) => stream.write(message), room: () => stream.room(), end: () => stream.end(), done: done.promise };
}

/** One message each way. */
export async function ask(connection: Connection, path: string, message: Buffer, options: Omit<CallOptions, "onMessage"> = {}): Promise<Buffer> {
  let answer: Buffer = Buffer.alloc(0);
  const call = openCall(connection, path, { ...options, onMessage: (bytes) => void (answer = Buffer.from(bytes)) });
  call.send(message);
  call.end();
  await call.done;
  return answer;
}
