/* Ports of the host that the shim holds for its container: those it was born with, and those it is told to hold later. */
#include "shim.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct port { int family, type; uint16_t number; char address[INET6_ADDRSTRLEN]; };

/* A list entry: u8 family, u8 type, u16 port, u8 length, address as text. -1: it is broken. */
static int read_port(const uint8_t **at, const uint8_t *end, struct port *port) {
  if (end - *at < 5) return -1;
  size_t len = (*at)[4];
  if (len >= sizeof port->address || (size_t)(end - *at) < 5 + len) return -1;
  port->family = (*at)[0];
  port->type = (*at)[1];
  memcpy(&port->number, *at + 2, 2);
  memcpy(port->address, *at + 5, len);
  port->address[len] = 0;
  *at += 5 + len;
  return 0;
}

static int is_held(int fd, const struct port *port) {
  union { struct sockaddr any; struct sockaddr_in four; struct sockaddr_in6 six; } name = { 0 };
  socklen_t len = sizeof name, size = sizeof(int);
  int type = 0, protocol = 0;
  uint8_t address[16];
  if (getsockname(fd, &name.any, &len) || name.any.sa_family != port->family) return 0;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size)) return 0;
  if ((protocol == IPPROTO_SCTP ? SOCK_SEQPACKET : type) != port->type || inet_pton(port->family, port->address, address) != 1) return 0;
  int six = port->family == AF_INET6;
  return ntohs(six ? name.six.sin6_port : name.four.sin_port) == port->number &&
    !memcmp(six ? (void *)&name.six.sin6_addr : (void *)&name.four.sin_addr, address, six ? 16 : 4);
}

static int take_held(const struct port *port) {
  for (int i = 0; i < shim.held_count; i++)
    if (shim.held[i] >= 0 && is_held(shim.held[i], port)) {
      int fd = shim.held[i];
      shim.held[i] = -1;
      return fd;
    }
  return -1;
}

int ports_hold(const uint8_t *list, size_t len) {
  const uint8_t *at = list, *end = list + len;
  int held[SLOTS], made[SLOTS], count = 0, news = 0, err = 0;
  struct port port;
  if (shim.listener < 0) return ESRCH;
  while (at < end && !err) {
    if (count == SLOTS) err = E2BIG;
    else if (read_port(&at, end, &port)) err = EINVAL;
    if (err) break;
    int fd = take_held(&port);
    if (fd < 0) {
      fd = reserve_port(port.family, port.type, port.number, port.address);
      if (fd == -EPROTONOSUPPORT && port.type == SOCK_SEQPACKET) continue; /* no SCTP: nobody else can have it */
      if (fd >= 0) made[news++] = fd;
      else err = -fd;
    }
    if (!err) held[count++] = fd;
  }
  if (err) { /* as it was: what was taken out of the list goes back, what is new is given up */
    for (int i = 0; i < news; i++) close(made[i]);
    for (int i = 0, k = 0; i < count; i++) {
      int is_new = 0;
      for (int j = 0; j < news; j++) is_new |= made[j] == held[i];
      if (is_new) continue;
      while (shim.held[k] >= 0) k++;
      shim.held[k] = held[i];
    }
    return err;
  }
  for (int i = 0; i < shim.held_count; i++)
    if (shim.held[i] >= 0) close(shim.held[i]);
  memcpy(shim.held, held, (size_t)count * sizeof *held);
  shim.held_count = count;
  return 0;
}
