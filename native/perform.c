/* The interpreter: a walk over a program's ops, one switch, the undos of what was done when something fails. */
#include "cell.h"
#include "copies.h"
#include "files.h"
#include "sys.h"
#include "trees.h"
#include "volumes.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>

#define N(name) (op->n[name])
#define S(name) (op->s[name].p)
#define LEN(name) (op->s[name].len)

enum { MAX_UNDO = 4096, MAX_READ = 16 << 20, MAX_LIST = 8 << 20 };

static int code(long result) { return result < 0 ? -errno : 0; }

void machine_init(struct machine *m) {
  *m = (struct machine){ .status = -1, .engine = -1 };
  for (int i = 0; i < SLOTS; i++) m->slot[i] = -1;
}

void machine_close(struct machine *m) {
  for (int i = 0; i < SLOTS; i++)
    if (m->slot[i] >= 0) close(m->slot[i]), m->slot[i] = -1;
}

/* The descriptor in a slot; an empty or impossible slot gives -1, which every system call answers with EBADF. */
static int fd_of(struct machine *m, int64_t slot) { return slot >= 0 && slot < SLOTS ? m->slot[slot] : -1; }
static int dir_of(struct machine *m, int64_t slot) { return slot == -1 ? AT_FDCWD : fd_of(m, slot); }

/* Puts a new descriptor (or -errno) into a slot. Without a slot it is closed: the call was for its effect. */
static int fill(struct machine *m, int64_t slot, int fd) {
  if (fd < 0) return fd;
  if (slot == -1) return close(fd), 0;
  if (slot < 0 || slot >= SLOTS) return close(fd), -EINVAL;
  if (m->slot[slot] >= 0) close(m->slot[slot]);
  m->slot[slot] = fd;
  return 0;
}

static int open_or(long fd) { return fd < 0 ? -errno : (int)fd; }

/* --- files ------------------------------------------------------------------------------------------------------ */

int send_all(int fd, const void *data, size_t len) {
  for (size_t done = 0; done < len;) {
    ssize_t n = write(fd, (const char *)data + done, len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
      continue;
    }
    if (n < 0) return -errno;
    done += (size_t)n;
  }
  return 0;
}

static int write_file(struct machine *m, const struct op *op) {
  int fd = sys_openat2(dir_of(m, N(WRITE_FILE_DIR)), S(WRITE_FILE_PATH), (uint64_t)N(WRITE_FILE_FLAGS) | O_WRONLY | O_CLOEXEC | O_NOCTTY,
                       N(WRITE_FILE_FLAGS) & O_CREAT ? (uint64_t)N(WRITE_FILE_MODE) : 0, (uint64_t)N(WRITE_FILE_RESOLVE));
  if (fd < 0) return -errno;
  ssize_t n = write(fd, S(WRITE_FILE_DATA), LEN(WRITE_FILE_DATA));
  int err = n < 0 ? -errno : (size_t)n < LEN(WRITE_FILE_DATA) ? send_all(fd, S(WRITE_FILE_DATA) + n, LEN(WRITE_FILE_DATA) - (size_t)n) : 0;
  if (close(fd) && err == 0) err = -errno;
  return err;
}

static int read_file(struct machine *m, const struct op *op, uint32_t index) {
  if (N(READ_FILE_MAX) < 0 || N(READ_FILE_MAX) > MAX_READ) return -EINVAL;
  size_t max = (size_t)N(READ_FILE_MAX), have = 0;
  struct stat st;
  int fd = sys_openat2(dir_of(m, N(READ_FILE_DIR)), S(READ_FILE_PATH), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, (uint64_t)N(READ_FILE_RESOLVE));
  if (fd < 0) return -errno;
  int err = fstat(fd, &st) ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : (uint64_t)st.st_size > max ? -EFBIG : 0;
  char *data = err ? NULL : mmap(NULL, max + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) err = -errno, data = NULL;
  while (err == 0 && have <= max) {
    ssize_t n = read(fd, data + have, max + 1 - have);
    if (n < 0) err = -errno;
    if (n <= 0) break;
    have += (size_t)n;
  }
  if (err == 0 && have > max) err = -EFBIG;
  if (err == 0 && m->emit) m->emit(m, index, data, have);
  if (data) munmap(data, max + 1);
  close(fd);
  return err;
}

static int read_link(struct machine *m, const struct op *op, uint32_t index) {
  char target[PATH_MAX];
  ssize_t n = readlinkat(dir_of(m, N(READ_LINK_DIR)), S(READ_LINK_PATH), target, sizeof target);
  if (n >= 0 && m->emit) m->emit(m, index, target, (size_t)n);
  return code(n);
}

