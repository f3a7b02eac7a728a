/* The built-in image: tells what just happened, from inside. Static, no arguments, no input. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static long count_lines(const char *path) {
  long lines = 0;
  FILE *file = fopen(path, "r");
  if (file == NULL) return -1;
  for (int c; (c = getc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  return lines;
}

static void print_namespace(const char *name, const char *what) {
  char path[64], id[64] = "";
  snprintf(path, sizeof path, "/proc/self/ns/%s", name);
  if (readlink(path, id, sizeof id - 1) < 0) strcpy(id, "(hidden)");
  printf("    %-8s %-22s %s\n", name, id, what);
}

int main(void) {
  struct utsname host;
  if (uname(&host) != 0) memset(&host, 0, sizeof host);
  printf("\nHello from a container.\n\n"
         "This program is the whole image: one static file. To run it, Gantry\n"
         "  1. looked the image up and laid a writable layer over its files,\n"
         "  2. compiled what was asked for into a list of system calls,\n"
         "  3. had a small C program, cell, perform that list in a new process,\n"
         "  4. and that process became this one.\n\n");
  printf("What it sees: process number %d, user %d, host name \"%s\",\n", (int)getpid(), (int)getuid(), host.nodename);
  printf("%ld mounts, kernel %s, and namespaces of its own:\n\n", count_lines("/proc/self/mountinfo"), host.release);
  print_namespace("pid", "its processes, counted from 1");
  print_namespace("mnt", "its files");
  print_namespace("net", "its network");
  print_namespace("uts", "its host name");
  print_namespace("ipc", "its shared memory");
  print_namespace("cgroup", "its limits");
  printf("\nNext: load an image (gantry load -i image.tar) and run a shell in it:\n\n"
         "    gantry run -it --rm IMAGE sh\n\n"
         "gantry run --dry-run hello prints the list of system calls.\n\n");
  return 0;
}
