/** The descriptor slots of a container's program. `network` is the one the network's ops are written for. */
export const SLOT = {
  /** The container's root directory. */
  root: 0,
  /** Where the next tree goes. */
  target: 1,
  /** The tree that is being made. */
  tree: 2,
  /** The file system context that is being configured. */
  context: 3,
  /** An empty directory that covers masked ones. */
  empty: 4,
  /** A null device that covers masked files. */
  nothing: 5,
  dev: 6,
  proc: 7,
  ptmx: 8,
  console: 9,
  scratch: 10,
  hostNetwork: 11,
  network: 12,
  hostMounts: 13,
  /** The file system of `empty` and `nothing`, at the staging directory. */
  masks: 14,
  /** The working directory. */
  folder: 15,
  /** Namespaces that are joined, from here on: at most eight. */
  namespaces: 16,
  /** Trees taken before the mount namespace is left, from here on. */
  taken: 24,
} as const;

/** How many trees can be taken before the mount namespace is left: INIT_PIDFD and HOST_NULL are the last slots. */
export const TAKEN_MAX = 62 - SLOT.taken;
