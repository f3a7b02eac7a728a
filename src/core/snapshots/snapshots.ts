/**
 * Snapshots: file trees that share what they have in common. A committed snapshot never changes and is named (a layer's
 * by its chain ID); an active one is written to and is a container's or a build step's.
 *
 *     await snapshots.prepare("3f2a…", chainId, { init: true });    // a container's tree on its image
 *     const mounts = snapshots.mounts("3f2a…");                     // what the runtime mounts as /
 *     await snapshots.remove("3f2a…");
 *
 *     const draft = await snapshots.draft(parent);                  // a layer being unpacked
 *     … fill draft.tree, by programs performed inside it …
 *     await snapshots.commit([{ draft, name: chainId, parent, usage }]);
 *
 * A row is written after the folder is there and deleted before the folder goes, so a folder without a row is garbage
 * (`sweep`). Nothing here mounts anything.
 */
export type Kind = "committed" | "active" | "view";

export type Snapshot = {
  readonly name: string;
  readonly id: number;
  readonly kind: Kind;
  readonly parent: string | undefined;
  /** A container's: the init layer lies on top of its parents. */
  readonly init: boolean;
  /** Of this snapshot alone, when it is committed. */
  readonly usage: Usage;
  /** Unix nanoseconds. */
  readonly created: bigint;
};

/** Disk space and files of one snapshot, without its parents. */
export type Usage = { readonly bytes: number; readonly inodes: number };

/** How to mount a snapshot. `lower` is topmost first. Without upper and work an overlay is read-only. */
export type Mounts =
  | { readonly type: "overlay"; readonly lower: readonly string[]; readonly upper?: string; readonly work?: string }
  | { readonly type: "bind"; readonly source: string; readonly readOnly: boolean };

/** A tree that is being filled; known to nobody else, gone after a crash. */
export type Draft = {
  readonly id: number;
  /** Folder of the tree. To be touched by programs performed inside it only. */
  readonly tree: string;
  /** As a tree on its parent, to be read and written. */
  readonly mounts: Mounts;
};

export type Commit = { readonly draft: Draft; readonly name: string; readonly parent: string | undefined; readonly usage: Usage };

export type Snapshots = {
  readonly driver: string;
  /** How a layer's deletions are written into a draft: as overlay's marks, or by removing what the parent had. */
  readonly whiteouts: "marks" | "removal";
  stat(name: string): Snapshot | undefined;
  list(): Snapshot[];
  /** A writable snapshot. @throws already-exists; not-found (parent). */
  prepare(name: string, parent: string | undefined, options?: { init?: boolean }): Promise<Mounts>;
  /** A read-only snapshot of a committed one. */
  view(name: string, parent: string): Promise<Mounts>;
  /** @throws not-found */
  mounts(name: string): Mounts;
  /** Folder of the snapshot's own tree (what is in it and not in its parents). */
  tree(name: string): string;
  /**
   * With marks the parent is only needed at the commit, so layers can be filled side by side. `init`: its mounts have the
   * init layer between the two; with a copy instead of marks, what that makes is in the tree.
   */
  draft(parent: string | undefined, options?: { init?: boolean }): Promise<Draft>;
  discard(draft: Draft): Promise<void>;
  /** Makes drafts committed snapshots, all or none. A name that exists already: the draft is discarded. */
  commit(commits: readonly Commit[]): Promise<void>;
  /** Removes an active snapshot or a view, or a committed one without children. Absent is fine. @throws conflict */
  remove(name: string): Promise<void>;
  usage(name: string): Promise<Usage>;
  /** Removes folders that no row names. At start, before anything else. */
  sweep(): Promise<void>;
};
