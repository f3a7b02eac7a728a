/** An archive that is the body of a request, unpacked into a tree as by `fillTree`: `cell` reads it from the client's connection itself. */
import type { Kernel, ProgramStream } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { tarReader } from "#base/tar.ts";
import { decompressed, type FillOptions, HEAD, isCompressed, opsOf } from "./fill-tree.ts";
import { LAYER_LIMITS } from "./layers.ts";
import { planLayer } from "./plan.ts";

export type LentArchive = {
  /** The slot of the connection, filled by `enter`. */
  readonly slot: number;
  /** What of the body was read already, as it came. */
  readonly read: Buffer;
  /** Of the body; -1: it comes in chunks. */
  readonly length: number;
};

/** Bodies of files that are not here yet, from this size on, never come here: they go from the connection into the file. */
const LARGE = 2 ** 16;

/** @throws as fillTree; a ProgramError of the op `receive` for a body that is none, or ends too early. */
export async function fillLent(kernel: Kernel, archive: LentArchive, { enter, what, signal, plan: options = {} }: FillOptions): Promise<void> {
  const plan = planLayer("none", options);
  const reader = tarReader({ entries: LAYER_LIMITS.entries });
  await using program = await kernel.stream({ long: true, signal });
  await program.push(enter);
  const receive = receiver(program, archive);
  const first = await atLeast(HEAD, receive);
  if (isCompressed([first])) {
    for await (const chunks of decompressed([first], rest(receive), what)) await program.push(opsOf(reader, plan, chunks));
  } else {
    for (let bytes = first; bytes.length > 0; ) {
      const ops = opsOf(reader, plan, [bytes]);
      if (reader.left() < LARGE) bytes = await receive({ after: ops });
      else {
        const length = reader.left();
        const slot = plan.open(ops);
        reader.pass();
        bytes = await receive({ before: ops, slot, length });
        await program.push(plan.close());
      }
    }
  }
  reader.end();
  await program.push(plan.finish());
  await program.end();
}

/** `before`: performed first. `after`: while what was received is looked at here. */
type Wish = { readonly before?: readonly Op[]; readonly after?: readonly Op[]; readonly slot?: number; readonly length?: number };
type Receive = (wish: Wish) => Promise<Buffer>;

function receiver(program: ProgramStream, { slot: from, read, length: size }: LentArchive): Receive {
  let first: Partial<Op> = { size, data: read } as Partial<Op>;
  return async ({ before = [], after = [], slot = -1, length = 0 }) => {
    const op = { op: "receive", from, slot, length, ...first } as Op;
    first = {};
    return await program.ask([...before, op, ...after]);
  };
}

async function atLeast(length: number, receive: Receive): Promise<Buffer> {
  let bytes: Buffer = Buffer.alloc(0);
  for (let more; bytes.length < length && (more = await receive({})).length > 0; ) bytes = Buffer.concat([bytes, more]);
  return bytes;
}

async function* rest(receive: Receive): AsyncGenerator<Buffer, undefined> {
  for (let bytes; (bytes = await receive({})).length > 0; ) yield bytes;
  return undefined;
}
