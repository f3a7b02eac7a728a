/** One exchange on a connection: what waits to be sent, by the other side's leave; and what came, by ours. */
import type { Failure } from "#base/errors.ts";
import type { Stream, StreamEvents } from "./connection.ts";
import type { Headers } from "./hpack.ts";

/** What the connection does for its streams. */
export type StreamHost = {
  /** What we may send before we are given leave for more. */
  readonly window: number;
  /** What may come before it was dealt with. */
  readonly receives: number;
  frameSize(): number;
  /** What all streams together may send now. */
  room(): number;
  headers(list: Headers, last: boolean): void;
  data(bytes: Uint8Array, last: boolean): void;
  reset(): void;
  report(bytes: number): void;
  closed(): void;
};

export type OpenStream = Stream & {
  listen(events: StreamEvents): void;
  receiveHeaders(list: Headers): void;
  /** `cost`: with padding. */
  receiveData(chunk: Buffer, cost: number): void;
  receiveEnd(): void;
  /** The other side's leave for more. */
  allow(bytes: number): void;
  send(): void;
  fail(error: Failure): void;
};

/** More than this that waits, and `write` says to wait. */
const ENOUGH = 2 ** 18;

export function openStream(host: StreamHost): OpenStream {
  const queue: Uint8Array[] = [];
  let queued = 0;
  let window = host.window;
  let unreported = 0;
  let trailers: Headers | undefined;
  let ending = false;
  let sent = false;
  let received = false;
  let over = false;
  let events: StreamEvents | undefined;
  let waiting: PromiseWithResolvers<void> | undefined;

  const wake = () => {
    waiting?.resolve();
    waiting = undefined;
  };
  const finish = () => {
    if (over || !sent || !received) return;
    over = true;
    host.closed();
  };
  const send = () => {
    while (queue.length > 0) {
      const most = Math.min(window, host.room(), host.frameSize());
      if (most <= 0) break;
      const chunk = queue[0]!;
      const part = chunk.length > most ? chunk.subarray(0, most) : chunk;
      if (part.length === chunk.length) queue.shift();
      else queue[0] = chunk.subarray(most);
      queued -= part.length;
      window -= part.length;
      const last = ending && queue.length === 0 && trailers === undefined;
      if (last) sent = true;
      host.data(part, last);
    }
    if (ending && queue.length === 0 && !sent) {
      sent = true;
      if (trailers === undefined) host.data(new Uint8Array(0), true);
      else host.headers(trailers, true);
    }
    if (queued < ENOUGH) wake();
    finish();
  };

  return {
    listen: (listeners) => void (events = listeners),
    headers: (list) => host.headers(list, false),
    write(bytes) {
      if (over || ending || bytes.length === 0) return true;
      queue.push(bytes);
      queued += bytes.length;
      send();
      return queued < ENOUGH;
    },
    room: () => (over || queued < ENOUGH ? Promise.resolve() : (waiting ??= Promise.withResolvers<void>()).promise),
    end(list) {
      if (over || ending) return;
      ending = true;
      trailers = list;
      send();
    },
    reset() {
      if (over) return;
      over = true;
      queue.length = 0;
      host.reset();
      host.closed();
      wake();
    },
    took(bytes) {
      unreported += bytes;
      if (over || received || unreported < host.receives / 2) return;
      host.report(unreported);
      unreported = 0;
    },
    receiveHeaders: (list) => void (over || events?.headers(list)),
    receiveData(chunk, cost) {
      if (over) return;
      // Padding is nobody's to deal with.
      if (cost > chunk.length) this.took(cost - chunk.length);
      events?.data(chunk);
    },
    receiveEnd() {
      if (over || received) return;
      received = true;
      events?.end();
      finish();
    },
    allow(bytes) {
      window += bytes;
      if (bytes > 0) send();
    },
    send,
    fail(error) {
      if (over) return;
      over = true;
      queue.length = 0;
      queued = 0;
      host.closed();
      wake();
      events?.failed(error);
    },
  };
}
