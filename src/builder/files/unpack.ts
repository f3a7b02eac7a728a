/** ADD of an archive: unpacked below the destination, in a root of its own, so that nothing in it leads elsewhere. */
import { Failure } from "#base/errors.ts";
import { decompress } from "#base/streams.ts";
import { tarReader } from "#base/tar.ts";
import { enterFolder } from "#core/inside.ts";
import { fillTree } from "#core/layers/fill-tree.ts";
import { LAYER_LIMITS } from "#core/layers/layers.ts";
import type { Mounts } from "#core/snapshots/snapshots.ts";
import type { FilesParts } from "./files.ts";
import type { Owner } from "./owner.ts";
import type { Match } from "./select.ts";
import type { Source, SourceEntry } from "./source.ts";

/** The file that is to be unpacked: it is one, and begins as an archive does, compressed or not. */
export async function findArchive(source: Source, { entries: [file] }: Match): Promise<SourceEntry | undefined> {
  if (file?.type !== "file" || file.size === 0) return undefined;
  return (await isArchive(source.read(file))) ? file : undefined;
}

async function isArchive(bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  const reader = tarReader();
  try {
    const { stream } = await decompress(bytes, { what: "a file", limit: LAYER_LIMITS.bytes });
    for await (const chunk of stream) for (const event of reader.push(chunk)) return event.kind === "entry";
    return false;
  } catch (error) {
    if (error instanceof Failure && error.kind !== "invalid") throw error;
    return false;
  }
}

export type Unpacking = {
  readonly mounts: Mounts;
  /** A directory that is there, which no link leads through; "" is the root. */
  readonly destination: string;
  readonly owner: Owner | undefined;
  readonly what: string;
  readonly signal: AbortSignal;
};

export async function unpack({ kernel, tasks }: FilesParts, bytes: AsyncIterable<Uint8Array>, { mounts, destination, owner, what, signal }: Unpacking): Promise<void> {
  const view = tasks.enterView({ root: { kind: "snapshot", mounts }, mounts: [] });
  const enter = destination === "" ? view : [...view, ...enterFolder(`/${destination}`)];
  await fillTree(kernel, bytes, { enter, what, signal, plan: { root: true, ...(owner !== undefined && { owner }) } });
}
