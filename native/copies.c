/* Files made of others', by the rules of a build's COPY: what of them cannot be said in ops for every file. */
#include "copies.h"
#include "sys.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/sysmacros.h>

#define PLAIN (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
enum { MAX_FOLLOWED = 255, PIECE = 256 << 10, PART = 64 << 20 };

/* --- where a path leads ------------------------------------------------------------------------------------------ */

struct way { int root, links; size_t len; char path[PATH_MAX], rest[PATH_MAX]; };

/* Takes the next name off the rest; 0 when there is none. */
static int next_part(struct way *w, char *name) {
  size_t skip = strspn(w->rest, "/"), n = strcspn(w->rest + skip, "/");
  if (n > NAME_MAX) return -ENAMETOOLONG;
  memcpy(name, w->rest + skip, n);
  name[n] = 0;
  memmove(w->rest, w->rest + skip + n, strlen(w->rest + skip + n) + 1);
  return n > 0;
}

/* The link's target is gone on with, before what was left. */
static int take_link(struct way *w, int fd) {
  char target[PATH_MAX], rest[PATH_MAX];
  ssize_t n = readlinkat(fd, "", target, sizeof target - 1);
  if (n < 0 || w->links++ == MAX_FOLLOWED) return n < 0 ? -errno : -ELOOP;
  target[n] = 0;
  memcpy(rest, w->rest, sizeof rest);
  if (snprintf(w->rest, sizeof w->rest, "%s/%s", target, rest) >= (int)sizeof w->rest) return -ENAMETOOLONG;
  if (target[0] == '/') w->path[w->len = 0] = 0;
  return 0;
}

static int step_into(struct way *w, const char *name, int keep_last) {
  struct stat st;
  size_t before = w->len;
  if (strcmp(name, ".") == 0) return 0;
  if (strcmp(name, "..") == 0) {
    while (w->len > 0 && w->path[--w->len] != '/') continue;
    return w->path[w->len] = 0;
  }
  int n = snprintf(w->path + w->len, sizeof w->path - w->len, "%s%s", w->len ? "/" : "", name);
  if (w->len + (size_t)n >= sizeof w->path) return -ENAMETOOLONG;
  w->len += (size_t)n;
  int fd = sys_openat2(w->root, w->path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, PLAIN), err = 0;
  if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -errno; /* what is not there leads on by its name */
  if (fstat(fd, &st)) err = -errno;
  else if (S_ISLNK(st.st_mode) && !(keep_last && w->rest[strspn(w->rest, "/")] == 0)) w->path[w->len = before] = 0, err = take_link(w, fd);
  close(fd);
  return err;
}

int resolve_path(struct machine *m, uint32_t index, int root, const char *path, int keep_last) {
  static struct way w;
  char name[NAME_MAX + 1];
  struct stat st = { 0 };
  int more, err = 0;
  w = (struct way){ .root = root };
  if (strlen(path) >= sizeof w.rest) return -ENAMETOOLONG;
  strcpy(w.rest, path);
  while (err == 0 && (more = next_part(&w, name))) err = more < 0 ? more : step_into(&w, name, keep_last);
  if (err) return err;
  int fd = sys_openat2(root, w.len ? w.path : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, PLAIN);
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR) return -errno;
  if (fd >= 0 && fstat(fd, &st)) err = -errno;
  if (fd >= 0) close(fd);
  uint32_t out[1 + PATH_MAX / 4] = { st.st_mode };
  memcpy(out + 1, w.path, w.len);
  return err || !m->emit ? err : m->emit(m, index, out, 4 + w.len);
}

int path_modes(struct machine *m, uint32_t index, int root, struct str paths) {
  uint32_t modes[4096];
  size_t have = 0;
  for (size_t at = 0; at < paths.len; at += strlen(paths.p + at) + 1) {
    struct stat st = { 0 };
    int fd = sys_openat2(root, paths.p + at, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, PLAIN);
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENAMETOOLONG) return -errno;
    if (fd >= 0 && fstat(fd, &st)) st.st_mode = 0;
    if (fd >= 0) close(fd);
    modes[have++] = st.st_mode;
    if (have < sizeof modes / sizeof *modes) continue;
    int err = m->emit ? m->emit(m, index, modes, sizeof modes) : 0;
    if (err) return err;
    have = 0;
  }
  return m->emit ? m->emit(m, index, modes, have * sizeof *modes) : 0;
}

