/* The shim's life: forked from a host, one epoll loop, its end. */
#include "host.h"
#include "shim.h"
#include "sys.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum { START_WITHIN = 60000, STUCK = 10000, IDLE = 1000, FILES = 4096 };

struct shim shim;
struct proc procs[MAX_PROCS];
struct client clients[PLACES];
int proc_count, client_count;
static int64_t born;

/* --- small things ----------------------------------------------------------------------------------------------- */

static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t unix_ns(void) { return clock_ns(CLOCK_REALTIME); }
int64_t monotonic_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
int64_t monotonic_ms(void) { return monotonic_ns() / 1000000; }

void watch(int fd, uint32_t *have, uint32_t want, enum source source, int index) {
  if (*have == want || fd < 0) return;
  struct epoll_event event = { .events = want, .data.u64 = (uint64_t)source << 32 | (uint32_t)index };
  epoll_ctl(shim.epoll, *have == 0 ? EPOLL_CTL_ADD : want == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, fd, &event);
  *have = want;
}

void close_fd(int *fd, uint32_t *mask) {
  if (*fd < 0) return;
  watch(*fd, mask, 0, 0, 0);
  close(*fd);
  *fd = -1;
}

/* Closes every descriptor above 2 that is not named. */
void close_except(int *fds, int count) {
  unsigned from = 3;
  for (int done = 0; done < count; done++) {
    int least = done;
    for (int i = done + 1; i < count; i++)
      if (fds[i] < fds[least]) least = i;
    int fd = fds[least];
    fds[least] = fds[done];
    fds[done] = fd;
    if (fd < (int)from) continue;
    if (fd > (int)from) syscall(SYS_close_range, from, (unsigned)fd - 1, 0);
    from = (unsigned)fd + 1;
  }
  syscall(SYS_close_range, from, ~0u, 0);
}

