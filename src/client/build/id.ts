/** Names that nobody guesses: 25 characters of a-z0-9, as BuildKit's. */
import { closeSync, openSync, readSync } from "node:fs";

/** From the kernel itself: Node's crypto takes longer to load than to walk a thousand files. */
export function newId(): string {
  const bytes = Buffer.alloc(32);
  const fd = openSync("/dev/urandom", "r");
  readSync(fd, bytes);
  closeSync(fd);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8) text += bytes.readBigUInt64LE(at).toString(36).padStart(13, "0");
  return text.slice(-25);
}
