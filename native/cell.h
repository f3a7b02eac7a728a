/* cell: the machine that performs programs of system calls. What its parts share. See docs/design/cell.md. */
#ifndef CELL_H
#define CELL_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "ops.h" /* OP_*, op_shape, SLOTS, INIT_PIDFD, HOST_NULL: generated from src/linux/ops.ts */

#define MAX_INTS 8
#define MAX_STRS 9
#define MAX_PROGRAM (8u << 20) /* bytes */

struct str { const char *p; uint32_t len; }; /* NUL-terminated: p[len] == 0 */

struct op {
  uint16_t code, tolerate;
  uint8_t undo;
  int64_t n[MAX_INTS];
  struct str s[MAX_STRS];
};

/* Where a program runs: descriptors and doors. One per performed program. */
struct machine {
  int slot[SLOTS];
  int status; /* init and exec: SEQPACKET to the shim, else -1 */
  int marked; /* all descriptors but stdio close on exec */
  int (*emit)(struct machine *m, uint32_t index, const void *data, size_t len); /* an op's output; may be NULL; 0 or -errno */
  int (*emit_file)(struct machine *m, uint32_t index, int fd, size_t len); /* the same from a file, zeros where it ends early */
  int engine; /* the connection to whom this is performed for, else -1 */
  void *owner;
};

struct result { int32_t index; int32_t err; }; /* err 0: all done */

void machine_init(struct machine *m);
void machine_close(struct machine *m);

/* True if bytes are a well-formed program: every length inside, every code and count as op_shape has it. */
int program_valid(const uint8_t *p, size_t len);
/* Performs a valid program from beginning to end; on failure performs undos of the ops done, last first. */
struct result perform(struct machine *m, const uint8_t *p, size_t len);
/* Decodes the op at *at of a valid program and moves on; 0 at the end. */
int next_op(const uint8_t *p, size_t len, size_t *at, struct op *op);

/* The process that keeps a socket to netfilter open between programs: a host. */
extern pid_t netfilter_keeper;

/* What init and exec'd processes tell the shim: one packet. */
enum { STATUS_FAILED = 1, STATUS_TERMINAL = 2 /* with the master as SCM_RIGHTS */, STATUS_SYNC = 3, STATUS_FORKED = 4,
       STATUS_RESOLVER = 5 /* with a socket, index: which */ };
struct status { uint32_t kind; int32_t index; int32_t err; };

/* The op `shim`: forks the shim, which keeps the descriptors in the slots of `hold`; 0 when it listens on its socket,
 * else errno. In shim.c. */
int shim_fork(struct machine *m, const struct op *op);

/* The two sockets of a resolver, in the network namespace one is in; errno. In shim-dns.c. */
int dns_sockets(int fds[2]);

/* failpoint("name"): dead unless CELL_FAILPOINTS, read once by main, names it: "name=kill", "name=errno:28", "name=sleep:100";
 * several separated by commas. Returns an errno or 0. */
int failpoint(const char *name);

/* A socket bound to a port of the host (and listening, if it is TCP), or -errno. type: SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
 * for SCTP. In perform.c. */
int reserve_port(int family, int type, uint16_t number, const char *address);

int send_all(int fd, const void *data, size_t len);
#endif
