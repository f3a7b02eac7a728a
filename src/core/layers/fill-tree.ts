/** An archive that is no layer: unpacked into a tree that is there. Its names mean what they say. */
import { fail } from "#base/errors.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { decompress, detectCompression } from "#base/streams.ts";
import { releaseWhole } from "#base/memory.ts";
import { tarReader, type TarReader } from "#base/tar.ts";
import { LAYER_LIMITS } from "./layers.ts";
import { type LayerPlan, planLayer, type PlanOptions } from "./plan.ts";

export type FillOptions = {
  /** The beginning of the program: afterwards the current directory is where the archive goes. */
  readonly enter: Program;
  /** For errors. */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly plan?: PlanOptions;
  /** Nothing at all is no archive. Unless asked for it is one of no files, as for Docker. */
  readonly refuseEmpty?: boolean;
};

/** Bytes of one frame; two are under way. */
const FRAME = 2 ** 19;
/** Enough to tell how it is compressed. */
export const HEAD = 8;

/**
 * Unpacks the archive, plain or compressed. What came before a failure stays.
 * @throws invalid for what is no archive; a ProgramError for what could not be made.
 */
export async function fillTree(kernel: Kernel, archive: AsyncIterable<Uint8Array>, { enter, what, signal, plan: options = {}, refuseEmpty = false }: FillOptions): Promise<void> {
  const plan = planLayer("none", options);
  const reader = tarReader({ entries: LAYER_LIMITS.entries });
  await using program = await kernel.stream({ long: true, signal });
  await program.push(enter);
  let before: Promise<void> = Promise.resolve();
  let empty = true;
  for await (const chunks of batches(archive, what)) {
    empty &&= chunks.every(({ length }) => length === 0);
    signal.throwIfAborted();
    const ops = opsOf(reader, plan, chunks);
    await before;
    before = program.pass(ops).then(() => chunks.forEach(releaseWhole));
    before.catch(() => undefined);
  }
  await before;
  reader.end();
  if (empty && refuseEmpty) throw fail("invalid", "read a tar archive: it is empty");
  await program.push(plan.finish());
  await program.end();
}

export function opsOf(reader: TarReader, plan: LayerPlan, chunks: readonly Uint8Array[]): Op[] {
  const ops: Op[] = [];
  for (const chunk of chunks) for (const event of reader.push(chunk)) plan.add(event, ops);
  return ops;
}

/** What is not compressed is passed on chunk by chunk, uncopied. */
async function* batches(archive: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let length = 0;
  let known = false;
  const iterator = archive[Symbol.asyncIterator]();
  try {
    for (let next; (next = await iterator.next()).done !== true; ) {
      batch.push(next.value);
      length += next.value.length;
      if (!known && length >= HEAD) {
        known = true;
        if (isCompressed(batch)) return yield* decompressed(batch, iterator, what);
      }
      if (length < FRAME) continue;
      yield batch;
      batch = [];
      length = 0;
    }
    if (length > 0) yield batch;
  } finally {
    await iterator.return?.();
  }
}

export const isCompressed = (head: readonly Uint8Array[]): boolean => detectCompression(Buffer.concat(head).subarray(0, HEAD)) !== "none";

export async function* decompressed(head: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>, what: string): AsyncGenerator<Uint8Array[]> {
  async function* all() {
    yield* head;
    for (let next; (next = await rest.next()).done !== true; ) yield next.value;
  }
  const { stream } = await decompress(all(), { what, limit: LAYER_LIMITS.bytes });
  for await (const chunk of stream) yield [chunk];
}
