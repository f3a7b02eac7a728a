/* A body of HTTP/1.1 (RFC 9112, 6.2 and 7.1), read from a connection that its owner has lent: what belongs into a file goes
 * there, and the rest is put out as it comes. One a process. */
#include "files.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { ROOM = 256 << 10, PIECE = 128 << 10, FEW = 64 << 10, LINE = 4096, TRAILER = 16384, PARTS = 256, NAP_NS = 200000 };

static struct body {
  int begun, chunked, between, ended;
  uint64_t left; /* of the chunk, or of the whole */
  size_t at, have;
} body;
static char bytes[ROOM];

/* Reads on, behind what is there; waits for it if it has to. The engine that hangs up wants no more of it. */
static int read_on(const struct machine *m, int from, int wait) {
  struct body *b = &body;
  memmove(bytes, bytes + b->at, b->have - b->at);
  b->have -= b->at;
  b->at = 0;
  for (;;) {
    ssize_t n = recv(from, bytes + b->have, ROOM - b->have, MSG_DONTWAIT);
    if (n > 0) b->have += (size_t)n;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return -errno;
    if (n > 0 || !wait) return 0;
    if (n == 0) return -ENODATA;
    struct pollfd both[2] = { { .fd = from, .events = POLLIN }, { .fd = m->engine, .events = 0 } };
    if (poll(both, 2, -1) < 0 && errno != EINTR) return -errno;
    if (both[1].revents) return -ECANCELED;
  }
}

/* Where a line ends, behind its CRLF, if it does. */
static const char *line_end(const char *p, size_t len) {
  const char *end = memchr(p, '\n', len);
  return end && end > p && end[-1] == '\r' ? end + 1 : NULL;
}

/* Takes what stands before the next chunk: 1; 0 when not all of it is there. */
static int take_frame(struct body *b) {
  const char *p = bytes + b->at, *end = bytes + b->have;
  uint64_t size = 0;
  int digits = 0;
  if (b->between && (end - p < 2 || memcmp(p, "\r\n", 2))) return end - p < 2 ? 0 : -EPROTO;
  if (b->between) p += 2;
  const char *next = line_end(p, (size_t)(end - p));
  if (!next) return end - p > LINE || memchr(p, '\n', (size_t)(end - p)) ? -EPROTO : 0;
  for (; digits < 15; digits++, p++) {
    int c = *p | 0x20, digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) break;
    size = size << 4 | (uint64_t)digit;
  }
  if (digits == 0 || !*p || !strchr("\r; \t", *p)) return -EPROTO;
  while (size == 0 && !b->ended) { /* the trailer: lines up to an empty one */
    p = next;
    next = line_end(p, (size_t)(end - p));
    if (!next) return end - p > TRAILER ? -EPROTO : 0;
    b->ended = next - p == 2;
  }
  b->at = (size_t)(next - bytes);
  b->left = size;
  b->between = 1;
  return 1;
}

/* The parts of the body among the bytes that are there, up to `want` of them, are taken. */
static int gather(struct body *b, struct iovec *parts, uint64_t want, size_t *length) {
  int count = 0;
  for (*length = 0; count < PARTS && want > 0 && !b->ended;) {
    int framed = b->left > 0 || !b->chunked ? 1 : take_frame(b);
    if (framed < 0) return framed;
    uint64_t n = b->have - b->at;
    if (n > b->left) n = b->left;
    if (n > want) n = want;
    if (!framed || (n == 0 && !b->ended)) break;
    if (n > 0) parts[count++] = (struct iovec){ bytes + b->at, n };
    b->at += n, b->left -= n, want -= n, *length += n;
    if (!b->chunked && b->left == 0) b->ended = 1;
  }
  return count;
}

/* A file that takes less than it was given has no more room. */
static int write_parts(int fd, struct iovec *parts, int count, size_t length) {
  ssize_t n = fd < 0 ? (ssize_t)length : writev(fd, parts, count);
  return n < 0 ? -errno : (size_t)n == length ? 0 : -ENOSPC;
}

/* What comes in small pieces is waited for a moment: each that is put out costs a turn of the engine. */
static int put_out(struct machine *m, uint32_t index, int from) {
  struct body *b = &body;
  struct iovec parts[PARTS];
  size_t length = 0, done = 0;
  int count = 0, err = b->ended || b->have > b->at ? 0 : read_on(m, from, 1);
  if (err == 0 && !b->ended && b->have - b->at < FEW) nanosleep(&(struct timespec){ 0, NAP_NS }, NULL), err = read_on(m, from, 0);
  while (err == 0 && (count = gather(b, parts, PIECE, &length)) == 0 && !b->ended) err = read_on(m, from, 1);
  if (err || count < 0) return err ? err : count;
  char *out = count ? parts[0].iov_base : bytes;
  for (int i = 0; i < count; done += parts[i++].iov_len) memmove(out + done, parts[i].iov_base, parts[i].iov_len);
  return m->emit ? m->emit(m, index, out, length) : 0;
}

int receive(struct machine *m, uint32_t index, const struct reception *r) {
  struct body *b = &body;
  if (!b->begun && r->data.len > ROOM) return -EINVAL;
  if (!b->begun) {
    *b = (struct body){ .begun = 1, .chunked = r->size < 0, .ended = r->size == 0, .left = r->size < 0 ? 0 : (uint64_t)r->size, .have = r->data.len };
    memcpy(bytes, r->data.p, r->data.len);
  }
  for (uint64_t left = r->length; left > 0;) {
    struct iovec parts[PARTS];
    size_t length;
    int count = gather(b, parts, left, &length);
    int err = count < 0 ? count : count > 0 ? write_parts(r->to, parts, count, length) : b->ended ? -ENODATA : read_on(m, r->from, 1);
    if (err) return err;
    left -= length;
  }
  return put_out(m, index, r->from);
}
