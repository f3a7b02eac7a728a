import type { Digest } from "#spec/digest.ts";
import type { Tree } from "../tree.ts";
import type { Parts } from "./keys.ts";
import type { ImportedCache } from "./solve.ts";

/** What a step results in, whether or not that is here. */
export type Known = {
  readonly key: Digest;
  readonly identity: string;
  readonly cached: boolean;
  /** Unix nanoseconds: when it was made. */
  readonly created: bigint;
  readonly tree: Tree;
  /** Where it is to be had: here and held; unpacked if need be; from a cache elsewhere; only by making it again. */
  readonly at: "here" | "image" | "elsewhere" | "gone";
  readonly from?: ImportedCache;
  /** Of steps that are recorded: what the key is made of. */
  readonly parts?: Parts;
};
