/* cell: performs programs of system calls. Its lives: host (here), shim (shim.c) and init (forked by the shim). */
#include "cell.h"
#include "host.h"
#include "sys.h"
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>

extern char **environ;

enum { ENGINE_SOCKET = 3, SOFT_FILES = 1024, POINTS = 16 };

/* --- failpoints ------------------------------------------------------------------------------------------------- */

static struct { const char *name; const char *action; long after; } points[POINTS];
static int point_count;

/* "name=kill,name=errno:28@3": @N waits for the Nth time. Splits its argument in place. */
static void arm_failpoints(char *text) {
  for (char *item; text && point_count < POINTS && (item = strsep(&text, ","));) {
    char *action = strchr(item, '='), *after;
    if (!action) continue;
    *action++ = 0;
    if ((after = strchr(action, '@'))) *after++ = 0;
    points[point_count].name = item;
    points[point_count].action = action;
    points[point_count++].after = after ? atol(after) : 1;
  }
}

int failpoint(const char *name) {
  for (int i = 0; i < point_count; i++) {
    if (strcmp(points[i].name, name) != 0 || --points[i].after != 0) continue;
    if (strcmp(points[i].action, "kill") == 0) kill(getpid(), SIGKILL);
    if (strncmp(points[i].action, "errno:", 6) == 0) return atoi(points[i].action + 6);
    long ms = strncmp(points[i].action, "sleep:", 6) == 0 ? atol(points[i].action + 6) : 0;
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
  }
  return 0;
}

/* --- start ------------------------------------------------------------------------------------------------------ */

/* Goes on in a sealed copy of this program, so that no container that gets hold of /proc/PID/exe can ever write to what
 * the next container runs (CVE-2019-5736). Returns only on failure. */
__attribute__((unused)) static int reexec_sealed(char **argv) {
  const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (self < 0 || fstat(self, &st)) return -errno;
  int sealed = fcntl(self, F_GET_SEALS); /* -1: an ordinary file */
  if (sealed >= 0 && (sealed & seals) == seals) return close(self), 0;
  int copy = memfd_create("cell", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (copy < 0) copy = memfd_create("cell", MFD_CLOEXEC | MFD_ALLOW_SEALING); /* before Linux 6.3 */
  if (copy < 0 || fchmod(copy, 0500)) return -errno;
  for (off_t at = 0; at < st.st_size;)
    if (sendfile(copy, self, &at, (size_t)(st.st_size - at)) <= 0) return -EIO;
  if (fcntl(copy, F_ADD_SEALS, seals)) return -errno;
  fexecve(copy, argv, environ);
  return -errno;
}

/* Node raises the soft limit of open files to the hard one; what cell starts gets the customary one back. */
static void reset_limits(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files)) return;
  if (files.rlim_cur > SOFT_FILES) files.rlim_cur = SOFT_FILES;
  setrlimit(RLIMIT_NOFILE, &files);
}

/* Reads one program from standard input and tells whether it is well-formed: for fuzzing the decoder. */
static int check(void) {
  static uint8_t program[1 << 20];
  size_t len = 0;
  for (ssize_t n; len < sizeof program && (n = read(0, program + len, sizeof program - len)) > 0;) len += (size_t)n;
  if (!program_valid(program, len)) return 1;
  struct op op;
  unsigned long sum = 0;
  for (size_t at = 0; next_op(program, len, &at, &op);)
    for (int i = 0; i < (op_shape(op.code) & 0xff); i++) sum += strlen(op.s[i].p) + op.s[i].len;
  return printf("%lu\n", sum) < 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "check") == 0) return check();
  if (argc != 2 || strcmp(argv[1], "host") != 0) {
    fprintf(stderr, "cell is started by gantry, not by hand (cell host, with a socket as descriptor 3)\n");
    return 2;
  }
#ifndef CELL_ASAN
  int err = reexec_sealed(argv);
  if (err) {
    fprintf(stderr, "cell: run from a sealed copy: %s\n", strerror(-err));
    return 1;
  }
#endif
  syscall(SYS_close_range, ENGINE_SOCKET + 1, ~0u, 0);
  prctl(PR_SET_NAME, "cell");
  char *points_text = getenv("CELL_FAILPOINTS");
  arm_failpoints(points_text ? strdup(points_text) : NULL);
  clearenv();
  reset_limits();
  umask(0);
  if (chdir("/")) return 1;
  return host(ENGINE_SOCKET);
}
