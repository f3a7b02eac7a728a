/** Calls that are made of us: methods by path, each handed the messages as they come. */
import { fail, messageOf } from "#base/errors.ts";
import { frame, HEADROOM } from "#base/grpc/frames.ts";
import type { Headers, Stream, StreamEvents } from "../h2/connection.ts";
import { readMessages } from "./messages.ts";
import { trailersOf } from "./status.ts";

export type Incoming = {
  /** All values of a metadata key. */
  values(name: string): string[];
  readonly metadata: Headers;
  /**
   * Messages as they come; ends when the caller has said everything. `take` may return a promise: the caller is held back
   * until it resolves. The bytes are a view that must be copied to be kept.
   */
  receive(take: (message: Buffer) => Promise<void> | void): Promise<void>;
  /** Headers of the answer; else sent with the first message, without metadata. */
  head(metadata?: Headers): void;
  /** False: wait for `room`. A message with its head (`frame`), or several one after another. */
  send(messages: Buffer): boolean;
  room(): Promise<void>;
  /** Aborted when the caller has gone away, and when the method has ended: a file of which half was sent is not read on. */
  readonly signal: AbortSignal;
};

export type Method = (call: Incoming) => Promise<void>;

/** What a connection's `accept` is to be. */
export function serveMethods(methods: ReadonlyMap<string, Method>): (stream: Stream, headers: Headers) => StreamEvents {
  return (stream, headers) => {
    const path = headers.find(([name]) => name === ":path")?.[1] ?? "";
    const { call, events, finish } = openIncoming(stream, headers);
    const method = methods.get(path);
    const run = async () => {
      if (method === undefined) throw fail("not-implemented", `unknown method ${path}`);
      await method(call);
    };
    run().then(() => finish(), finish);
    return events;
  };
}

/** A method of one message each way. */
export function unary(answer: (request: Buffer) => Promise<Buffer>): Method {
  return async (call) => {
    let request: Buffer = Buffer.alloc(0);
    await call.receive((message) => void (request = Buffer.from(message)));
    call.send(await answer(request));
  };
}

/** An empty message. */
export const nothing = (): Buffer => frame(Buffer.alloc(HEADROOM));

type Open = { readonly call: Incoming; readonly events: StreamEvents; finish(error?: unknown): void };

function openIncoming(stream: Stream, headers: Headers): Open {
  const gone = new AbortController();
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => {});
  let headed = false;
  let take: ((message: Buffer) => Promise<void> | void) | undefined;
  const early: Buffer[] = [];
  let isOver = false;
  let busy: Promise<void> | undefined;

  /** What is wrong with what came: the method hears it, and the caller hears of it from the method. Nothing more is taken. */
  const broken = (error: unknown) => {
    take = () => {};
    ended.reject(error);
  };
  const deliver = (chunk: Buffer) => {
    try {
      give(chunk);
    } catch (error) {
      return broken(error);
    }
    if (busy === undefined) stream.took(chunk.length);
    else chain(() => stream.took(chunk.length));
  };
  const give = readMessages((message) => {
    if (busy !== undefined) {
      // It waits for the one before it: what it is a view of may be gone by then.
      const kept = Buffer.from(message);
      chain(() => take!(kept));
      return;
    }
    const pending = take!(message);
    if (pending !== undefined) chain(() => pending);
  });
  const chain = (act: () => Promise<void> | void) => {
    const next: Promise<void> = (busy ?? Promise.resolve()).then(act).catch(broken).finally(() => {
      if (busy === next) busy = undefined;
    });
    busy = next;
  };
  /** After all that is still dealt with. */
  const settle = () => void (busy ?? Promise.resolve()).then(() => ended.resolve());
  const head = (metadata: Headers = []) => {
    if (headed) return;
    headed = true;
    stream.headers([[":status", "200"], ["content-type", "application/grpc"], ...metadata]);
  };
  return {
    events: {
      headers: () => {},
      data: (chunk) => (take === undefined ? void early.push(chunk) : deliver(chunk)),
      end() {
        isOver = true;
        if (take !== undefined) settle();
      },
      failed(error) {
        const reason = fail("cancelled", messageOf(error), { cause: error });
        ended.reject(reason);
        gone.abort(reason);
      },
    },
    finish(error) {
      if (gone.signal.aborted) return;
      if (headed) stream.end(trailersOf(error));
      else if (error === undefined) {
        head();
        stream.end(trailersOf());
      } else stream.end([[":status", "200"], ["content-type", "application/grpc"], ...trailersOf(error)]);
      gone.abort(fail("cancelled", "the call is over"));
    },
    call: {
      metadata: headers,
      values: (name) => headers.filter((each) => each[0] === name).map((each) => each[1]),
      signal: gone.signal,
      head,
      room: () => stream.room(),
      send(messages) {
        head();
        return stream.write(messages);
      },
      receive(taker) {
        take = taker;
        for (const chunk of early.splice(0)) deliver(chunk);
        if (isOver) settle();
        return ended.promise;
      },
    },
  };
}
