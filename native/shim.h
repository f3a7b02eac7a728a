/* The shim: what its parts share. See docs/design/shim.md. */
#ifndef SHIM_H
#define SHIM_H
#include "cell.h"
#include <sys/resource.h>

enum {
  MAX_CLIENTS = 64,
  PLACES = 72,             /* for more connections, which are told that there are too many */
  MAX_PROCS = 257,         /* the container's own process is the first */
  MAX_ID = 64,
  MAX_KEYS = 64,           /* bytes of a detach key sequence */
  CHUNK = 65536,           /* read at once from the container or from a client */
  QUEUE = CHUNK + 4096,    /* a client that has more to take than this holds the container's output back */
  RING = 262144,           /* room of a client's queue: what the pipes of an ended process still hold fits as well */
  INPUT = CHUNK + 4096,    /* what is kept of a client's input: with room for detach keys held back */
  MAX_ATTRS = 32768,
};

enum { TERMINAL = 1, STDIN = 2, STDIN_ONCE = 4, LOG = 8, TIED = 16 }; /* flags of the op `shim` */
enum { ATTACH_STDIN = 1, ATTACH_STDOUT = 2, ATTACH_STDERR = 4, ATTACH_UNFINISHED = 8 };
enum { M_CONTROL = 1, M_ATTACH = 2, M_START = 10, M_EXEC, M_EXEC_START, M_RESIZE, M_SIGNAL, M_ROTATE, M_CLOSE_STDIN, M_NAMES, M_ANSWER, M_PORTS };
enum { M_OK = 20, M_ERROR, M_ATTACHED, M_STATE = 30, M_STARTED, M_FAILED, M_EXITED, M_DETACHED, M_OOM, M_LOG_ERROR, M_QUERY };

/* What epoll tells about; with an index it is its 64 bits. */
enum source { FROM_LISTENER, FROM_SIGNALS, FROM_CGROUP, FROM_CLIENT, FROM_STATUS, FROM_OUT, FROM_ERR, FROM_IN, FROM_NAMES };

/* A process: the container's own (procs[0]) or an exec'd one. */
struct pace { int64_t at, due; }; /* of an output, monotonic ns: when it was read last, and should be next; 0: at once */

struct proc {
  enum { UNUSED, MADE, STARTING, RUNNING, ENDED } life;
  char id[MAX_ID + 1];
  uint8_t flags;           /* TERMINAL, STDIN, STDIN_ONCE */
  pid_t pid;
  int pidfd, status;       /* status: our end of the pair until exec has happened */
  int in, out, err, slave; /* our ends; a terminal's master is `out`, a copy of it `in`; slave keeps it from hanging up */
  uint32_t in_mask, out_mask, err_mask, status_mask;
  uint8_t in_closing, in_closed; /* closing: as soon as what clients have sent is written */
  uint16_t rows, cols;
  uint8_t *program;        /* of an exec: a mapping of its own, until it is started */
  uint32_t program_len;
  int maker;               /* the client that made it, until it is started; -1 */
  uint8_t forked, gone, virgin; /* gone: the first process is reaped while another holds status; virgin: it never exec'd */
  uint32_t code, signal;
  int64_t started, ended;  /* unix ns */
  uint64_t ticks;
  int64_t deadline;        /* monotonic ms; ENDED: for the end of its outputs; before: to try a hung-up terminal again, or 0 */
  int oom;
  struct pace pace[2];
};

struct client {
  enum { NOBODY, NEW, CONTROL, ATTACHED } kind;
  int fd, proc;            /* proc: index, -1 when it is gone */
  uint8_t flags, key_count, matched, keys[MAX_KEYS];
  uint8_t in_ended;        /* 1: its end is read, 2: and passed on */
  uint8_t gone, leaving;   /* gone: it takes no more output; leaving: it gets none, and is closed when its queue is empty */
  uint8_t big_type;
  uint32_t mask;
  uint32_t in_at, in_len;  /* what is kept of its input */
  uint32_t ring_at, ring_len;
  uint8_t *big;            /* a frame that does not fit the input buffer */
  uint32_t big_len, big_have;
  int64_t moved;           /* when its queue last got shorter, monotonic ms */
};

