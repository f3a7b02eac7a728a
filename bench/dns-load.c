/* How many answers a second a resolver gives: `dns-load ADDRESS PREFIX NAMES SECONDS WINDOW`. Asks for the A records of PREFIX0,
 * PREFIX1, … with WINDOW queries under way, each on a socket of its own; prints answers a second, those without an address,
 * and the time that half of them took. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 256, SAMPLES = 1 << 20 };
static unsigned char packets[4096][128];
static int lengths[4096];
static long sent[MOST];
static unsigned samples[SAMPLES];

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int order(const void *a, const void *b) { return *(const unsigned *)a < *(const unsigned *)b ? -1 : *(const unsigned *)a > *(const unsigned *)b; }

static void make(int i, const char *prefix) {
  char name[64];
  unsigned char *p = packets[i];
  int n = snprintf(name, sizeof name, "%s%d", prefix, i);
  memcpy(p, "\0\0\1\0\0\1\0\0\0\0\0\0", 12);
  p[12] = (unsigned char)n;
  memcpy(p + 13, name, (size_t)n);
  memcpy(p + 13 + n, "\0\0\1\0\1", 5);
  lengths[i] = 18 + n;
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int names = atoi(argv[3]), window = atoi(argv[5]), epoll = epoll_create1(0), next = 0, fds[MOST];
  long end = now() + (long)(atof(argv[4]) * 1e9), answers = 0, empty = 0, lost = 0, begun = now();
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
  inet_pton(AF_INET, argv[1], &to.sin_addr);
  for (int i = 0; i < names; i++) make(i, argv[2]);
  for (int i = 0; i < window; i++) {
    struct epoll_event e = { .events = EPOLLIN, .data.fd = i };
    fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (connect(fds[i], (struct sockaddr *)&to, sizeof to) || epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e)) return perror("connect"), 1;
    sent[i] = now();
    send(fds[i], packets[next], (size_t)lengths[next], 0), next = (next + 1) % names;
  }
  while (now() < end) {
    struct epoll_event events[64];
    unsigned char answer[1500];
    int n = epoll_wait(epoll, events, 64, 200);
    if (n == 0) {
      for (int i = 0; i < window; i++, lost++) send(fds[i], packets[next], (size_t)lengths[next], 0), next = (next + 1) % names, sent[i] = now();
      continue;
    }
    for (int k = 0; k < n; k++) {
      int i = events[k].data.fd;
      long len = recv(fds[i], answer, sizeof answer, 0), at = now();
      if (len < 12) continue;
      samples[answers % SAMPLES] = (unsigned)((at - sent[i]) / 100);
      answers++;
      empty += answer[7] == 0;
      sent[i] = at;
      send(fds[i], packets[next], (size_t)lengths[next], 0), next = (next + 1) % names;
    }
  }
  double seconds = (double)(now() - begun) / 1e9;
  int count = answers < SAMPLES ? (int)answers : SAMPLES;
  qsort(samples, (size_t)count, sizeof *samples, order);
  printf("%.0f answers/s, %ld empty, %ld silences, median %.1f us\n", (double)answers / seconds, empty, lost, count ? samples[count / 2] / 10.0 : 0);
  return 0;
}
