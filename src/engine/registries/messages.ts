/**
 * Progress messages between work that makes them when it likes and a client that reads when it can. What waits is
 * bounded: of one id only the newest progress waits, and everything else is a few messages a layer.
 */
import type { Message } from "./registries.ts";

export type Messages = {
  send(message: Message): void;
  /** No more; with an error, the reader gets it after what was sent. */
  end(error?: unknown): void;
  /** To be read once. */
  readonly read: AsyncIterable<Message>;
};

export function openMessages(): Messages {
  const waiting: Message[] = [];
  let ended: { error?: unknown } | undefined;
  let wake = Promise.withResolvers<void>();

  async function* read(): AsyncGenerator<Message> {
    for (;;) {
      const message = waiting.shift();
      if (message !== undefined) yield message;
      else if (ended === undefined) {
        wake = Promise.withResolvers();
        await wake.promise;
      } else if ("error" in ended) throw ended.error;
      else return;
    }
  }

  return {
    send(message) {
      if (ended !== undefined) return;
      const at = replaceable(message) ? waiting.findLastIndex(({ id }) => id === message.id) : -1;
      if (at >= 0 && replaceable(waiting[at]!)) waiting[at] = message;
      else waiting.push(message);
      wake.resolve();
    },
    end(...error) {
      ended ??= error.length === 0 ? {} : { error: error[0] };
      wake.resolve();
    },
    read: read(),
  };
}

/** Numbers only: the next ones say it all. */
const replaceable = ({ id, progressDetail }: Message): boolean => id !== undefined && progressDetail?.current !== undefined;

/** Runs the work and yields what it sends; its failure is the reader's. Leaving early aborts the signal it was given, and waits. */
export async function* messagesOf(signal: AbortSignal, work: (send: Messages["send"], signal: AbortSignal) => Promise<void>): AsyncGenerator<Message> {
  const messages = openMessages();
  const gone = new AbortController();
  const done = work(messages.send, AbortSignal.any([signal, gone.signal])).then(
    () => messages.end(),
    (error: unknown) => messages.end(error),
  );
  try {
    yield* messages.read;
  } finally {
    gone.abort();
    await done;
  }
}
