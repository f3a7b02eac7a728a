import { Duplex } from "node:stream";
import type { ClientCall } from "#base/grpc/grpc.ts";

type Bytes = { readonly data: Uint8Array };

/** A call of messages of bytes as a stream. */
export function streamOf(call: Pick<ClientCall<Bytes, Bytes>, "messages" | "send" | "end" | "cancel">): Duplex {
  const messages = call.messages[Symbol.asyncIterator]();
  return new Duplex({
    read() {
      messages.next().then(
        ({ done, value }) => this.push(done === true ? null : value.data),
        () => this.push(null),
      );
    },
    write: (data: Buffer, _, done) => void call.send({ data }).then(() => done()),
    final: (done) => (call.end(), done()),
    destroy: (error, done) => (call.cancel(), done(error)),
  });
}
