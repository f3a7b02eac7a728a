/* The host: a child of the engine that performs programs for it, one after the other, so that no system call ever blocks
 * the engine. Whatever changes a process for good (namespaces, root, user) happens in a child forked for that program.
 *
 *   request: u32 length of payload, u32 id, u32 flags, payload (a program; for a stream, one program a frame)
 *   answer:  u32 length of payload, u32 id, u32 kind, payload
 */
#include "host.h"
#include "cell.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKED = 1, STREAM = 2, END = 4 };
enum { DONE = 0, FAILED = 1, OUTPUT = 2 };
enum { KEEP = 256 << 10 }; /* memory of larger requests is given back */

struct request { uint32_t length, id, flags; };
struct host { int fd; struct request now; uint8_t *buffer; uint32_t base; /* ops of the frames before, in a stream */ };

static int read_all(int fd, void *data, size_t len) {
  for (size_t done = 0; done < len;) {
    ssize_t n = read(fd, (char *)data + done, len - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return -1;
    done += (size_t)n;
  }
  return 0;
}

/* One answer; index (if has_index) precedes data. Whatever fails here means that the engine is gone, or wants no more. */
static int answer(struct host *h, uint32_t kind, const uint32_t *index, const void *data, size_t len) {
  uint32_t head[4] = { (uint32_t)len + (index ? 4 : 0), h->now.id, kind, index ? *index : 0 };
  struct iovec parts[2] = { { head, index ? 16 : 12 }, { (void *)(uintptr_t)data, len } };
  size_t total = parts[0].iov_len + len;
  ssize_t n = writev(h->fd, parts, 2);
  if (n < 0) return -errno;
  if ((size_t)n == total) return 0;
  if ((size_t)n < parts[0].iov_len) {
    int err = send_all(h->fd, (char *)head + n, parts[0].iov_len - (size_t)n);
    if (err) return err;
    n = (ssize_t)parts[0].iov_len;
  }
  return send_all(h->fd, (const char *)data + (n - (ssize_t)parts[0].iov_len), total - (size_t)n);
}

static int emit(struct machine *m, uint32_t index, const void *data, size_t len) {
  struct host *h = m->owner;
  index += h->base;
  return answer(h, OUTPUT, &index, data, len);
}

/* What a file has not got any more, or cannot be read: the length was promised. */
static int send_rest(int to, int fd, size_t len) {
  static char buffer[65536];
  while (len > 0) {
    size_t want = len < sizeof buffer ? len : sizeof buffer;
    ssize_t n = read(fd, buffer, want);
    if (n <= 0) memset(buffer, 0, want), n = (ssize_t)want;
    int err = send_all(to, buffer, (size_t)n);
    if (err) return err;
    len -= (size_t)n;
  }
  return 0;
}

static int emit_file(struct machine *m, uint32_t index, int fd, size_t len) {
  struct host *h = m->owner;
  uint32_t head[4] = { (uint32_t)len + 4, h->now.id, OUTPUT, index + h->base };
  int err = send_all(h->fd, head, sizeof head);
  while (err == 0 && len > 0) {
    ssize_t n = sendfile(h->fd, fd, NULL, len);
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return -errno;
    if (n <= 0) return send_rest(h->fd, fd, len);
    len -= (size_t)n;
  }
  return err;
}

static void report(struct host *h, struct result r) {
  if (r.err == 0) answer(h, DONE, NULL, NULL, 0);
  else answer(h, FAILED, NULL, &r, sizeof r);
}

static struct result perform_checked(struct host *h, struct machine *m) {
  if (!program_valid(h->buffer, h->now.length)) return (struct result){ -1, EBADMSG };
  return perform(m, h->buffer, h->now.length);
}

static int read_request(struct host *h) {
  if (read_all(h->fd, &h->now, sizeof h->now) || h->now.length > MAX_PROGRAM) return -1;
  return read_all(h->fd, h->buffer, h->now.length);
}

/* Performs frames of a stream as they come. After a failure the rest is read and thrown away. Indices count from the
 * beginning of the stream. */
static void perform_stream(struct host *h, struct machine *m) {
  struct result first = { 0, 0 };
  for (;;) {
    uint32_t count = 0;
    if (first.err == 0 && h->now.length > 0) {
      struct result r = perform_checked(h, m);
      memcpy(&count, h->buffer + 4, 4);
      if (r.err) {
        first = (struct result){ r.index < 0 ? r.index : r.index + (int32_t)h->base, r.err };
        answer(h, FAILED, NULL, &first, sizeof first);
      }
      h->base += count;
    }
    if (h->now.flags & END) break;
    uint32_t id = h->now.id;
    if (read_request(h) || h->now.id != id) _exit(1);
  }
  if (first.err == 0) report(h, first);
}

static void perform_request(struct host *h) {
  struct machine m;
  machine_init(&m);
  m.emit = emit;
  m.emit_file = emit_file;
  m.engine = h->fd;
  m.owner = h;
  if (h->now.flags & STREAM) perform_stream(h, &m);
  else report(h, perform_checked(h, &m));
  machine_close(&m);
}

static void perform_forked(struct host *h) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    perform_request(h);
    _exit(0);
  }
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  report(h, (struct result){ -1, pid < 0 ? errno : ECHILD });
}

static void give_back(struct host *h) {
  if (h->now.length > KEEP) madvise(h->buffer, MAX_PROGRAM, MADV_DONTNEED);
}

int host_null = -1;

int host(int fd) {
  struct host h = { .fd = fd, .buffer = mmap(NULL, MAX_PROGRAM + 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) };
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  signal(SIGPIPE, SIG_IGN);
  netfilter_keeper = getpid();
  host_null = open_null();
  int ended = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (h.buffer == MAP_FAILED || ended < 0 || host_null < 0) return 1;
  for (;;) {
    struct pollfd wait[2] = { { .fd = fd, .events = POLLIN }, { .fd = ended, .events = POLLIN } };
    if (poll(wait, 2, -1) < 0) continue;
    if (wait[1].revents) { /* a shim ended */
      struct signalfd_siginfo info;
      while (read(ended, &info, sizeof info) > 0) continue;
      while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    }
    if (!wait[0].revents) continue;
    if (read_request(&h)) return 0;
    if (h.now.flags & (FORKED | STREAM)) perform_forked(&h);
    else perform_request(&h);
    give_back(&h);
  }
}
