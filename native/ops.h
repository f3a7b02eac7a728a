/* Generated from src/linux/ops.ts by src/linux/generate-header.ts. Do not edit. */
#ifndef OPS_H
#define OPS_H
#include <stdint.h>
enum { SLOTS = 64, INIT_PIDFD = 63, HOST_NULL = 62 };
enum {
  OP_OPEN = 1,
  OP_CLOSE = 2,
  OP_MKDIR = 3,
  OP_MKDIR_ALL = 4,
  OP_MKFILE_ALL = 5,
  OP_SYMLINK = 6,
  OP_LINK = 7,
  OP_MKNOD = 8,
  OP_UNLINK = 9,
  OP_RENAME = 10,
  OP_WRITE = 11,
  OP_WRITE_FILE = 12,
  OP_READ_FILE = 13,
  OP_READ_LINK = 14,
  OP_STAT = 15,
  OP_LIST = 16,
  OP_CHOWN = 17,
  OP_CHMOD = 18,
  OP_COPY_MODE = 19,
  OP_UTIMES = 20,
  OP_SETXATTR = 21,
  OP_FSYNC = 22,
  OP_SYNCFS = 23,
  OP_FTRUNCATE = 24,
  OP_REMOVE_TREE = 25,
  OP_COPY_TREE = 26,
  OP_FLOCK = 27,
  OP_USAGE = 28,
  OP_MAKE_ROOM = 29,
  OP_PUT_FILE = 30,
  OP_PUT_DIR = 31,
  OP_FORBID = 32,
  OP_SPREAD = 33,
  OP_ARCHIVE = 34,
  OP_CHANGES = 35,
  OP_EXPECT = 36,
  OP_POUR_TREE = 37,
  OP_USER_NS = 38,
  OP_PROJECT_QUOTA = 39,
  OP_FSOPEN = 40,
  OP_FSCONFIG = 41,
  OP_FSMOUNT = 42,
  OP_OPEN_TREE = 43,
  OP_MOVE_MOUNT = 44,
  OP_MOUNT_SETATTR = 45,
  OP_MOUNT = 46,
  OP_UMOUNT = 47,
  OP_PIVOT = 48,
  OP_CHECK_FS = 49,
  OP_CHECK_DEVICE = 50,
  OP_UNSHARE = 51,
  OP_SETNS = 52,
  OP_FORK = 53,
  OP_OPEN_NS = 54,
  OP_OPEN_PIDFD = 55,
  OP_TAKE_FD = 56,
  OP_SYNC = 57,
  OP_ID_MAP = 58,
  OP_SETHOSTNAME = 59,
  OP_SETDOMAINNAME = 60,
  OP_CHDIR = 61,
  OP_FCHDIR = 62,
  OP_UMASK = 63,
  OP_SETSID = 64,
  OP_KEYRING = 65,
  OP_PRCTL = 66,
  OP_SETGROUPS = 67,
  OP_SETUSER = 68,
  OP_CAP_BOUNDING = 69,
  OP_CAP_SET = 70,
  OP_CAP_AMBIENT = 71,
  OP_RLIMIT = 72,
  OP_SECCOMP = 73,
  OP_PTY = 74,
  OP_EXEC = 75,
  OP_NETLINK = 76,
  OP_CGROUP_KILL = 77,
  OP_BPF_DEVICE = 78,
  OP_BIND_PORT = 79,
  OP_SLEEP = 80,
  OP_SHIM = 81,
  OP_RESOLVER = 82,
  OP_COUNT = 82
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
enum { PUT_DIR_DIR = 0, PUT_DIR_MODE = 1, PUT_DIR_UID = 2, PUT_DIR_GID = 3 }; /* N */
enum { PUT_DIR_PATH = 0 }; /* S */
enum { FORBID_DIR = 0, FORBID_FLAGS = 1 }; /* N */
enum { FORBID_PATH = 0 }; /* S */
enum { SPREAD_PATH = 0 }; /* S */
enum { ARCHIVE_DIR = 0, ARCHIVE_FROM = 1, ARCHIVE_FLAGS = 2, ARCHIVE_TO = 3 }; /* N */
enum { ARCHIVE_PATH = 0, ARCHIVE_NAME = 1, ARCHIVE_EXCEPT = 2 }; /* S */
enum { CHANGES_SLOT = 0, CHANGES_FROM = 1, CHANGES_FLAGS = 2 }; /* N */
enum { EXPECT_PATH = 0, EXPECT_DATA = 1 }; /* S */
enum { POUR_TREE_FROM = 0, POUR_TREE_SLOT = 1 }; /* N */
enum { USER_NS_SLOT = 0 }; /* N */
enum { USER_NS_UIDS = 0, USER_NS_GIDS = 1 }; /* S */
enum { PROJECT_QUOTA_DIR = 0, PROJECT_QUOTA_PROJECT = 1, PROJECT_QUOTA_BYTES = 2 }; /* N */
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
struct op_shape { uint8_t ints, strs; };
static const struct op_shape OP_SHAPES[OP_COUNT + 1] = {
  [OP_OPEN] = { 5, 1 },
  [OP_CLOSE] = { 1, 0 },
  [OP_MKDIR] = { 2, 1 },
  [OP_MKDIR_ALL] = { 5, 1 },
  [OP_MKFILE_ALL] = { 5, 1 },
  [OP_SYMLINK] = { 3, 2 },
  [OP_LINK] = { 2, 2 },
  [OP_MKNOD] = { 6, 1 },
  [OP_UNLINK] = { 2, 1 },
  [OP_RENAME] = { 3, 2 },
  [OP_WRITE] = { 1, 1 },
  [OP_WRITE_FILE] = { 4, 2 },
  [OP_READ_FILE] = { 3, 1 },
  [OP_READ_LINK] = { 1, 1 },
  [OP_STAT] = { 3, 1 },
  [OP_LIST] = { 2, 1 },
  [OP_CHOWN] = { 3, 1 },
  [OP_CHMOD] = { 2, 1 },
  [OP_COPY_MODE] = { 2, 0 },
  [OP_UTIMES] = { 3, 1 },
  [OP_SETXATTR] = { 0, 3 },
  [OP_FSYNC] = { 1, 0 },
  [OP_SYNCFS] = { 1, 0 },
  [OP_FTRUNCATE] = { 2, 0 },
  [OP_REMOVE_TREE] = { 1, 1 },
  [OP_COPY_TREE] = { 3, 0 },
  [OP_FLOCK] = { 2, 0 },
  [OP_USAGE] = { 1, 1 },
  [OP_MAKE_ROOM] = { 1, 1 },
  [OP_PUT_FILE] = { 7, 2 },
  [OP_PUT_DIR] = { 4, 1 },
  [OP_FORBID] = { 2, 1 },
  [OP_SPREAD] = { 0, 1 },
  [OP_ARCHIVE] = { 4, 3 },
  [OP_CHANGES] = { 3, 0 },
  [OP_EXPECT] = { 0, 2 },
  [OP_POUR_TREE] = { 2, 0 },
  [OP_USER_NS] = { 1, 2 },
  [OP_PROJECT_QUOTA] = { 3, 1 },
  [OP_FSOPEN] = { 1, 1 },
  [OP_FSCONFIG] = { 2, 2 },
  [OP_FSMOUNT] = { 3, 0 },
  [OP_OPEN_TREE] = { 3, 1 },
  [OP_MOVE_MOUNT] = { 2, 1 },
  [OP_MOUNT_SETATTR] = { 6, 1 },
  [OP_MOUNT] = { 1, 4 },
  [OP_UMOUNT] = { 1, 1 },
  [OP_PIVOT] = { 1, 0 },
  [OP_CHECK_FS] = { 3, 0 },
  [OP_CHECK_DEVICE] = { 3, 0 },
  [OP_UNSHARE] = { 1, 0 },
  [OP_SETNS] = { 2, 0 },
  [OP_FORK] = { 0, 0 },
  [OP_OPEN_NS] = { 2, 1 },
  [OP_OPEN_PIDFD] = { 2, 0 },
  [OP_TAKE_FD] = { 3, 0 },
  [OP_SYNC] = { 0, 0 },
  [OP_ID_MAP] = { 1, 2 },
  [OP_SETHOSTNAME] = { 0, 1 },
  [OP_SETDOMAINNAME] = { 0, 1 },
  [OP_CHDIR] = { 0, 1 },
  [OP_FCHDIR] = { 1, 0 },
  [OP_UMASK] = { 1, 0 },
  [OP_SETSID] = { 0, 0 },
  [OP_KEYRING] = { 0, 0 },
  [OP_PRCTL] = { 5, 0 },
  [OP_SETGROUPS] = { 0, 1 },
  [OP_SETUSER] = { 2, 0 },
  [OP_CAP_BOUNDING] = { 1, 0 },
  [OP_CAP_SET] = { 3, 0 },
  [OP_CAP_AMBIENT] = { 1, 0 },
  [OP_RLIMIT] = { 3, 0 },
  [OP_SECCOMP] = { 1, 1 },
  [OP_PTY] = { 4, 0 },
  [OP_EXEC] = { 0, 3 },
  [OP_NETLINK] = { 5, 1 },
  [OP_CGROUP_KILL] = { 0, 1 },
  [OP_BPF_DEVICE] = { 1, 1 },
  [OP_BIND_PORT] = { 4, 1 },
  [OP_SLEEP] = { 1, 0 },
  [OP_SHIM] = { 5, 9 },
  [OP_RESOLVER] = { 0, 0 },
};
#endif
