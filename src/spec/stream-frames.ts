/** Docker's frames around output: stream, three zeros, length (big-endian, 32 bits), bytes. Pure. */

export type Piece = { readonly stream: 1 | 2; readonly bytes: Buffer };

const HEAD = 8;
const STDERR = 2;

/** Takes frames cut anywhere, gives pieces of what they hold. */
export function frameReader(): (chunk: Buffer) => Piece[] {
  let head = Buffer.alloc(0);
  let left = 0;
  let stream: Piece["stream"] = 1;
  return (chunk) => {
    const found: Piece[] = [];
    for (let rest = chunk; rest.length > 0; ) {
      if (left > 0) {
        const bytes = rest.subarray(0, left);
        found.push({ stream, bytes });
        left -= bytes.length;
        rest = rest.subarray(bytes.length);
        continue;
      }
      const missing = HEAD - head.length;
      head = Buffer.concat([head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (head.length < HEAD) break;
      stream = head[0] === STDERR ? 2 : 1;
      left = head.readUInt32BE(4);
      head = Buffer.alloc(0);
    }
    return found;
  };
}

/** The same, where it is one output whichever stream it came on. */
export function frameStripper(): (chunk: Buffer) => Buffer[] {
  const take = frameReader();
  return (chunk) => take(chunk).map(({ bytes }) => bytes);
}
