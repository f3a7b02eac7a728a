#include "files.h"
#include "sys.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#define BELOW (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define HERE (RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV)
enum { MAX_LINKS = 16 }; /* to nothing, one after another */
enum { DEPTH = 48 }; /* folders open at once; deeper trees are handled in pieces */

static int open_or_errno(int fd) { return fd < 0 ? -errno : fd; }
static uint64_t rules(int dir) { return dir == AT_FDCWD ? 0 : BELOW; }

static int give(int fd, struct owner owner) {
  if (owner.uid < 0 && owner.gid < 0) return 0;
  return fchownat(fd, "", (uid_t)owner.uid, (gid_t)owner.gid, AT_EMPTY_PATH) ? -errno : 0;
}

/* Makes one missing folder in parent and opens it. Another may make it at the same time: what is there then is taken. */
static int make_one(int parent, const char *name, struct owner owner) {
  int made = mkdirat(parent, name, (mode_t)owner.mode) == 0;
  if (!made && errno != EEXIST) return -errno;
  int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  if (!made) return fd;
  int err = give(fd, owner);
  if (err == 0 && (owner.mode & 07777) != (owner.mode & 0755)) err = change_mode(parent, name, (mode_t)owner.mode);
  if (err == 0) return fd;
  close(fd);
  return err;
}

static int make_path_through(int dir, const char *path, struct owner owner, int links);

/* What stands at prefix, whose last name begins at start, is no folder: if it is a link to nothing, what it names is made. */
static int make_target(int dir, int parent, const char *prefix, size_t start, struct owner owner, int links) {
  char target[PATH_MAX], path[PATH_MAX];
  ssize_t n = readlinkat(parent, prefix + start, target, sizeof target - 1);
  if (n <= 0 || links == 0) return n <= 0 && errno != EINVAL ? -errno : -ENOTDIR;
  target[n] = 0;
  int len = target[0] == '/' ? snprintf(path, sizeof path, "%s", target) : snprintf(path, sizeof path, "%.*s%s", (int)start, prefix, target);
  if (len < 0 || (size_t)len >= sizeof path) return -ENAMETOOLONG;
  return make_path_through(dir, path, owner, links - 1);
}

int make_path(int dir, const char *path, struct owner owner) { return make_path_through(dir, path, owner, 0); }
int make_parents(int dir, const char *path, struct owner owner) { return make_path_through(dir, path, owner, MAX_LINKS); }

static int make_path_through(int dir, const char *path, struct owner owner, int links) {
  int fd = sys_openat2(dir, path[0] ? path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, rules(dir));
  if (fd >= 0 || errno != ENOENT) return fd < 0 ? -errno : fd;
  size_t len = strlen(path);
  if (len >= PATH_MAX) return -ENAMETOOLONG;
  char prefix[PATH_MAX];
  int parent = sys_openat2(dir, path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, rules(dir));
  if (parent < 0) return -errno;
  for (size_t start = 0, end; start < len; start = end) {
    while (path[start] == '/') start++;
    for (end = start; path[end] && path[end] != '/';) end++;
    if (end == start) break;
    memcpy(prefix, path, end);
    prefix[end] = 0;
    int next = sys_openat2(dir, prefix, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, rules(dir));
    if (next < 0) next = errno == ENOENT ? make_one(parent, prefix + start, owner) : -errno;
    if (links > 0 && (next == -ENOTDIR || next == -ELOOP)) next = make_target(dir, parent, prefix, start, owner, links);
    close(parent);
    if (next < 0) return next;
    parent = next;
  }
  return parent;
}

