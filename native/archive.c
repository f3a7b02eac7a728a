/* Trees as tar archives: ustar, with PAX records where a value does not fit, as src/base/tar-write.ts writes them. Times are
 * whole seconds, as in Docker's. */
#include "trees.h"
#include "files.h"
#include "sys.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

enum { BLOCK = 512, BUFFER = 256 << 10, SMALL = 64 << 10, PIECE = 1 << 20, RECORDS = 1 << 20, AHEAD = 8 << 20 };

struct tar {
  struct machine *m;
  uint32_t index;
  int flags, to;
  const char *root; /* what the tree is called */
  struct links *links;
  size_t have, name_len, records_len;
  uint64_t written, told, synced; /* of a file */
  char name[TREE_PATH * 2], buffer[BUFFER], records[RECORDS];
};

/* --- bytes ------------------------------------------------------------------------------------------------------ */

/* Waits until somebody's connection has room. The engine that hangs up wants no more of it. */
static int wait_for_room(const struct tar *t) {
  struct pollfd wait[2] = { { .fd = t->to, .events = POLLOUT }, { .fd = t->m->engine, .events = 0 } };
  if (poll(wait, 2, -1) < 0 && errno != EINTR) return -errno;
  return wait[1].revents ? -ECANCELED : 0;
}

static int send_bytes(const struct tar *t, const char *data, size_t len, int more) {
  while (len > 0) {
    ssize_t n = send(t->to, data, len, MSG_DONTWAIT | MSG_NOSIGNAL | more);
    int err = n >= 0 ? 0 : errno == EAGAIN ? wait_for_room(t) : errno == EINTR ? 0 : -errno;
    if (err) return err;
    if (n > 0) data += n, len -= (size_t)n;
  }
  return 0;
}

/* What sendfile does not give of a file: zeros where it ends early. */
static int send_rest(const struct tar *t, int fd, size_t len) {
  static char piece[65536];
  int err = 0;
  for (size_t part; err == 0 && len > 0; len -= part) {
    part = len < sizeof piece ? len : sizeof piece;
    ssize_t n = read(fd, piece, part);
    memset(piece + (n > 0 ? n : 0), 0, part - (size_t)(n > 0 ? n : 0));
    err = send_bytes(t, piece, part, MSG_MORE);
  }
  return err;
}

static int send_file(const struct tar *t, int fd, size_t len) {
  while (len > 0) {
    ssize_t n = sendfile(t->to, fd, NULL, len);
    int err = n < 0 && errno == EAGAIN ? wait_for_room(t) : n < 0 && (errno == EPIPE || errno == ECONNRESET) ? -errno : 0;
    if (err) return err;
    if (n == 0 || (n < 0 && errno != EAGAIN)) return send_rest(t, fd, len);
    if (n > 0) len -= (size_t)n;
  }
  return 0;
}

/* A chunk of HTTP/1.1 (RFC 9112, 7.1) from memory, or from a file. */
static int send_chunk(const struct tar *t, const char *data, int fd, size_t len) {
  char head[20];
  int err = send_bytes(t, head, (size_t)snprintf(head, sizeof head, "%zx\r\n", len), MSG_MORE);
  if (err == 0) err = data ? send_bytes(t, data, len, MSG_MORE) : send_file(t, fd, len);
  return err ? err : send_bytes(t, "\r\n", 2, 0);
}

/* How much there is in the file, now and then; and it is on its way to the disk. */
static int tell_written(struct tar *t, uint64_t least) {
  if (t->written - t->synced >= AHEAD) {
    sync_file_range(t->to, (off_t)t->synced, (off_t)(t->written - t->synced), SYNC_FILE_RANGE_WRITE);
    t->synced = t->written;
  }
  if (t->written - t->told < least || !t->m->emit) return 0;
  t->told = t->written;
  return t->m->emit(t->m, t->index, &t->told, sizeof t->told);
}

static int write_bytes(struct tar *t, const char *data, size_t len) {
  int err = send_all(t->to, data, len);
  t->written += len;
  return err ? err : tell_written(t, PIECE);
}

/* The buffer is empty. */
static int write_file(struct tar *t, int fd, size_t len) {
  while (len > 0) {
    ssize_t n = sendfile(t->to, fd, NULL, len);
    if (n < 0) return -errno;
    if (n == 0) break;
    t->written += (size_t)n;
    len -= (size_t)n;
  }
  memset(t->buffer, 0, len < BUFFER ? len : BUFFER);
  for (size_t part; len > 0; len -= part) {
    part = len < BUFFER ? len : BUFFER;
    int err = write_bytes(t, t->buffer, part);
    if (err) return err;
  }
  return tell_written(t, PIECE);
}

