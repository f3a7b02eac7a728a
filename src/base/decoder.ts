/**
 * xz and bzip2, which Node cannot read, by decoders of our own on a thread: they are arithmetic for as long as there are
 * bytes. One thread for all that is read at once, so that decoding never takes more than one processor; it starts with the
 * first stream, and ends when none has come for a while.
 */
import { Worker } from "node:worker_threads";
import type { Answer, Program, Question } from "./decoder-worker.ts";
import { Failure, fail, messageOf } from "./errors.ts";

export type { Program } from "./decoder-worker.ts";

const IDLE_MS = 10_000;

/** @throws invalid for what is corrupt or cut short; whatever the source throws */
export async function* decode(program: Program, source: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  const lane = openLane(program, what, () => iterator.next());
  try {
    for (let part; (part = await lane.next()) !== undefined; ) yield part;
  } finally {
    lane.close();
    // Not waited for: a source that has stalled ends when it goes on.
    void iterator.return?.().then(undefined, () => undefined);
  }
}

type Pull = () => Promise<IteratorResult<Uint8Array>>;
type Lane = { next(): Promise<Buffer | undefined>; close(): void };
type Listener = { tell(answer: Answer): void; fail(error: Error): void };

function openLane(program: Program, what: string, pull: Pull): Lane {
  const parts: (Buffer | undefined)[] = [];
  let failure: Error | undefined;
  let waiting: PromiseWithResolvers<void> | undefined;
  const wake = () => (waiting?.resolve(), (waiting = undefined));
  const lost = (error: Error) => void ((failure ??= error), wake());
  const joined = join({
    tell(answer) {
      if (answer.kind === "want") return void pull().then(({ done, value }) => joined.ask({ kind: "bytes", bytes: done === true ? undefined : new Uint8Array(value) }), lost);
      if (answer.kind === "failed") return lost(new Failure(answer.error.kind, answer.error.message));
      parts.push(answer.bytes === undefined ? undefined : Buffer.from(answer.bytes.buffer));
      wake();
    },
    fail: (error) => lost(fail("internal", `read ${what}: ${messageOf(error)}`, { cause: error })),
  });
  joined.ask({ kind: "open", program, what });
  return {
    async next() {
      while (parts.length === 0 && failure === undefined) await (waiting = Promise.withResolvers()).promise;
      if (failure !== undefined) throw failure;
      joined.ask({ kind: "more" });
      return parts.shift();
    },
    close: joined.leave,
  };
}

type Ask = Question extends infer One ? (One extends Question ? Omit<One, "id"> : never) : never;
type Joined = { ask(question: Ask): void; leave(): void };
type Thread = { readonly worker: Worker; readonly listeners: Map<number, Listener>; last: number; idle: NodeJS.Timeout | undefined };

/** The process's only one. */
let thread: Thread | undefined;

function join(listener: Listener): Joined {
  const { worker, listeners } = (thread ??= startThread());
  const mine = thread;
  const id = ++mine.last;
  clearTimeout(mine.idle);
  worker.ref();
  listeners.set(id, listener);
  return {
    ask(question) {
      if (!listeners.has(id)) return;
      const bytes = question.kind === "bytes" ? question.bytes : undefined;
      worker.postMessage({ ...question, id } satisfies Question, bytes === undefined ? [] : [bytes.buffer]);
    },
    leave() {
      if (!listeners.delete(id)) return;
      worker.postMessage({ kind: "close", id } satisfies Question);
      if (listeners.size > 0) return;
      worker.unref();
      mine.idle = setTimeout(() => end(mine), IDLE_MS).unref();
    },
  };
}

function startThread(): Thread {
  const worker = new Worker(new URL("./decoder-worker.ts", import.meta.url));
  const listeners = new Map<number, Listener>();
  const started: Thread = { worker, listeners, last: 0, idle: undefined };
  const lost = (error: Error) => {
    end(started);
    for (const listener of listeners.values()) listener.fail(error);
  };
  worker.on("message", (answer: Answer) => listeners.get(answer.id)?.tell(answer));
  worker.on("error", lost);
  worker.on("exit", () => lost(new Error("the thread that decodes has ended")));
  return started;
}

function end(one: Thread): void {
  clearTimeout(one.idle);
  if (thread === one) thread = undefined;
  void one.worker.terminate();
}
