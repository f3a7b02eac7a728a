/* The bytes between processes and those attached: outputs to everybody, stdin from everybody, nothing read that somebody
 * cannot take yet. */
#include "shim.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HUNG = 100, MILLISECOND = 1000000, MINIMUM = 20000, HALF = 32768, FLOOD = 8192 };

static _Alignas(4096) uint8_t chunk[CHUNK];

void stream_release(void) { madvise(chunk, sizeof chunk, MADV_DONTNEED); }

/* --- outputs ---------------------------------------------------------------------------------------------------- */

static int takes(const struct client *c, const struct proc *p, int stream) {
  return c->kind == ATTACHED && !c->gone && !c->leaving && c->proc == p - procs && c->flags & (stream == 1 ? ATTACH_STDOUT : ATTACH_STDERR);
}

/* How much may be read: what every client can take. Less than half of a chunk waits for more room. An ended process's
 * last words fit into the queues even of clients that are slow. */
static size_t room(const struct proc *p, int stream) {
  size_t least = CHUNK - 8, most = p->life == ENDED ? RING : QUEUE; /* with its head, a frame is what others read at once */
  for (int i = 0; i < client_count; i++) {
    if (!takes(&clients[i], p, stream)) continue;
    size_t held = clients[i].ring_len + 8;
    if (held >= most) return 0;
    if (most - held < least) least = most - held;
  }
  return least < CHUNK / 2 ? 0 : least;
}

static void spread(struct proc *p, int stream, size_t len) {
  uint8_t head[8] = { (uint8_t)stream };
  uint32_t size = htonl((uint32_t)len);
  memcpy(head + 4, &size, 4);
  for (int i = 0; i < client_count; i++)
    if (takes(&clients[i], p, stream)) client_put(&clients[i], head, p->flags & TERMINAL ? 0 : 8, chunk, len);
  if (p == procs) log_output(stream, chunk, len);
}

/* A flood is taken in half pipes: each wake-up costs here, in the engine and at the client the same for 4 KB as for 32.
 * When what came last came fast enough to gather FLOOD in a millisecond, the next read waits until HALF will be there,
 * but never longer than that millisecond. Answers to input are small or far apart, and wait for nothing. */
static void gather(const struct proc *p, int stream) {
  int64_t wait = p->pace[stream - 1].due - monotonic_ns();
  if (wait > MINIMUM && wait <= MILLISECOND) nanosleep(&(struct timespec){ .tv_nsec = wait }, NULL);
}

static void pace(struct proc *p, int stream, int64_t n) {
  struct pace *pace = &p->pace[stream - 1];
  int64_t now = monotonic_ns(), span = now - pace->at, wait = span < 4 * MILLISECOND ? span * HALF / n : MILLISECOND * 4;
  pace->due = p->flags & TERMINAL || wait > MILLISECOND * (HALF / FLOOD) ? 0 : now + (wait < MILLISECOND ? wait : MILLISECOND);
  pace->at = now;
}

int output_read(struct proc *p, int stream) {
  int *fd = stream == 1 ? &p->out : &p->err;
  size_t max = *fd < 0 ? 0 : room(p, stream);
  if (max == 0) return 0;
  if (p->life == RUNNING) gather(p, stream);
  ssize_t n = read(*fd, chunk, max);
  if (n > 0) return pace(p, stream, n), spread(p, stream, (size_t)n), 1;
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (p->flags & TERMINAL && p->life != ENDED) { /* hung up, but somebody may open it again */
    p->deadline = monotonic_ms() + HUNG;
    return 0;
  }
  close_fd(fd, stream == 1 ? &p->out_mask : &p->err_mask);
  return 0;
}

void output_await(struct proc *p) {
  int hung = p->life != ENDED && p->deadline;
  watch(p->out, &p->out_mask, !hung && room(p, 1) ? EPOLLIN : 0, FROM_OUT, (int)(p - procs));
  watch(p->err, &p->err_mask, room(p, 2) ? EPOLLIN : 0, FROM_ERR, (int)(p - procs));
}

void output_ready(struct proc *p, int stream) {
  if (p->life == UNUSED) return;
  output_read(p, stream);
  output_await(p);
  if (p->life == ENDED && p->out < 0 && p->err < 0) proc_settle(p);
}

/* --- stdin ------------------------------------------------------------------------------------------------------ */

static uint8_t *input_of(const struct client *c) { return inputs[c - clients]; }