static int stat_op(struct machine *m, const struct op *op, uint32_t index) {
  struct statx x;
  int fd = sys_openat2(dir_of(m, N(STAT_DIR)), S(STAT_PATH)[0] ? S(STAT_PATH) : ".", O_PATH | O_CLOEXEC | (uint64_t)N(STAT_FLAGS), 0, (uint64_t)N(STAT_RESOLVE));
  if (fd < 0) return -errno;
  int err = code(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
  close(fd);
  if (err) return err;
  uint64_t out[10] = { x.stx_mode, x.stx_uid, x.stx_gid, x.stx_size, (uint64_t)x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec,
                       x.stx_rdev_major, x.stx_rdev_minor, x.stx_ino, x.stx_nlink };
  if (m->emit) m->emit(m, index, out, sizeof out);
  return 0;
}

struct listing { char *data; size_t have; };

static int list_entry(void *context, const struct entry *entry) {
  struct listing *l = context;
  size_t n = strlen(entry->name) + 1;
  if (l->have + n + 1 > MAX_LIST) return -E2BIG;
  l->data[l->have++] = (char)entry->type;
  memcpy(l->data + l->have, entry->name, n);
  l->have += n;
  return 0;
}

static int list(struct machine *m, const struct op *op, uint32_t index) {
  int fd = sys_openat2(dir_of(m, N(LIST_DIR)), S(LIST_PATH)[0] ? S(LIST_PATH) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, (uint64_t)N(LIST_RESOLVE));
  if (fd < 0) return -errno;
  struct listing l = { mmap(NULL, MAX_LIST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), 0 };
  int err = l.data == MAP_FAILED ? -errno : each_entry(fd, list_entry, &l);
  if (err == 0 && m->emit) m->emit(m, index, l.data, l.have);
  if (l.data != MAP_FAILED) munmap(l.data, MAX_LIST);
  close(fd);
  return err;
}

static int utimes_at(int dir, const char *path, int64_t sec, int64_t nsec) {
  const struct timespec t[2] = { { sec, nsec }, { sec, nsec } };
  return code(utimensat(dir, path, t, AT_SYMLINK_NOFOLLOW));
}

static int put_file(struct machine *m, const struct op *op) {
  int dir = dir_of(m, N(PUT_FILE_DIR));
  const uint64_t flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(dir, S(PUT_FILE_PATH), (int)flags, 0600), err;
  if (fd < 0 && (errno == EEXIST || errno == ENOENT)) {
    if ((err = make_room(dir, S(PUT_FILE_PATH)))) return err;
    fd = openat(dir, S(PUT_FILE_PATH), (int)flags, 0600);
  }
  if (fd < 0) return -errno;
  err = send_all(fd, S(PUT_FILE_DATA), LEN(PUT_FILE_DATA));
  if (err == 0 && (fchown(fd, (uid_t)N(PUT_FILE_UID), (gid_t)N(PUT_FILE_GID)) || fchmod(fd, (mode_t)N(PUT_FILE_MODE)))) err = -errno;
  if (err || N(PUT_FILE_SLOT) < 0) {
    const struct timespec t[2] = { { N(PUT_FILE_SEC), N(PUT_FILE_NSEC) }, { N(PUT_FILE_SEC), N(PUT_FILE_NSEC) } };
    if (err == 0) err = code(futimens(fd, t));
    if (close(fd) && err == 0) err = -errno;
    return err;
  }
  return fill(m, N(PUT_FILE_SLOT), fd);
}

static int put_range_op(struct machine *m, const struct op *op) {
  return put_range(m, &(struct range){ .from = fd_of(m, N(PUT_RANGE_FROM)),
    .offset = N(PUT_RANGE_OFFSET), .length = N(PUT_RANGE_LENGTH), .sec = N(PUT_RANGE_SEC), .nsec = (long)N(PUT_RANGE_NSEC), .mode = (mode_t)N(PUT_RANGE_MODE),
    .uid = (uid_t)N(PUT_RANGE_UID), .gid = (gid_t)N(PUT_RANGE_GID), .path = S(PUT_RANGE_PATH), .from_path = S(PUT_RANGE_FROM_PATH) });
}

/* Makes a directory where the file system would lay a tree of its own: its parent says so meanwhile. */
static int mkdir_apart(int dir, const char *path) {
  char holder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  struct stat st;
  int flags, apart;
  if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0) return errno = EEXIST, -1;
  snprintf(holder, sizeof holder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
  int fd = openat(dir, holder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int told = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL);
  if (told) apart = flags | FS_TOPDIR_FL, told = ioctl(fd, FS_IOC_SETFLAGS, &apart) == 0;
  int made = mkdirat(dir, path, 0700), err = errno;
  if (told) ioctl(fd, FS_IOC_SETFLAGS, &flags);
  if (fd >= 0) close(fd);
  return errno = err, made;
}

static int put_dir(struct machine *m, const struct op *op) {
  int dir = dir_of(m, N(PUT_DIR_DIR)), err = 0, fd = -1;
  const char *path = S(PUT_DIR_PATH);
  for (int round = 0; round < 2; round++) {
    if ((N(PUT_DIR_APART) ? mkdir_apart(dir, path) : mkdirat(dir, path, 0700)) == 0 || errno == EEXIST) {
      fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      if (fd >= 0) break;
    }
    err = -errno;
    if (round || (err != -ENOENT && err != -ENOTDIR && err != -ELOOP)) return err;
    if ((err = make_room(dir, path))) return err;
  }
  if (fd < 0) return err;
  err = fchown(fd, (uid_t)N(PUT_DIR_UID), (gid_t)N(PUT_DIR_GID)) || fchmod(fd, (mode_t)N(PUT_DIR_MODE)) ? -errno : 0;
  close(fd);
  return err;
}

/* flags 1: no directory may stand there, 2: nothing but one. */
static int forbid(int dir, const char *path, int flags) {
  struct stat st;
  if (flags & 4) return refuse_full(dir, path);
  if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW)) return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
  if (S_ISDIR(st.st_mode)) return flags & 1 ? -EISDIR : 0;
  return flags & 2 ? -ENOTDIR : 0;
}

static int expect(const char *path, struct str data) {
  char text[16384];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
  if (fd >= 0) close(fd);
  return n < 0 ? -errno : memmem(text, (size_t)n, data.p, data.len) ? 0 : -ESRCH;
}

static int spread(const char *path) {
  int flags = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
    flags |= FS_TOPDIR_FL;
    ioctl(fd, FS_IOC_SETFLAGS, &flags);
  }
  close(fd);
  return 0;
}

static int set_xattr(const struct op *op) {
  return code(lsetxattr(S(SETXATTR_PATH), S(SETXATTR_NAME), S(SETXATTR_DATA), LEN(SETXATTR_DATA), 0));
}

static int usage(struct machine *m, const struct op *op, uint32_t index) {
  uint64_t out[2];
  int err = tree_usage(dir_of(m, N(USAGE_DIR)), S(USAGE_PATH), &out[0], &out[1]);
  if (err == 0 && m->emit) m->emit(m, index, out, sizeof out);
  return err;
}

