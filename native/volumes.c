/* What volumes need of the kernel beyond files and mounts. */
#include "volumes.h"
#include "files.h"
#include "sys.h"
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef PRJQUOTA
#define PRJQUOTA 2
#endif

/* --- what was prepared beside a volume goes into it ----------------------------------------------------------------- */

struct pour { int from, to; };

static int pour_entry(void *context, const struct entry *entry) {
  struct pour *p = context;
  if (syscall(SYS_renameat2, p->from, entry->name, p->to, entry->name, RENAME_NOREPLACE) == 0) return 0;
  return errno == EEXIST || errno == ENOENT ? 0 : -errno;
}

static int another(void *context, const struct entry *entry) { return -EEXIST; }

int pour_tree(int from, int to) {
  struct stat st;
  if (fstat(from, &st)) return -errno;
  int full = each_entry(to, another, NULL), err = full;
  if (err == 0) err = copy_directory(from, to); /* first: whoever goes on after a crash finds it half full */
  if (err == 0 || err == -EEXIST) err = each_entry(from, pour_entry, &(struct pour){ from, to });
  if (err || full) return err;
  return futimens(to, (struct timespec[2]){ st.st_atim, st.st_mtim }) ? -errno : 0;
}

int refuse_full(int dir, const char *path) {
  int fd = sys_openat2(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  if (fd < 0) return -errno;
  int err = each_entry(fd, another, NULL);
  close(fd);
  return err == -EEXIST ? -ENOTEMPTY : err;
}

/* --- a user namespace that is only a table of ids ------------------------------------------------------------------- */

static int write_all_maps(const char *pid, struct str uids, struct str gids) {
  const struct { const char *name; struct str map; } files[2] = { { "uid_map", uids }, { "gid_map", gids } };
  for (int i = 0; i < 2; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, files[i].name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t n = write(fd, files[i].map.p, files[i].map.len);
    int err = n == (ssize_t)files[i].map.len ? 0 : n < 0 ? -errno : -EINVAL;
    close(fd);
    if (err) return err;
  }
  return 0;
}

/* The child tells its own number as /proc says it: this may be the first process of a new pid namespace, where the C library's
 * number means nothing to the host's /proc. */
static void be_namespace(int out) {
  char name[16];
  int failed = unshare(CLONE_NEWUSER) ? errno : 0;
  ssize_t n = readlink("/proc/self", name, sizeof name - 1);
  if (failed || n <= 0) n = 0;
  name[n] = 0;
  if (write(out, name, (size_t)n + 1) < 0) _exit(1);
  for (;;) pause();
}

int user_namespace(struct str uids, struct str gids) {
  int pipe_fds[2], err = 0, fd = -1, status;
  char pid[16] = "", path[64];
  if (pipe2(pipe_fds, O_CLOEXEC)) return -errno;
  pid_t child = fork();
  if (child == 0) be_namespace(pipe_fds[1]);
  if (child < 0) err = -errno;
  close(pipe_fds[1]);
  if (err == 0 && read(pipe_fds[0], pid, sizeof pid - 1) <= 0) err = -EIO;
  if (err == 0 && !pid[0]) err = -EPERM; /* no user namespaces here */
  if (err == 0) err = write_all_maps(pid, uids, gids);
  snprintf(path, sizeof path, "/proc/%s/ns/user", pid);
  if (err == 0 && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) err = -errno;
  close(pipe_fds[0]);
  if (child > 0) {
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  }
  return err ? err : fd;
}

/* --- how much a tree may hold ---------------------------------------------------------------------------------------- */

/* A file system without project quotas says so in many ways: all become EOPNOTSUPP. */
static int no_quota(int err) {
  return err == ENOSYS || err == ESRCH || err == ENOTTY || err == EOPNOTSUPP || err == EINVAL || err == ENODEV || err == ENOTBLK ? -EOPNOTSUPP : -err;
}

/* The project's number is that of the top's inode, which nobody else has, far from those that people give out by hand. */
int project_quota(int dir, const char *path, uint64_t bytes) {
  int fd = sys_openat2(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  if (fd < 0) return -errno;
  struct stat st;
  if (fstat(fd, &st)) return close(fd), -EIO;
  uint32_t project = 0x80000000u | (uint32_t)(st.st_ino & 0x7ffffffe);
  struct fs_disk_quota limit = { .d_version = FS_DQUOT_VERSION, .d_id = project, .d_flags = FS_PROJ_QUOTA, .d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT };
  limit.d_blk_hardlimit = limit.d_blk_softlimit = (bytes + 511) / 512;
  struct fsxattr attr;
  int err = 0;
  if (syscall(SYS_quotactl_fd, fd, QCMD(Q_XSETQLIM, PRJQUOTA), project, &limit)) err = no_quota(errno);
  if (err == 0 && ioctl(fd, FS_IOC_FSGETXATTR, &attr)) err = no_quota(errno);
  if (err == 0) {
    attr.fsx_projid = project;
    attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    if (ioctl(fd, FS_IOC_FSSETXATTR, &attr)) err = no_quota(errno);
  }
  close(fd);
  return err;
}