/* --- what is in a tree -------------------------------------------------------------------------------------------- */

struct record { uint32_t length, mode, uid, gid, major, minor, nsec, nlink; uint64_t ino, size; int64_t sec; uint32_t path, link, xattrs, none; };
struct lister { struct machine *m; uint32_t index; size_t have; char *data; };
enum { MOST = PIECE + sizeof(struct record) + TREE_PATH + PATH_MAX + (1 << 20) };

static int list_xattr(void *owner, const char *name, const void *value, size_t size) {
  struct lister *l = owner;
  size_t n = strlen(name) + 1;
  uint32_t len = (uint32_t)size;
  if (l->have + n + 4 + size > MOST) return -E2BIG;
  memcpy(l->data + l->have, name, n);
  memcpy(l->data + l->have + n, &len, 4);
  memcpy(l->data + l->have + n + 4, value, size);
  l->have += n + 4 + size;
  return 0;
}

static int list_flush(struct lister *l) {
  size_t n = l->have;
  l->have = 0;
  return n && l->m->emit ? l->m->emit(l->m, l->index, l->data, n) : 0;
}

static int list_found(struct walk *w, const struct found *f) {
  struct lister *l = w->owner;
  const struct stat *st = f->st;
  struct record r = { .mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid, .major = major(st->st_rdev), .minor = minor(st->st_rdev),
                      .nsec = (uint32_t)st->st_mtim.tv_nsec, .nlink = (uint32_t)st->st_nlink, .ino = st->st_ino, .size = (uint64_t)st->st_size,
                      .sec = st->st_mtim.tv_sec, .path = (uint32_t)w->len };
  size_t at = l->have;
  l->have += sizeof r;
  memcpy(l->data + l->have, w->path, w->len);
  l->have += w->len;
  ssize_t n = S_ISLNK(st->st_mode) ? readlinkat(f->dir, f->name, l->data + l->have, PATH_MAX) : 0;
  if (n < 0) return -errno;
  l->have += r.link = (uint32_t)n;
  size_t before = l->have;
  int own = S_ISREG(st->st_mode) ? openat(f->dir, f->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
  int err = f->fd >= 0 || own >= 0 ? each_xattr(own >= 0 ? own : f->fd, list_xattr, l) : 0;
  if (own >= 0) close(own);
  r.xattrs = (uint32_t)(l->have - before);
  while (l->have % 8) l->data[l->have++] = 0;
  r.length = (uint32_t)(l->have - at);
  memcpy(l->data + at, &r, sizeof r);
  return err ? err : l->have >= PIECE ? list_flush(l) : 0;
}

int tree_list(struct machine *m, uint32_t index, int dir, const char *path, int depth) {
  static struct walk w;
  struct stat st;
  struct lister l = { m, index, 0, mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) };
  if (l.data == MAP_FAILED) return -errno;
  w = (struct walk){ .found = list_found, .owner = &l, .most = depth };
  int fd = sys_openat2(dir, path[0] ? path : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, PLAIN), err = fd < 0 || fstat(fd, &st) ? -errno : 0;
  if (err == 0 && S_ISDIR(st.st_mode)) {
    int open = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = open < 0 ? -errno : list_found(&w, &(struct found){ 'A', fd, open, ".", &st, 0 });
    if (err == 0 && depth) err = walk_tree(&w, open, -1);
    if (open >= 0) close(open);
  } else if (err == 0) {
    const char *slash = strrchr(path, '/');
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    int in = sys_openat2(dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, PLAIN);
    err = in < 0 ? -errno : list_found(&w, &(struct found){ 'A', in, -1, slash ? slash + 1 : path, &st, 0 });
    if (in >= 0) close(in);
  }
  if (fd >= 0) close(fd);
  if (err == 0) err = list_flush(&l);
  munmap(l.data, MOST);
  return err;
}

/* --- what is made of it ------------------------------------------------------------------------------------------- */

