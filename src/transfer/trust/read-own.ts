/** A file that decides who is trusted: read from one descriptor, and not taken when anybody may write it. */
import { open } from "node:fs/promises";

const WRITABLE = 0o022;
const MAX_SIZE = 2 ** 20;

/** @throws what the file system says, and an Error for a file that is not fit */
export async function readOwn(path: string): Promise<Buffer> {
  await using file = await open(path, "r");
  const { mode, size } = await file.stat();
  if ((mode & WRITABLE) !== 0) throw new Error(`${path} may be written by others than its owner (mode ${(mode & 0o7777).toString(8).padStart(4, "0")}): chmod go-w it`);
  if (size > MAX_SIZE) throw new Error(`${path} has ${size} bytes, more than the limit of ${MAX_SIZE}`);
  return await file.readFile();
}
