/* The container's process and exec'd ones: how they start, what they say before they exec, how they end. */
#include "shim.h"
#include "sys.h"
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

enum { NEVER_EXECED = 0x40 /* PF_FORKNOEXEC */, DRAIN = 2000, OOM_LOOKS = 20, OOM_PAUSE = 50 };
enum { HIS_IN, HIS_OUT, HIS_ERR, HIS_STATUS, ENDS };

static int index_of(const struct proc *p) { return (int)(p - procs); }

struct proc *find_proc(const uint8_t *id, size_t len) {
  for (int i = 0; i < proc_count; i++)
    if (procs[i].life != UNUSED && strlen(procs[i].id) == len && memcmp(procs[i].id, id, len) == 0) return &procs[i];
  return NULL;
}

static const struct proc BLANK = { .life = UNUSED, .pidfd = -1, .status = -1, .in = -1, .out = -1, .err = -1, .slave = -1, .maker = -1 };

struct proc *make_proc(const uint8_t *id, size_t len, uint8_t flags) {
  int i = len > 0;
  while (i < proc_count && procs[i].life != UNUSED) i++;
  if (i == MAX_PROCS || len > MAX_ID) return NULL;
  if (i == proc_count) proc_count++;
  procs[i] = BLANK;
  procs[i].life = MADE;
  procs[i].flags = flags;
  if (len > 0) memcpy(procs[i].id, id, len);
  return &procs[i];
}

static void drop_program(struct proc *p) {
  if (p->program) munmap(p->program, p->program_len);
  p->program = NULL;
  if (p != procs || !shim.begin) return;
  munmap(shim.begin, shim.begin_len);
  shim.begin = NULL;
}

void proc_forget(struct proc *p) {
  leave_proc(p);
  drop_program(p);
  close_fd(&p->status, &p->status_mask);
  close_fd(&p->in, &p->in_mask);
  close_fd(&p->out, &p->out_mask);
  close_fd(&p->err, &p->err_mask);
  if (p->slave >= 0) close(p->slave);
  if (p->pidfd >= 0) close(p->pidfd);
  *p = BLANK;
  while (proc_count > 1 && procs[proc_count - 1].life == UNUSED) proc_count--;
}

int proc_signal(const struct proc *p, int signal) {
  if (p->life != RUNNING && p->life != STARTING) return ESRCH;
  return syscall(SYS_pidfd_send_signal, p->pidfd, signal, NULL, 0) ? errno : 0;
}

/* --- start ------------------------------------------------------------------------------------------------------ */

static void fail_start(struct proc *p, int32_t index, int32_t err, int parent) {
  proc_signal(p, SIGKILL);
  if (p != procs) {
    tell_failed(p, index, err, parent);
    proc_forget(p);
    return;
  }
  close_fd(&p->status, &p->status_mask);
  shim.failure.index = index;
  shim.failure.err = err;
  shim.failure.parent = (uint8_t)parent;
}

/* The child: nothing of the shim's is left but what its program may use. */
static _Noreturn void become(const struct proc *p, const int his[ENDS]) {
  int kept[] = { his[HIS_STATUS], shim.null, procs[0].pidfd }, first = p == procs;
  struct machine m;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setrlimit(RLIMIT_NOFILE, &shim.files);
  for (int fd = 0; fd < 3; fd++)
    if (dup2(his[fd], fd) < 0) _exit(1);
  close_except(kept, first ? 2 : 3);
  machine_init(&m);
  m.status = his[HIS_STATUS];
  m.slot[HOST_NULL] = shim.null;
  m.slot[INIT_PIDFD] = first ? -1 : procs[0].pidfd;
  int err = failpoint("shim-init");
  struct result r = { -1, err };
  if (err == 0) r = perform(&m, first ? (const uint8_t *)shim.init.p : p->program, first ? shim.init.len : p->program_len);
  /* Of a process that is exiting the kernel forgets that nobody may trace it, before it closes what it has open. */
  close_except(&m.status, 1);
  struct status failed = { STATUS_FAILED, r.index, r.err ? r.err : ENOEXEC };
  if (send(m.status, &failed, sizeof failed, MSG_NOSIGNAL) < 0) _exit(2);
  _exit(1);
}

/* A pipe: one end for us, not blocking, one for the child. */
static int make_pipe(int *ours, int *his, int we_write) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) return errno;
  *ours = ends[we_write];
  *his = ends[!we_write];
  return fcntl(*ours, F_SETFL, O_NONBLOCK) ? errno : 0;
}

