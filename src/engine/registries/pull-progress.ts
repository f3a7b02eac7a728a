/** What happens to an image's layers, in Docker's messages. */
import { shortId, type Digest } from "#spec/digest.ts";
import type { FetchEvent } from "#transfer/transfer.ts";
import type { Message } from "./registries.ts";

export type PullProgress = {
  fetched(event: FetchEvent): void;
  /** Bytes of a layer that were unpacked. */
  extracted(digest: Digest, current: number, total: number): void;
  /** All layers are in place. */
  complete(): void;
};

type Layer = { readonly digest: Digest; readonly size: number; state: "here" | "waiting" | "coming" | "come"; told: number };

/** Milliseconds between two messages with numbers of one layer. */
const PACE = 100;

/** `atOnce`: how many layers come side by side; the others are said to wait. */
export function pullProgress(send: (message: Message) => void, atOnce: number): PullProgress {
  const layers = new Map<Digest, Layer>();
  let begun = false;
  const tell = (digest: Digest, status: string, progressDetail: Message["progressDetail"] = {}) => send({ status, progressDetail, id: shortId(digest) });
  const numbers = (layer: Layer, status: string, detail: NonNullable<Message["progressDetail"]>, last: boolean) => {
    const now = performance.now();
    if (!last && now - layer.told < PACE) return;
    layer.told = now;
    tell(layer.digest, status, detail);
  };

  return {
    fetched(event) {
      if (event.kind === "manifest") return;
      if (event.kind === "layer") return add(event);
      const layer = layers.get(event.digest);
      if (layer === undefined || layer.state === "here") return;
      if (event.kind === "progress") {
        if (!begun) tellWaiting();
        layer.state = "coming";
        const { current, total, resumedAt } = event;
        numbers(layer, "Downloading", { current, total, ...(resumedAt > 0 && { resumedAt }) }, current === total);
      } else if (event.kind === "retry") tell(event.digest, `Retrying in ${event.seconds} second${event.seconds === 1 ? "" : "s"}`);
      else if (event.kind === "verifying") tell(event.digest, "Verifying Checksum");
      else {
        layer.state = "come";
        tell(event.digest, "Download complete");
      }
    },
    extracted(digest, current, total) {
      const layer = layers.get(digest);
      if (layer !== undefined && layer.state !== "here") numbers(layer, "Extracting", { current, total }, current === total);
    },
    complete() {
      for (const { digest, state } of layers.values()) if (state !== "here") tell(digest, "Pull complete");
    },
  };

  function add({ descriptor: { digest, size }, here }: FetchEvent & { kind: "layer" }): void {
    if (layers.has(digest)) return;
    layers.set(digest, { digest, size, state: here ? "here" : "waiting", told: -Infinity });
    tell(digest, here ? "Already exists" : "Pulling fs layer");
  }

  function tellWaiting(): void {
    begun = true;
    const coming = [...layers.values()].filter(({ state }) => state === "waiting");
    for (const { digest } of coming.slice(atOnce)) tell(digest, "Waiting");
  }
}