static int flush(struct tar *t) {
  size_t n = t->have;
  t->have = 0;
  if (n && t->flags & TREE_FILE) return write_bytes(t, t->buffer, n);
  if (n && t->to >= 0) return send_chunk(t, t->buffer, -1, n);
  return n && t->m->emit ? t->m->emit(t->m, t->index, t->buffer, n) : 0;
}

/* Room for n bytes, n ≤ BUFFER; NULL when what was in the way could not be sent (errno). */
static char *room(struct tar *t, size_t n) {
  int err = t->have + n > BUFFER ? flush(t) : 0;
  if (err) return errno = -err, NULL;
  t->have += n;
  return t->buffer + t->have - n;
}

static size_t padding(uint64_t size) { return (size_t)((BLOCK - size % BLOCK) % BLOCK); }

static int put_zeros(struct tar *t, uint64_t n) {
  while (n > 0) {
    size_t part = n < BUFFER ? (size_t)n : BUFFER;
    char *at = room(t, part);
    if (!at) return -errno;
    memset(at, 0, part);
    n -= part;
  }
  return 0;
}

static int put(struct tar *t, const char *data, size_t len) {
  for (size_t done = 0, part; done < len; done += part) {
    part = len - done < BUFFER ? len - done : BUFFER;
    char *at = room(t, part);
    if (!at) return -errno;
    memcpy(at, data + done, part);
  }
  return 0;
}

/* --- headers ---------------------------------------------------------------------------------------------------- */

static void octal(char *at, int len, uint64_t value) {
  at[--len] = 0;
  while (len-- > 0) at[len] = (char)('0' + (value & 7)), value >>= 3;
}

/* "LENGTH KEY=VALUE\n", where the length counts itself. */
static int add_record(struct tar *t, const char *key, const char *value, size_t len) {
  size_t rest = strlen(key) + len + 3, total = rest + 1;
  char digits[24];
  for (int n; (n = snprintf(digits, sizeof digits, "%zu", total)) + rest != total;) total = rest + (size_t)n;
  if (t->records_len + total > RECORDS) return -E2BIG;
  char *at = t->records + t->records_len;
  at += sprintf(at, "%s %s=", digits, key);
  memcpy(at, value, len);
  at[len] = '\n';
  t->records_len += total;
  return 0;
}

