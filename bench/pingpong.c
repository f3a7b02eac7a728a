/* How long a datagram takes to and fro: `pingpong serve PORT`, `pingpong ADDRESS PORT ROUNDS` prints the median in microseconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int order(const void *a, const void *b) { return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b; }

static int serve(int fd, struct sockaddr_in at) {
  char data[64];
  if (bind(fd, (struct sockaddr *)&at, sizeof at)) return perror("bind"), 1;
  for (;;) {
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &len);
    if (n > 0) sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
  }
}

int main(int argc, char **argv) {
  if (argc != 3 && argc != 4) return 2;
  int fd = socket(AF_INET, SOCK_DGRAM, 0), rounds = argc == 4 ? atoi(argv[3]) : 0;
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2])) };
  if (strcmp(argv[1], "serve") == 0) return serve(fd, at);
  double *taken = calloc((size_t)rounds, sizeof *taken);
  struct timeval patience = { .tv_sec = 1 };
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  inet_pton(AF_INET, argv[1], &at.sin_addr);
  if (connect(fd, (struct sockaddr *)&at, sizeof at)) return perror("connect"), 1;
  for (int i = 0; i < rounds; i++) {
    char data[64] = "ping";
    double begun = now();
    if (send(fd, data, sizeof data, 0) < 0 || recv(fd, data, sizeof data, 0) < 0) return perror("no answer"), 1;
    taken[i] = now() - begun;
  }
  qsort(taken, (size_t)rounds, sizeof *taken, order);
  printf("%.2f\n", taken[rounds / 2]);
  return 0;
}
