/** The other side of decoder.ts: streams one beside the other, each a chunk at a time. */
import { parentPort } from "node:worker_threads";
import { Failure, type Kind, messageOf } from "./errors.ts";

export type Program = "xz" | "bzip2";

/** To the thread. `bytes` without any: the source has ended. `more`: a part was taken, another may come. */
export type Question =
  | { readonly id: number; readonly kind: "open"; readonly program: Program; readonly what: string }
  | { readonly id: number; readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> | undefined }
  | { readonly id: number; readonly kind: "more" | "close" };

/** From it. `want`: a chunk of the source. `part` without bytes: all was decoded. */
export type Answer =
  | { readonly id: number; readonly kind: "want" }
  | { readonly id: number; readonly kind: "part"; readonly bytes: Uint8Array<ArrayBuffer> | undefined }
  | { readonly id: number; readonly kind: "failed"; readonly error: { readonly kind: Kind; readonly message: string } };

/** Chunks that are on their way, either way. */
export const AHEAD = 2;

type Lane = { bytes(chunk: Uint8Array | undefined): void; more(): void; close(): void };

const lanes = new Map<number, Lane>();

parentPort?.on("message", (question: Question) => {
  if (question.kind === "open") lanes.set(question.id, openLane(question));
  else if (question.kind === "bytes") lanes.get(question.id)?.bytes(question.bytes);
  else lanes.get(question.id)?.[question.kind]();
});

function openLane({ id, program, what }: Extract<Question, { kind: "open" }>): Lane {
  const came = openGate<Uint8Array | undefined>();
  const room = openGate<true>();
  for (let one = 0; one < AHEAD; one++) post({ id, kind: "want" }), room.put(true);
  async function* source() {
    for (let chunk; (chunk = await came.take()) !== undefined; ) {
      post({ id, kind: "want" });
      yield chunk;
    }
  }
  const run = async () => {
    const read = program === "xz" ? (await import("./xz.ts")).readXz : (await import("./bzip2.ts")).readBzip2;
    for await (const part of read(source(), what)) {
      await room.take();
      post({ id, kind: "part", bytes: new Uint8Array(part) });
    }
    post({ id, kind: "part", bytes: undefined });
  };
  void run().catch((error: unknown) => lanes.has(id) && post({ id, kind: "failed", error: { kind: error instanceof Failure ? error.kind : "internal", message: messageOf(error) } })).then(() => lanes.delete(id));
  return {
    bytes: came.put,
    more: () => room.put(true),
    close() {
      lanes.delete(id);
      const closed = new Failure("cancelled", "closed");
      came.end(closed);
      room.end(closed);
    },
  };
}

function post(answer: Answer): void {
  const bytes = answer.kind === "part" ? answer.bytes : undefined;
  parentPort!.postMessage(answer, bytes === undefined ? [] : [bytes.buffer]);
}

type Gate<T> = { put(value: T): void; take(): Promise<T>; end(error: Error): void };

/** What was put, in order, as it is taken; one taker. */
function openGate<T>(): Gate<T> {
  const values: T[] = [];
  let ended: Error | undefined;
  let waiting: PromiseWithResolvers<void> | undefined;
  const wake = () => (waiting?.resolve(), (waiting = undefined));
  return {
    put: (value) => void (values.push(value), wake()),
    end: (error) => void ((ended = error), wake()),
    async take() {
      while (values.length === 0 && ended === undefined) await (waiting = Promise.withResolvers()).promise;
      if (ended !== undefined) throw ended;
      return values.shift()!;
    },
  };
}
