/** What a container changed in its image's files: `docker diff`. */
import type { Context } from "../containers/context.ts";
import type { Change } from "./files.ts";
import { INIT_PATHS } from "#core/layers/take-layer.ts";
import { changesProgram } from "./layer.ts";
import { fileFailure } from "./stat.ts";

const KINDS: Readonly<Record<string, Change["kind"]>> = { A: "added", C: "modified", D: "deleted" };

export async function changes(ctx: Context, ref: string): Promise<Change[]> {
  const record = ctx.store.find(ref);
  const hidden = ctx.snapshots.driver === "overlay" ? new Set<string>() : new Set(INIT_PATHS.map((path) => `/${path}`));
  try {
    await using reader = await ctx.kernel.read(changesProgram(ctx, record));
    const found = await parse(reader.bytes);
    return found.filter(({ kind, path }) => kind !== "added" || !hidden.has(path)).toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  } catch (error) {
    throw fileFailure(error, "/", ref);
  }
}

/** For each a letter, the path, and a zero byte. */
async function parse(pieces: AsyncIterable<Buffer>): Promise<Change[]> {
  const found: Change[] = [];
  let kept = Buffer.alloc(0);
  for await (const piece of pieces) {
    const bytes = kept.length === 0 ? piece : Buffer.concat([kept, piece]);
    let at = 0;
    for (let end; (end = bytes.indexOf(0, at)) >= 0; at = end + 1) {
      found.push({ kind: KINDS[String.fromCharCode(bytes[at]!)]!, path: `/${bytes.toString("utf8", at + 1, end)}` });
    }
    kept = Buffer.from(bytes.subarray(at));
  }
  return found;
}