static int owned(int err, int dir, const char *path, int64_t uid, int64_t gid) {
  if (err || (uid < 0 && gid < 0)) return err;
  return code(fchownat(dir, path, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW));
}

static int make_node(int dir, const struct op *op) {
  uint64_t major = (uint64_t)N(MKNOD_MAJOR), minor = (uint64_t)N(MKNOD_MINOR);
  if (major > 0xfff || minor > 0xfffff) return -EINVAL; /* would be another device after truncation */
  int err = code(mknodat(dir, S(MKNOD_PATH), (mode_t)N(MKNOD_MODE), makedev(major, minor)));
  err = owned(err, dir, S(MKNOD_PATH), N(MKNOD_UID), N(MKNOD_GID));
  return err ? err : change_mode(dir, S(MKNOD_PATH), (mode_t)N(MKNOD_MODE) & 07777);
}

/* --- mounts ----------------------------------------------------------------------------------------------------- */

static int fsconfig_op(struct machine *m, const struct op *op) {
  int64_t cmd = N(FSCONFIG_CMD);
  return code(syscall(SYS_fsconfig, fd_of(m, N(FSCONFIG_SLOT)), cmd, cmd == 6 ? NULL : S(FSCONFIG_KEY), cmd == 1 ? S(FSCONFIG_VALUE) : NULL, 0));
}

static int set_attributes(struct machine *m, const struct op *op) {
  struct tree_attr a = { (uint64_t)N(MOUNT_SETATTR_SET), (uint64_t)N(MOUNT_SETATTR_CLR), (uint64_t)N(MOUNT_SETATTR_PROPAGATION), 0 };
  if (N(MOUNT_SETATTR_USERNS) >= 0) a.userns = (uint64_t)(unsigned)fd_of(m, N(MOUNT_SETATTR_USERNS));
  return code(syscall(SYS_mount_setattr, dir_of(m, N(MOUNT_SETATTR_DIR)), S(MOUNT_SETATTR_PATH), N(MOUNT_SETATTR_FLAGS), &a, sizeof a));
}

static int move_mount_op(struct machine *m, const struct op *op) {
  const unsigned from_empty = 0x04, to_empty = 0x40;
  const char *path = S(MOVE_MOUNT_PATH);
  return code(syscall(SYS_move_mount, fd_of(m, N(MOVE_MOUNT_FROM)), "", dir_of(m, N(MOVE_MOUNT_DIR)), path, from_empty | (*path ? 0 : to_empty)));
}

static int pivot(struct machine *m, const struct op *op) {
  /* The new root is put over the old one, at the same place, and the old one is then taken away from below it. */
  if (fchdir(fd_of(m, N(PIVOT_SLOT))) || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/")) return -errno;
  return 0;
}

static int check_fs(struct machine *m, const struct op *op) {
  struct statfs st;
  if (fstatfs(fd_of(m, N(CHECK_FS_SLOT)), &st)) return -errno;
  uint32_t type = (uint32_t)st.f_type;
  return type == (uint32_t)N(CHECK_FS_MAGIC) || (N(CHECK_FS_MAGIC2) && type == (uint32_t)N(CHECK_FS_MAGIC2)) ? 0 : -EXDEV;
}

static int check_device(struct machine *m, const struct op *op) {
  struct stat st;
  if (fstat(fd_of(m, N(CHECK_DEVICE_SLOT)), &st)) return -errno;
  return S_ISCHR(st.st_mode) && st.st_rdev == makedev((unsigned)N(CHECK_DEVICE_MAJOR), (unsigned)N(CHECK_DEVICE_MINOR)) ? 0 : -ENODEV;
}

/* --- identity --------------------------------------------------------------------------------------------------- */

static int tell(struct machine *m, struct status status, int fd) {
  char control[CMSG_SPACE(sizeof(int))] = { 0 };
  struct iovec data = { &status, sizeof status };
  struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1 };
  if (fd >= 0) {
    msg.msg_control = control;
    msg.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  return code(sendmsg(m->status, &msg, MSG_NOSIGNAL));
}

static int fork_op(struct machine *m) {
  /* The child is a child of our parent, which reaps it. What it reports first carries its pid, translated by the kernel. */
  long pid = syscall(SYS_clone, CLONE_PARENT, 0, 0, 0, 0);
  if (pid < 0) return -errno;
  if (pid > 0) _exit(0);
  return m->status < 0 ? 0 : tell(m, (struct status){ STATUS_FORKED, 0, 0 }, -1);
}

static int resolver(struct machine *m) {
  int fds[2], err = -dns_sockets(fds);
  if (err) return err;
  for (int i = 0; i < 2; i++) {
    if (err == 0) err = tell(m, (struct status){ STATUS_RESOLVER, i, 0 }, fds[i]);
    close(fds[i]);
  }
  return err;
}

static int sync_op(struct machine *m) {
  int32_t err;
  int told = tell(m, (struct status){ STATUS_SYNC, 0, 0 }, -1);
  if (told) return told;
  ssize_t n = read(m->status, &err, sizeof err);
  return n < 0 ? -errno : n != sizeof err ? -EPIPE : -err;
}

/* The pid behind a pidfd, from the trusted procfs of the shim. */
static long pid_of(int pidfd) {
  char path[48], text[512], *at;
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (n < 0) return -errno;
  text[n] = 0;
  return (at = strstr(text, "\nPid:\t")) ? atol(at + 6) : -ESRCH;
}

static int write_map(long pid, const char *name, struct str map) {
  char path[48];
  snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int err = write(fd, map.p, map.len) == (ssize_t)map.len ? 0 : -errno;
  close(fd);
  return err;
}

static int id_map(struct machine *m, const struct op *op) {
  long pid = pid_of(fd_of(m, N(ID_MAP_SLOT)));
  if (pid <= 0) return pid ? (int)pid : -ESRCH;
  int err = write_map(pid, "uid_map", op->s[ID_MAP_UIDS]);
  return err ? err : write_map(pid, "gid_map", op->s[ID_MAP_GIDS]);
}

static int take_fd(struct machine *m, const struct op *op) {
  int process = (int)syscall(SYS_pidfd_open, N(TAKE_FD_PID), 0);
  if (process < 0) return -errno;
  int fd = open_or(syscall(SYS_pidfd_getfd, process, N(TAKE_FD_FD), 0));
  close(process);
  return fill(m, N(TAKE_FD_SLOT), fd);
}

static int open_ns(struct machine *m, const struct op *op) {
  char path[64];
  int n = N(OPEN_NS_PID) ? snprintf(path, sizeof path, "/proc/%lld/ns/%s", (long long)N(OPEN_NS_PID), S(OPEN_NS_PATH))
                         : snprintf(path, sizeof path, "/proc/self/ns/%s", S(OPEN_NS_PATH));
  if (n < 0 || (size_t)n >= sizeof path) return -ENAMETOOLONG;
  return fill(m, N(OPEN_NS_SLOT), open_or(open(path, O_RDONLY | O_CLOEXEC)));
}

static int change_dir(const char *path) {
  char here[PATH_MAX];
  if (chdir(path)) return -errno;
  long n = syscall(SYS_getcwd, here, sizeof here);
  return n < 0 ? -errno : here[0] == '/' ? 0 : -ENOENT;
}

/* Stdio that is a pipe or terminal of this container goes to its user, who may then open /dev/stdout again. The shared
 * null device stays root's. */
static void give_stdio(uid_t uid) {
  struct stat st;
  for (int fd = 0; fd < 3; fd++)
    if (fstat(fd, &st) == 0 && st.st_uid != uid && !(S_ISCHR(st.st_mode) && major(st.st_rdev) == 1) && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
      (void)!fchown(fd, uid, (gid_t)-1);
}

static int set_user(const struct op *op) {
  uid_t uid = (uid_t)N(SETUSER_UID);
  gid_t gid = (gid_t)N(SETUSER_GID);
  if (N(SETUSER_UID) < 0 || N(SETUSER_GID) < 0) return -EINVAL;
  give_stdio(uid);
  if (setresgid(gid, gid, gid) || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setresuid(uid, uid, uid)) return -errno;
  return 0;
}

static int bound_caps(uint64_t mask) {
  for (unsigned cap = 0; cap < 64; cap++) {
    int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
    if (has < 0) break; /* beyond the last capability of this kernel */
    if (has && !(mask >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) return -errno;
  }
  return 0;
}

static int set_caps(const struct op *op) {
  uint64_t e = (uint64_t)N(CAP_SET_EFFECTIVE), p = (uint64_t)N(CAP_SET_PERMITTED), i = (uint64_t)N(CAP_SET_INHERITABLE);
  struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct data[2] = { { (uint32_t)e, (uint32_t)p, (uint32_t)i }, { (uint32_t)(e >> 32), (uint32_t)(p >> 32), (uint32_t)(i >> 32) } };
  return code(syscall(SYS_capset, &head, data));
}

static int ambient_caps(uint64_t mask) {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)) return -errno;
  for (unsigned cap = 0; cap < 64; cap++)
    if (mask >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0)) return -errno;
  return 0;
}

