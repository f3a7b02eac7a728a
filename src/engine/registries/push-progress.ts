/** What happens to an image's layers on their way to a registry, in Docker's messages. */
import { shortId, type Digest } from "#spec/digest.ts";
import { isLayerType } from "#spec/image.ts";
import type { PushEvent } from "#transfer/transfer.ts";
import type { Message } from "./registries.ts";

export type PushProgress = { pushed(event: PushEvent): void };

/** Milliseconds between two messages with numbers of one layer. */
const PACE = 100;

/** `atOnce`: how many layers go side by side; the others are said to wait. */
export function pushProgress(send: (message: Message) => void, atOnce: number): PushProgress {
  /** When each layer last told a number; configurations and manifests are not spoken of. */
  const told = new Map<Digest, number>();
  const preparing = new Set<Digest>();
  let begun = false;
  const tell = (digest: Digest, status: string, progressDetail: Message["progressDetail"] = {}) => send({ status, progressDetail, id: shortId(digest) });

  return {
    pushed(event) {
      if (event.kind === "manifest") return;
      if (event.kind === "blob") return add(event.descriptor.digest, event.descriptor.mediaType);
      if (!told.has(event.digest)) return;
      if (event.kind === "progress") return numbers(event);
      preparing.delete(event.digest);
      if (event.kind === "exists") tell(event.digest, "Layer already exists");
      else if (event.kind === "mounted") tell(event.digest, `Mounted from ${event.from}`);
      else if (event.kind === "retry") tell(event.digest, `Retrying in ${event.seconds} second${event.seconds === 1 ? "" : "s"}`);
      else tell(event.digest, "Pushed");
    },
  };

  function add(digest: Digest, mediaType: string): void {
    if (!isLayerType(mediaType) || told.has(digest)) return;
    told.set(digest, -Infinity);
    preparing.add(digest);
    tell(digest, "Preparing");
  }

  function numbers({ digest, current, total }: PushEvent & { kind: "progress" }): void {
    preparing.delete(digest);
    if (!begun) for (const one of [...preparing].slice(atOnce - 1)) tell(one, "Waiting");
    begun = true;
    const now = performance.now();
    if (current < total && now - told.get(digest)! < PACE) return;
    told.set(digest, now);
    tell(digest, "Pushing", { current, total });
  }
}
