/** Docker's frames around output: type, three zeros, length, bytes. Taken off where a client wants bytes alone. */
import { Duplex } from "node:stream";

/** The process's stream with its output as plain bytes. */
export function withoutFrames(process: Duplex): Duplex {
  const strip = frameStripper();
  const plain = new Duplex({
    read: () => void process.resume(),
    write: (chunk, encoding, done) => void process.write(chunk, encoding, done),
    final: (done) => void process.end(done),
    destroy(error, done) {
      process.destroy();
      done(error);
    },
  });
  process.on("data", (chunk: Buffer) => {
    for (const bytes of strip(chunk)) plain.push(bytes) || process.pause();
  });
  process.on("end", () => plain.push(null));
  process.on("error", () => plain.destroy());
  process.on("close", () => process.readableEnded || plain.destroy());
  return plain;
}

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