void *keep(size_t len) {
  void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

/* --- birth ------------------------------------------------------------------------------------------------------ */

/* Copies strings out of the host's memory into one mapping. */
static void *adopt(struct str **strs, int count, size_t *len) {
  *len = 0;
  for (int i = 0; i < count; i++) *len += (strs[i]->len + 1 + 7) & ~7u;
  char *to = keep(*len), *at = to;
  for (int i = 0; to && i < count; i++) {
    memcpy(at, strs[i]->p, strs[i]->len);
    strs[i]->p = at;
    at += (strs[i]->len + 1 + 7) & ~7u;
  }
  return to;
}

/* The host's copy of what was adopted: whole pages of it are given back. */
static void release_host(const struct op *op) {
  uintptr_t from = UINTPTR_MAX, to = 0;
  for (int i = 0; i < (op_shape(OP_SHIM) & 0xff); i++) {
    if ((uintptr_t)op->s[i].p < from) from = (uintptr_t)op->s[i].p;
    if ((uintptr_t)op->s[i].p + op->s[i].len > to) to = (uintptr_t)op->s[i].p + op->s[i].len;
  }
  from = (from + 4095) & ~(uintptr_t)4095;
  to &= ~(uintptr_t)4095;
  if (from < to) madvise((void *)from, to - from, MADV_DONTNEED);
}

static int adopt_op(const struct op *op) {
  struct shim s = {
    .id = op->s[SHIM_ID], .socket = op->s[SHIM_SOCKET], .record = op->s[SHIM_RECORD], .log = op->s[SHIM_LOG],
    .attrs = op->s[SHIM_LOG_ATTRS], .oom = op->s[SHIM_OOM], .parent = op->s[SHIM_PARENT], .init = op->s[SHIM_INIT],
    .teardown = op->s[SHIM_TEARDOWN], .flags = (int)op->n[SHIM_FLAGS], .clone_flags = (uint64_t)op->n[SHIM_CLONE_FLAGS],
    .log_max = op->n[SHIM_LOG_MAX_SIZE], .log_files = (int)op->n[SHIM_LOG_MAX_FILES],
    .cgroup = -1, .cgroup_event = -1,
  };
  if (s.id.len > MAX_ID || s.attrs.len > MAX_ATTRS || s.log.len > 4000 || s.record.len > 4000 || s.log_files > 10000) return EINVAL;
  const struct str *programs[] = { &s.parent, &s.init, &s.teardown };
  for (int i = 0; i < 3; i++)
    if (programs[i]->len && !program_valid((const uint8_t *)programs[i]->p, programs[i]->len)) return EBADMSG;
  struct str *lasting[] = { &s.id, &s.socket, &s.record, &s.log, &s.attrs, &s.oom, &s.teardown };
  struct str *begin[] = { &s.parent, &s.init };
  size_t len;
  if (!adopt(lasting, 7, &len) || !(s.begin = adopt(begin, 2, &s.begin_len))) return ENOMEM;
  shim = s;
  release_host(op);
  return 0;
}

/* 0, 1 and 2 are a null device, and so is shim.null; one that is none would let a container's output go anywhere. Opened
 * anew: flags of an open file are shared by all that have it. */
static int take_null(void) {
  char path[40];
  struct stat st;
  snprintf(path, sizeof path, "/proc/self/fd/%d", host_null);
  shim.null = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
  close(host_null);
  if (shim.null < 0) return errno;
  if (fstat(shim.null, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) return ENODEV;
  for (int fd = 0; fd < 3; fd++)
    if (dup2(shim.null, fd) < 0) return errno;
  return 0;
}

static int listen_on_socket(void) {
  uint32_t none = 0;
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  if (shim.socket.len >= sizeof address.sun_path) return ENAMETOOLONG;
  memcpy(address.sun_path, shim.socket.p, shim.socket.len);
  int err = failpoint("shim-bind");
  if (err) return err;
  shim.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (shim.listener < 0) return errno;
  umask(0177);
  err = bind(shim.listener, (struct sockaddr *)&address, sizeof address) ? errno : 0;
  umask(022);
  if (err) return err;
  if (listen(shim.listener, 128)) return errno;
  watch(shim.listener, &none, EPOLLIN, FROM_LISTENER, 0);
  return 0;
}

static int open_loop(void) {
  sigset_t all;
  uint32_t none = 0;
  sigfillset(&all);
  shim.epoll = epoll_create1(EPOLL_CLOEXEC);
  shim.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (shim.epoll < 0 || shim.signals < 0) return errno;
  watch(shim.signals, &none, EPOLLIN, FROM_SIGNALS, 0);
  return 0;
}

/* Five descriptors an exec'd process; children get back what the host had. */
static void raise_files(void) {
  getrlimit(RLIMIT_NOFILE, &shim.files);
  struct rlimit files = shim.files;
  files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
  setrlimit(RLIMIT_NOFILE, &files);
}

static int come_alive(struct machine *m, const struct op *op, int report) {
  int held[SLOTS + 1] = { report }, kept[SLOTS + 2] = { host_null }, count = 1;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL); /* only SIGKILL ends a shim; a broken pipe is an errno */
  for (int i = 1; i < NSIG; i++) signal(i, SIG_DFL); /* clone3 leaves what is ignored ignored */
  setsid();
  prctl(PR_SET_NAME, "cell shim");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  umask(022);
  if (chdir("/")) return errno;
  for (int i = 0; i < SLOTS; i++)
    if ((uint64_t)op->n[SHIM_HOLD] >> i & 1 && m->slot[i] >= 0) held[count++] = m->slot[i];
  memcpy(kept + 1, held, (size_t)count * sizeof *held);
  close_except(kept, count + 1);
  int err = adopt_op(op);
  shim.held_count = count - 1;
  for (int i = 0, k = 0; i < count; i++)
    if (held[i] != report) shim.held[k++] = held[i];
  if (err == 0) err = take_null();
  if (err == 0) err = log_open();
  if (err == 0) err = open_loop();
  return err ? err : listen_on_socket();
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static void stop(void) {
  shim.phase = STOPPING;
  dns_close();
  shim.teardown_pid = perform_teardown();
}

static _Noreturn void leave(void) { _exit(0); }

/* It was never started. */
static _Noreturn void abandon(void) {
  unlink(shim.socket.p);
  leave();
}

/* True when no exec'd process is left; what outlives the container's teardown is killed. */
static int execs_ended(void) {
  int left = 0;
  for (int i = 1; i < proc_count; i++) {
    if (procs[i].life == MADE || procs[i].life == UNUSED) continue;
    proc_signal(&procs[i], SIGKILL);
    left++;
  }
  return left == 0;
}

/* Gives up what the container's next start needs, before anybody is told that this one has ended: the socket's name, the
 * ports. */
void withdraw(void) {
  if (shim.listener < 0) return;
  close(shim.listener);
  unlink(shim.socket.p);
  shim.listener = -1;
  for (int i = 0; i < shim.held_count; i++) close(shim.held[i]);
  shim.held_count = 0;
}

/* Everybody is told; what is queued is sent. */
static void close_down(void) {
  for (int i = client_count - 1; i >= 0; i--) client_leave(&clients[i]);
  shim.phase = CLOSING;
}

/* Takes the steps towards the end that are due. */
static void advance(void) {
  if (shim.phase == LIVE && (shim.failure.err || procs[0].life == ENDED)) stop();
  if (shim.phase == STOPPING && !shim.teardown_pid) {
    if (shim.failure.err) {
      withdraw();
      tell_failed(&procs[0], shim.failure.index, shim.failure.err, shim.failure.parent);
      proc_forget(&procs[0]);
    } else if (execs_ended()) {
      proc_settle(&procs[0]);
    }
    if (procs[0].life == UNUSED) close_down();
  }
  if (shim.phase == CLOSING && client_count == 0) leave();
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

static void reap(void) {
  struct signalfd_siginfo info[8];
  while (read(shim.signals, info, sizeof info) > 0) continue;
  for (;;) {
    siginfo_t child = { .si_pid = 0 };
    /* Looked at first, taken later: what the process last said is read while its pid is still its own. */
    if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) || child.si_pid == 0) return;
    for (int i = 0; i < proc_count; i++)
      if (procs[i].status >= 0) proc_status(&procs[i]);
    int status = child.si_code == CLD_EXITED ? child.si_status << 8 : child.si_status;
    if (child.si_pid == shim.teardown_pid) {
      shim.teardown_pid = 0;
      shim.teardown_err = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
    } else {
      proc_reaped(child.si_pid, status);
    }
    waitpid(child.si_pid, NULL, __WALL);
  }
}

static void dispatch(enum source source, int index, uint32_t events) {
  switch (source) {
  case FROM_LISTENER: return;
  case FROM_SIGNALS: return reap();
  case FROM_CGROUP: return oom_look();
  case FROM_CLIENT: return client_ready(&clients[index], events);
  case FROM_STATUS: return proc_status(&procs[index]);
  case FROM_OUT: return output_ready(&procs[index], 1);
  case FROM_ERR: return output_ready(&procs[index], 2);
  case FROM_IN: return stdin_ready(&procs[index]);
  case FROM_NAMES: return dns_ready(index);
  }
}

static int sooner(int wait, int64_t deadline, int64_t now) {
  int64_t left = deadline > now ? deadline - now : 0;
  return wait < 0 || left < wait ? (int)left : wait;
}

/* Processes whose outputs should have ended, terminals that hung up. */
static int proc_timers(int wait, int64_t now) {
  for (int i = 0; i < proc_count; i++) {
    struct proc *p = &procs[i];
    if (p->life == UNUSED || p->deadline == 0) continue;
    if (now < p->deadline) {
      wait = sooner(wait, p->deadline, now);
    } else if (p->life == ENDED) {
      proc_settle(p);
      if (p->life == ENDED && p->deadline > now) wait = sooner(wait, p->deadline, now);
    } else {
      p->deadline = 0;
      output_ready(p, 1);
      if (p->deadline) wait = sooner(wait, p->deadline, now);
    }
  }
  return wait;
}

/* Clients that do not take the last of it. */
static int client_timers(int wait, int64_t now) {
  for (int i = client_count - 1; i >= 0; i--) {
    struct client *c = &clients[i];
    int last = c->leaving || (c->kind == ATTACHED && c->proc >= 0 && procs[c->proc].life == ENDED);
    if (c->kind == NOBODY || !last || c->ring_len == 0) continue;
    if (now >= c->moved + STUCK) client_drop(c);
    else wait = sooner(wait, c->moved + STUCK, now);
  }
  return wait;
}

/* Does what is overdue; how long to wait for more, in ms, -1: forever. */
static int timers(int busy) {
  int64_t now = monotonic_ms();
  int wait = busy ? IDLE : -1;
  if (shim.phase == WAITING) {
    if (now - born >= START_WITHIN) abandon();
    wait = sooner(wait, born + START_WITHIN, now);
  }
  if (shim.oom_again) {
    if (now >= shim.oom_again) oom_look();
    if (shim.oom_again) wait = sooner(wait, shim.oom_again, now);
  }
  return client_timers(proc_timers(wait, now), now);
}

/* One round. New connections come last: what this round tells of a client is not about the next in its place. */
static int turn(int busy) {
  struct epoll_event events[32];
  int more = dns_crowded(), wait = timers(busy), n = epoll_wait(shim.epoll, events, 32, more ? 0 : wait), calls = 0;
  if (n == 0 && busy && !more) log_release(), stream_release(), client_release(), dns_release();
  for (int i = 0; i < n; i++) {
    enum source source = (enum source)(events[i].data.u64 >> 32);
    if (source == FROM_LISTENER) calls = 1;
    else dispatch(source, (int)(uint32_t)events[i].data.u64, events[i].events);
  }
  if (calls) client_accept();
  log_flush();
  return n > 0 || more;
}

static _Noreturn void live(void) {
  int busy = 1;
  born = monotonic_ms();
  for (;;) {
    advance();
    busy = turn(busy);
    if (shim.phase == WAITING && shim.had_control && control_count() == 0) abandon();
    if (shim.phase == LIVE && shim.flags & TIED && control_count() == 0) proc_signal(&procs[0], SIGKILL);
  }
}

int shim_fork(struct machine *m, const struct op *op) {
  int report[2], err = ECHILD;
  if (pipe2(report, O_CLOEXEC)) return errno;
  pid_t pid = fork();
  if (pid == 0) {
    err = come_alive(m, op, report[1]);
    if (send_all(report[1], &err, sizeof err) || err) _exit(1);
    close(report[1]);
    raise_files();
    make_proc(NULL, 0, (uint8_t)(shim.flags & (TERMINAL | STDIN | STDIN_ONCE)));
    live();
  }
  if (pid < 0) err = errno;
  close(report[1]);
  if (pid > 0 && read(report[0], &err, sizeof err) != sizeof err) err = ECHILD;
  close(report[0]);
  return err;
}
