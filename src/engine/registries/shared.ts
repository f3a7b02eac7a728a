/**
 * Work that several clients want at the same time and that is done once: it goes on as long as one of them waits for it.
 * Who comes later hears first how things stand.
 */
import { unlessAborted } from "#base/abort.ts";
import type { Message } from "./registries.ts";

export type Shared<T> = {
  /**
   * Joins the work under this key, or begins it. The value stays in force (leases, above all) until `use` has ended for
   * everybody who shares it.
   */
  join<R>(key: string, options: JoinOptions<T, R>): Promise<R>;
};

export type Work<T> = { readonly value: T } & AsyncDisposable;

export type JoinOptions<T, R> = {
  readonly begin: (send: (message: Message) => void, signal: AbortSignal) => Promise<Work<T>>;
  readonly send: (message: Message) => void;
  readonly signal: AbortSignal;
  readonly use: (value: T) => Promise<R>;
};

type Flight<T> = {
  readonly work: Promise<Work<T>>;
  readonly stop: AbortController;
  readonly listeners: Set<(message: Message) => void>;
  /** The newest message of each id, in the order in which the ids came. */
  readonly state: Map<string, Message>;
  members: number;
};

export function openShared<T>(): Shared<T> {
  const flights = new Map<string, Flight<T>>();

  return {
    async join(key, { begin, send, signal, use }) {
      signal.throwIfAborted();
      const flight = flights.get(key) ?? depart(key, begin);
      flight.members++;
      for (const message of flight.state.values()) send(message);
      flight.listeners.add(send);
      try {
        return await use((await unlessAborted(flight.work, signal)).value);
      } finally {
        flight.listeners.delete(send);
        if (--flight.members === 0) await land(key, flight);
      }
    },
  };

  function depart(key: string, begin: JoinOptions<T, unknown>["begin"]): Flight<T> {
    const listeners = new Set<(message: Message) => void>();
    const state = new Map<string, Message>();
    const stop = new AbortController();
    const tell = (message: Message) => {
      if (message.id !== undefined) state.set(message.id, message);
      for (const listener of listeners) listener(message);
    };
    // Begun a moment later, so that whoever began it hears its first message, too.
    const work = Promise.resolve().then(() => begin(tell, stop.signal));
    const flight: Flight<T> = { work, stop, listeners, state, members: 0 };
    flights.set(key, flight);
    // What has failed is nobody's to join any more.
    work.catch(() => forget(key, flight));
    return flight;
  }

  async function land(key: string, flight: Flight<T>): Promise<void> {
    forget(key, flight);
    flight.stop.abort();
    const work = await flight.work.catch(() => undefined);
    await work?.[Symbol.asyncDispose]();
  }

  function forget(key: string, flight: Flight<T>): void {
    if (flights.get(key) === flight) flights.delete(key);
  }
}
