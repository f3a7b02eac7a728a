/** What a work has told until now, for who comes late: its output, of which the beginning goes first, and how far each thing is. */
import type { StepContext } from "./solve.ts";

type Status = Parameters<StepContext["progress"]>[0];

export type Told = {
  log(stream: 1 | 2, data: Uint8Array): void;
  progress(status: Status): void;
  replay(listener: Pick<StepContext, "log" | "progress">): void;
};

type Piece = { readonly stream: 1 | 2; bytes: Buffer; used: number };

const MAX_TOLD = 8 * 2 ** 20;
/** What is left when there was more. */
const ROOM = 0.75 * MAX_TOLD;
/** Pieces of one output are gathered up to this size. */
const PIECE = 64 * 2 ** 10;
/** Bytes of memory that a piece takes besides its own. */
const OVERHEAD = 200;

export function openTold(): Told {
  const pieces: Piece[] = [];
  const statuses = new Map<string, Status>();
  let memory = 0;
  let lost = 0;
  return {
    log(stream, data) {
      const last = pieces.at(-1);
      if (last?.stream === stream && last.used + data.length <= PIECE) append(last, data);
      else {
        pieces.push({ stream, bytes: Buffer.from(data), used: data.length });
        memory += OVERHEAD;
      }
      memory += data.length;
      if (memory > MAX_TOLD) drop();
    },
    progress: (status) => void statuses.set(status.id, status),
    replay(listener) {
      if (lost > 0) void listener.log(2, Buffer.from(`[${lost} bytes of output were told before this build came to wait for the step]\n`));
      for (const { stream, bytes, used } of pieces) void listener.log(stream, bytes.subarray(0, used));
      for (const status of statuses.values()) listener.progress(status);
    },
  };

  /** Many at once: each costs a move of all that stay. */
  function drop(): void {
    let count = 0;
    for (; memory > ROOM && count < pieces.length - 1; count++) {
      const { used } = pieces[count]!;
      memory -= used + OVERHEAD;
      lost += used;
    }
    pieces.splice(0, count);
  }
}

/** Its room grows twofold. Who was told of it before has a view of what does not change. */
function append(piece: Piece, data: Uint8Array): void {
  const { bytes, used } = piece;
  if (used + data.length > bytes.length) {
    piece.bytes = Buffer.allocUnsafeSlow(Math.min(PIECE, 2 * (used + data.length)));
    bytes.copy(piece.bytes, 0, 0, used);
  }
  piece.bytes.set(data, used);
  piece.used += data.length;
}
