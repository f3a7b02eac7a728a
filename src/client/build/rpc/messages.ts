/** Messages within a stream, as they come: five bytes of head (compressed or not, the length), and the message. */
import { fail } from "#base/errors.ts";
import { HEADROOM as HEAD } from "#base/grpc/frames.ts";

/** BuildKit's own limit is a quarter of it. */
const MAX_MESSAGE = 2 ** 26;

/** Takes bytes as they come, gives whole messages. They are views: whoever keeps one copies it. */
export function readMessages(take: (message: Buffer) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let size = 0;
  return (chunk) => {
    parts.push(chunk);
    size += chunk.length;
    let bytes = parts[0]!;
    const length = lengthOf(parts);
    if (length === undefined || size < HEAD + length) return;
    if (parts.length > 1) bytes = Buffer.concat(parts);
    while (bytes.length >= HEAD) {
      const end = HEAD + checked(bytes.readUInt32BE(1));
      if (bytes[0] !== 0) throw fail("invalid", "grpc: a message is compressed, which was not offered");
      if (bytes.length < end) break;
      take(bytes.subarray(HEAD, end));
      bytes = bytes.subarray(end);
    }
    parts = bytes.length === 0 ? [] : [bytes];
    size = bytes.length;
  };
}

/** Of the message that the parts begin with; undefined: not known yet. */
function lengthOf(parts: readonly Buffer[]): number | undefined {
  const first = parts[0]!.length >= HEAD ? parts[0]! : Buffer.concat(parts, Math.min(HEAD, parts.reduce((sum, part) => sum + part.length, 0)));
  return first.length < HEAD ? undefined : checked(first.readUInt32BE(1));
}

function checked(length: number): number {
  if (length > MAX_MESSAGE) throw fail("invalid", `grpc: a message of ${length} bytes is too long`);
  return length;
}
