/** A session within a call of the control connection: for clients that have no second connection to give. */
import { Duplex } from "node:stream";
import { onAbort } from "#base/abort.ts";
import type { BidirectionalCall } from "#base/grpc/grpc.ts";
import type { Of } from "#base/protobuf.ts";
import { type bytesMessage, SESSION } from "#spec/buildkit/session.ts";
import type { Sessions } from "./sessions.ts";

type Call = BidirectionalCall<Of<typeof bytesMessage>, { data: Uint8Array }>;

export async function sessionTunnel(sessions: Sessions, call: Call): Promise<void> {
  const first = (name: string) => call.metadata[name.toLowerCase()]?.[0] ?? "";
  const headers = { id: first(SESSION.id), sharedKey: first(SESSION.sharedKey), methods: call.metadata[SESSION.method.toLowerCase()] ?? [] };
  sessions.check(headers);
  call.head({});
  const { client } = sessions.open(streamOf(call), headers);
  await client.closed;
}

function streamOf(call: Call): Duplex {
  const messages = call.messages[Symbol.asyncIterator]();
  const stream = new Duplex({
    read() {
      messages.next().then(
        ({ done, value }) => this.push(done === true ? null : Buffer.from(value.data)),
        () => this.destroy(),
      );
    },
    write: (data: Buffer, _, done) => void call.send({ data }).then(() => done(), () => stream.destroy()),
  });
  stream.on("error", () => {});
  onAbort(call.signal, () => stream.destroy());
  return stream;
}
