/* Generated from src/linux/ops.ts by src/linux/generate-header.ts. Do not edit. */
#ifndef OPS_H
#define OPS_H
#include <stdint.h>
enum { SLOTS = 64, INIT_PIDFD = 63, HOST_NULL = 62 };
enum {
  OP_OPEN = 29457,
  OP_CLOSE = 2239,
  OP_MKDIR = 55831,
  OP_MKDIR_ALL = 6116,
  OP_MKFILE_ALL = 53532,
  OP_SYMLINK = 58836,
  OP_LINK = 44116,
  OP_MKNOD = 41911,
  OP_UNLINK = 20835,
  OP_RENAME = 50087,
  OP_WRITE = 31973,
  OP_WRITE_FILE = 33276,
  OP_READ_FILE = 4211,
  OP_READ_LINK = 40315,
  OP_STAT = 4962,
  OP_LIST = 56239,
  OP_CHOWN = 34244,
  OP_CHMOD = 19788,
  OP_COPY_MODE = 27462,
  OP_UTIMES = 36798,
  OP_SETXATTR = 841,
  OP_FSYNC = 49990,
  OP_SYNCFS = 58140,
  OP_FTRUNCATE = 36125,
  OP_REMOVE_TREE = 19397,
  OP_COPY_TREE = 64184,
  OP_FLOCK = 43214,
  OP_USAGE = 24666,
  OP_MAKE_ROOM = 5756,
  OP_PUT_FILE = 48118,
  OP_PUT_DIR = 18846,
  OP_FORBID = 61745,
  OP_SPREAD = 33023,
  OP_ARCHIVE = 65390,
  OP_CHANGES = 57117,
  OP_RESOLVE = 42003,
  OP_MODES = 31871,
  OP_WALK = 19259,
  OP_PUT_RANGE = 33669,
  OP_LINK_FILES = 12244,
  OP_LIKE_DIR = 20556,
  OP_EXPECT = 31448,
  OP_RECEIVE = 49440,
  OP_POUR_TREE = 49719,
  OP_USER_NS = 35571,
  OP_PROJECT_QUOTA = 20590,
  OP_FSOPEN = 6235,
  OP_FSCONFIG = 64517,
  OP_FSMOUNT = 53800,
  OP_OPEN_TREE = 60416,
  OP_MOVE_MOUNT = 53786,
  OP_MOUNT_SETATTR = 20544,
  OP_MOUNT = 4869,
  OP_UMOUNT = 57627,
  OP_PIVOT = 27865,
  OP_CHECK_FS = 29614,
  OP_CHECK_DEVICE = 38168,
  OP_UNSHARE = 58698,
  OP_SETNS = 214,
  OP_FORK = 9661,
  OP_OPEN_NS = 22244,
  OP_OPEN_PIDFD = 53978,
  OP_TAKE_FD = 30552,
  OP_SYNC = 41024,
  OP_ID_MAP = 11912,
  OP_SETHOSTNAME = 56260,
  OP_SETDOMAINNAME = 10354,
  OP_CHDIR = 51350,
  OP_FCHDIR = 8711,
  OP_UMASK = 47100,
  OP_SETSID = 12908,
  OP_KEYRING = 61155,
  OP_PRCTL = 26512,
  OP_SETGROUPS = 56915,
  OP_SETUSER = 35559,
  OP_CAP_BOUNDING = 8297,
  OP_CAP_SET = 19286,
  OP_CAP_AMBIENT = 64307,
  OP_RLIMIT = 13845,
  OP_SECCOMP = 58295,
  OP_PTY = 20899,
  OP_EXEC = 61239,
  OP_NETLINK = 54263,
  OP_CGROUP_KILL = 33607,
  OP_BPF_DEVICE = 50746,
  OP_BIND_PORT = 39491,
  OP_SLEEP = 31286,
  OP_SHIM = 17089,
  OP_RESOLVER = 23505,
};
/* Places of the fields: integers in n[], strings in s[]. */
enum { OPEN_SLOT = 0, OPEN_DIR = 1, OPEN_FLAGS = 2, OPEN_MODE = 3, OPEN_RESOLVE = 4 }; /* N */
enum { OPEN_PATH = 0 }; /* S */
enum { CLOSE_SLOT = 0 }; /* N */
enum { MKDIR_DIR = 0, MKDIR_MODE = 1 }; /* N */
enum { MKDIR_PATH = 0 }; /* S */
enum { MKDIR_ALL_SLOT = 0, MKDIR_ALL_DIR = 1, MKDIR_ALL_MODE = 2, MKDIR_ALL_UID = 3, MKDIR_ALL_GID = 4 }; /* N */
enum { MKDIR_ALL_PATH = 0 }; /* S */
enum { MKFILE_ALL_SLOT = 0, MKFILE_ALL_DIR = 1, MKFILE_ALL_MODE = 2, MKFILE_ALL_UID = 3, MKFILE_ALL_GID = 4 }; /* N */
enum { MKFILE_ALL_PATH = 0 }; /* S */
enum { SYMLINK_DIR = 0, SYMLINK_UID = 1, SYMLINK_GID = 2 }; /* N */
enum { SYMLINK_TARGET = 0, SYMLINK_PATH = 1 }; /* S */
enum { LINK_FROM_DIR = 0, LINK_DIR = 1 }; /* N */
enum { LINK_FROM_PATH = 0, LINK_PATH = 1 }; /* S */
enum { MKNOD_DIR = 0, MKNOD_MODE = 1, MKNOD_MAJOR = 2, MKNOD_MINOR = 3, MKNOD_UID = 4, MKNOD_GID = 5 }; /* N */
enum { MKNOD_PATH = 0 }; /* S */
enum { UNLINK_DIR = 0, UNLINK_FLAGS = 1 }; /* N */
enum { UNLINK_PATH = 0 }; /* S */
enum { RENAME_FROM_DIR = 0, RENAME_TO_DIR = 1, RENAME_FLAGS = 2 }; /* N */
enum { RENAME_FROM_PATH = 0, RENAME_PATH = 1 }; /* S */
enum { WRITE_SLOT = 0 }; /* N */
enum { WRITE_DATA = 0 }; /* S */
enum { WRITE_FILE_DIR = 0, WRITE_FILE_FLAGS = 1, WRITE_FILE_MODE = 2, WRITE_FILE_RESOLVE = 3 }; /* N */
enum { WRITE_FILE_PATH = 0, WRITE_FILE_DATA = 1 }; /* S */
enum { READ_FILE_DIR = 0, READ_FILE_RESOLVE = 1, READ_FILE_MAX = 2 }; /* N */
enum { READ_FILE_PATH = 0 }; /* S */
enum { READ_LINK_DIR = 0 }; /* N */
enum { READ_LINK_PATH = 0 }; /* S */
enum { STAT_DIR = 0, STAT_FLAGS = 1, STAT_RESOLVE = 2 }; /* N */
enum { STAT_PATH = 0 }; /* S */
enum { LIST_DIR = 0, LIST_RESOLVE = 1 }; /* N */
enum { LIST_PATH = 0 }; /* S */
enum { CHOWN_DIR = 0, CHOWN_UID = 1, CHOWN_GID = 2 }; /* N */
enum { CHOWN_PATH = 0 }; /* S */
enum { CHMOD_DIR = 0, CHMOD_MODE = 1 }; /* N */
enum { CHMOD_PATH = 0 }; /* S */
enum { COPY_MODE_SLOT = 0, COPY_MODE_FROM = 1 }; /* N */
enum { UTIMES_DIR = 0, UTIMES_SEC = 1, UTIMES_NSEC = 2 }; /* N */
enum { UTIMES_PATH = 0 }; /* S */
enum { SETXATTR_PATH = 0, SETXATTR_NAME = 1, SETXATTR_DATA = 2 }; /* S */
enum { FSYNC_SLOT = 0 }; /* N */
enum { SYNCFS_SLOT = 0 }; /* N */
enum { FTRUNCATE_SLOT = 0, FTRUNCATE_SIZE = 1 }; /* N */
enum { REMOVE_TREE_DIR = 0 }; /* N */
enum { REMOVE_TREE_PATH = 0 }; /* S */
enum { COPY_TREE_FROM = 0, COPY_TREE_SLOT = 1, COPY_TREE_FLAGS = 2 }; /* N */
enum { FLOCK_SLOT = 0, FLOCK_FLAGS = 1 }; /* N */
enum { USAGE_DIR = 0 }; /* N */
enum { USAGE_PATH = 0 }; /* S */
enum { MAKE_ROOM_DIR = 0 }; /* N */
enum { MAKE_ROOM_PATH = 0 }; /* S */
enum { PUT_FILE_SLOT = 0, PUT_FILE_DIR = 1, PUT_FILE_MODE = 2, PUT_FILE_UID = 3, PUT_FILE_GID = 4, PUT_FILE_SEC = 5, PUT_FILE_NSEC = 6 }; /* N */
enum { PUT_FILE_PATH = 0, PUT_FILE_DATA = 1 }; /* S */
enum { PUT_DIR_DIR = 0, PUT_DIR_MODE = 1, PUT_DIR_UID = 2, PUT_DIR_GID = 3, PUT_DIR_APART = 4 }; /* N */
enum { PUT_DIR_PATH = 0 }; /* S */
enum { FORBID_DIR = 0, FORBID_FLAGS = 1 }; /* N */
enum { FORBID_PATH = 0 }; /* S */
enum { SPREAD_PATH = 0 }; /* S */
enum { ARCHIVE_DIR = 0, ARCHIVE_FROM = 1, ARCHIVE_FLAGS = 2, ARCHIVE_TO = 3 }; /* N */
enum { ARCHIVE_PATH = 0, ARCHIVE_NAME = 1, ARCHIVE_EXCEPT = 2 }; /* S */
enum { CHANGES_SLOT = 0, CHANGES_FROM = 1, CHANGES_FLAGS = 2 }; /* N */
enum { RESOLVE_DIR = 0, RESOLVE_FLAGS = 1 }; /* N */
enum { RESOLVE_PATH = 0 }; /* S */
enum { MODES_DIR = 0 }; /* N */
enum { MODES_PATHS = 0 }; /* S */
enum { WALK_DIR = 0, WALK_DEPTH = 1 }; /* N */
enum { WALK_PATH = 0 }; /* S */
enum { PUT_RANGE_FROM = 0, PUT_RANGE_OFFSET = 1, PUT_RANGE_LENGTH = 2, PUT_RANGE_MODE = 3, PUT_RANGE_UID = 4, PUT_RANGE_GID = 5, PUT_RANGE_SEC = 6, PUT_RANGE_NSEC = 7 }; /* N */
enum { PUT_RANGE_PATH = 0, PUT_RANGE_FROM_PATH = 1 }; /* S */
enum { LINK_FILES_FROM = 0, LINK_FILES_SLOT = 1 }; /* N */
enum { LINK_FILES_PATHS = 0 }; /* S */
enum { LIKE_DIR_FROM = 0 }; /* N */
enum { LIKE_DIR_PATH = 0 }; /* S */
enum { EXPECT_PATH = 0, EXPECT_DATA = 1 }; /* S */
enum { RECEIVE_SLOT = 0, RECEIVE_FROM = 1, RECEIVE_LENGTH = 2, RECEIVE_SIZE = 3 }; /* N */
enum { RECEIVE_DATA = 0 }; /* S */
enum { POUR_TREE_FROM = 0, POUR_TREE_SLOT = 1 }; /* N */
enum { USER_NS_SLOT = 0 }; /* N */
enum { USER_NS_UIDS = 0, USER_NS_GIDS = 1 }; /* S */
enum { PROJECT_QUOTA_DIR = 0, PROJECT_QUOTA_BYTES = 1 }; /* N */
enum { PROJECT_QUOTA_PATH = 0 }; /* S */
enum { FSOPEN_SLOT = 0 }; /* N */
enum { FSOPEN_TYPE = 0 }; /* S */
enum { FSCONFIG_SLOT = 0, FSCONFIG_CMD = 1 }; /* N */
enum { FSCONFIG_KEY = 0, FSCONFIG_VALUE = 1 }; /* S */
enum { FSMOUNT_SLOT = 0, FSMOUNT_FROM = 1, FSMOUNT_ATTRS = 2 }; /* N */
enum { OPEN_TREE_SLOT = 0, OPEN_TREE_DIR = 1, OPEN_TREE_FLAGS = 2 }; /* N */
enum { OPEN_TREE_PATH = 0 }; /* S */
enum { MOVE_MOUNT_FROM = 0, MOVE_MOUNT_DIR = 1 }; /* N */
enum { MOVE_MOUNT_PATH = 0 }; /* S */
enum { MOUNT_SETATTR_DIR = 0, MOUNT_SETATTR_FLAGS = 1, MOUNT_SETATTR_SET = 2, MOUNT_SETATTR_CLR = 3, MOUNT_SETATTR_PROPAGATION = 4, MOUNT_SETATTR_USERNS = 5 }; /* N */
enum { MOUNT_SETATTR_PATH = 0 }; /* S */
enum { MOUNT_FLAGS = 0 }; /* N */
enum { MOUNT_SOURCE = 0, MOUNT_PATH = 1, MOUNT_TYPE = 2, MOUNT_DATA = 3 }; /* S */
enum { UMOUNT_FLAGS = 0 }; /* N */
enum { UMOUNT_PATH = 0 }; /* S */
enum { PIVOT_SLOT = 0 }; /* N */
enum { CHECK_FS_SLOT = 0, CHECK_FS_MAGIC = 1, CHECK_FS_MAGIC2 = 2 }; /* N */
enum { CHECK_DEVICE_SLOT = 0, CHECK_DEVICE_MAJOR = 1, CHECK_DEVICE_MINOR = 2 }; /* N */
enum { UNSHARE_FLAGS = 0 }; /* N */
enum { SETNS_SLOT = 0, SETNS_FLAGS = 1 }; /* N */
enum { OPEN_NS_SLOT = 0, OPEN_NS_PID = 1 }; /* N */
enum { OPEN_NS_PATH = 0 }; /* S */
enum { OPEN_PIDFD_SLOT = 0, OPEN_PIDFD_PID = 1 }; /* N */
enum { TAKE_FD_SLOT = 0, TAKE_FD_PID = 1, TAKE_FD_FD = 2 }; /* N */
enum { ID_MAP_SLOT = 0 }; /* N */
enum { ID_MAP_UIDS = 0, ID_MAP_GIDS = 1 }; /* S */
enum { SETHOSTNAME_NAME = 0 }; /* S */
enum { SETDOMAINNAME_NAME = 0 }; /* S */
enum { CHDIR_PATH = 0 }; /* S */
enum { FCHDIR_SLOT = 0 }; /* N */
enum { UMASK_MODE = 0 }; /* N */
enum { PRCTL_OPTION = 0, PRCTL_A = 1, PRCTL_B = 2, PRCTL_C = 3, PRCTL_D = 4 }; /* N */
enum { SETGROUPS_GIDS = 0 }; /* S */
enum { SETUSER_UID = 0, SETUSER_GID = 1 }; /* N */
enum { CAP_BOUNDING_MASK = 0 }; /* N */
enum { CAP_SET_EFFECTIVE = 0, CAP_SET_PERMITTED = 1, CAP_SET_INHERITABLE = 2 }; /* N */
enum { CAP_AMBIENT_MASK = 0 }; /* N */
enum { RLIMIT_RESOURCE = 0, RLIMIT_SOFT = 1, RLIMIT_HARD = 2 }; /* N */
enum { SECCOMP_FLAGS = 0 }; /* N */
enum { SECCOMP_DATA = 0 }; /* S */
enum { PTY_SLOT = 0, PTY_CONSOLE_DIR = 1, PTY_ROWS = 2, PTY_COLS = 3 }; /* N */
enum { EXEC_CANDIDATES = 0, EXEC_ARGV = 1, EXEC_ENV = 2 }; /* S */
enum { NETLINK_PROTO = 0, NETLINK_ACKS = 1, NETLINK_COLLECT = 2, NETLINK_PATCH_SLOT = 3, NETLINK_PATCH_OFFSET = 4 }; /* N */
enum { NETLINK_DATA = 0 }; /* S */
enum { CGROUP_KILL_PATH = 0 }; /* S */
enum { BPF_DEVICE_SLOT = 0 }; /* N */
enum { BPF_DEVICE_DATA = 0 }; /* S */
enum { BIND_PORT_SLOT = 0, BIND_PORT_FAMILY = 1, BIND_PORT_TYPE = 2, BIND_PORT_PORT = 3 }; /* N */
enum { BIND_PORT_ADDRESS = 0 }; /* S */
enum { SLEEP_MS = 0 }; /* N */
enum { SHIM_FLAGS = 0, SHIM_CLONE_FLAGS = 1, SHIM_LOG_MAX_SIZE = 2, SHIM_LOG_MAX_FILES = 3, SHIM_HOLD = 4 }; /* N */
enum { SHIM_ID = 0, SHIM_SOCKET = 1, SHIM_RECORD = 2, SHIM_LOG = 3, SHIM_LOG_ATTRS = 4, SHIM_OOM = 5, SHIM_PARENT = 6, SHIM_INIT = 7, SHIM_TEARDOWN = 8 }; /* S */
/* How many integers and strings an op has: ints << 8 | strs; -1 for a code that is none. */
static inline int op_shape(unsigned code) {
  switch (code) {
  case OP_OPEN: return 5 << 8 | 1;
  case OP_CLOSE: return 1 << 8 | 0;
  case OP_MKDIR: return 2 << 8 | 1;
  case OP_MKDIR_ALL: return 5 << 8 | 1;
  case OP_MKFILE_ALL: return 5 << 8 | 1;
  case OP_SYMLINK: return 3 << 8 | 2;
  case OP_LINK: return 2 << 8 | 2;
  case OP_MKNOD: return 6 << 8 | 1;
  case OP_UNLINK: return 2 << 8 | 1;
  case OP_RENAME: return 3 << 8 | 2;
  case OP_WRITE: return 1 << 8 | 1;
  case OP_WRITE_FILE: return 4 << 8 | 2;
  case OP_READ_FILE: return 3 << 8 | 1;
  case OP_READ_LINK: return 1 << 8 | 1;
  case OP_STAT: return 3 << 8 | 1;
  case OP_LIST: return 2 << 8 | 1;
  case OP_CHOWN: return 3 << 8 | 1;
  case OP_CHMOD: return 2 << 8 | 1;
  case OP_COPY_MODE: return 2 << 8 | 0;
  case OP_UTIMES: return 3 << 8 | 1;
  case OP_SETXATTR: return 0 << 8 | 3;
  case OP_FSYNC: return 1 << 8 | 0;
  case OP_SYNCFS: return 1 << 8 | 0;
  case OP_FTRUNCATE: return 2 << 8 | 0;
  case OP_REMOVE_TREE: return 1 << 8 | 1;
  case OP_COPY_TREE: return 3 << 8 | 0;
  case OP_FLOCK: return 2 << 8 | 0;
  case OP_USAGE: return 1 << 8 | 1;
  case OP_MAKE_ROOM: return 1 << 8 | 1;
  case OP_PUT_FILE: return 7 << 8 | 2;
  case OP_PUT_DIR: return 5 << 8 | 1;
  case OP_FORBID: return 2 << 8 | 1;
  case OP_SPREAD: return 0 << 8 | 1;
  case OP_ARCHIVE: return 4 << 8 | 3;
  case OP_CHANGES: return 3 << 8 | 0;
  case OP_RESOLVE: return 2 << 8 | 1;
  case OP_MODES: return 1 << 8 | 1;
  case OP_WALK: return 2 << 8 | 1;
  case OP_PUT_RANGE: return 8 << 8 | 2;
  case OP_LINK_FILES: return 2 << 8 | 1;
  case OP_LIKE_DIR: return 1 << 8 | 1;
  case OP_EXPECT: return 0 << 8 | 2;
  case OP_RECEIVE: return 4 << 8 | 1;
  case OP_POUR_TREE: return 2 << 8 | 0;
  case OP_USER_NS: return 1 << 8 | 2;
  case OP_PROJECT_QUOTA: return 2 << 8 | 1;
  case OP_FSOPEN: return 1 << 8 | 1;
  case OP_FSCONFIG: return 2 << 8 | 2;
  case OP_FSMOUNT: return 3 << 8 | 0;
  case OP_OPEN_TREE: return 3 << 8 | 1;
  case OP_MOVE_MOUNT: return 2 << 8 | 1;
  case OP_MOUNT_SETATTR: return 6 << 8 | 1;
  case OP_MOUNT: return 1 << 8 | 4;
  case OP_UMOUNT: return 1 << 8 | 1;
  case OP_PIVOT: return 1 << 8 | 0;
  case OP_CHECK_FS: return 3 << 8 | 0;
  case OP_CHECK_DEVICE: return 3 << 8 | 0;
  case OP_UNSHARE: return 1 << 8 | 0;
  case OP_SETNS: return 2 << 8 | 0;
  case OP_FORK: return 0 << 8 | 0;
  case OP_OPEN_NS: return 2 << 8 | 1;
  case OP_OPEN_PIDFD: return 2 << 8 | 0;
  case OP_TAKE_FD: return 3 << 8 | 0;
  case OP_SYNC: return 0 << 8 | 0;
  case OP_ID_MAP: return 1 << 8 | 2;
  case OP_SETHOSTNAME: return 0 << 8 | 1;
  case OP_SETDOMAINNAME: return 0 << 8 | 1;
  case OP_CHDIR: return 0 << 8 | 1;
  case OP_FCHDIR: return 1 << 8 | 0;
  case OP_UMASK: return 1 << 8 | 0;
  case OP_SETSID: return 0 << 8 | 0;
  case OP_KEYRING: return 0 << 8 | 0;
  case OP_PRCTL: return 5 << 8 | 0;
  case OP_SETGROUPS: return 0 << 8 | 1;
  case OP_SETUSER: return 2 << 8 | 0;
  case OP_CAP_BOUNDING: return 1 << 8 | 0;
  case OP_CAP_SET: return 3 << 8 | 0;
  case OP_CAP_AMBIENT: return 1 << 8 | 0;
  case OP_RLIMIT: return 3 << 8 | 0;
  case OP_SECCOMP: return 1 << 8 | 1;
  case OP_PTY: return 4 << 8 | 0;
  case OP_EXEC: return 0 << 8 | 3;
  case OP_NETLINK: return 5 << 8 | 1;
  case OP_CGROUP_KILL: return 0 << 8 | 1;
  case OP_BPF_DEVICE: return 1 << 8 | 1;
  case OP_BIND_PORT: return 4 << 8 | 1;
  case OP_SLEEP: return 1 << 8 | 0;
  case OP_SHIM: return 5 << 8 | 9;
  case OP_RESOLVER: return 0 << 8 | 0;
  }
  return -1;
}
#endif
