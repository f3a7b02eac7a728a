/* init: the first process of a container started with --init. `init [--] PROGRAM ARGS…` runs the program, passes signals
 * on to it, reaps whoever is left to it, and ends as the program ends: its exit status, or 128 + the signal. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals that tell of a mistake of this process itself, and those that nobody can hold back. */
static const int own[] = { SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU };

static int say(const char *what, int code) {
  fprintf(stderr, "[init] %s: %s\n", what, strerror(errno));
  return code;
}

static void held_signals(sigset_t *set) {
  sigfillset(set);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(set, own[i]);
}

/* The program leads a process group of its own, in the foreground if there is a terminal. */
static _Noreturn void become(char **argv, const sigset_t *before) {
  setpgid(0, 0);
  if (tcsetpgrp(STDIN_FILENO, getpgrp()) && errno != ENOTTY && errno != ENXIO && errno != EBADF) say("tcsetpgrp", 1);
  signal(SIGTTIN, SIG_DFL);
  signal(SIGTTOU, SIG_DFL);
  sigprocmask(SIG_SETMASK, before, NULL);
  execvp(argv[0], argv);
  _exit(say(argv[0], errno == ENOENT ? 127 : 126));
}

/* Everything that has ended; the exit code when it was the program, else -1. */
static int reap(pid_t program) {
  int status, code = -1;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == program) code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return code;
}

int main(int argc, char **argv) {
  sigset_t held, before;
  argv++, argc--;
  if (argc > 0 && strcmp(argv[0], "--") == 0) argv++, argc--;
  if (argc < 1) return fputs("usage: init [--] PROGRAM ARGS...\n", stderr), 1;

  held_signals(&held);
  signal(SIGTTIN, SIG_IGN); /* a terminal given to the program must not stop this one */
  signal(SIGTTOU, SIG_IGN);
  if (sigprocmask(SIG_SETMASK, &held, &before)) return say("sigprocmask", 1);
  if (getpid() != 1) prctl(PR_SET_CHILD_SUBREAPER, 1);

  pid_t program = fork();
  if (program < 0) return say("fork", 1);
  if (program == 0) become(argv, &before);

  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(&held, &info), code;
    if (number < 0) continue;
    if (number != SIGCHLD) kill(program, number);
    if ((code = reap(program)) >= 0) return code;
  }
}
