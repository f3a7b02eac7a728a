/** An archive that is no layer: unpacked into a tree that is there. Its names mean what they say. */
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { decompress } from "#base/streams.ts";
import { tarReader } from "#base/tar.ts";
import { LAYER_LIMITS } from "./layers.ts";
import { planLayer, type PlanOptions } from "./plan.ts";
import { pipelined } from "./pipelined.ts";

export type FillOptions = {
  /** The beginning of the program: afterwards the current directory is where the archive goes. */
  readonly enter: Program;
  /** For errors. */
  readonly what: string;
  readonly signal: AbortSignal;
  readonly plan?: PlanOptions;
};

/**
 * Unpacks the archive, plain or compressed. What came before a failure stays.
 * @throws invalid for what is no archive; a ProgramError for what could not be made.
 */
export async function fillTree(kernel: Kernel, archive: AsyncIterable<Uint8Array>, { enter, what, signal, plan: options = {} }: FillOptions): Promise<void> {
  const plan = planLayer("none", options);
  const reader = tarReader({ entries: LAYER_LIMITS.entries });
  await using program = pipelined(await kernel.stream({ long: true, signal }));
  await program.push(enter);
  const { stream } = await decompress(archive, { what, limit: LAYER_LIMITS.bytes });
  for await (const chunk of stream) {
    signal.throwIfAborted();
    const ops: Op[] = [];
    for (const event of reader.push(chunk)) plan.add(event, ops);
    await program.push(ops);
  }
  reader.end();
  await program.end(plan.finish());
}
