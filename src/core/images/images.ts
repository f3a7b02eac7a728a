/**
 * Images: names for manifests and indexes.
 *
 *     await images.put([{ name: "docker.io/library/busybox:latest", target }]);
 *     images.get("docker.io/library/busybox:latest")?.target.digest   // Docker's image id
 *
 * A name is a canonical reference, or `danglingName(digest)` for an image without one. What an image's target leads to
 * is kept; a name that goes, or moves, leaves garbage for the collector.
 */
import type { Digest } from "#spec/digest.ts";
import type { Descriptor } from "#spec/image.ts";

export type Image = {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  /** Unix nanoseconds: when the name came to be, and when it last came to point at its target. */
  readonly created: bigint;
  readonly updated: bigint;
};

/** Without `labels`, a name that moves keeps those it has. */
export type NewImage = { readonly name: string; readonly target: Descriptor; readonly labels?: Readonly<Record<string, string>> };

/** What is to be changed of labels: undefined takes one away. Names that are gone are left out. */
export type LabelChange = { readonly name: string; readonly labels: Readonly<Record<string, string | undefined>> };

export type Images = {
  get(name: string): Image | undefined;
  list(): Image[];
  /** All names of one target. */
  byDigest(digest: Digest): Image[];
  /** All names whose target's digest begins so: "sha256:ab12". */
  byPrefix(prefix: string): Image[];
  /** Creates names or moves them, and deletes others, all at once. */
  put(images: readonly NewImage[], remove?: readonly string[]): Promise<void>;
  /** Changes labels of names, which neither moves nor touches them. */
  label(changes: readonly LabelChange[]): Promise<void>;
  /** Deletes names; resolves to those that were there. */
  remove(names: readonly string[]): Promise<string[]>;
};

const DANGLING = "@dangling";

/** The name of an image that has none: "sha256:…@dangling". */
export const danglingName = (digest: Digest): string => `${digest}${DANGLING}`;
export const isDangling = (name: string): boolean => name.endsWith(DANGLING);
