/** What a step writes, as it comes: Docker's frames, each told to whoever watches before the next is read. */
import type { Duplex } from "node:stream";
import type { StepContext } from "#builder/solve/solve.ts";

const HEAD = 8;
const STDERR = 2;

/** Resolves when the outputs have ended. The step waits as long as `log` does. */
export async function relayOutput(stream: Duplex, log: StepContext["log"]): Promise<void> {
  const take = frameReader();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (const { stream: which, bytes } of take(chunk)) await log(which, bytes);
  }
}

type Piece = { readonly stream: 1 | 2; readonly bytes: Buffer };

/** Takes frames cut anywhere; gives pieces of them. Pure but for what it remembers. */
export function frameReader(): (chunk: Buffer) => Piece[] {
  let head = Buffer.alloc(0);
  let left = 0;
  let which: 1 | 2 = 1;
  return (chunk) => {
    const pieces: Piece[] = [];
    for (let rest = chunk; rest.length > 0; ) {
      if (left > 0) {
        pieces.push({ stream: which, bytes: rest.subarray(0, left) });
        const taken = Math.min(left, rest.length);
        left -= taken;
        rest = rest.subarray(taken);
        continue;
      }
      const missing = HEAD - head.length;
      head = Buffer.concat([head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (head.length < HEAD) break;
      which = head[0] === STDERR ? 2 : 1;
      left = head.readUInt32BE(4);
      head = Buffer.alloc(0);
    }
    return pieces;
  };
}
