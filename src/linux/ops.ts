/**
 * The operations that `cell` performs: one door to the kernel.
 *
 * A program is a list of ops. Each op is one system call or one small, race-free idiom of several. This table is the
 * single source: `native/ops.h` is generated from it (`src/linux/generate-header.ts`), and a test holds them together.
 *
 * Conventions
 * - `slot` fields name one of 64 descriptor registers. `-1` means none, or the current directory for a `dir` field.
 *   A slot that is filled again is closed first; all are closed when the program ends, and on exec.
 * - `dir` + `path`: the path is taken relative to the descriptor in slot `dir`.
 * - An integer left out is 0, except slots and ids marked below, which are -1. A string left out is empty.
 * - `tolerate`: an errno that counts as success (EEXIST for mkdir, say).
 * - `undo`: ops performed, last acquired first, when a later op of the same program fails.
 *
 * Preset slots: in a shim's programs, INIT_PIDFD holds the pidfd of the container's first process (in `parent` and exec
 * programs), HOST_NULL an open /dev/null of the host.
 */
export const SLOTS = 64;
export const INIT_PIDFD = 63;
export const HOST_NULL = 62;

type Words<S extends string> = S extends `${infer A} ${infer B}` ? A | Words<B> : S extends "" ? never : S;
type Shape<I extends string, S extends string> = {
  readonly ints: readonly Words<I>[];
  readonly strs: readonly Words<S>[];
};

/** Fields that default to -1 instead of 0. */
export const MINUS_ONE = new Set(["slot", "dir", "fromDir", "toDir", "from", "to", "userns", "uid", "gid", "patchSlot"]);

function shape<const I extends string, const S extends string = "">(ints: I, strs: S = "" as S): Shape<I, S> {
  const words = (text: string) => (text === "" ? [] : text.split(" "));
  return { ints: words(ints) as Words<I>[], strs: words(strs) as Words<S>[] };
}

/**
 * The code of an op on the wire, 1 to 65535: from its name and its fields (FNV-1a, folded). A shim outlives the engine that
 * started it, and is asked by later ones: an op that has stayed as it was keeps its code whatever the table has come to
 * hold, and one that has changed, or is new, is refused by an older shim instead of being taken for another.
 */