static int make_ends(struct proc *p, int his[ENDS]) {
  int pair[2], on = 1, err = 0;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) return errno;
  p->status = pair[0];
  his[HIS_STATUS] = pair[1];
  if (setsockopt(p->status, SOL_SOCKET, SO_PASSCRED, &on, sizeof on)) return errno;
  if (p->flags & TERMINAL) return 0;
  if (p->flags & STDIN) err = make_pipe(&p->in, &his[HIS_IN], 1);
  if (err == 0) err = make_pipe(&p->out, &his[HIS_OUT], 0);
  return err ? err : make_pipe(&p->err, &his[HIS_ERR], 0);
}

static int clone_child(struct proc *p) {
  int his[ENDS] = { -1, -1, -1, -1 }, stdio[ENDS];
  struct clone_args args = {
    .flags = (p == procs ? shim.clone_flags : 0) | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
    .pidfd = (uintptr_t)&p->pidfd,
    .exit_signal = SIGCHLD,
  };
  int err = make_ends(p, his);
  for (int i = 0; i < ENDS; i++) stdio[i] = his[i] < 0 ? shim.null : his[i];
  long pid = err ? -1 : syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) become(p, stdio);
  if (err == 0 && pid < 0) err = errno;
  for (int i = 0; i < ENDS; i++)
    if (his[i] >= 0) close(his[i]);
  if (pid > 0) p->pid = (pid_t)pid;
  return err;
}

void proc_start(struct proc *p) {
  int err = clone_child(p);
  p->life = STARTING;
  p->maker = -1;
  if (!(p->flags & STDIN)) p->in_closed = 1;
  if (err == 0) err = failpoint("shim-cloned");
  if (err) return fail_start(p, -1, err, 0);
  watch(p->status, &p->status_mask, EPOLLIN, FROM_STATUS, index_of(p));
  output_await(p);
  stdin_ready(p);
}

/* --- what it says before it execs -------------------------------------------------------------------------------- */

static void take_terminal(struct proc *p, int master) {
  if (!(p->flags & TERMINAL) || p->out >= 0) {
    close(master);
    return;
  }
  p->out = master;
  fcntl(master, F_SETFL, O_NONBLOCK);
  p->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (p->flags & STDIN) p->in = fcntl(master, F_DUPFD_CLOEXEC, 3);
  proc_resize(p);
  output_await(p);
  stdin_ready(p);
}

/* Of a pid that `fork` has made: the process is it from now on. Only children of ours are believed. */
static void take_forked(struct proc *p, pid_t pid) {
  siginfo_t info;
  if (p->forked || pid <= 0 || pid == p->pid || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) return;
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return;
  close(p->pidfd);
  p->pidfd = fd;
  p->pid = pid;
  p->forked = 1;
  p->gone = 0;
}

/* At the barrier: the container waits while its parent does what only it can do. */
static struct result perform_parent(struct proc *p) {
  struct machine m;
  if (p != procs || shim.parent.len == 0) return (struct result){ 0, 0 };
  machine_init(&m);
  m.slot[INIT_PIDFD] = fcntl(p->pidfd, F_DUPFD_CLOEXEC, 3);
  m.slot[HOST_NULL] = fcntl(shim.null, F_DUPFD_CLOEXEC, 3);
  struct result r = perform(&m, (const uint8_t *)shim.parent.p, shim.parent.len);
  machine_close(&m);
  return r;
}

/* Field 9 and 22 of /proc/pid/stat. A process that nobody has waited for has it even when it is dead. */
static int read_stat(pid_t pid, uint64_t *ticks) {
  char path[32], text[1024];
  unsigned flags = 0;
  unsigned long long start = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (n <= 0) return 0;
  text[n] = 0;
  char *rest = strrchr(text, ')');
  if (rest) sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &flags, &start);
  *ticks = start;
  return (flags & NEVER_EXECED) != 0;
}

static void ended(struct proc *p) {
  p->life = ENDED;
  p->ended = unix_ns();
  p->deadline = monotonic_ms() + DRAIN;
  oom_look();
  p->oom = shim.oom_kills > 0 && (p == procs || p->signal == SIGKILL);
  if (p->slave >= 0) close(p->slave);
  p->slave = -1;
  p->in_closed = 1;
  close_fd(&p->in, &p->in_mask);
  stdin_ready(p);
  output_await(p);
  proc_settle(p);
}

