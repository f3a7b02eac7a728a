/* The walk: two directories side by side, level by level, with a bounded stack of its own. */
#include "trees.h"
#include "sys.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum { LEVELS = 8192, NAMES = 256 << 20 };

/* A directory being read: first `fd`, then, where something may be missing, `old`. */
struct level {
  int fd, old;
  uint8_t pending; /* itself the same: told of when something in it is found */
  uint8_t opaque, second;
  uint8_t kind, read;
  size_t len, begin; /* of its path; where its names begin */
  uint32_t index, count, next;
  struct stat st;
};

static int tell(struct walk *w, struct found f) { return w->found(w, &f); }

static int tell_level(struct walk *w, struct level *l) {
  char kept = w->path[l->len];
  size_t len = w->len;
  w->len = l->len;
  w->path[l->len] = 0;
  l->pending = 0;
  w->pending--;
  int err = tell(w, (struct found){ l->kind, l == w->levels ? -1 : l[-1].fd, l->fd, strrchr(w->path, '/') ? strrchr(w->path, '/') + 1 : w->path, &l->st, l->opaque });
  w->path[l->len] = kept;
  w->len = len;
  return err;
}

static int report(struct walk *w, struct found f) {
  for (int i = 0; w->pending > 0 && i < w->depth; i++) {
    int err = w->levels[i].pending ? tell_level(w, &w->levels[i]) : 0;
    if (err) return err;
  }
  return tell(w, f);
}

static int same_time(const struct timespec *a, const struct timespec *b) { return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec; }

/* Of a directory size and time say little, except in an upper directory, where a directory lies for a reason. */
static int same(const struct stat *a, const struct stat *b, int flags) {
  if (a->st_mode != b->st_mode || a->st_uid != b->st_uid || a->st_gid != b->st_gid || a->st_rdev != b->st_rdev) return 0;
  if (S_ISDIR(a->st_mode)) return !(flags & TREE_OVERLAY) || same_time(&a->st_mtim, &b->st_mtim);
  return !(flags & TREE_OVERLAY) && a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim);
}

