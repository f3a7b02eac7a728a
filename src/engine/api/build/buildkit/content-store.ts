/** A folder of the client's with blobs by digest, over containerd's content service, which it serves. */
import { kindOf } from "#base/errors.ts";
import { method } from "#base/grpc/grpc.ts";
import type { ClientStore } from "#builder/builder.ts";
import { CONTENT, CONTENT_STORE, infoRequest, infoResponse, readRequest, readResponse, WRITE, writeRequest, writeResponse } from "#spec/buildkit/content.ts";
import type { Session } from "./sessions.ts";

const info = method(`${CONTENT}/Info`, infoRequest, infoResponse);
const read = method(`${CONTENT}/Read`, readRequest, readResponse);
const write = method(`${CONTENT}/Write`, writeRequest, writeResponse);

const PIECE = 512 * 1024;

/** Undefined: the client serves no content at all. A store that it does not have is found out when it is asked. */
export function contentStore(session: Session, name: string): ClientStore | undefined {
  if (!session.supports(info.path)) return undefined;
  const { client } = session;
  const metadata = { [CONTENT_STORE]: [name] };

  async function size(digest: string, signal: AbortSignal): Promise<number | undefined> {
    try {
      return (await client.unary(info, { digest }, { metadata, signal })).info?.size ?? 0;
    } catch (error) {
      if (kindOf(error) === "not-found") return undefined;
      throw error;
    }
  }

  return {
    size,
    async *read(digest, signal) {
      const call = client.stream(read, { metadata, signal });
      void call.send({ digest });
      call.end();
      for await (const { data } of call.messages) yield data;
    },
    async write({ digest, size: total }, bytes, signal) {
      if ((await size(digest, signal)) !== undefined) return;
      const call = client.stream(write, { metadata, signal });
      const answers = call.messages[Symbol.asyncIterator]();
      // Each message is answered: what is wrong is told by the answer after it.
      const say = async (message: Parameters<typeof call.send>[0]) => {
        await call.send({ ref: `gantry-${digest}`, total, expected: digest, ...message });
        await answers.next();
      };
      try {
        await say({ action: WRITE.stat });
        let offset = 0;
        for await (const chunk of bytes) {
          for (let at = 0; at < chunk.length; at += PIECE) {
            const data = chunk.subarray(at, at + PIECE);
            await say({ action: WRITE.write, offset, data });
            offset += data.length;
          }
        }
        await say({ action: WRITE.commit, offset });
        call.end();
        await answers.next();
      } catch (error) {
        call.cancel();
        // Somebody else was quicker.
        if (kindOf(error) !== "already-exists") throw error;
      }
    },
  };
}