/* Nobody holds the other end of status any more: it is executing, or dead. */
static void executed(struct proc *p) {
  close_fd(&p->status, &p->status_mask);
  int virgin = p->gone ? p->virgin : read_stat(p->pid, &p->ticks);
  if (virgin) return fail_start(p, -1, ESRCH, 0);
  p->life = RUNNING;
  p->started = unix_ns();
  drop_program(p);
  if (p == procs) oom_look();
  tell_started(p);
  if (p->gone) ended(p);
}

/* One packet: 0 at the end, -1 when there is none now. pid: who said it; fd: what came with it, or -1. */
static int read_status(struct proc *p, struct status *s, pid_t *pid, int *fd) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
  struct iovec data = { s, sizeof *s };
  struct msghdr msg = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
  ssize_t n = recvmsg(p->status, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? -1 : 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
    struct ucred who;
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) memcpy(&who, CMSG_DATA(c), sizeof who), *pid = who.pid;
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
      if (*fd >= 0) close(*fd);
      memcpy(fd, (char *)c + at, sizeof(int));
    }
  }
  if (n != sizeof *s) s->kind = 0;
  return n == 0 ? 0 : 1;
}

void proc_status(struct proc *p) {
  while (p->status >= 0) {
    struct status s = { 0, 0, 0 };
    pid_t pid = 0;
    int fd = -1, got = read_status(p, &s, &pid, &fd);
    if (got < 0) return;
    if (fd >= 0 && s.kind == STATUS_TERMINAL) take_terminal(p, fd);
    else if (fd >= 0 && s.kind == STATUS_RESOLVER && p == procs) dns_take_socket(fd, s.index);
    else if (fd >= 0) close(fd);
    if (got == 0) return executed(p);
    if (s.kind == STATUS_FAILED) return fail_start(p, s.index, s.err ? s.err : EINVAL, 0);
    if (s.kind == STATUS_FORKED) take_forked(p, pid);
    if (s.kind != STATUS_SYNC) continue;
    struct result r = perform_parent(p);
    if (r.err) return fail_start(p, r.index, r.err, 1);
    send(p->status, &r.err, sizeof r.err, MSG_NOSIGNAL);
  }
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

void proc_reaped(pid_t pid, int status) {
  struct proc *p = procs;
  while (p < procs + proc_count && !(p->pid == pid && (p->life == STARTING || p->life == RUNNING))) p++;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) oom_look();
  if (p == procs + proc_count || (p == procs && shim.failure.err)) return;
  p->signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
  p->code = p->signal ? 128 + p->signal : (uint32_t)WEXITSTATUS(status);
  if (p->life == RUNNING) return ended(p);
  p->gone = 1;
  p->virgin = (uint8_t)read_stat(pid, &p->ticks);
}

/* Tmp, fsync, rename, fsync of the folder: it is there as a whole, or not at all. */
static int write_record(const struct proc *p) {
  char path[4096], tmp[4096 + 8], text[512], ended_at[31], started_at[31], extra[32] = "";
  if (snprintf(path, sizeof path, "%s%s%s", shim.record.p, p == procs ? "" : ".", p->id) >= (int)sizeof path) return ENAMETOOLONG;
  snprintf(tmp, sizeof tmp, "%s.tmp", path);
  format_time(ended_at, p->ended, 0);
  format_time(started_at, p->started, 0);
  if (p == procs && shim.teardown_err) snprintf(extra, sizeof extra, ",\"teardown\":%d", shim.teardown_err);
  int len = snprintf(text, sizeof text, "{\"code\":%u,\"signal\":%u,\"time\":\"%s\",\"oom\":%s,\"pid\":%d,\"startedAt\":\"%s\"%s}\n",
                     p->code, p->signal, ended_at, p->oom ? "true" : "false", p->pid, started_at, extra);
  int err = failpoint("shim-record");
  if (err) return err;
  int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  err = -send_all(fd, text, (size_t)len);
  if (err == 0 && fsync(fd)) err = errno;
  close(fd);
  if (err == 0) err = failpoint("shim-record-tmp");
  if (err == 0 && rename(tmp, path)) err = errno;
  if (err == 0) err = failpoint("shim-record-renamed");
  char *name = strrchr(path, '/');
  if (err || !name) return err;
  name[1] = 0;
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || fsync(folder)) err = errno;
  if (folder >= 0) close(folder);
  return err;
}