static int is_opaque(int fd) {
  char value;
  return fgetxattr(fd, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static int is_excepted(const struct walk *w) {
  for (size_t at = 0; at < w->except.len; at += strlen(w->except.p + at) + 1)
    if (strcmp(w->except.p + at, w->path) == 0) return 1;
  return 0;
}

static int enter(struct walk *w, struct level next) {
  if (w->depth == LEVELS) return -ENAMETOOLONG;
  struct level *l = &w->levels[w->depth++];
  *l = next;
  w->pending += next.pending;
  return 0;
}

static int visit_dir(struct walk *w, struct level *l, const char *name, struct level next, const struct stat *old) {
  const uint64_t flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int last = w->most > 0 && w->depth >= w->most; /* told of, not gone into */
  next.fd = sys_openat2(l->fd, name, flags, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
  if (next.fd < 0) return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno; /* it was changed meanwhile */
  if (fstat(next.fd, &next.st)) return -errno;
  next.old = old && S_ISDIR(old->st_mode) ? openat(l->old, name, (int)flags) : -1;
  next.opaque = w->flags & TREE_OVERLAY && is_opaque(next.fd);
  next.pending = (old && same(&next.st, old, w->flags) && !next.opaque) || (!old && is_excepted(w));
  int err = last ? report(w, (struct found){ (char)next.kind, l->fd, next.fd, name, &next.st, next.opaque }) : enter(w, next);
  if (err == 0 && !last) return next.pending ? 0 : report(w, (struct found){ (char)next.kind, l->fd, next.fd, name, &next.st, next.opaque });
  close(next.fd);
  if (next.old >= 0) close(next.old);
  return err;
}

static int visit(struct walk *w, struct level *l, const char *name) {
  struct stat st, old;
  if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW)) return errno == ENOENT ? 0 : -errno;
  int had = l->old >= 0 && fstatat(l->old, name, &old, AT_SYMLINK_NOFOLLOW) == 0;
  if (w->flags & TREE_OVERLAY && S_ISCHR(st.st_mode) && st.st_rdev == 0)
    return had || w->flags & TREE_LAYER ? report(w, (struct found){ 'D', l->fd, -1, name, NULL, 0 }) : 0;
  char kind = had ? 'C' : 'A';
  if (S_ISDIR(st.st_mode)) return visit_dir(w, l, name, (struct level){ .kind = (uint8_t)kind, .len = w->len }, had ? &old : NULL);
  if (had ? same(&st, &old, w->flags) : is_excepted(w)) return 0;
  return report(w, (struct found){ kind, l->fd, -1, name, &st, 0 });
}

static int missing(struct walk *w, struct level *l, const char *name) {
  struct stat st;
  if (fstatat(l->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) return 0;
  return errno == ENOENT ? report(w, (struct found){ 'D', l->fd, -1, name, NULL, 0 }) : -errno;
}

static int by_name(const void *a, const void *b, void *names) { return strcmp((char *)names + *(const uint32_t *)a, (char *)names + *(const uint32_t *)b); }

/* The names of a directory on top of those of the levels above, and where each begins, sorted. */
static int read_names(struct walk *w, struct level *l, int fd) {
  struct dirent64_ { uint64_t ino; int64_t off; uint16_t len; uint8_t type; char name[]; } *d;
  char buffer[32768] __attribute__((aligned(8)));
  size_t at = l->begin = w->named, count = 0;
  for (long have; (have = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) != 0;) {
    if (have < 0) return errno == ENOENT ? 0 : -errno; /* it was removed meanwhile */
    for (long next = 0; next < have; next += d->len) {
      d = (struct dirent64_ *)(buffer + next);
      if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0) continue;
      size_t n = strlen(d->name) + 1;
      if (at + n + 4 * (++count) + 8 > NAMES) return -E2BIG;
      memcpy(w->names + at, d->name, n);
      at += n;
    }
  }
  l->index = (uint32_t)((at + 3) & ~(size_t)3);
  uint32_t *index = (uint32_t *)(w->names + l->index);
  for (size_t name = l->begin, i = 0; i < count; i++, name += strlen(w->names + name) + 1) index[i] = (uint32_t)name;
  qsort_r(index, count, sizeof *index, by_name, w->names);
  w->named = l->index + 4 * count;
  l->count = (uint32_t)count;
  return 0;
}

/* The next name of a level in the path; 0 at its end. */
static int next_name(struct walk *w, struct level *l, const char **name) {
  int err = l->read ? 0 : read_names(w, l, l->second ? l->old : l->fd);
  l->read = 1;
  if (err || l->next == l->count) return err;
  const char *found = w->names + ((uint32_t *)(w->names + l->index))[l->next++];
  size_t n = strlen(found), at = l->len ? l->len + 1 : 0;
  if (at + n + 1 > TREE_PATH) return -ENAMETOOLONG;
  if (l->len) w->path[l->len] = '/';
  memcpy(w->path + at, found, n + 1);
  w->len = at + n;
  *name = w->path + at;
  return 1;
}

static int step(struct walk *w) {
  struct level *l = &w->levels[w->depth - 1];
  const char *name = w->path;
  int more = next_name(w, l, &name);
  if (more < 0) return more;
  if (more) return l->second ? missing(w, l, name) : visit(w, l, name);
  w->named = l->begin;
  if (!l->second && l->old >= 0 && (l->opaque || !(w->flags & TREE_OVERLAY))) return l->second = 1, l->read = 0, l->next = l->count = 0, 0;
  close(l->fd);
  if (l->old >= 0) close(l->old);
  w->pending -= l->pending;
  w->depth--;
  return 0;
}

int walk_tree(struct walk *w, int fresh, int old) {
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  struct level root = { .fd = openat(fresh, ".", flags), .old = old < 0 ? -1 : openat(old, ".", flags), .kind = 'C' };
  if (root.fd < 0 || (old >= 0 && root.old < 0)) return -errno;
  w->levels = mmap(NULL, LEVELS * sizeof *w->levels, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  w->names = mmap(NULL, NAMES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (w->levels == MAP_FAILED || w->names == MAP_FAILED) return -errno;
  w->named = 0;
  w->depth = w->pending = 0;
  w->len = 0;
  int err = enter(w, root);
  while (err == 0 && w->depth > 0) err = step(w);
  for (; w->depth > 0; w->depth--) {
    close(w->levels[w->depth - 1].fd);
    if (w->levels[w->depth - 1].old >= 0) close(w->levels[w->depth - 1].old);
  }
  munmap(w->levels, LEVELS * sizeof *w->levels);
  munmap(w->names, NAMES);
  return err;
}

/* --- changes ---------------------------------------------------------------------------------------------------- */

struct listing { struct machine *m; uint32_t index; size_t have; char data[TREE_PATH * 2]; };

static int list_change(struct walk *w, const struct found *f) {
  struct listing *l = w->owner;
  if (l->have + w->len + 2 > sizeof l->data) {
    int err = l->m->emit ? l->m->emit(l->m, l->index, l->data, l->have) : 0;
    if (err) return err;
    l->have = 0;
  }
  l->data[l->have++] = f->kind;
  memcpy(l->data + l->have, w->path, w->len + 1);
  l->have += w->len + 1;
  return 0;
}

int tree_changes(struct machine *m, uint32_t index, int fresh, int old, int flags) {
  static struct listing l;
  static struct walk w;
  l = (struct listing){ .m = m, .index = index };
  w = (struct walk){ .flags = flags, .found = list_change, .owner = &l };
  int err = walk_tree(&w, fresh, old);
  return err || l.have == 0 || !m->emit ? err : m->emit(m, index, l.data, l.have);
}