static int set_groups(struct str gids) {
  gid_t list[1024];
  if (gids.len % 4 || gids.len > sizeof list) return -EINVAL;
  memcpy(list, gids.p, gids.len);
  return code(setgroups(gids.len / 4, list));
}

/* Every op opens with O_CLOEXEC; this is for whatever was open before. */
static int mark_descriptors(struct machine *m) {
  if (!m->marked && syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC)) return -errno;
  m->marked = 1;
  return 0;
}

/* The filter may know nothing of close_range: profiles are older than that call. */
static int seccomp_op(struct machine *m, const struct op *op) {
  int err = mark_descriptors(m);
  if (err) return err;
  if (LEN(SECCOMP_DATA) % 8 || LEN(SECCOMP_DATA) / 8 > 4096) return -EINVAL;
  struct sock_fprog program = { (unsigned short)(LEN(SECCOMP_DATA) / 8), (struct sock_filter *)(void *)(uintptr_t)S(SECCOMP_DATA) };
  return code(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, N(SECCOMP_FLAGS), &program));
}

static int terminal(struct machine *m, const struct op *op) {
  int master = fd_of(m, N(PTY_SLOT)), unlocked = 0;
  struct stat st;
  struct winsize size = { .ws_row = (unsigned short)N(PTY_ROWS), .ws_col = (unsigned short)N(PTY_COLS) };
  if (ioctl(master, TIOCSPTLCK, &unlocked)) return -errno;
  int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) return -errno;
  if (fstat(slave, &st) || !S_ISCHR(st.st_mode) || major(st.st_rdev) != 136) return close(slave), -ENODEV;
  if (size.ws_row && ioctl(slave, TIOCSWINSZ, &size)) return -errno;
  int err = tell(m, (struct status){ STATUS_TERMINAL, 0, 0 }, master);
  if (err) return err;
  if (N(PTY_CONSOLE_DIR) >= 0) {
    int tree = (int)syscall(SYS_open_tree, slave, "", AT_EMPTY_PATH | 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
    if (tree < 0 || syscall(SYS_move_mount, tree, "", fd_of(m, N(PTY_CONSOLE_DIR)), "", 0x44)) return -errno;
    close(tree);
  }
  if ((setsid() < 0 && errno != EPERM) || ioctl(slave, TIOCSCTTY, 0)) return -errno;
  for (int fd = 0; fd < 3; fd++)
    if (dup2(slave, fd) < 0) return -errno;
  return close(slave), 0;
}