struct shim {
  struct str id, socket, record, log, attrs, oom, parent, init, teardown;
  int flags, log_files;
  uint64_t clone_flags;
  int64_t log_max;
  void *begin;             /* the mapping of init and parent, until the start */
  size_t begin_len;
  struct rlimit files;     /* as the host had it */
  int held[SLOTS], held_count;
  int epoll, listener, signals, null, cgroup, cgroup_event;
  enum { WAITING, LIVE, STOPPING /* teardown is performed */, CLOSING /* everybody is told; queues run empty */ } phase;
  struct { int32_t index, err; uint8_t parent; } failure; /* of the start; err 0: none */
  int had_control;
  pid_t teardown_pid;
  int teardown_err;
  int64_t oom_kills, oom_again; /* again: when to look once more, monotonic ms, or 0 */
  int oom_looks;
};

extern struct shim shim;
extern struct proc procs[MAX_PROCS];
extern struct client clients[PLACES];
extern int proc_count, client_count; /* one more than the last used */

/* shim.c */
int64_t unix_ns(void);
int64_t monotonic_ns(void);
int64_t monotonic_ms(void);
/* Tells epoll what is awaited of fd; want 0: nothing, not even a hang-up. */
void watch(int fd, uint32_t *have, uint32_t want, enum source source, int index);
void close_fd(int *fd, uint32_t *mask);
void close_except(int *fds, int count);
void *keep(size_t len); /* a mapping, or NULL */
void withdraw(void);

/* shim-process.c: starts, states, ends, records */
struct proc *find_proc(const uint8_t *id, size_t len);
struct proc *make_proc(const uint8_t *id, size_t len, uint8_t flags); /* NULL: too many */
void proc_start(struct proc *p);
void proc_status(struct proc *p);
void proc_reaped(pid_t pid, int status);
void proc_settle(struct proc *p); /* its end is told when its outputs have ended */
void proc_forget(struct proc *p);
int proc_signal(const struct proc *p, int signal); /* errno */
void proc_resize(const struct proc *p);
void oom_look(void);
pid_t perform_teardown(void); /* 0: done */

/* shim-stream.c: between processes and those attached */
int output_read(struct proc *p, int stream); /* stream 1 stdout, 2 stderr; 1: there may be more, 0: not now */
void output_ready(struct proc *p, int stream);
void output_await(struct proc *p);
void stdin_ready(struct proc *p);
void stdin_close(struct proc *p);
void attached_ready(struct client *c);
void attached_take(struct client *c, const uint8_t *data, size_t len);
void attached_begin(struct client *c);
void stream_release(void);

/* shim-client.c: connections and their queues */
extern uint8_t inputs[PLACES][INPUT];
void client_accept(void);
void client_ready(struct client *c, uint32_t events);
void client_put(struct client *c, const void *head, size_t head_len, const void *data, size_t len);
void client_await(struct client *c);
void client_drop(struct client *c);
void client_leave(struct client *c);
void leave_proc(const struct proc *p); /* everybody attached to p gets the rest and the end */
int control_count(void);
int is_full(void);
void client_release(void);

/* shim-order.c: what control clients say and are told */
void take_frame(struct client *c, uint8_t type, uint8_t *payload, size_t len);
void tell_started(const struct proc *p);
void tell_failed(const struct proc *p, int32_t index, int32_t err, int parent);
void tell_exited(const struct proc *p);
void tell_detached(const struct proc *p);
void tell_oom(void);
void tell_log_error(int err);
void answer_error(struct client *c, int err);

/* shim-ports.c: holds these and no others; errno: nothing has changed */
int ports_hold(const uint8_t *list, size_t len);

/* shim-dns.c */
int dns_names(int client, const uint8_t *payload, size_t len); /* errno */
void dns_answer(const uint8_t *payload, size_t len);
void dns_take_socket(int fd, int index);
void dns_ready(int index);
int dns_crowded(void); /* answers for a while if many ask; true when there is more to do at once */
void dns_lost(int client); /* a control client has gone */
void dns_close(void);
void dns_release(void);

/* shim-log.c */
int log_open(void); /* errno */
int log_reopen(void);
void log_output(int stream, const uint8_t *data, size_t len);
void log_end(int stream);  /* writes an unfinished line */
void log_flush(void);
void log_place(uint64_t *offset, uint32_t *generation);
const uint8_t *log_unfinished(int stream, size_t *len);
void log_release(void);
int format_time(char *out, int64_t ns, int trim); /* RFC 3339, UTC; out: 31 bytes. Its length */
#endif
