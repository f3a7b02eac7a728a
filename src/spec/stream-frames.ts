/** Docker's frames around output: type, three zeros, length (big-endian, 32 bits), bytes. Pure. */

/** Takes frames cut anywhere, gives what they hold. */
export function frameStripper(): (chunk: Buffer) => Buffer[] {
  let head = Buffer.alloc(0);
  let left = 0;
  return (chunk) => {
    const found: Buffer[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (left === 0) {
        const missing = 8 - head.length;
        head = Buffer.concat([head, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (head.length < 8) break;
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
        continue;
      }
      const bytes = rest.subarray(0, left);
      found.push(bytes);
      left -= bytes.length;
      rest = rest.subarray(bytes.length);
    }
    return found;
  };
}