/* NUL-terminated strings in a row as a vector, in memory that exec throws away. */
static char **vector(struct str list) {
  size_t count = 0, at = 0;
  for (size_t i = 0; i < list.len; i++) count += list.p[i] == 0;
  char **v = mmap(NULL, (count + 1) * sizeof *v, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (v == MAP_FAILED) return NULL;
  for (size_t i = 0; i < count; i++, at += strlen(list.p + at) + 1) v[i] = (char *)(uintptr_t)list.p + at;
  return v;
}

static int exec_op(struct machine *m, const struct op *op) {
  int err;
  for (int i = 0; i < 3; i++)
    if (LEN(i) && S(i)[LEN(i) - 1] != 0) return -EINVAL;
  char **candidates = vector(op->s[EXEC_CANDIDATES]), **argv = vector(op->s[EXEC_ARGV]), **env = vector(op->s[EXEC_ENV]);
  if (!candidates || !argv || !env) return -ENOMEM;
  if ((err = mark_descriptors(m))) return err;
  err = -ENOENT;
  for (; *candidates; candidates++) {
    execve(*candidates, argv, env);
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) return -errno;
    if (errno == EACCES) err = -EACCES;
  }
  return err;
}

/* --- network, cgroups, devices ---------------------------------------------------------------------------------- */

struct talk { int fd; int64_t acks; int collect; uint16_t tolerate; };

static char answers[65536] __attribute__((aligned(8)));

/* Reads one packet of answers. What is not an ack is an output when collected: what stands in a row as one, since a dump has
 * thousands of messages. */
static int netlink_answers(struct machine *m, uint32_t index, struct talk *t) {
  char *const buffer = answers, *row = NULL, *end = NULL;
  ssize_t n = recv(t->fd, buffer, sizeof answers, MSG_TRUNC);
  if (n < 0) return errno == EINTR ? 0 : errno == EAGAIN ? -ETIMEDOUT : -errno;
  if ((size_t)n > sizeof answers) return -EMSGSIZE;
  for (struct nlmsghdr *h = (void *)buffer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
    int ack = h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE;
    if (!ack) end = (char *)h + h->nlmsg_len;
    if (!ack && !row) row = (char *)h;
    if (!ack) continue;
    int err = h->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(h))->error : 0;
    if (err && -err != t->tolerate) return err;
    t->acks--;
    if (row && t->collect && m->emit) m->emit(m, index, row, (size_t)(end - row));
    row = NULL;
  }
  if (row && t->collect && m->emit) m->emit(m, index, row, (size_t)(end - row));
  return 0;
}

static int netlink_socket(int proto) {
  int big = 8 << 20, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto);
  if (fd < 0) return -errno;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof big);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 10, 0 }, sizeof(struct timeval));
  return fd;
}

/* A host keeps its socket to netfilter: closing one waits until all that was deleted lately is freed, 10 to 30 ms, and
 * holds up every other change of the firewall meanwhile (nft_rcv_nl_event). Its children, which may be in another network
 * namespace, do not use it. */
pid_t netfilter_keeper;
static int netfilter_kept = -1;

static int netlink_open(int proto) {
  if (proto != NETLINK_NETFILTER || getpid() != netfilter_keeper) return netlink_socket(proto);
  if (netfilter_kept < 0) netfilter_kept = netlink_socket(proto);
  while (recv(netfilter_kept, answers, sizeof answers, MSG_DONTWAIT) >= 0 || errno == ENOBUFS || errno == EINTR) continue; /* of the op before */
  return netfilter_kept;
}

static void netlink_close(int fd, int err) {
  if (fd == netfilter_kept && getpid() == netfilter_keeper) {
    if (err != -ETIMEDOUT) return;
    netfilter_kept = -1;
  }
  close(fd);
}

static int netlink_op(struct machine *m, const struct op *op, uint32_t index) {
  struct talk t = { netlink_open((int)N(NETLINK_PROTO)), N(NETLINK_ACKS), (int)N(NETLINK_COLLECT), op->tolerate };
  if (t.fd < 0) return t.fd;
  const char *data = S(NETLINK_DATA);
  uint64_t len = LEN(NETLINK_DATA), patch_at = (uint64_t)N(NETLINK_PATCH_OFFSET);
  int patched = fd_of(m, N(NETLINK_PATCH_SLOT)), err = 0;
  struct iovec parts[3] = { { (void *)(uintptr_t)data, len }, { NULL, 0 }, { NULL, 0 } };
  if (N(NETLINK_PATCH_SLOT) >= 0) {
    if (len < 4 || patch_at > len - 4) return netlink_close(t.fd, 0), -EINVAL;
    parts[0].iov_len = patch_at;
    parts[1] = (struct iovec){ &patched, 4 };
    parts[2] = (struct iovec){ (void *)(uintptr_t)(data + patch_at + 4), len - patch_at - 4 };
  }
  struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
  struct msghdr msg = { .msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = parts, .msg_iovlen = 3 };
  if (sendmsg(t.fd, &msg, 0) < 0) err = -errno;
  while (err == 0 && t.acks > 0) err = netlink_answers(m, index, &t);
  netlink_close(t.fd, err);
  return err;
}

/* Sends SIGKILL to all that cgroup.procs lists; the number of them, or -errno. */
static int kill_listed(int dir) {
  char text[16384];
  int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC), killed = 0;
  if (fd < 0) return errno == ENODEV ? 0 : -errno;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n < 0) return errno == ENODEV || errno == EOPNOTSUPP ? 0 : -errno;
  text[n] = 0;
  for (char *at = text, *end; *at; at = *end ? end + 1 : end) {
    long pid = strtol(at, &end, 10);
    if (end == at) break;
    if (pid > 0) kill((pid_t)pid, SIGKILL), killed++;
  }
  return killed;
}

struct killing { int here, depth, killed; };

