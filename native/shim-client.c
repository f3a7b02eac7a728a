/* Connections: who may come, their frames, their queues, their end. */
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HEADER = 5, MAX_FRAME = MAX_PROGRAM + 128 };

_Alignas(4096) uint8_t inputs[PLACES][INPUT];
static _Alignas(4096) uint8_t rings[PLACES][RING];

static int index_of(const struct client *c) { return (int)(c - clients); }

int control_count(void) {
  int count = 0;
  for (int i = 0; i < client_count; i++) count += clients[i].kind == CONTROL;
  return count;
}

int is_full(void) {
  int count = 0;
  for (int i = 0; i < client_count; i++) count += clients[i].kind == CONTROL || clients[i].kind == ATTACHED;
  return count >= MAX_CLIENTS;
}

/* Memory of clients that have nothing queued goes back to the system. */
void client_release(void) {
  for (int i = 0; i < client_count; i++) {
    if (clients[i].ring_len == 0) madvise(rings[i], RING, MADV_DONTNEED);
    if (clients[i].in_len == 0) madvise(inputs[i], INPUT, MADV_DONTNEED);
  }
}

/* --- coming ----------------------------------------------------------------------------------------------------- */

static int trusted(int fd) {
  struct ucred who;
  socklen_t len = sizeof who;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == 0 || who.uid == geteuid());
}

static struct client *free_client(void) {
  for (int i = 0; i < PLACES; i++) {
    if (clients[i].kind != NOBODY) continue;
    if (i >= client_count) client_count = i + 1;
    return &clients[i];
  }
  return NULL;
}

void client_accept(void) {
  static int spare = -2; /* given up to take and close a connection when there are no descriptors left */
  if (spare == -2) spare = fcntl(shim.null, F_DUPFD_CLOEXEC, 3);
  int fd = accept4(shim.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EMFILE || errno == ENFILE) && spare >= 0) {
    close(spare);
    fd = accept4(shim.listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    spare = fcntl(shim.null, F_DUPFD_CLOEXEC, 3);
    return;
  }
  if (fd < 0) return;
  struct client *c = trusted(fd) ? free_client() : NULL;
  if (!c) {
    close(fd);
    return;
  }
  *c = (struct client){ .kind = NEW, .fd = fd, .proc = -1 };
  client_await(c);
}

/* --- going ------------------------------------------------------------------------------------------------------ */

void client_drop(struct client *c) {
  int proc = c->proc, i = index_of(c), was_control = c->kind == CONTROL;
  uint8_t rest[512];
  if (c->kind == NOBODY) return;
  watch(c->fd, &c->mask, 0, 0, 0);
  /* Input that nobody has read would turn the other side's end of file into a reset. */
  shutdown(c->fd, SHUT_RDWR);
  while (recv(c->fd, rest, sizeof rest, MSG_DONTWAIT) > 0) continue;
  close(c->fd);
  if (c->big) munmap(c->big, c->big_len);
  madvise(rings[i], RING, MADV_DONTNEED);
  madvise(inputs[i], INPUT, MADV_DONTNEED);
  *c = (struct client){ .kind = NOBODY };
  while (client_count > 0 && clients[client_count - 1].kind == NOBODY) client_count--;
  if (was_control) dns_lost(i);
  for (int k = proc_count - 1; was_control && k > 0; k--)
    if (procs[k].life == MADE && procs[k].maker == i) proc_forget(&procs[k]);
  if (proc >= 0 && procs[proc].life != UNUSED) output_await(&procs[proc]);
}

void client_leave(struct client *c) {
  if (c->kind == NOBODY || c->leaving) return;
  c->leaving = 1;
  c->in_len = 0;
  c->moved = monotonic_ms();
  if (c->ring_len == 0) client_drop(c);
  else client_await(c);
}

void leave_proc(const struct proc *p) {
  for (int i = client_count - 1; i >= 0; i--) {
    if (clients[i].kind != ATTACHED || clients[i].proc != p - procs) continue;
    clients[i].proc = -1;
    client_leave(&clients[i]);
  }
}

/* It takes nothing more; what it sent before is still read. */
static void hung_up(struct client *c) {
  c->gone = 1;
  c->ring_len = 0;
  if (c->kind != ATTACHED || c->leaving || c->proc < 0 || !(c->flags & ATTACH_STDIN) || c->in_ended == 2) return client_drop(c);
  output_await(&procs[c->proc]);
}

/* --- the queue -------------------------------------------------------------------------------------------------- */

void client_await(struct client *c) {
  uint32_t want = EPOLLHUP; /* which is told anyway: stands for "no more than that" */
  int reads = !c->in_ended && !c->leaving && (c->kind != ATTACHED || c->in_len == 0);
  if (reads) want |= EPOLLIN;
  if (c->ring_len > 0) want |= EPOLLOUT;
  if (c->gone) want = reads ? EPOLLIN : 0;
  if (c->kind != NOBODY) watch(c->fd, &c->mask, want, FROM_CLIENT, index_of(c));
}