/* Writes what c has sent, as far as the process takes it. What is left is kept until it takes more, or is started. */
static void feed(struct client *c) {
  struct proc *p = c->proc < 0 ? NULL : &procs[c->proc];
  if (!p || !(c->flags & ATTACH_STDIN) || p->in_closed) c->in_len = 0;
  while (c->in_len > 0 && p->in >= 0) {
    ssize_t n = write(p->in, input_of(c) + c->in_at, c->in_len);
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || (n < 0 && errno == EAGAIN)) break;
    if (n < 0) { /* nobody reads it any more */
      close_fd(&p->in, &p->in_mask);
      p->in_closed = 1;
      c->in_len = 0;
      break;
    }
    c->in_at += (uint32_t)n;
    c->in_len -= (uint32_t)n;
  }
  if (c->in_len == 0) c->in_at = 0;
  if (c->in_ended != 1 || c->in_len > 0) return;
  c->in_ended = 2;
  if (p && c->flags & ATTACH_STDIN && p->flags & STDIN_ONCE && !(p->flags & TERMINAL)) p->in_closing = 1;
}

/* Lets every client of p write, and closes stdin when that is due. */
void stdin_ready(struct proc *p) {
  int waiting = 0;
  if (p->life == UNUSED) return;
  for (int i = 0; i < client_count; i++) {
    struct client *c = &clients[i];
    if (c->kind != ATTACHED || c->proc != p - procs || c->leaving) continue;
    feed(c);
    waiting |= c->in_len > 0;
    if (c->gone && c->in_ended == 2) client_drop(c);
    else client_await(c);
  }
  if (p->in_closing && !waiting && p->life != MADE) p->in_closed = 1;
  if (p->in_closed) close_fd(&p->in, &p->in_mask);
  watch(p->in, &p->in_mask, waiting ? EPOLLOUT : 0, FROM_IN, (int)(p - procs));
}

void stdin_close(struct proc *p) {
  if (p->flags & TERMINAL) return;
  p->in_closing = 1;
  stdin_ready(p);
}

/* How many of the first n keys are also the last n of the first `matched`: where a broken match goes on. */
static unsigned border(const struct client *c) {
  unsigned n = c->matched - 1u;
  while (n > 0 && memcmp(c->keys, c->keys + c->matched - n, n) != 0) n--;
  return n;
}

/* Copies data to the input buffer (which it may lie in, behind the place that is written) without the detach keys;
 * keys that may yet become a match are held back. True when they all came: the rest is thrown away. */
static int filter(struct client *c, const uint8_t *data, size_t len) {
  uint8_t *out = input_of(c);
  for (; len > 0; data++, len--) {
    while (c->matched > 0 && c->keys[c->matched] != *data) {
      unsigned n = border(c);
      memcpy(out, c->keys, c->matched - n);
      out += c->matched - n;
      c->matched = (uint8_t)n;
    }
    if (c->keys[c->matched] != *data) *out++ = *data;
    else if (++c->matched == c->key_count) break;
  }
  c->in_at = 0;
  c->in_len = (uint32_t)(out - input_of(c));
  return len > 0;
}

/* The process of an attached client, after any change of its input. */
static void pass_on(struct client *c) {
  if (c->proc >= 0) return stdin_ready(&procs[c->proc]);
  feed(c);
  client_await(c);
}

void attached_take(struct client *c, const uint8_t *data, size_t len) {
  if (c->key_count == 0) {
    memmove(input_of(c), data, len);
    c->in_at = 0;
    c->in_len = (uint32_t)len;
  } else if (filter(c, data, len)) {
    feed(c);
    if (c->proc >= 0) tell_detached(&procs[c->proc]);
    return client_leave(c);
  }
  pass_on(c);
}

/* What is held back of the keys is input after all. */
static void end_input(struct client *c) {
  c->in_ended = 1;
  memcpy(input_of(c), c->keys, c->matched);
  c->in_len = c->matched;
  c->matched = 0;
  pass_on(c);
}

void attached_ready(struct client *c) {
  size_t before = c->key_count ? MAX_KEYS : 0;
  if (c->in_len > 0 || c->in_ended) return;
  ssize_t n = recv(c->fd, input_of(c) + before, CHUNK, MSG_DONTWAIT);
  if (n > 0) attached_take(c, input_of(c) + before, (size_t)n);
  else if (n == 0 || (errno != EAGAIN && errno != EINTR)) end_input(c);
}

/* The line that the log does not have yet, for one who has read the log. */
void attached_begin(struct client *c) {
  for (int stream = 1; stream <= 2 && c->proc == 0 && c->flags & ATTACH_UNFINISHED; stream++) {
    uint8_t head[8] = { (uint8_t)stream };
    size_t len;
    const uint8_t *line = log_unfinished(stream, &len);
    uint32_t size = htonl((uint32_t)len);
    memcpy(head + 4, &size, 4);
    if (len > 0 && takes(c, procs, stream)) client_put(c, head, procs->flags & TERMINAL ? 0 : 8, line, len);
  }
}