/* The directory that path is in, below root, where no link leads. */
static int open_parent(int root, const char *path, size_t len) {
  char parent[PATH_MAX];
  if (len >= sizeof parent) return -ENAMETOOLONG;
  memcpy(parent, len ? path : ".", len ? len : 1);
  parent[len ? len : 1] = 0;
  int fd = sys_openat2(root, parent, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, PLAIN | RESOLVE_NO_XDEV);
  return fd < 0 ? -errno : fd;
}

int link_files(int from, int to, struct str paths) {
  int old = -1, fresh = -1, err = 0;
  const char *last = NULL; /* whose directories are open */
  size_t last_len = 0;
  for (size_t at = 0; err == 0 && at < paths.len; at += strlen(paths.p + at) + 1) {
    const char *path = paths.p + at, *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (!last || len != last_len || memcmp(path, last, len)) {
      if (old >= 0) close(old);
      if (fresh >= 0) close(fresh);
      fresh = (old = open_parent(from, path, len)) < 0 ? -1 : open_parent(to, path, len);
      err = old < 0 ? old : fresh < 0 ? fresh : 0;
      last = path, last_len = len;
    }
    if (err == 0 && linkat(old, name, fresh, name, 0)) err = -errno;
  }
  if (old >= 0) close(old);
  if (fresh >= 0) close(fresh);
  return err;
}

static int is_wanted(const struct machine *m) {
  struct pollfd engine = { .fd = m->engine, .events = 0 };
  return poll(&engine, 1, 0) <= 0 || !engine.revents;
}

/* An engine that hangs up wants no more of it. */
static int copy_range(const struct machine *m, int in, int out, off_t offset, int64_t length) {
  while (length != 0) {
    size_t part = length < 0 || length > PART ? PART : (size_t)length;
    if (!is_wanted(m)) return -ECANCELED;
    ssize_t n = copy_file_range(in, &offset, out, NULL, part, 0);
    if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) n = sendfile(out, in, &offset, part);
    if (n < 0) return -errno;
    if (n == 0) return length < 0 ? 0 : -EIO; /* there should be more */
    if (length > 0) length -= n;
  }
  return 0;
}

static int create_file(const char *path) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  int fd = openat(AT_FDCWD, path, flags, 0600), err;
  if (fd >= 0 || (errno != EEXIST && errno != ENOENT)) return fd < 0 ? -errno : fd;
  if ((err = make_room(AT_FDCWD, path))) return err;
  fd = openat(AT_FDCWD, path, flags, 0600);
  return fd < 0 ? -errno : fd;
}

int put_range(const struct machine *m, const struct range *r) {
  const struct timespec times[2] = { { r->sec, r->nsec }, { r->sec, r->nsec } };
  struct stat st;
  int in = r->from_path[0] ? sys_openat2(r->from, r->from_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0, PLAIN) : r->from;
  int err = in < 0 ? -(r->from_path[0] ? errno : EBADF) : fstat(in, &st) ? -errno : !S_ISREG(st.st_mode) ? -EINVAL : 0;
  int out = err ? -1 : create_file(r->path);
  if (err == 0) err = out < 0 ? out : copy_range(m, in, out, r->offset, r->length);
  if (err == 0 && (fchown(out, r->uid, r->gid) || fchmod(out, r->mode) || futimens(out, times))) err = -errno;
  if (out >= 0) close(out);
  if (in >= 0 && in != r->from) close(in);
  return err;
}

int like_dir(int from, const char *path) {
  char prefix[PATH_MAX];
  size_t len = strlen(path);
  int err = len >= sizeof prefix ? -ENAMETOOLONG : 0;
  for (size_t end = 0; err == 0 && end < len; end++) {
    end += strcspn(path + end, "/");
    memcpy(prefix, path, end);
    prefix[end] = 0;
    if (mkdirat(AT_FDCWD, prefix, 0700)) {
      if (errno != EEXIST) err = -errno;
      continue;
    }
    int old = sys_openat2(from, prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, PLAIN), made = old < 0 ? -1 : openat(AT_FDCWD, prefix, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    err = old < 0 || made < 0 ? -errno : copy_directory(old, made);
    if (old >= 0) close(old);
    if (made >= 0) close(made);
  }
  return err;
}