static void push(struct client *c, const uint8_t *data, size_t len) {
  uint8_t *ring = rings[index_of(c)];
  uint32_t at = (c->ring_at + c->ring_len) % RING;
  size_t first = RING - at < len ? RING - at : len;
  if (c->ring_len == 0) c->moved = monotonic_ms();
  memcpy(ring + at, data, first);
  memcpy(ring, data + first, len - first);
  c->ring_len += (uint32_t)len;
}

/* 0, or -1 when the client is gone. */
static int flush(struct client *c) {
  uint8_t *ring = rings[index_of(c)];
  while (c->ring_len > 0) {
    size_t first = RING - c->ring_at < c->ring_len ? RING - c->ring_at : c->ring_len;
    struct iovec parts[2] = { { ring + c->ring_at, first }, { ring, c->ring_len - first } };
    struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
    c->ring_at = (c->ring_at + (uint32_t)n) % RING;
    c->ring_len -= (uint32_t)n;
    c->moved = monotonic_ms();
  }
  c->ring_at = 0;
  return 0;
}

void client_put(struct client *c, const void *head, size_t head_len, const void *data, size_t len) {
  size_t done = 0;
  if (c->kind == NOBODY || c->gone || c->leaving) return;
  if (c->ring_len == 0) {
    struct iovec parts[2] = { { (void *)(uintptr_t)head, head_len }, { (void *)(uintptr_t)data, len } };
    struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return hung_up(c);
    done = n < 0 ? 0 : (size_t)n;
  }
  if (done == head_len + len) return;
  if (c->ring_len + head_len + len - done > RING) return client_drop(c); /* only one that reads no events */
  if (done < head_len) push(c, (const uint8_t *)head + done, head_len - done);
  size_t sent = done > head_len ? done - head_len : 0;
  push(c, (const uint8_t *)data + sent, len - sent);
  client_await(c);
}

/* --- frames ----------------------------------------------------------------------------------------------------- */

static int begin_big(struct client *c, uint8_t type, uint32_t len, const uint8_t *have, uint32_t count) {
  c->big = keep(len);
  if (!c->big) return -1;
  memcpy(c->big, have, count);
  c->big_type = type;
  c->big_len = len;
  c->big_have = count;
  return 0;
}

/* Takes the frames that are all there; what is left moves to the beginning. */
static void take_frames(struct client *c) {
  uint8_t *in = inputs[index_of(c)];
  uint32_t at = 0, len;
  while (c->kind != ATTACHED && c->in_len - at >= HEADER) {
    memcpy(&len, in + at, 4);
    if (len > MAX_FRAME) return client_drop(c);
    uint32_t have = c->in_len - at - HEADER;
    if (len > CHUNK - HEADER && have < len) {
      if (begin_big(c, in[at + 4], len, in + at + HEADER, have)) return client_drop(c);
      at = c->in_len;
      break;
    }
    if (have < len) break;
    uint32_t next = at + HEADER + len;
    take_frame(c, in[at + 4], in + at + HEADER, len);
    if (c->kind == NOBODY || c->leaving) return;
    at = next;
  }
  uint32_t left = c->in_len - at;
  c->in_len = 0;
  if (c->kind == ATTACHED && left > 0) return attached_take(c, in + at, left);
  memmove(in, in + at, left);
  c->in_len = left;
}

static void frames_ready(struct client *c) {
  uint8_t *to = c->big ? c->big + c->big_have : inputs[index_of(c)] + c->in_len;
  size_t room = c->big ? c->big_len - c->big_have : CHUNK - c->in_len;
  ssize_t n = recv(c->fd, to, room, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return client_drop(c);
  if (!c->big) {
    c->in_len += (uint32_t)n;
    return take_frames(c);
  }
  c->big_have += (uint32_t)n;
  if (c->big_have < c->big_len) return;
  uint8_t *frame = c->big;
  uint32_t len = c->big_len;
  c->big = NULL;
  take_frame(c, c->big_type, frame, len);
  munmap(frame, len);
}

void client_ready(struct client *c, uint32_t events) {
  if (c->kind == NOBODY) return;
  if (events & EPOLLOUT) {
    if (flush(c)) return hung_up(c);
    if (c->leaving && c->ring_len == 0) return client_drop(c);
    if (c->kind == ATTACHED && c->proc >= 0) output_await(&procs[c->proc]);
  }
  if (events & (EPOLLHUP | EPOLLERR) && !c->gone) {
    if (c->kind == ATTACHED || !(events & EPOLLIN)) hung_up(c);
    if (c->kind == NOBODY) return;
  }
  if (events & EPOLLIN && !c->leaving) {
    if (c->kind == ATTACHED) attached_ready(c);
    else frames_ready(c);
  }
  if (c->kind != NOBODY) client_await(c);
}
