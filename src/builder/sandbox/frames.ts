/** Docker's framing of two outputs in one stream: a byte that says which, three of nothing, the length, the bytes. */
const HEAD = 8;

export type Frame = { readonly which: 1 | 2; readonly bytes: Buffer };

/** Takes chunks that are cut anywhere, and gives what is in them. */
export function frames(): (chunk: Buffer) => Frame[] {
  let head: Buffer = Buffer.alloc(0);
  let which: 1 | 2 = 1;
  let left = 0;
  return (chunk) => {
    const found: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (left > 0) {
        const bytes = rest.subarray(0, left);
        found.push({ which, bytes });
        left -= bytes.length;
        rest = rest.subarray(bytes.length);
        continue;
      }
      const missing = HEAD - head.length;
      head = Buffer.concat([head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (head.length < HEAD) break;
      which = head[0] === 2 ? 2 : 1;
      left = head.readUInt32BE(4);
      head = Buffer.alloc(0);
    }
    return found;
  };
}
