/** One layer: its blob into its folder. See layers.ts. */
import { hasher } from "#base/digest.ts";
import { fail, Failure } from "#base/errors.ts";
import { release } from "#base/memory.ts";
import { decompress, tap } from "#base/streams.ts";
import { tarReader } from "#base/tar.ts";
import { type Kernel, type Outputs, ProgramError } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import type { Digest } from "#spec/digest.ts";
import type { Content } from "../content/content.ts";
import { asDiskFailure } from "../disk.ts";
import { enterFolder } from "../inside.ts";
import type { Draft, Usage } from "../snapshots/snapshots.ts";
import { readUsage } from "../snapshots/store.ts";
import type { Layer, LayerLimits, UnpackOptions } from "./layers.ts";
import { type Pipelined, pipelined } from "./pipelined.ts";
import { type LayerPlan, planLayer } from "./plan.ts";
import { removeOlder } from "./remove-older.ts";

export type Unpacked = { readonly draft: Draft; readonly usage: Usage; readonly implied: readonly string[]; readonly diffId: Digest };

export type Place = { kernel: Kernel; content: Content; whiteouts: "marks" | "removal"; limits: LayerLimits };

/** Fills the draft from the layer's blob, and checks the diff ID. @throws invalid, exhausted; the draft is then half full. */
export async function unpackLayer(place: Place, layer: Layer, draft: Draft, { signal, progress }: UnpackOptions): Promise<Unpacked> {
  const { digest, size } = layer.descriptor;
  let read = 0;
  const blob = tap(place.content.stream(digest), (chunk) => progress?.(digest, (read += chunk.length), size));
  const unpacked = await unpackBytes(place, blob, draft, { what: `layer ${digest}`, signal });
  if (unpacked.diffId === layer.diffId) return unpacked;
  throw fail("invalid", `unpack layer ${digest}: its content has the diff ID ${unpacked.diffId}, not ${layer.diffId} as the image says`);
}

export type Source = { readonly what: string; readonly signal: AbortSignal | undefined };

/** The same from bytes whose chunks are nobody else's; whoever calls compares the diff ID. */
export async function unpackBytes(place: Place, bytes: AsyncIterable<Uint8Array>, draft: Draft, source: Source): Promise<Unpacked> {
  const plan = planLayer(place.whiteouts);
  try {
    const { usage, diffId } = await fillDraft(place, bytes, draft, plan, source);
    return { draft, usage, diffId, implied: plan.implied() };
  } catch (error) {
    throw asLayerFailure(source.what, error);
  }
}

async function fillDraft(place: Place, bytes: AsyncIterable<Uint8Array>, draft: Draft, plan: LayerPlan, source: Source) {
  const { kernel } = place;
  const { signal } = source;
  await using program = pipelined(await kernel.stream({ forked: true, ...(signal && { signal }) }));
  await program.push(enterFolder(draft.tree));
  const diffId = await pushEntries(place.limits, bytes, plan, program, source);
  const last: Op[] = [...plan.finish(), { op: "usage", path: "." }];
  if (plan.opaque().length === 0) return { diffId, usage: onlyUsage(await program.end(last)) };
  await program.end([]);
  await removeOlder(kernel, draft.tree, plan);
  return { diffId, usage: onlyUsage(await kernel.perform([...enterFolder(draft.tree), ...last], { forked: true })) };
}

/** Bytes → decompressed → hashed → parsed → ops, a chunk at a time. The diff ID. */
async function pushEntries(limits: LayerLimits, bytes: AsyncIterable<Uint8Array>, plan: LayerPlan, program: Pipelined, source: Source): Promise<Digest> {
  const reader = tarReader({ entries: limits.entries });
  const hash = hasher();
  const { stream } = await decompress(bytes, { what: source.what, limit: limits.bytes, consume: true });
  for await (const chunk of stream) {
    source.signal?.throwIfAborted();
    hash.update(chunk);
    const ops: Op[] = [];
    for (const event of reader.push(chunk)) plan.add(event, ops);
    await program.push(ops);
    release(chunk);
  }
  reader.end();
  return hash.digest();
}

const onlyUsage = (outputs: Outputs): Usage => readUsage([...outputs.values()].at(-1)!);

function asLayerFailure(what: string, error: unknown): unknown {
  const known = asDiskFailure(`unpack ${what}`, error);
  if (known instanceof Failure) return known.kind !== "invalid" || known.message.includes(what) ? known : fail("invalid", `unpack ${what}: ${known.message}`, { cause: known });
  if (!(known instanceof ProgramError)) return known;
  if (known.index < 0) return fail("unavailable", `unpack ${what}: ${known.message}`, { cause: known });
  // What the kernel refuses of an archive's entries is the archive's fault.
  return fail("invalid", `unpack ${what}: ${known.message}`, { cause: known });
}
