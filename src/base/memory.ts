/** Memory of large buffers; and what nobody can reach any more, known at once. */

/** Smaller ones may share their memory with others (Buffer's pool). */
const OWN = 2 ** 17;

/** As `release`, for a chunk of any size that is the whole of its memory: a piece of a request's body. */
export function releaseWhole(chunk: Uint8Array): void {
  const memory = chunk.buffer;
  if (memory.byteLength === chunk.byteLength && memory instanceof ArrayBuffer) memory.transfer(0);
}

/**
 * Gives the memory of a large chunk back at once; the chunk, and every slice of it, is empty from then on. For chunks that
 * stream through: left to the garbage collector, every 64 MiB of them cost a full collection. Only by the one who knows
 * that nobody looks at the chunk again. A chunk that is a slice from the middle of its memory is left alone.
 */
export function release(chunk: Uint8Array): void {
  const memory = chunk.buffer;
  if (memory.byteLength < OWN || chunk.byteOffset + chunk.byteLength !== memory.byteLength) return;
  if (memory instanceof ArrayBuffer) memory.transfer(0);
}

/**
 * Afterwards no WeakRef leads to what could not be reached before. Takes some 10 to 100 ms of this thread: for what is
 * asked for by hand, and rarely.
 */
export async function collectGarbage(): Promise<void> {
  process.getBuiltinModule("node:v8").setFlagsFromString("--expose-gc");
  const gc = process.getBuiltinModule("node:vm").runInNewContext("gc") as (options: { type: "major"; execution: "async" }) => Promise<void>;
  await gc({ type: "major", execution: "async" });
}
