/** What a step writes, as it comes: Docker's frames, each told to whoever watches before the next is read. */
import type { Duplex } from "node:stream";
import type { StepContext } from "#builder/solve/solve.ts";
import { frameReader } from "#spec/stream-frames.ts";

/** Resolves when the outputs have ended. The step waits as long as `log` does. */
export async function relayOutput(stream: Duplex, log: StepContext["log"]): Promise<void> {
  const take = frameReader();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (const { stream: which, bytes } of take(chunk)) await log(which, bytes);
  }
}