void proc_settle(struct proc *p) {
  if (p->life != ENDED) return;
  for (int stream = 1; stream <= 2; stream++)
    for (int i = 0; i < 32 && output_read(p, stream); i++) continue;
  output_await(p);
  if (p == procs && (shim.phase != STOPPING || shim.teardown_pid)) return;
  if (monotonic_ms() >= p->deadline) { /* somebody else holds them; what a full client holds back is still awaited */
    if (p->out_mask) close_fd(&p->out, &p->out_mask);
    if (p->err_mask) close_fd(&p->err, &p->err_mask);
  }
  if (p->out >= 0 || p->err >= 0) return;
  if (p == procs) log_end(1), log_end(2), log_flush();
  int err = shim.flags & TIED ? 0 : write_record(p); /* nobody will ask */
  if (err && err != ENOENT && err != ENOTDIR && control_count() == 0) { /* nobody knows of the end: it must not be lost */
    p->deadline = monotonic_ms() + 1000;
    return;
  }
  failpoint("shim-exited");
  if (p == procs) withdraw();
  tell_exited(p);
  proc_forget(p);
}

pid_t perform_teardown(void) {
  struct machine m;
  struct result r = { 0, 0 };
  if (shim.teardown.len == 0) return 0;
  pid_t pid = fork();
  if (pid > 0) return pid;
  if (pid == 0) close_except(&shim.null, 1);
  machine_init(&m);
  m.slot[HOST_NULL] = fcntl(shim.null, F_DUPFD_CLOEXEC, 3);
  r = perform(&m, (const uint8_t *)shim.teardown.p, shim.teardown.len);
  if (pid == 0) _exit(r.err & 0xff);
  machine_close(&m);
  shim.teardown_err = r.err;
  return 0;
}

/* --- the window, the memory -------------------------------------------------------------------------------------- */

void proc_resize(const struct proc *p) {
  struct winsize size = { .ws_row = p->rows, .ws_col = p->cols };
  if (p->out >= 0 && (p->rows || p->cols)) ioctl(p->out, TIOCSWINSZ, &size);
}

/* v2 has a file that can be polled; v1 wants an eventfd, which it signals before it kills. */
static void oom_watch(void) {
  char path[4096], text[64];
  uint32_t none = 0;
  shim.cgroup = open(shim.oom.p, O_RDONLY | O_CLOEXEC);
  const char *name = strrchr(shim.oom.p, '/');
  if (shim.cgroup < 0) return;
  if (!name || strcmp(name, "/memory.oom_control") != 0) return watch(shim.cgroup, &none, EPOLLPRI, FROM_CGROUP, 0);
  snprintf(path, sizeof path, "%.*s/cgroup.event_control", (int)(name - shim.oom.p), shim.oom.p);
  shim.cgroup_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int control = open(path, O_WRONLY | O_CLOEXEC), len = snprintf(text, sizeof text, "%d %d", shim.cgroup_event, shim.cgroup);
  if (control >= 0 && write(control, text, (size_t)len) == len) watch(shim.cgroup_event, &none, EPOLLIN, FROM_CGROUP, 0);
  if (control >= 0) close(control);
}

void oom_look(void) {
  char text[1024];
  uint64_t signals;
  if (shim.oom.len == 0) return;
  if (shim.cgroup < 0) oom_watch();
  if (shim.cgroup_event >= 0 && read(shim.cgroup_event, &signals, sizeof signals) > 0) shim.oom_looks = OOM_LOOKS;
  ssize_t n = shim.cgroup < 0 ? -1 : pread(shim.cgroup, text, sizeof text - 1, 0);
  if (n < 0 && shim.cgroup >= 0) { /* the cgroup is gone: a poll of it would never end */
    close(shim.cgroup);
    shim.cgroup = -1;
    shim.oom.len = 0;
  }
  if (n < 0) return;
  text[n] = 0;
  char *line = strncmp(text, "oom_kill ", 9) == 0 ? text : strstr(text, "\noom_kill ");
  int64_t kills = line ? atoll(line + 9 + (*line == '\n')) : 0;
  if (kills > shim.oom_kills) {
    shim.oom_kills = kills;
    shim.oom_looks = 0;
    tell_oom();
  }
  shim.oom_again = shim.oom_looks > 0 ? monotonic_ms() + OOM_PAUSE : 0;
  if (shim.oom_looks > 0) shim.oom_looks--;
}