static int add_number(struct tar *t, const char *key, int64_t value) {
  char text[24];
  return add_record(t, key, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
}

static int is_carried(const char *name) {
  if (strncmp(name, "user.", 5) == 0) return strncmp(name, "user.overlay.", 13) != 0;
  return strcmp(name, "security.capability") == 0 || strncmp(name, "system.posix_acl_", 17) == 0;
}

int each_xattr(int fd, int (*each)(void *owner, const char *name, const void *value, size_t size), void *owner) {
  static char names[65536], value[65536];
  ssize_t n = fd < 0 ? 0 : flistxattr(fd, names, sizeof names);
  if (n < 0) return errno == EOPNOTSUPP || errno == EACCES ? 0 : -errno;
  for (const char *last = "", *next;; last = next) {
    next = NULL;
    for (const char *name = names; name < names + n; name += strlen(name) + 1)
      if (is_carried(name) && strcmp(name, last) > 0 && (!next || strcmp(name, next) < 0)) next = name;
    if (!next) return 0;
    ssize_t size = fgetxattr(fd, next, value, sizeof value);
    int err = size < 0 ? 0 : each(owner, next, value, (size_t)size); /* gone meanwhile */
    if (err) return err;
  }
}

static int add_xattr(void *owner, const char *name, const void *value, size_t size) {
  char key[300] = "SCHILY.xattr.";
  memcpy(key + 13, name, strnlen(name, 255) + 1);
  return add_record(owner, key, value, size);
}

static int put_block(struct tar *t, char type, const struct stat *st, uint64_t size, const char *name, const char *link) {
  char *h = room(t, BLOCK);
  if (!h) return -errno;
  memset(h, 0, BLOCK);
  memcpy(h, name, strnlen(name, 100));
  octal(h + 100, 8, st->st_mode & 07777);
  octal(h + 108, 8, st->st_uid < 1u << 21 ? st->st_uid : 0);
  octal(h + 116, 8, st->st_gid < 1u << 21 ? st->st_gid : 0);
  octal(h + 124, 12, size < 1ull << 33 ? size : 0);
  octal(h + 136, 12, st->st_mtime >= 0 && st->st_mtime < 1ll << 33 ? (uint64_t)st->st_mtime : 0);
  h[156] = type;
  if (link) memcpy(h + 157, link, strnlen(link, 100));
  memcpy(h + 257, "ustar\0" "00", 8);
  if (type == '3' || type == '4') octal(h + 329, 8, major(st->st_rdev)), octal(h + 337, 8, minor(st->st_rdev));
  memset(h + 148, ' ', 8);
  unsigned sum = 0;
  for (int i = 0; i < BLOCK; i++) sum += (uint8_t)h[i];
  octal(h + 148, 7, sum);
  return 0;
}

/* The header of t->name, after its records if it needs some. */
static int put_header(struct tar *t, char type, const struct stat *st, uint64_t size, const char *link, int fd) {
  static const struct stat plain = { .st_mode = 0644 };
  int err = each_xattr(fd, add_xattr, t);
  if (err == 0 && t->name_len > 100) err = add_record(t, "path", t->name, t->name_len);
  if (err == 0 && link && strlen(link) > 100) err = add_record(t, "linkpath", link, strlen(link));
  if (err == 0 && size >= 1ull << 33) err = add_number(t, "size", (int64_t)size);
  if (err == 0 && st->st_uid >= 1u << 21) err = add_number(t, "uid", st->st_uid);
  if (err == 0 && st->st_gid >= 1u << 21) err = add_number(t, "gid", st->st_gid);
  if (err == 0 && (st->st_mtime < 0 || st->st_mtime >= 1ll << 33)) err = add_number(t, "mtime", st->st_mtime);
  size_t n = t->records_len;
  t->records_len = 0;
  if (err == 0 && n > 0) {
    err = put_block(t, 'x', &plain, n, "PaxHeaders.0/entry", NULL);
    if (err == 0) err = put(t, t->records, n);
    if (err == 0) err = put_zeros(t, padding(n));
  }
  return err ? err : put_block(t, type, st, size, t->name, link);
}

/* --- bodies ----------------------------------------------------------------------------------------------------- */

/* Exactly size bytes, whatever the file has become: zeros where it ends early. */
static int put_small(struct tar *t, int fd, size_t size) {
  char *at = room(t, size);
  size_t done = 0;
  if (!at) return -errno;
  for (ssize_t n; done < size && (n = read(fd, at + done, size - done)) > 0;) done += (size_t)n;
  memset(at + done, 0, size - done);
  return 0;
}

static int put_data(struct tar *t, int fd, uint64_t size) {
  if (size <= SMALL) return put_small(t, fd, (size_t)size);
  int err = flush(t);
  while (err == 0 && size > 0) {
    size_t part = size < PIECE ? (size_t)size : PIECE;
    err = t->flags & TREE_FILE ? write_file(t, fd, part) : t->to >= 0 ? send_chunk(t, NULL, fd, part) : t->m->emit_file ? t->m->emit_file(t->m, t->index, fd, part) : 0;
    size -= part;
  }
  return err;
}

static int put_sparse(struct tar *t, int fd, off_t size) {
  for (off_t at = 0, data, hole; at < size; at = hole) {
    data = lseek(fd, at, SEEK_DATA);
    if (data < 0 || data > size) data = size;
    hole = data < size ? lseek(fd, data, SEEK_HOLE) : size;
    if (hole < data || hole > size) hole = size;
    int err = put_zeros(t, (uint64_t)(data - at));
    if (err == 0 && lseek(fd, data, SEEK_SET) != data) err = -EIO;
    if (err == 0) err = put_data(t, fd, (uint64_t)(hole - data));
    if (err) return err;
  }
  return 0;
}

/* --- entries ---------------------------------------------------------------------------------------------------- */

/* ROOT/PATH, or with `mark` the same with the last component marked. */
static int set_name(struct tar *t, const char *path, const char *suffix) {
  size_t n = strlen(t->root);
  int bare = n == 0 || *path == 0 || t->root[n - 1] == '/';
  int len = snprintf(t->name, sizeof t->name, "%s%s%s%s", t->root, bare ? "" : "/", path, suffix);
  if (len < 0 || (size_t)len >= sizeof t->name) return -ENAMETOOLONG;
  t->name_len = (size_t)len;
  return 0;
}

static int put_mark(struct tar *t, const char *path, const char *name, const char *mark) {
  static const struct stat plain = { .st_mode = 0 };
  char marked[TREE_PATH + 16];
  int dir = (int)(strlen(path) - strlen(name));
  if (snprintf(marked, sizeof marked, "%.*s%s", dir, path, mark) >= (int)sizeof marked) return -ENAMETOOLONG;
  int err = set_name(t, marked, *name && strcmp(mark, ".wh.") == 0 ? name : "");
  return err ? err : put_header(t, '0', &plain, 0, NULL, -1);
}

static int put_regular(struct tar *t, int dir, const char *name, const struct stat *seen) {
  struct stat st;
  int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : -errno;
  int err = fstat(fd, &st) ? -errno : 0;
  if (err == 0 && S_ISREG(st.st_mode) && st.st_ino == seen->st_ino) { /* else it was replaced meanwhile */
    uint64_t size = (uint64_t)st.st_size;
    err = put_header(t, '0', &st, size, NULL, fd);
    if (err == 0) err = (uint64_t)st.st_blocks * 512 < size && size > SMALL ? put_sparse(t, fd, st.st_size) : put_data(t, fd, size);
    if (err == 0) err = put_zeros(t, padding(size));
  }
  close(fd);
  return err;
}

static int put_link(struct tar *t, int dir, const char *name, const struct stat *st) {
  char target[PATH_MAX];
  ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
  if (n < 0) return errno == ENOENT || errno == EINVAL ? 0 : -errno;
  target[n] = 0;
  return put_header(t, '2', st, 0, target, -1);
}

static int put_dir(struct tar *t, const char *path, const struct found *f) {
  int err = set_name(t, path, *path || !t->root[0] || t->root[strlen(t->root) - 1] != '/' ? "/" : "");
  if (err == 0) err = put_header(t, '5', f->st, 0, NULL, f->fd);
  if (err || !f->opaque || !(t->flags & TREE_LAYER)) return err;
  char inside[TREE_PATH + 2];
  snprintf(inside, sizeof inside, "%s/", path);
  return put_mark(t, inside, "", ".wh..wh..opq");
}

/* As src/core/layers takes it: 4,096 bytes, 1,024 components. */
static int is_too_long(const char *path) {
  int components = 1;
  for (const char *p = path; *p; p++) components += *p == '/';
  return components > 1024 || strlen(path) > 4096;
}

static int put_entry(struct tar *t, const char *path, const struct found *f) {
  const struct stat *st = f->st;
  int full;
  if (t->flags & TREE_LAYER && is_too_long(path)) return -ENAMETOOLONG;
  if (f->kind == 'D') return t->flags & TREE_LAYER ? put_mark(t, path, f->name, ".wh.") : 0;
  if (S_ISSOCK(st->st_mode)) return 0; /* belongs to a process that will not be there */
  if (t->flags & TREE_LAYER && strncmp(f->name, ".wh.", 4) == 0) return -EILSEQ; /* would be read as a deletion */
  if (S_ISDIR(st->st_mode)) return put_dir(t, path, f);
  int err = set_name(t, path, "");
  if (err) return err;
  const char *known = st->st_nlink > 1 ? known_link(&t->links, st, t->name, t->name_len, "", &full) : NULL;
  if (known) return put_header(t, '1', st, 0, known, -1);
  if (S_ISREG(st->st_mode)) return put_regular(t, f->dir, f->name, st);
  if (S_ISLNK(st->st_mode)) return put_link(t, f->dir, f->name, st);
  return put_header(t, S_ISCHR(st->st_mode) ? '3' : S_ISBLK(st->st_mode) ? '4' : '6', st, 0, NULL, -1);
}

static int found(struct walk *w, const struct found *f) { return put_entry(w->owner, w->path, f); }

static int put_tree(struct tar *t, const struct archive_wish *wish, int fd, const struct stat *st) {
  static struct walk w;
  w = (struct walk){ .flags = wish->flags, .found = found, .owner = t, .except = wish->except };
  int err = t->root[0] ? put_entry(t, "", &(struct found){ 'A', -1, fd, "", st, 0 }) : 0;
  return err ? err : walk_tree(&w, fd, wish->old);
}

int tree_archive(struct machine *m, uint32_t index, const struct archive_wish *wish) {
  struct stat st;
  const char *path = wish->path[0] ? wish->path : ".";
  if (fstatat(wish->dir, path, &st, AT_SYMLINK_NOFOLLOW)) return -errno;
  struct tar *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (t == MAP_FAILED) return -errno;
  t->m = m;
  t->index = index;
  t->flags = wish->flags;
  t->to = wish->to;
  t->root = wish->name;
  int err, fd = S_ISDIR(st.st_mode) ? sys_openat2(wish->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS) : -1;
  if (!S_ISDIR(st.st_mode)) err = put_entry(t, "", &(struct found){ 'A', wish->dir, -1, path, &st, 0 });
  else err = fd < 0 ? -errno : put_tree(t, wish, fd, &st);
  if (err == 0) err = put_zeros(t, 2 * BLOCK);
  if (err == 0) err = flush(t);
  if (err == 0 && t->flags & TREE_FILE) err = tell_written(t, 1);
  if (fd >= 0) close(fd);
  if (t->links) forget_links(t->links);
  munmap(t, sizeof *t);
  return err;
}
