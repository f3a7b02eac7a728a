/**
 * One at a time of each digest. Who comes second waits for the first, and sees how far it is; if that one is cancelled, or
 * fails with access that is not the waiter's own, the next one goes on itself.
 */
import { kindOf } from "#base/errors.ts";
import type { Digest } from "#spec/digest.ts";

export type Flights<Event> = {
  /**
   * Resolves once `arrived` says so. `lead` brings it. `access`: whose failure is everybody's.
   */
  join(digest: Digest, options: Join<Event>): Promise<void>;
};

export type Join<Event> = {
  readonly access: string;
  readonly signal: AbortSignal;
  /** Asked anew before each step: what has come meanwhile need not be brought. */
  arrived(): boolean;
  listen(event: Event): void;
  lead(tell: (event: Event) => void): Promise<void>;
};

type Flight<Event> = { readonly access: string; readonly listeners: Set<(event: Event) => void>; readonly done: Promise<unknown>; failure?: unknown };

export function openFlights<Event>(): Flights<Event> {
  const flights = new Map<Digest, Flight<Event>>();
  return {
    async join(digest, options) {
      while (!options.arrived()) {
        options.signal.throwIfAborted();
        const flight = flights.get(digest);
        if (flight === undefined) return begin(digest, options);
        await follow(flight, options);
        // The same request with the same access would fare no better.
        if (flight.failure !== undefined && flight.access === options.access && kindOf(flight.failure) !== "cancelled") throw flight.failure;
      }
    },
  };

  async function begin(digest: Digest, { access, listen, lead, signal }: Join<Event>): Promise<void> {
    const listeners = new Set([listen]);
    const { promise, resolve } = Promise.withResolvers<void>();
    const flight: Flight<Event> = { access, listeners, done: promise };
    flights.set(digest, flight);
    try {
      await lead((event) => listeners.forEach((listener) => listener(event)));
    } catch (error) {
      if (!signal.aborted) flight.failure = error;
      throw error;
    } finally {
      flights.delete(digest);
      resolve();
    }
  }

  async function follow(flight: Flight<Event>, { listen, signal }: Join<Event>): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    flight.listeners.add(listen);
    try {
      await Promise.race([flight.done, promise]);
    } finally {
      flight.listeners.delete(listen);
      signal.removeEventListener("abort", stop);
    }
  }
}