int make_file(int dir, const char *path, struct owner owner) {
  int fd = sys_openat2(dir, path, O_PATH | O_CLOEXEC, 0, rules(dir));
  if (fd >= 0 || errno != ENOENT) return fd < 0 ? -errno : fd;
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  char parent_path[PATH_MAX];
  size_t n = slash ? (size_t)(slash - path) : 0;
  if (n >= sizeof parent_path) return -ENAMETOOLONG;
  memcpy(parent_path, path, n);
  parent_path[n] = 0;
  if (slash == path) strcpy(parent_path, "/");
  int parent = make_path(dir, parent_path, (struct owner){ 0755, owner.uid, owner.gid });
  if (parent < 0) return parent;
  int made = openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, (mode_t)owner.mode);
  int err = made < 0 && errno != EEXIST ? -errno : 0;
  if (made >= 0) err = give(made, owner), close(made);
  if (err == 0 && (fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)) < 0) err = -errno;
  close(parent);
  return err ? err : fd;
}

/*
 * Before Linux 6.6: through the descriptor's name in /proc. Where that is not the kernel's (a layer's tree is the root),
 * by its own name: nothing outside this root can be reached then.
 */
static int change_mode_by_name(int dir, const char *path, mode_t mode) {
  int own = path[0] == 0 && dir >= 0, err = 0;
  int fd = own ? dir : openat(dir, path[0] ? path : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return -errno;
  struct stat st;
  struct statfs fs;
  char name[16];
  snprintf(name, sizeof name, "%d", fd);
  int self = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int kernels = self >= 0 && fstatfs(self, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
  if (fstat(fd, &st)) err = -errno;
  else if (S_ISLNK(st.st_mode)) err = -ELOOP;
  else if ((st.st_mode & 07777) != mode && (kernels ? fchmodat(self, name, mode, 0) : fchmodat(dir, path[0] ? path : ".", mode, 0))) err = -errno;
  if (self >= 0) close(self);
  if (!own) close(fd);
  return err;
}

int change_mode(int dir, const char *path, mode_t mode) {
  int err = (int)syscall(SYS_fchmodat2, dir, path, mode, path[0] ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH) ? -errno : 0;
  return err == -ENOSYS || err == -EOPNOTSUPP ? change_mode_by_name(dir, path, mode) : err;
}

int each_entry(int fd, int (*each)(void *context, const struct entry *entry), void *context) {
  struct dirent64_ { uint64_t ino; int64_t off; uint16_t len; uint8_t type; char name[]; };
  char buffer[8192] __attribute__((aligned(8)));
  if (lseek(fd, 0, SEEK_SET) < 0) return -errno;
  for (;;) {
    long n = syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    if (n <= 0) return n < 0 ? -errno : 0;
    for (long at = 0; at < n;) {
      struct dirent64_ *d = (struct dirent64_ *)(buffer + at);
      at += d->len;
      if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0) continue;
      int err = each(context, &(struct entry){ d->name, d->type });
      if (err < 0) return err;
    }
  }
}

static int open_dir(int parent, const char *name) {
  int fd = sys_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, HERE);
  return fd >= 0 ? fd : errno == EXDEV ? -EBUSY : -errno;
}

/* --- removal ---------------------------------------------------------------------------------------------------- */

struct removal { int top, here, depth; unsigned *moved; };

static int empty_dir(struct removal r);

