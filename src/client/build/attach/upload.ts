/** An archive that is given away once: a context from standard input. */
import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { bytesMessage } from "#spec/buildkit/session.ts";
import type { Method } from "../rpc/serve.ts";

/** Metadata that names which, as BuildKit's client makes it of the URL it was told. */
const PATH = "urlpath";

export function serveUploads(uploads: ReadonlyMap<string, AsyncIterable<Uint8Array>>): Method {
  const left = new Map(uploads);
  return async (call) => {
    const id = (call.values(PATH)[0] ?? "").split("/").at(-1)!;
    const source = left.get(id);
    if (source === undefined) throw fail("not-found", `no http response from session for ${id}`);
    left.delete(id);
    // Nothing comes from the other side; but that it has gone must be seen.
    call.receive(() => {}).catch(() => {});
    call.head();
    for await (const data of source) {
      call.signal.throwIfAborted();
      if (!call.send(frame(bytesMessage.encode({ data }, HEADROOM)))) await call.room();
    }
  };
}