export function codeOf(name: OpName): number {
  const { ints, strs } = OPS[name] as { ints: readonly string[]; strs: readonly string[] };
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${name}(${ints.join(" ")};${strs.join(" ")})`)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (((hash >>> 16) ^ hash) & 0xffff) || 0xffff;
}

/** Op name → its integers and byte strings, in wire order. Its code is made from both (see codeOf). */
export const OPS = {
  // --- descriptors and files -------------------------------------------------------------------------------------
  /** openat2(dir, path, {flags|O_CLOEXEC, mode, resolve}) into slot. */
  open: shape("slot dir flags mode resolve", "path"),
  close: shape("slot"),
  /** mkdirat. */
  mkdir: shape("dir mode", "path"),
  /** mkdir -p of path inside dir as root (RESOLVE_IN_ROOT, race free); opens the last one O_PATH into slot.
   * New directories get mode, uid, gid (-1: leave). */
  mkdirAll: shape("slot dir mode uid gid", "path"),
  /** Like mkdirAll for the parents, then makes path an empty regular file if there is nothing; O_PATH into slot.
   * An existing file of any type is left alone. */
  mkfileAll: shape("slot dir mode uid gid", "path"),
  symlink: shape("dir uid gid", "target path"),
  /** linkat(fromDir, fromPath, dir, path, 0): never follows a symbolic link. */
  link: shape("fromDir dir", "fromPath path"),
  mknod: shape("dir mode major minor uid gid", "path"),
  /** unlinkat(flags: AT_REMOVEDIR 0x200). */
  unlink: shape("dir flags", "path"),
  /** renameat2. */
  rename: shape("fromDir toDir flags", "fromPath path"),
  /** Writes all of data to the open slot. */
  write: shape("slot", "data"),
  /** open(dir, path, flags|O_WRONLY|O_CLOEXEC, mode), one write(2) of data, close. For cgroup files, sysctls, maps. */
  writeFile: shape("dir flags mode resolve", "path data"),
  /** Opens a regular file (O_NONBLOCK, fstat checked) and returns up to max bytes as the op's output; longer: EFBIG. */
  readFile: shape("dir resolve max", "path"),
  /** readlinkat, as the op's output. */
  readLink: shape("dir", "path"),
  /** statx as the op's output: 10 little-endian u64: mode uid gid size mtimeSec mtimeNsec rdevMajor rdevMinor ino nlink. */
  stat: shape("dir flags resolve", "path"),
  /** Names of a directory's entries as the op's output: for each a type byte (DT_*) then the name then NUL. */
  list: shape("dir resolve", "path"),
  /** fchownat without following. */
  chown: shape("dir uid gid", "path"),
  /** Mode of a file that is not a symbolic link, without following. */
  chmod: shape("dir mode", "path"),
  /** Gives the object in slot the mode of the one in `from`. */
  copyMode: shape("slot from"),
  /** utimensat without following; both access and modification time. */
  utimes: shape("dir sec nsec", "path"),
  /** lsetxattr relative to the current directory. */
  setxattr: shape("", "path name data"),
  fsync: shape("slot"),
  syncfs: shape("slot"),
  ftruncate: shape("slot size"),
  /** rm -rf of path below dir: descriptors only, never across a mount (EBUSY), never through a link. Absent is fine. */
  removeTree: shape("dir", "path"),
  /** Copies the content of directory `from` into directory `slot`: owner, mode, times, xattrs, links, devices.
   * flags 1: refuse quietly (copy nothing) when the destination is not empty. */
  copyTree: shape("from slot flags"),
  /** flock(slot, flags) (2 exclusive, 4 do not block). */
  flock: shape("slot flags"),
  /** Bytes and inodes below path (no crossing of mounts), as the op's output: two u64: bytes (blocks*512), inodes. */
  usage: shape("dir", "path"),

  // --- entries of a layer: performed after `pivot` into its folder, so that links on the way stay inside it -----------
  /** Makes room for an entry: missing parents of path become directories (0755, owner 0:0; through a link to nothing: what
   * it names), and what stands at path, of any type, is removed as by removeTree. Nothing there is fine. A parent that is
   * not a directory: ENOTDIR. The last component must be a name (not empty, "." or ".."): else EINVAL. */
  makeRoom: shape("dir", "path"),
  /** A regular file in one go: openat(dir, path, O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0600); on EEXIST or ENOENT
   * makeRoom, then once more. Writes all of data, fchown(uid, gid), fchmod(mode), then
   * slot < 0: futimens(sec, nsec) and close; slot ≥ 0: leaves it open there for `write`, `close` and `utimes`. */
  putFile: shape("slot dir mode uid gid sec nsec", "path data"),
  /** mkdirat(dir, path, 0700). EEXIST: a directory (not a link to one) is kept, anything else makes room and once more;
   * ENOENT: makeRoom, then once more. Then fchown(uid, gid) and fchmod(mode) on it, opened O_DIRECTORY|O_NOFOLLOW.
   * "." is the layer's own folder. apart 1: a new one is laid where there is room for a tree of its own, as by spread. */
  putDir: shape("dir mode uid gid apart", "path"),
  /** Fails if what stands at path, not followed, is a directory (flags 1: EISDIR), or anything else (2: ENOTDIR), or a directory
   * in which there is something (4: ENOTEMPTY). */
  forbid: shape("dir flags", "path"),

  /** Tells the file system that what is made in this directory are trees of their own, to be laid apart (FS_TOPDIR_FL; ext2
   * to 4). Where that means nothing, nothing happens. */
  spread: shape("", "path"),

  // --- trees, which may change meanwhile ------------------------------------------------------------------------------
  /** A tar archive of path below dir, called `name` ("": only what is in it), as the op's output, in pieces. With `from`, the
   * directory of an older tree, only what differs. flags 1: it is an overlay's upper directory; 2: what was deleted becomes
   * an entry ".wh.NAME". except: paths, each with its NUL, that count as unchanged when they are new. to: a connection
   * that gets the pieces as chunks of HTTP/1.1, without the last one, instead of an output. flags 4: `to` is a file, and the
   * output is how many bytes it has, now and then, and at the end: u64s. */
  archive: shape("dir from flags to", "path name except"),
  /** What differs between the directories `slot` and `from`, as the op's output: for each a byte A, C or D, the path, NUL.
   * flags as for archive. */
  changes: shape("slot from flags"),
  /** Where path leads inside the root `dir`: links are followed, but for the last component with flags 1; what is not there
   * leads on by its name. The op's output: a u32, the mode of what is there or 0, and the path, without a slash in front. */
  resolve: shape("dir flags", "path"),
  /** The modes of paths, each with its NUL, that no link leads through, as u32s; 0 where nothing is. */
  modes: shape("dir", "paths"),
  /** What is at path below dir (no link leads there) and in it, a directory before what is in it, by name, `depth` levels down
   * (-1: all), as the op's output, in pieces of whole records: see src/builder/files/layer-source.ts. */
  walk: shape("dir depth", "path"),
  /** A file at path, relative to the current directory, as putFile makes it, from `length` bytes at `offset` (-1: all) of the
   * file in slot `from`, or at fromPath below it. */
  putRange: shape("from offset length mode uid gid sec nsec", "path fromPath"),
  /** Files at paths, each with its NUL, below directory `slot`: other names of those at the same paths below `from`, a directory
   * of the same mount. Directories on the way are there, and no links. */
  linkFiles: shape("from slot", "paths"),
  /** mkdir -p of path in the current directory: each with owner, mode, times and attributes of the one below `from`. */
  likeDir: shape("from", "path"),
  /** The file at path (read up to 16 KiB) must hold data; else ESRCH. */
  expect: shape("", "path data"),

  /** The next `length` bytes of a request's body go to the file in slot (-1: nowhere); then, as the op's output, up to 128 KiB of what comes
   * behind them, nothing at the body's end. from: the connection. The first time also size, of the body, or -1: it comes in
   * chunks; and data, what of it was read before. ENODATA: it ended before; EPROTO: it is no body. For programs that are streams. */
  receive: shape("slot from length size", "data"),

  // --- volumes -------------------------------------------------------------------------------------------------------
  /** Moves what is in directory `from` into directory `slot` of the same file system, which, if it is empty, takes the owner,
   * mode, times and attributes of `from`. What has a name there already stays in `from`. Can be done again. */
  pourTree: shape("from slot"),
  /** A new user namespace with these maps into slot: no process is in it. For mountSetattr. */
  userNs: shape("slot", "uids gids"),
  /** The tree at path becomes a project of its own that may hold so many bytes (0: any). EOPNOTSUPP where quotas are not on. */
  projectQuota: shape("dir bytes", "path"),

  // --- mounts ----------------------------------------------------------------------------------------------------
  fsopen: shape("slot", "type"),
  /** fsconfig(slot, cmd, key, value, aux): cmd 0 flag, 1 string, 6 create. */
  fsconfig: shape("slot cmd", "key value"),
  /** fsmount(from, FSMOUNT_CLOEXEC, attrs) into slot. */
  fsmount: shape("slot from attrs"),
  /** open_tree(dir, path, flags|OPEN_TREE_CLOEXEC) into slot. flags: OPEN_TREE_CLONE 1, AT_RECURSIVE 0x8000, AT_EMPTY_PATH 0x1000. */
  openTree: shape("slot dir flags", "path"),
  /** move_mount of the tree in slot `from` onto the object in slot `dir` (path empty) or onto path below it. */
  moveMount: shape("from dir", "path"),
  /** mount_setattr(dir, path, flags, {set, clr, propagation, userns}). */
  mountSetattr: shape("dir flags set clr propagation userns", "path"),
  mount: shape("flags", "source path type data"),
  umount: shape("flags", "path"),
  /** fchdir(slot), pivot_root(".", "."), umount2(".", MNT_DETACH), chdir("/"). */
  pivot: shape("slot"),
  /** The file system magic (fstatfs) of slot must be one of magic or magic2; else EXDEV. Verify what was mounted. */
  checkFs: shape("slot magic magic2"),
  /** The object in slot must be a character device major:minor; else ENODEV. */
  checkDevice: shape("slot major minor"),

  // --- namespaces and identity -----------------------------------------------------------------------------------
  unshare: shape("flags"),
  /** setns(slot, flags); slot may hold a pidfd, then flags says which namespaces. */
  setns: shape("slot flags"),
  /** clone with CLONE_PARENT; the program goes on in the child and the caller exits 0. After entering a pid namespace. */
  fork: shape(""),
  /** Opens namespace file `path` ("net", "mnt", …) of process pid (0: self) into slot. */
  openNs: shape("slot pid", "path"),
  /** pidfd_open(pid) into slot. */
  openPidfd: shape("slot pid"),
  /** pidfd_getfd(pid, fd) into slot: a copy of a descriptor of another process, the engine's own. */
  takeFd: shape("slot pid fd"),
  /** Tells the parent (the shim) that this point is reached and waits until its `parent` program is done. */
  sync: shape(""),
  /** Writes the uid and gid maps (lines "inside outside count") of the process behind the pidfd. */
  idMap: shape("slot", "uids gids"),
  sethostname: shape("", "name"),
  setdomainname: shape("", "name"),
  /** chdir; the result must be reachable from the root (getcwd), else ENOENT. */
  chdir: shape("", "path"),
  fchdir: shape("slot"),
  umask: shape("mode"),
  setsid: shape(""),
  /** keyctl(KEYCTL_JOIN_SESSION_KEYRING): a new, empty session keyring. Tolerate ENOSYS: a kernel without keys. */
  keyring: shape(""),
  prctl: shape("option a b c d"),
  /** gids: little-endian u32s. */
  setgroups: shape("", "gids"),
  /** setresgid then setresuid, keeping capabilities (PR_SET_KEEPCAPS) for the capSet that follows. */
  setuser: shape("uid gid"),
  /** Drops from the bounding set all that mask does not name. */
  capBounding: shape("mask"),
  capSet: shape("effective permitted inheritable"),
  /** Sets the ambient set to exactly mask. */
  capAmbient: shape("mask"),
  /** resource: RLIMIT_* number; -1 (as u64 max) is unlimited. */
  rlimit: shape("resource soft hard"),
  /** seccomp(SECCOMP_SET_MODE_FILTER, flags, filter): data is an array of struct sock_filter. */
  seccomp: shape("flags", "data"),
  /** Makes a new terminal on the devpts whose ptmx is open in slot; hands the master to the shim, makes the slave the
   * controlling terminal and fds 0, 1 and 2. With `consoleDir` ≥ 0 the slave is also bound onto the file in that slot. */
  pty: shape("slot consoleDir rows cols"),
  /** Replaces the process. candidates, argv, env: NUL-terminated strings in a row. Each candidate is tried until one
   * executes; ENOENT and ENOTDIR go on to the next, EACCES too but is what is reported in the end. */
  exec: shape("", "candidates argv env"),

  // --- network, cgroups, devices ---------------------------------------------------------------------------------
  /** Sends data (netlink messages) on a new NETLINK socket of protocol proto and reads until `acks` acks came. An error
   * ack fails the op with its errno, unless it is `tolerate`d. collect=1 returns all non-ack messages as output.
   * If patchSlot ≥ 0, the descriptor number in that slot is stored as u32 at patchOffset of data before sending. */
  netlink: shape("proto acks collect patchSlot patchOffset", "data"),
  /** Kills every process of the cgroup directory and below and waits (≤ 10 s) until it is empty: cgroup.kill on v2,
   * cgroup.procs in rounds on v1. Then removes the groups below it. Absent is fine. */
  cgroupKill: shape("", "path"),
  /** Loads data (array of struct bpf_insn) as BPF_PROG_TYPE_CGROUP_DEVICE and attaches it to the v2 directory in slot. */
  bpfDevice: shape("slot", "data"),
  /** socket, bind, listen on a TCP/UDP address to reserve a published port, kept open in slot. family 2|10,
   * type 1 TCP, 2 UDP, 5 SCTP. */
  bindPort: shape("slot family type port", "address"),
  /** ioprio, scheduler and the like are not needed yet; this one pauses: used by tests only. Milliseconds. */
  sleep: shape("ms"),

  // --- the lives of cell -----------------------------------------------------------------------------------------
  /** Forks a shim, which binds `socket` and waits for START. See docs/design/shim.md.
   * flags: 1 terminal, 2 stdin open, 4 stdin once, 8 write the log, 16 tied: ends with its last control connection, and
   * leaves no record. oom: a file with a line "oom_kill N" (memory.events or
   * memory.oom_control of the cgroup), read when the process has ended. parent, init, teardown are programs.
   * logAttrs: a JSON object that each entry of the log carries, or empty.
   * hold: mask of slots whose descriptors the shim keeps open until it ends: published ports reserved by `bindPort`. */
  shim: shape("flags cloneFlags logMaxSize logMaxFiles hold", "id socket record log logAttrs oom parent init teardown"),
  /** In init, in the container's network namespace with its loopback up: makes the resolver's sockets and hands them to the
   * shim. See docs/design/dns.md. */
  resolver: shape(""),
} as const;

export type OpName = keyof typeof OPS;

type Ints<N extends OpName> = (typeof OPS)[N]["ints"][number];
type Strs<N extends OpName> = (typeof OPS)[N]["strs"][number];

/** What every op may carry besides its own fields. */
type Common = {
  /** An errno that counts as success. */
  readonly tolerate?: number;
  /** Performed, last first, when a later op of the program fails. */
  readonly undo?: readonly Op[];
  /** A few words for people, printed with the op and in errors. */
  readonly note?: string;
};

type OpOf<N extends OpName> = { readonly op: N } & Common & {
    readonly [K in Ints<N>]?: number | bigint;
  } & { readonly [K in Strs<N>]?: string | Uint8Array | Program };

/** One operation, as written in TypeScript: `{ op: "mkdir", path: "a", mode: 0o755 }`. */
export type Op = { [N in OpName]: OpOf<N> }[OpName];

/** A list of ops: data that is printed, compared in tests, and performed by `cell`. */
export type Program = readonly Op[];