static int kill_below(void *context, const struct entry *entry) {
  struct killing *k = context;
  if (entry->type != 4 /* DT_DIR */ || k->depth > 32) return 0;
  int fd = openat(k->here, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  struct killing inner = { fd, k->depth + 1, 0 };
  int own = kill_listed(fd), err = each_entry(fd, kill_below, &inner);
  if (own > 0) k->killed += own;
  k->killed += inner.killed;
  close(fd);
  return err == -ENOENT || err == -ENODEV ? 0 : err;
}

/* Groups that the container has made below its own: all are empty now. */
static int remove_below(void *context, const struct entry *entry) {
  struct killing *k = context;
  if (entry->type != 4 /* DT_DIR */ || k->depth > 32) return 0;
  int fd = openat(k->here, entry->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  each_entry(fd, remove_below, &(struct killing){ fd, k->depth + 1, 0 });
  close(fd);
  return unlinkat(k->here, entry->name, AT_REMOVEDIR) && errno != ENOENT ? -errno : 0;
}

static int cgroup_kill(const char *path) {
  int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
  if (dir < 0) return errno == ENOENT ? 0 : -errno;
  int all = openat(dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
  if (all >= 0) {
    if (write(all, "1", 1) < 0) err = -errno;
    close(all);
  }
  for (int round = 0; err == 0; round++) {
    struct killing below = { dir, 0, 0 };
    int own = kill_listed(dir);
    err = own < 0 ? own : each_entry(dir, kill_below, &below);
    if (err == -ENOENT || err == -ENODEV) err = 0;
    if (err || own + below.killed == 0) break;
    if (round > 2000) err = -EBUSY;
    nanosleep(&(struct timespec){ 0, round < 20 ? 500000 : 5000000 }, NULL);
  }
  if (err == 0) err = each_entry(dir, remove_below, &(struct killing){ dir, 0, 0 });
  close(dir);
  return err;
}

static int bpf_device(struct machine *m, const struct op *op) {
  union bpf_attr load, attach;
  memset(&load, 0, sizeof load);
  memset(&attach, 0, sizeof attach);
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insn_cnt = LEN(BPF_DEVICE_DATA) / 8;
  load.insns = (uintptr_t)S(BPF_DEVICE_DATA);
  load.license = (uintptr_t)"GPL";
  int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
  if (program < 0) return -errno;
  attach.target_fd = (uint32_t)fd_of(m, N(BPF_DEVICE_SLOT));
  attach.attach_bpf_fd = (uint32_t)program;
  attach.attach_type = BPF_CGROUP_DEVICE;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  int err = code(syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach));
  close(program);
  return err;
}

int reserve_port(int family, int type, uint16_t number, const char *address) {
  union { struct sockaddr any; struct sockaddr_in four; struct sockaddr_in6 six; } name = { .any.sa_family = (sa_family_t)family };
  int on = 1, six = family == AF_INET6, err;
  if (six) name.six.sin6_port = htons(number);
  else name.four.sin_port = htons(number);
  if (inet_pton(six ? AF_INET6 : AF_INET, address, six ? (void *)&name.six.sin6_addr : (void *)&name.four.sin_addr) != 1) return -EINVAL;
  int sctp = type == SOCK_SEQPACKET; /* stands for SCTP */
  int fd = socket(family, (sctp ? SOCK_STREAM : type) | SOCK_CLOEXEC, sctp ? IPPROTO_SCTP : 0);
  if (fd < 0) return -errno;
  if (type == SOCK_STREAM) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (six) setsockopt(fd, IPPROTO_IPV6, 26 /* IPV6_V6ONLY */, &on, sizeof on);
  if (!bind(fd, &name.any, six ? sizeof name.six : sizeof name.four) && (type != SOCK_STREAM || !listen(fd, 1))) return fd;
  err = -errno;
  return close(fd), err;
}

static int bind_port(struct machine *m, const struct op *op) {
  int fd = reserve_port((int)N(BIND_PORT_FAMILY), (int)N(BIND_PORT_TYPE), (uint16_t)N(BIND_PORT_PORT), S(BIND_PORT_ADDRESS));
  return fd < 0 ? fd : fill(m, N(BIND_PORT_SLOT), fd);
}

/* --- the switch ------------------------------------------------------------------------------------------------- */

static int perform_op(struct machine *m, const struct op *op, uint32_t index) {
  switch (op->code) {
  case OP_OPEN: return fill(m, N(OPEN_SLOT), open_or(sys_openat2(dir_of(m, N(OPEN_DIR)), S(OPEN_PATH), (uint64_t)N(OPEN_FLAGS) | O_CLOEXEC, (uint64_t)N(OPEN_MODE), (uint64_t)N(OPEN_RESOLVE))));
  case OP_CLOSE: {
    int fd = fd_of(m, N(CLOSE_SLOT));
    if (fd >= 0) m->slot[N(CLOSE_SLOT)] = -1;
    return code(close(fd));
  }
  case OP_MKDIR: return code(mkdirat(dir_of(m, N(MKDIR_DIR)), S(MKDIR_PATH), (mode_t)N(MKDIR_MODE)));
  case OP_MKDIR_ALL: return fill(m, N(MKDIR_ALL_SLOT), make_path(dir_of(m, N(MKDIR_ALL_DIR)), S(MKDIR_ALL_PATH), (struct owner){ N(MKDIR_ALL_MODE), N(MKDIR_ALL_UID), N(MKDIR_ALL_GID) }));
  case OP_MKFILE_ALL: return fill(m, N(MKFILE_ALL_SLOT), make_file(dir_of(m, N(MKFILE_ALL_DIR)), S(MKFILE_ALL_PATH), (struct owner){ N(MKFILE_ALL_MODE), N(MKFILE_ALL_UID), N(MKFILE_ALL_GID) }));
  case OP_SYMLINK: {
    int dir = dir_of(m, N(SYMLINK_DIR));
    return owned(code(symlinkat(S(SYMLINK_TARGET), dir, S(SYMLINK_PATH))), dir, S(SYMLINK_PATH), N(SYMLINK_UID), N(SYMLINK_GID));
  }
  case OP_LINK: return code(linkat(dir_of(m, N(LINK_FROM_DIR)), S(LINK_FROM_PATH), dir_of(m, N(LINK_DIR)), S(LINK_PATH), 0));
  case OP_MKNOD: return make_node(dir_of(m, N(MKNOD_DIR)), op);
  case OP_UNLINK: return code(unlinkat(dir_of(m, N(UNLINK_DIR)), S(UNLINK_PATH), (int)N(UNLINK_FLAGS)));
  case OP_RENAME: return code(syscall(SYS_renameat2, dir_of(m, N(RENAME_FROM_DIR)), S(RENAME_FROM_PATH), dir_of(m, N(RENAME_TO_DIR)), S(RENAME_PATH), N(RENAME_FLAGS)));
  case OP_WRITE: return send_all(fd_of(m, N(WRITE_SLOT)), S(WRITE_DATA), LEN(WRITE_DATA));
  case OP_WRITE_FILE: return write_file(m, op);
  case OP_READ_FILE: return read_file(m, op, index);
  case OP_READ_LINK: return read_link(m, op, index);
  case OP_STAT: return stat_op(m, op, index);
  case OP_LIST: return list(m, op, index);
  case OP_CHOWN: return code(fchownat(dir_of(m, N(CHOWN_DIR)), S(CHOWN_PATH), (uid_t)N(CHOWN_UID), (gid_t)N(CHOWN_GID), AT_SYMLINK_NOFOLLOW));
  case OP_CHMOD: return change_mode(dir_of(m, N(CHMOD_DIR)), S(CHMOD_PATH), (mode_t)N(CHMOD_MODE));
  case OP_COPY_MODE: {
    struct stat st;
    return fstat(fd_of(m, N(COPY_MODE_FROM)), &st) ? -errno : change_mode(fd_of(m, N(COPY_MODE_SLOT)), "", st.st_mode & 07777);
  }
  case OP_UTIMES: return utimes_at(dir_of(m, N(UTIMES_DIR)), S(UTIMES_PATH), N(UTIMES_SEC), N(UTIMES_NSEC));
  case OP_SETXATTR: return set_xattr(op);
  case OP_FSYNC: return code(fsync(fd_of(m, N(FSYNC_SLOT))));
  case OP_SYNCFS: return code(syncfs(fd_of(m, N(SYNCFS_SLOT))));
  case OP_FTRUNCATE: return code(ftruncate(fd_of(m, N(FTRUNCATE_SLOT)), N(FTRUNCATE_SIZE)));
  case OP_REMOVE_TREE: return remove_tree(dir_of(m, N(REMOVE_TREE_DIR)), S(REMOVE_TREE_PATH));
  case OP_COPY_TREE: return copy_tree(fd_of(m, N(COPY_TREE_FROM)), fd_of(m, N(COPY_TREE_SLOT)), (int)N(COPY_TREE_FLAGS));
  case OP_FLOCK: return code(flock(fd_of(m, N(FLOCK_SLOT)), (int)N(FLOCK_FLAGS)));
  case OP_USAGE: return usage(m, op, index);
  case OP_MAKE_ROOM: return make_room(dir_of(m, N(MAKE_ROOM_DIR)), S(MAKE_ROOM_PATH));
  case OP_PUT_FILE: return put_file(m, op);
  case OP_PUT_DIR: return put_dir(m, op);
  case OP_FORBID: return forbid(dir_of(m, N(FORBID_DIR)), S(FORBID_PATH), (int)N(FORBID_FLAGS));
  case OP_ARCHIVE: return tree_archive(m, index, &(struct archive_wish){ dir_of(m, N(ARCHIVE_DIR)), fd_of(m, N(ARCHIVE_FROM)), (int)N(ARCHIVE_FLAGS), fd_of(m, N(ARCHIVE_TO)), S(ARCHIVE_PATH), S(ARCHIVE_NAME), op->s[ARCHIVE_EXCEPT] });
  case OP_CHANGES: return tree_changes(m, index, fd_of(m, N(CHANGES_SLOT)), fd_of(m, N(CHANGES_FROM)), (int)N(CHANGES_FLAGS));
  case OP_RECEIVE: return receive(m, index, &(struct reception){ fd_of(m, N(RECEIVE_FROM)), fd_of(m, N(RECEIVE_SLOT)), N(RECEIVE_SIZE), N(RECEIVE_LENGTH) > 0 ? (uint64_t)N(RECEIVE_LENGTH) : 0, op->s[RECEIVE_DATA] });
  case OP_RESOLVE: return resolve_path(m, index, fd_of(m, N(RESOLVE_DIR)), S(RESOLVE_PATH), (int)N(RESOLVE_FLAGS) & 1);
  case OP_MODES: return path_modes(m, index, fd_of(m, N(MODES_DIR)), op->s[MODES_PATHS]);
  case OP_WALK: return tree_list(m, index, fd_of(m, N(WALK_DIR)), S(WALK_PATH), (int)N(WALK_DEPTH));
  case OP_PUT_RANGE: return put_range_op(m, op);
  case OP_LINK_FILES: return link_files(fd_of(m, N(LINK_FILES_FROM)), fd_of(m, N(LINK_FILES_SLOT)), op->s[LINK_FILES_PATHS]);
  case OP_LIKE_DIR: return like_dir(fd_of(m, N(LIKE_DIR_FROM)), S(LIKE_DIR_PATH));
  case OP_SPREAD: return spread(S(SPREAD_PATH));
  case OP_EXPECT: return expect(S(EXPECT_PATH), op->s[EXPECT_DATA]);
  case OP_POUR_TREE: return pour_tree(fd_of(m, N(POUR_TREE_FROM)), fd_of(m, N(POUR_TREE_SLOT)));
  case OP_USER_NS: return fill(m, N(USER_NS_SLOT), user_namespace(op->s[USER_NS_UIDS], op->s[USER_NS_GIDS]));
  case OP_PROJECT_QUOTA: return project_quota(dir_of(m, N(PROJECT_QUOTA_DIR)), S(PROJECT_QUOTA_PATH), (uint64_t)N(PROJECT_QUOTA_BYTES));

  case OP_FSOPEN: return fill(m, N(FSOPEN_SLOT), open_or(syscall(SYS_fsopen, S(FSOPEN_TYPE), 1)));
  case OP_FSCONFIG: return fsconfig_op(m, op);
  case OP_FSMOUNT: return fill(m, N(FSMOUNT_SLOT), open_or(syscall(SYS_fsmount, fd_of(m, N(FSMOUNT_FROM)), 1, N(FSMOUNT_ATTRS))));
  case OP_OPEN_TREE: return fill(m, N(OPEN_TREE_SLOT), open_or(syscall(SYS_open_tree, dir_of(m, N(OPEN_TREE_DIR)), S(OPEN_TREE_PATH), N(OPEN_TREE_FLAGS) | O_CLOEXEC)));
  case OP_MOVE_MOUNT: return move_mount_op(m, op);
  case OP_MOUNT_SETATTR: return set_attributes(m, op);
  case OP_MOUNT: return code(mount(S(MOUNT_SOURCE), S(MOUNT_PATH), S(MOUNT_TYPE), (unsigned long)N(MOUNT_FLAGS), S(MOUNT_DATA)));
  case OP_UMOUNT: return code(umount2(S(UMOUNT_PATH), (int)N(UMOUNT_FLAGS)));
  case OP_PIVOT: return pivot(m, op);
  case OP_CHECK_FS: return check_fs(m, op);
  case OP_CHECK_DEVICE: return check_device(m, op);

  case OP_UNSHARE: return code(unshare((int)N(UNSHARE_FLAGS)));
  case OP_SETNS: return code(setns(fd_of(m, N(SETNS_SLOT)), (int)N(SETNS_FLAGS)));
  case OP_FORK: return fork_op(m);
  case OP_OPEN_NS: return open_ns(m, op);
  case OP_OPEN_PIDFD: return fill(m, N(OPEN_PIDFD_SLOT), open_or(syscall(SYS_pidfd_open, N(OPEN_PIDFD_PID), 0)));
  case OP_TAKE_FD: return take_fd(m, op);
  case OP_SYNC: return sync_op(m);
  case OP_ID_MAP: return id_map(m, op);
  case OP_SETHOSTNAME: return code(sethostname(S(SETHOSTNAME_NAME), LEN(SETHOSTNAME_NAME)));
  case OP_SETDOMAINNAME: return code(setdomainname(S(SETDOMAINNAME_NAME), LEN(SETDOMAINNAME_NAME)));
  case OP_CHDIR: return change_dir(S(CHDIR_PATH));
  case OP_FCHDIR: return code(fchdir(fd_of(m, N(FCHDIR_SLOT))));
  case OP_UMASK: return umask((mode_t)N(UMASK_MODE)), 0;
  case OP_SETSID: return code(setsid());
  case OP_KEYRING: return code(syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, 0L));
  case OP_PRCTL: return code(prctl((int)N(PRCTL_OPTION), N(PRCTL_A), N(PRCTL_B), N(PRCTL_C), N(PRCTL_D)));
  case OP_SETGROUPS: return set_groups(op->s[SETGROUPS_GIDS]);
  case OP_SETUSER: return set_user(op);
  case OP_CAP_BOUNDING: return bound_caps((uint64_t)N(CAP_BOUNDING_MASK));
  case OP_CAP_SET: return set_caps(op);
  case OP_CAP_AMBIENT: return ambient_caps((uint64_t)N(CAP_AMBIENT_MASK));
  case OP_RLIMIT: return code(setrlimit((unsigned)N(RLIMIT_RESOURCE), &(struct rlimit){ (rlim_t)N(RLIMIT_SOFT), (rlim_t)N(RLIMIT_HARD) }));
  case OP_SECCOMP: return seccomp_op(m, op);
  case OP_PTY: return terminal(m, op);
  case OP_EXEC: return exec_op(m, op);

  case OP_NETLINK: return netlink_op(m, op, index);
  case OP_CGROUP_KILL: return cgroup_kill(S(CGROUP_KILL_PATH));
  case OP_BPF_DEVICE: return bpf_device(m, op);
  case OP_BIND_PORT: return bind_port(m, op);
  case OP_SLEEP: return code(nanosleep(&(struct timespec){ N(SLEEP_MS) / 1000, N(SLEEP_MS) % 1000 * 1000000 }, NULL));
  case OP_SHIM: return -shim_fork(m, op);
  case OP_RESOLVER: return resolver(m);
  default: return -ENOSYS;
  }
}

/* Performs the undos of ops before `end`, last first. Their failures are not reported: the first failure is. */
static void perform_undos(struct machine *m, const uint8_t *p, size_t len, size_t end) {
  static uint32_t places[MAX_UNDO];
  uint32_t count = 0;
  struct op op;
  size_t at = 0, before = 0;
  while (at < end && next_op(p, len, &at, &op)) {
    if (op.undo && at <= end && count < MAX_UNDO) places[count++] = (uint32_t)before;
    before = at;
  }
  while (count > 0) {
    size_t place = places[--count];
    next_op(p, len, &place, &op);
    perform_op(m, &op, UINT32_MAX);
  }
}

struct result perform(struct machine *m, const uint8_t *p, size_t len) {
  struct op op;
  size_t at = 0, start = 0;
  for (int32_t index = 0; start = at, next_op(p, len, &at, &op); index++) {
    if (op.undo) continue;
    int err = failpoint("op");
    err = err ? -err : perform_op(m, &op, (uint32_t)index);
    if (err == 0 || -err == op.tolerate) continue;
    perform_undos(m, p, len, start);
    return (struct result){ index, -err };
  }
  return (struct result){ 0, 0 };
}