static int remove_entry(void *context, const struct entry *entry) {
  struct removal *r = context;
  if (entry->type != DT_DIR) {
    if (unlinkat(r->here, entry->name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno;
  }
  if (unlinkat(r->here, entry->name, AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  if (errno != ENOTEMPTY && errno != EEXIST) return -errno;
  if (r->depth >= DEPTH) { /* too deep to hold open: becomes a child of the top, whose turn comes again */
    char name[32];
    snprintf(name, sizeof name, ".gantry-removed-%u", (*r->moved)++);
    return renameat(r->here, entry->name, r->top, name) ? -errno : 0;
  }
  int fd = open_dir(r->here, entry->name);
  if (fd < 0) return fd;
  int err = empty_dir((struct removal){ r->top, fd, r->depth + 1, r->moved });
  close(fd);
  if (err == 0 && unlinkat(r->here, entry->name, AT_REMOVEDIR) && errno != ENOENT) err = -errno;
  return err;
}

static int empty_dir(struct removal r) { return each_entry(r.here, remove_entry, &r); }

/* The folder that holds path, which may lie on another mount than dir; *name: the last component, in path. A trailing
 * slash is an error, a path without one is fine. */
static int open_holder(int dir, const char *path, const char **name) {
  char holder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  *name = slash ? slash + 1 : path;
  if (!slash) return dir == AT_FDCWD ? open_or_errno(openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)) : open_or_errno(fcntl(dir, F_DUPFD_CLOEXEC, 3));
  size_t n = slash == path ? 1 : (size_t)(slash - path);
  if (!**name || n >= sizeof holder) return **name ? -ENAMETOOLONG : -EINVAL;
  memcpy(holder, path, n);
  holder[n] = 0;
  return open_or_errno(sys_openat2(dir, holder, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, rules(dir)));
}

static int remove_from(int dir, const char *path) {
  int fd = open_dir(dir, path);
  if (fd == -ENOENT) return 0;
  if (fd == -ENOTDIR || fd == -ELOOP) return unlinkat(dir, path, 0) && errno != ENOENT ? -errno : 0;
  if (fd < 0) return fd;
  unsigned moved = 0;
  int err, rounds = 0;
  do {
    err = empty_dir((struct removal){ fd, fd, 0, &moved });
    if (err == 0 && unlinkat(dir, path, AT_REMOVEDIR) && errno != ENOENT) err = -errno;
  } while (err == -ENOTEMPTY && rounds++ < 100000);
  close(fd);
  return err;
}

int remove_tree(int from, const char *path) {
  const char *name;
  int dir = open_holder(from, path, &name);
  if (dir < 0) return dir == -ENOENT ? 0 : dir;
  int err = remove_from(dir, name);
  close(dir);
  return err;
}

/* Parents of path, then nothing at path. The name must be one. */
int make_room(int dir, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return -EINVAL;
  char parent[PATH_MAX];
  size_t n = slash ? (size_t)(slash - path) : 0;
  if (n >= sizeof parent) return -ENAMETOOLONG;
  memcpy(parent, path, n);
  parent[n] = 0;
  if (slash == path) strcpy(parent, "/");
  int fd = make_parents(dir, parent, (struct owner){ 0755, -1, -1 });
  if (fd < 0) return fd;
  int err = remove_tree(fd, name);
  close(fd);
  return err;
}

/* --- copying ---------------------------------------------------------------------------------------------------- */

/* Files with several names, by inode, and the name each got below the destination: an arena that is mapped when the
 * first is met. When it is full, names become files of their own: right in content, larger on disk. */
enum { LINK_SLOTS = 1 << 16, NAME_BYTES = 24 << 20 };
struct links { uint64_t ino[LINK_SLOTS], dev[LINK_SLOTS]; uint32_t name[LINK_SLOTS]; uint32_t used, count; char names[NAME_BYTES]; };
struct copy { int from, to, top, depth; char *path; size_t path_len; struct links **links; };

const char *known_link(struct links **links, const struct stat *st, const char *dir, size_t dir_len, const char *name, int *full) {
  *full = 0;
  if (!*links) {
    void *map = mmap(NULL, sizeof(struct links), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return *full = 1, NULL;
    *links = map;
  }
  struct links *l = *links;
  uint32_t at = (uint32_t)((st->st_ino * 0x9e3779b97f4a7c15u) >> 48);
  for (; l->ino[at]; at = (at + 1) % LINK_SLOTS)
    if (l->ino[at] == st->st_ino && l->dev[at] == st->st_dev) return l->names + l->name[at];
  size_t need = dir_len + strlen(name) + 2;
  if (l->count > LINK_SLOTS / 2 || l->used + need > NAME_BYTES) return *full = 1, NULL;
  l->ino[at] = st->st_ino;
  l->dev[at] = st->st_dev;
  l->name[at] = l->used;
  l->used += (uint32_t)snprintf(l->names + l->used, need, "%.*s%s", (int)dir_len, dir, name) + 1;
  l->count++;
  return NULL;
}

void forget_links(struct links *links) { munmap(links, sizeof *links); }

static int copy_xattrs(int from, int to) {
  char names[4096], value[65536];
  ssize_t n = flistxattr(from, names, sizeof names);
  if (n < 0) return errno == EOPNOTSUPP ? 0 : -errno;
  for (char *name = names; name < names + n; name += strlen(name) + 1) {
    ssize_t size = fgetxattr(from, name, value, sizeof value);
    if (size < 0) return -errno;
    if (fsetxattr(to, name, value, (size_t)size, 0) && errno != EOPNOTSUPP) return -errno;
  }
  return 0;
}

static int copy_meta(int from, int to, const struct stat *st) {
  const struct timespec times[2] = { st->st_atim, st->st_mtim };
  if (fchown(to, st->st_uid, st->st_gid) || fchmod(to, st->st_mode & 07777)) return -errno;
  int err = copy_xattrs(from, to);
  return err ? err : futimens(to, times) ? -errno : 0;
}

int copy_directory(int from, int to) {
  struct stat st;
  return fstat(from, &st) ? -errno : copy_meta(from, to, &st);
}

static int copy_bytes(int from, int to, off_t size) {
  off_t done = 0;
  while (done < size) {
    ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)(size - done), 0);
    if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
      n = sendfile(to, from, NULL, (size_t)(size - done));
    if (n < 0) return -errno;
    if (n == 0) break; /* it shrank while being read */
    done += n;
  }
  return 0;
}

/* A tree that is in use: what was there a moment ago may be gone, or something else, or be met twice under one name. Then it is
 * not copied, or not again. */
static int is_gone(int err) { return err == ENOENT || err == ENOTDIR || err == ELOOP || err == ENXIO; }

static int copy_regular(struct copy *c, const char *name, const struct stat *st) {
  int full, in, out, err;
  if (st->st_nlink > 1) {
    const char *known = known_link(c->links, st, c->path, c->path_len, name, &full);
    if (known && linkat(c->top, known, c->to, name, 0) == 0) return 0;
    if (known && errno != ENOENT) return errno == EEXIST ? 0 : -errno; /* ENOENT: that name was gone when it was to be copied */
  }
  if ((in = openat(c->from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0) return is_gone(errno) ? 0 : -errno;
  struct stat now;
  if (fstat(in, &now) || !S_ISREG(now.st_mode)) return close(in), 0;
  if ((out = openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0) return err = errno == EEXIST ? 0 : -errno, close(in), err;
  err = copy_bytes(in, out, st->st_size);
  if (err == 0) err = copy_meta(in, out, st);
  close(in);
  close(out);
  return err;
}

static int copy_special(struct copy *c, const char *name, const struct stat *st) {
  char target[PATH_MAX];
  const struct timespec times[2] = { st->st_atim, st->st_mtim };
  if (S_ISLNK(st->st_mode)) {
    ssize_t n = readlinkat(c->from, name, target, sizeof target - 1);
    if (n < 0) return errno == EINVAL || is_gone(errno) ? 0 : -errno;
    target[n] = 0;
    if (symlinkat(target, c->to, name)) return errno == EEXIST ? 0 : -errno;
  } else if (mknodat(c->to, name, st->st_mode, st->st_rdev)) return errno == EEXIST ? 0 : -errno;
  if (fchownat(c->to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW)) return -errno;
  if (!S_ISLNK(st->st_mode)) {
    int err = change_mode(c->to, name, st->st_mode & 07777);
    if (err) return err;
  }
  return utimensat(c->to, name, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

static int copy_entry(void *context, const struct entry *entry);

static int copy_folder(struct copy *c, const char *name, const struct stat *st) {
  size_t n = strlen(name);
  if (c->depth >= 400 || c->path_len + n + 2 > PATH_MAX) return -ENAMETOOLONG;
  int in = open_dir(c->from, name), out, err;
  if (in < 0) return is_gone(-in) ? 0 : in;
  if (mkdirat(c->to, name, 0700) && errno != EEXIST) return err = -errno, close(in), err;
  if ((out = open_dir(c->to, name)) < 0) return close(in), out;
  memcpy(c->path + c->path_len, name, n);
  c->path[c->path_len + n] = '/';
  struct copy inner = { in, out, c->top, c->depth + 1, c->path, c->path_len + n + 1, c->links };
  err = each_entry(in, copy_entry, &inner);
  if (err == 0) err = copy_meta(in, out, st);
  close(in);
  close(out);
  return err;
}

static int copy_entry(void *context, const struct entry *entry) {
  struct copy *c = context;
  struct stat st;
  if (fstatat(c->from, entry->name, &st, AT_SYMLINK_NOFOLLOW)) return is_gone(errno) ? 0 : -errno;
  if (S_ISDIR(st.st_mode)) return copy_folder(c, entry->name, &st);
  if (S_ISREG(st.st_mode)) return copy_regular(c, entry->name, &st);
  if (S_ISSOCK(st.st_mode)) return 0; /* belongs to a process that is not there */
  return copy_special(c, entry->name, &st);
}

static int found_one(void *context, const struct entry *entry) { return -EEXIST; }

int copy_tree(int from, int to, int flags) {
  struct links *links = NULL;
  char path[PATH_MAX];
  if (flags & COPY_ONLY_INTO_EMPTY) {
    int err = each_entry(to, found_one, NULL);
    if (err) return err == -EEXIST ? 0 : err;
  }
  struct copy c = { from, to, to, 0, path, 0, &links };
  int err = each_entry(from, copy_entry, &c);
  if (err == 0) err = copy_directory(from, to);
  if (links) forget_links(links);
  return err;
}

/* --- usage ------------------------------------------------------------------------------------------------------ */

struct usage { int here, depth; uint64_t *bytes, *inodes; struct links **links; };

static int count_entry(void *context, const struct entry *entry) {
  struct usage *u = context;
  struct stat st;
  if (fstatat(u->here, entry->name, &st, AT_SYMLINK_NOFOLLOW)) return errno == ENOENT ? 0 : -errno;
  int full = 0, again = st.st_nlink > 1 && !S_ISDIR(st.st_mode) && known_link(u->links, &st, "", 0, "", &full);
  /* Where there are too many to remember: a share for each name. Other names may be in other trees. */
  if (!again) *u->bytes += (uint64_t)st.st_blocks * 512 / (full ? st.st_nlink : 1);
  ++*u->inodes;
  if (!S_ISDIR(st.st_mode) || u->depth >= 400) return 0;
  int fd = open_dir(u->here, entry->name);
  if (fd < 0) return fd == -EBUSY || fd == -ENOENT ? 0 : fd;
  struct usage inner = { fd, u->depth + 1, u->bytes, u->inodes, u->links };
  int err = each_entry(fd, count_entry, &inner);
  close(fd);
  return err;
}

int tree_usage(int dir, const char *path, uint64_t *bytes, uint64_t *inodes) {
  const char *name;
  int holder = open_holder(dir, path, &name), fd = holder < 0 ? holder : open_dir(holder, name);
  *bytes = *inodes = 0;
  if (holder >= 0) close(holder);
  if (fd < 0) return fd;
  struct links *links = NULL;
  struct usage u = { fd, 0, bytes, inodes, &links };
  int err = each_entry(fd, count_entry, &u);
  if (links) forget_links(links);
  close(fd);
  return err;
}
