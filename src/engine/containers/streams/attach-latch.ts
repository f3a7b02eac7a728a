/**
 * A stream that can be handed out before there is anything at its other end: `docker run` attaches first and starts
 * then. What is written waits; reading waits; back-pressure passes through from the moment it is joined.
 */
import { Duplex } from "node:stream";

export type Latch = {
  readonly stream: Duplex;
  /** Something to read before what the other end brings; resolves when there is room for more. */
  feed(chunk: Buffer): Promise<void>;
  /** Puts the other end on. */
  join(inner: Duplex): void;
  /** There will be none: the stream ends. */
  end(): void;
};

/** `endAfter`: the stream is not told to have ended before this settles. */
export function openLatch({ endAfter }: { endAfter?: Promise<unknown> } = {}): Latch {
  let inner: Duplex | undefined;
  let onJoin: (() => void) | undefined;
  let onRoom: (() => void) | undefined;
  const whenJoined = (run: () => void) => (inner === undefined ? (onJoin = run) : run());
  const stream = new Duplex({
    allowHalfOpen: true,
    read() {
      onRoom?.();
      inner?.resume();
    },
    // Streams do one write at a time, and the end after it: so one thing at most waits.
    write: (chunk: Buffer, _, done) => whenJoined(() => inner!.write(chunk, (error) => done(error))),
    final: (done) => whenJoined(() => void inner!.end(() => done())),
    destroy(error, done) {
      onRoom?.();
      inner?.destroy();
      done(error);
    },
  });
  stream.on("error", () => {});
  return {
    stream,
    async feed(chunk) {
      if (stream.destroyed || stream.push(chunk)) return;
      await new Promise<void>((resolve) => (onRoom = resolve));
    },
    join(other) {
      inner = other;
      if (stream.destroyed) return void other.destroy();
      // It may have broken before anybody listened; then nothing more is heard of it.
      if (other.destroyed) return void stream.destroy();
      other.on("data", (chunk: Buffer) => void (stream.push(chunk) || other.pause()));
      const finish = () => void (stream.destroyed || stream.push(null));
      other.on("end", () => (endAfter === undefined ? finish() : void endAfter.then(finish, finish)));
      other.on("error", () => stream.destroy());
      // A socket tells of its end even when nobody listens, and only once.
      if (other.readableEnded) finish();
      // A reader that was told of no end would wait for ever.
      other.on("close", () => void (other.readableEnded || stream.destroy()));
      onJoin?.();
    },
    end() {
      stream.push(null);
      stream.end();
      onJoin = undefined;
      stream.resume();
      stream.destroy();
    },
  };
}
