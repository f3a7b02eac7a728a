/* Names: DNS at 127.0.0.11 in the container's network, from zones that the engine writes; what they do not have goes to the
 * engine, and without one fails at once. Everything that comes in is hostile. See docs/design/dns.md. */
#include "shim.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  BATCH = 16, BATCHES = 16 /* before others have their turn */, PATIENCE = 16 /* reads in vain */, STREAMS = 16, PENDING = 256, MAX_ZONES = 64,
  HEADER = 12, MAX_NAME = 255, MAX_QUESTION = HEADER + MAX_NAME + 4, RECORD = 12 /* before its data */, OPT = 11,
  QUERY = 1280,     /* bytes of a query, at most */
  DATAGRAM = 4096,  /* of an answer by UDP; 512 for who says nothing of more */
  ANSWER = 65535,
  RATE = 1000,      /* queries passed on in a second */
  TTL = 600,        /* seconds, as Docker's */
};
enum { TYPE_A = 1, TYPE_PTR = 12, TYPE_AAAA = 28, TYPE_OPT = 41, CLASS_IN = 1 };
enum { RC_NONE = 0, RC_FORMAT = 1, RC_FAILED = 2, RC_NO_NAME = 3, RC_NOT_DONE = 4, RC_BAD_VERSION = 16 };
enum { QR = 0x80, OPCODE = 0x78, TC = 0x02, RD = 0x01, RA = 0x80, CD = 0x10 };
enum { UDP, TCP, FIRST_STREAM };                                /* whom epoll tells about */
enum { OPEN = 1, FORWARD = 2 };                                 /* flags of NAMES */
enum { ZONE_HEADER = 16, SLOT = 8, ENTRY = 6, MAGIC = 0x315a4e47 }; /* src/network/dns/zone.ts */

struct zone { const char *path; uint8_t *map; size_t size; };
struct entry { uint16_t v4, v6; uint8_t name_len, target_len; const uint8_t *name, *target, *v4s, *v6s; };
struct question { uint8_t name[MAX_NAME + 1]; size_t name_len, end; uint16_t type, class, room; uint8_t edns, version, dnssec; };
struct asker { int stream; uint32_t serial; struct sockaddr_in from; }; /* stream -1: by UDP */
struct pending { uint32_t serial; struct asker who; uint16_t len; uint8_t query[MAX_QUESTION]; }; /* serial 0: none */
struct stream { int fd; uint32_t mask, serial, have; int64_t heard; uint8_t in[2 + QUERY]; };

static struct { int fd[2]; uint32_t mask[2]; } sockets = { .fd = { -1, -1 } };
static struct { uint8_t *bytes; size_t len; const uint8_t *links; int link_count, zone_count, forward, engine; } told = { .engine = -1 };
static struct zone zones[MAX_ZONES];
static struct stream streams[STREAMS];
static struct pending pending[PENDING];
static _Alignas(4096) uint8_t datagrams[BATCH][DATAGRAM], large[ANSWER + 1];
static uint32_t serial, turns;
static int crowded; /* several ask at once: the UDP socket is read without being asked to */

static uint16_t u16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static uint32_t u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint8_t *put16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; return p + 2; }

/* --- zones ------------------------------------------------------------------------------------------------------ */

static void close_zone(struct zone *z) {
  if (z->map) munmap(z->map, z->size);
  z->map = NULL;
}

/* Maps what its name stands for now. One that cannot be had just now stays what it was; one that is gone is empty. */
static void open_zone(struct zone *z) {
  struct stat st;
  int fd = open(z->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) close_zone(z);
  if (fd < 0) return;
  size_t size = fstat(fd, &st) || st.st_size < ZONE_HEADER || st.st_size > INT32_MAX ? 0 : (size_t)st.st_size;
  uint8_t *map = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  close(fd);
  if (map == MAP_FAILED) return;
  uint32_t slots = u32(map + 12);
  if (u32(map) != MAGIC || u32(map + 8) != size || slots == 0 || slots & (slots - 1) || slots > (size - ZONE_HEADER) / SLOT) {
    munmap(map, size);
    return;
  }
  close_zone(z);
  z->map = map;
  z->size = size;
}

/* True when the entry at `at` lies inside. */
static int read_entry(const struct zone *z, uint32_t at, struct entry *e) {
  if (at > z->size - ENTRY) return 0;
  const uint8_t *p = z->map + at;
  *e = (struct entry){ .v4 = u16(p), .v6 = u16(p + 2), .name_len = p[4], .target_len = p[5] };
  if (ENTRY + e->name_len + e->target_len + (size_t)4 * e->v4 + (size_t)16 * e->v6 > z->size - at) return 0;
  e->name = p + ENTRY;
  e->target = e->name + e->name_len;
  e->v4s = e->target + e->target_len;
  e->v6s = e->v4s + 4 * e->v4;
  return 1;
}

static int find(struct zone *z, const uint8_t *name, size_t len, uint32_t hash, struct entry *e) {
  if (!z->map || __atomic_load_n((uint32_t *)(void *)(z->map + 4), __ATOMIC_RELAXED)) open_zone(z);
  uint32_t slots = z->map ? u32(z->map + 12) : 0;
  for (uint32_t n = 0; n < slots; n++) {
    const uint8_t *slot = z->map + ZONE_HEADER + SLOT * (size_t)((hash + n) & (slots - 1));
    if (u32(slot + 4) == 0) return 0;
    if (u32(slot) == hash && read_entry(z, u32(slot + 4), e) && e->name_len == len && memcmp(e->name, name, len) == 0) return 1;
  }
  return 0;
}

static const uint8_t *records(const struct entry *e, uint16_t type, size_t *count, size_t *each) {
  *each = type == TYPE_A ? 4 : type == TYPE_AAAA ? 16 : e->target_len;
  *count = type == TYPE_A ? e->v4 : type == TYPE_AAAA ? e->v6 : type == TYPE_PTR && e->target_len;
  return type == TYPE_A ? e->v4s : type == TYPE_AAAA ? e->v6s : e->target;
}

/* True when some zone knows the name; e is from the first that has records of the type, if there is one. */
static int find_in_zones(const uint8_t *name, size_t len, uint16_t type, struct entry *e) {
  uint32_t hash = 0x811c9dc5;
  size_t count = 0, each;
  int known = 0;
  for (size_t i = 0; i < len; i++) hash = (hash ^ name[i]) * 0x01000193;
  for (int i = 0; i < told.zone_count && count == 0; i++) {
    struct entry found;
    if (!find(&zones[i], name, len, hash, &found)) continue;
    records(&found, type, &count, &each);
    *e = found;
    known = 1;
  }
  return known;
}

/* A link is another word for a name. */
static int look_up(const struct question *q, struct entry *e) {
  const uint8_t *at = told.links;
  for (int i = 0; i < told.link_count; i++, at += 2 + at[0] + at[1])
    if (at[0] == q->name_len && memcmp(at + 2, q->name, at[0]) == 0 && find_in_zones(at + 2 + at[0], at[1], q->type, e)) return 1;
  return find_in_zones(q->name, q->name_len, q->type, e);
}

/* --- messages --------------------------------------------------------------------------------------------------- */

/* Reads a message with one question; 0, or -1 when it is broken. */
static int read_question(const uint8_t *m, size_t len, struct question *q) {
  size_t at = HEADER;
  *q = (struct question){ .room = 512 };
  if (get16(m + 4) != 1) return -1;
  for (;;) {
    if (at >= len) return -1;
    uint8_t label = m[at++];
    q->name[q->name_len++] = label;
    if (label == 0) break;
    if (label > 63 || label > len - at || q->name_len + label >= MAX_NAME) return -1;
    for (; label > 0; label--, at++) q->name[q->name_len++] = m[at] >= 'A' && m[at] <= 'Z' ? m[at] | 32 : m[at];
  }
  if (len - at < 4) return -1;
  q->type = get16(m + at);
  q->class = get16(m + at + 2);
  q->end = at + 4;
  const uint8_t *opt = m + q->end;
  if (get16(m + 6) || get16(m + 8) || !get16(m + 10) || len - q->end < OPT || opt[0] || get16(opt + 1) != TYPE_OPT) return 0;
  q->edns = 1;
  q->room = get16(opt + 3) < 512 ? 512 : get16(opt + 3) > DATAGRAM ? DATAGRAM : get16(opt + 3);
  q->version = opt[6];
  q->dnssec = opt[7] & 0x80;
  return 0;
}

/* Makes the query in m an answer whose records, `count` of them, end at `at`; its length. */
static size_t finish(uint8_t *m, const struct question *q, size_t at, unsigned count, unsigned rcode) {
  m[2] = (uint8_t)(QR | (m[2] & (OPCODE | RD | TC)));
  m[3] = (uint8_t)(RA | (m[3] & CD) | (rcode & 15));
  put16(put16(put16(put16(m + 4, at > HEADER), count), 0), q && q->edns);
  if (!q || !q->edns) return at;
  uint8_t *opt = m + at;
  *opt = 0;
  opt = put16(put16(put16(opt + 1, TYPE_OPT), DATAGRAM), rcode >> 4 << 8);
  put16(put16(opt, q->dnssec << 8), 0);
  return at + OPT;
}

static size_t fail(uint8_t *m, const struct question *q, unsigned rcode) {
  m[2] &= (uint8_t)~TC;
  return finish(m, q, q ? q->end : HEADER, 0, rcode);
}

/* As many records as there is room for, each time beginning with another. */
static size_t answer(uint8_t *m, const struct question *q, const struct entry *e, size_t room) {
  size_t count, each, at = q->end, done = 0;
  const uint8_t *data = records(e, q->type, &count, &each);
  for (; done < count && at + RECORD + each + OPT <= room; done++, at += RECORD + each) {
    uint8_t *to = put16(put16(put16(put16(put16(put16(m + at, 0xc000 | HEADER), q->type), CLASS_IN), 0), TTL), (unsigned)each);
    memcpy(to, data + (turns + done) % count * each, each);
  }
  turns++;
  m[2] = (uint8_t)((m[2] & ~TC) | (done < count ? TC : 0));
  return finish(m, q, at, (unsigned)done, RC_NONE);
}

/* --- what the engine has to be asked ---------------------------------------------------------------------------- */

static int too_often(void) {
  static int64_t second;
  static int count;
  int64_t now = monotonic_ms() / 1000;
  if (now != second) second = now, count = 0;
  return ++count > RATE;
}

/* An rcode, or -1 when it has been passed on. */
static int pass_on(const uint8_t *m, size_t len, const struct question *q, const struct asker *who) {
  static uint32_t last;
  struct client *c = told.engine < 0 ? NULL : &clients[told.engine];
  /* A name of one label is nobody's but ours; of others we do not know. */
  if (!told.forward) return c && q->name_len == 2u + q->name[0] ? RC_NO_NAME : RC_FAILED;
  if (!c || c->ring_len > RING / 2 || too_often()) return RC_FAILED;
  uint32_t place = last;
  while (pending[place].serial && (place = (place + 1) % PENDING) != last) continue;
  if (pending[place].serial) return RC_FAILED;
  struct pending *p = &pending[last = place];
  if (++serial == 0) serial = 1;
  *p = (struct pending){ .serial = serial, .who = *who, .len = (uint16_t)q->end };
  memcpy(p->query, m, q->end);
  uint32_t payload = 7 + (uint32_t)len;
  uint16_t index = (uint16_t)place;
  uint8_t head[12] = { [4] = M_QUERY, [11] = who->stream >= 0 };
  memcpy(head, &payload, 4);
  memcpy(head + 5, &index, 2);
  memcpy(head + 7, &serial, 4);
  client_put(c, head, sizeof head, m, len);
  return -1;
}

static void close_stream(struct stream *s) {
  if (s->serial) close_fd(&s->fd, &s->mask);
  s->serial = 0;
}

/* Who does not take what he asked for is not waited for. */
static void send_stream(struct stream *s, const uint8_t *m, size_t len) {
  uint8_t head[2];
  put16(head, (unsigned)len);
  struct iovec parts[2] = { { head, 2 }, { (void *)(uintptr_t)m, len } };
  struct msghdr msg = { .msg_iov = parts, .msg_iovlen = 2 };
  if (sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len + 2) close_stream(s);
}

static void reply(struct pending *p, const uint8_t *m, size_t len) {
  const struct asker *who = &p->who;
  struct stream *s = who->stream < 0 ? NULL : &streams[who->stream];
  p->serial = 0;
  if (s && s->serial == who->serial) send_stream(s, m, len);
  if (!s) sendto(sockets.fd[UDP], m, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&who->from, sizeof who->from);
}

void dns_answer(const uint8_t *payload, size_t len) {
  if (len < 6 + HEADER || len > 6 + ANSWER || u16(payload) >= PENDING) return;
  struct pending *p = &pending[u16(payload)];
  if (p->serial && p->serial == u32(payload + 2)) reply(p, payload + 6, len - 6);
}

void dns_lost(int client) {
  if (client != told.engine) return;
  told.engine = -1;
  for (struct pending *p = pending; p < pending + PENDING; p++) {
    uint8_t m[MAX_QUESTION];
    struct question q;
    if (!p->serial) continue;
    memcpy(m, p->query, p->len);
    put16(m + 10, 0);
    if (read_question(m, p->len, &q) == 0) reply(p, m, fail(m, &q, RC_FAILED));
  }
}

/* --- askers ----------------------------------------------------------------------------------------------------- */

/* Makes the query in m (room: bytes that are there) its answer; the length, 0: none, or not yet. */
static size_t take(uint8_t *m, size_t len, size_t room, const struct asker *who) {
  struct question q;
  struct entry e;
  if (len < HEADER || m[2] & QR) return 0;
  if (m[2] & OPCODE) return fail(m, NULL, RC_NOT_DONE);
  if (read_question(m, len, &q)) return fail(m, NULL, RC_FORMAT);
  if (q.version) return fail(m, &q, RC_BAD_VERSION);
  if (q.class == CLASS_IN && look_up(&q, &e)) return answer(m, &q, &e, who->stream < 0 ? q.room : room);
  int rcode = pass_on(m, len, &q, who);
  return rcode < 0 ? 0 : fail(m, &q, (unsigned)rcode);
}

/* As many at once as there were lately, which is one for who waits for each answer: then nothing is looked for in vain. */
static int answer_datagrams(void) {
  static int want = 1;
  struct asker who[BATCH];
  struct mmsghdr msgs[BATCH];
  struct iovec parts[BATCH];
  for (int i = 0; i < want; i++) {
    who[i].stream = -1;
    parts[i] = (struct iovec){ datagrams[i], QUERY };
    msgs[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &who[i].from, .msg_namelen = sizeof who[i].from, .msg_iov = &parts[i], .msg_iovlen = 1 } };
  }
  int n = recvmmsg(sockets.fd[UDP], msgs, (unsigned)want, MSG_DONTWAIT, NULL), out = 0;
  if (n >= 0) want = n < want ? (n > 1 ? n : 1) : want * 2 > BATCH ? BATCH : want * 2;
  for (int i = 0; i < n; i++) {
    size_t len = msgs[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : take(datagrams[i], msgs[i].msg_len, DATAGRAM, &who[i]);
    if (len == 0) continue;
    parts[i].iov_len = len;
    msgs[out] = msgs[i];
    msgs[out++].msg_hdr.msg_flags = 0;
  }
  for (int sent = 0; sent < out;) {
    int k = sendmmsg(sockets.fd[UDP], msgs + sent, (unsigned)(out - sent), MSG_DONTWAIT | MSG_NOSIGNAL);
    sent += k > 0 ? k : 1; /* one that cannot be sent is lost, as datagrams are */
  }
  return n;
}

static void watch_datagrams(int again) {
  watch(sockets.fd[UDP], &sockets.mask[UDP], again ? EPOLLIN : 0, FROM_NAMES, UDP);
  crowded = !again;
}

/* An epoll that looks at a socket is told of every datagram that comes or goes, and takes its locks each time, on both sides. While several ask at
 * once the socket is therefore read until it has been empty for some microseconds. Who asks and waits, asks one at a time, and is never spun for. */
int dns_crowded(void) {
  for (int i = 0, vain = 0; crowded && i < BATCHES; i++)
    if (answer_datagrams() > 0) vain = 0;
    else if (++vain == PATIENCE) watch_datagrams(1);
    else i--;
  return crowded;
}

/* With all places taken, the one heard of longest ago goes. */
static void accept_stream(void) {
  int fd = accept4(sockets.fd[TCP], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  struct stream *s = streams;
  for (struct stream *other = streams; other < streams + STREAMS && s->serial; other++)
    if (!other->serial || other->heard < s->heard) s = other;
  if (fd < 0) return;
  close_stream(s);
  if (++serial == 0) serial = 1;
  *s = (struct stream){ .fd = fd, .serial = serial, .heard = monotonic_ns() };
  watch(fd, &s->mask, EPOLLIN, FROM_NAMES, FIRST_STREAM + (int)(s - streams));
}

static void stream_ready(struct stream *s) {
  struct asker who = { .stream = (int)(s - streams), .serial = s->serial };
  ssize_t n = s->serial ? recv(s->fd, s->in + s->have, sizeof s->in - s->have, MSG_DONTWAIT) : -1;
  if (n < 0 && (errno == EAGAIN || errno == EINTR || !s->serial)) return;
  if (n <= 0) return close_stream(s);
  s->heard = monotonic_ns();
  s->have += (uint32_t)n;
  while (s->have >= 2) {
    size_t len = get16(s->in);
    if (len < HEADER || len > QUERY) return close_stream(s);
    if (s->have < 2 + len) return;
    memcpy(large, s->in + 2, len);
    s->have -= 2 + (uint32_t)len;
    memmove(s->in, s->in + 2 + len, s->have);
    len = take(large, len, ANSWER, &who);
    if (len > 0 && s->serial == who.serial) send_stream(s, large, len);
    if (s->serial != who.serial) return;
  }
}

void dns_ready(int index) {
  if (index == UDP && answer_datagrams() > 1) watch_datagrams(0);
  if (index == TCP) accept_stream();
  if (index >= FIRST_STREAM) stream_ready(&streams[index - FIRST_STREAM]);
}

/* --- sockets and orders ----------------------------------------------------------------------------------------- */

/* Only what comes over the loopback interface is heard, whatever the container's sysctls let through. */
int dns_sockets(int fds[2]) {
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x7f00000b) };
  int on = 1, err = 0;
  fds[UDP] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  fds[TCP] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  for (int i = 0; i < 2 && err == 0; i++) {
    if (fds[i] < 0 || setsockopt(fds[i], SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) || (i == TCP && setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) ||
        bind(fds[i], (struct sockaddr *)&at, sizeof at) || (i == TCP && listen(fds[i], STREAMS))) err = errno;
  }
  for (int i = 0; i < 2 && err; i++)
    if (fds[i] >= 0) close(fds[i]);
  return err;
}

void dns_take_socket(int fd, int index) {
  if ((index != UDP && index != TCP) || sockets.fd[index] >= 0) {
    close(fd);
    return;
  }
  sockets.fd[index] = fd;
  watch(fd, &sockets.mask[index], EPOLLIN, FROM_NAMES, index);
}

/* In the network namespace of the container, which runs; this process has one thread. */
static int open_sockets(void) {
  int fds[2], own, err;
  if (sockets.fd[UDP] >= 0) return 0;
  if (procs[0].life != RUNNING) return ESRCH;
  if ((own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) return errno;
  err = setns(procs[0].pidfd, CLONE_NEWNET) ? errno : dns_sockets(fds);
  if (setns(own, CLONE_NEWNET) && err == 0) err = errno;
  close(own);
  for (int i = 0; i < 2 && err == 0; i++) dns_take_socket(fds[i], i);
  return err;
}

static void forget(void) {
  for (int i = 0; i < told.zone_count; i++) close_zone(&zones[i]);
  told.zone_count = told.link_count = 0;
  if (told.bytes) munmap(told.bytes, told.len);
  told.bytes = NULL;
}

/* What has them open keeps the network namespace. */
void dns_close(void) {
  for (struct stream *s = streams; s < streams + STREAMS; s++) close_stream(s);
  for (int i = 0; i < 2; i++) close_fd(&sockets.fd[i], &sockets.mask[i]);
  memset(pending, 0, sizeof pending);
  crowded = 0;
  forget();
}

void dns_release(void) {
  madvise(datagrams, sizeof datagrams, MADV_DONTNEED);
  madvise(large, sizeof large, MADV_DONTNEED);
}

/* NAMES: u8 flags, u8 zones, u16 links; a zone: u16 length, its path with a 0; a link: two u8 lengths, alias, name. */
int dns_names(int client, const uint8_t *payload, size_t len) {
  uint8_t *bytes = len < 4 ? NULL : keep(len);
  const char *paths[MAX_ZONES];
  size_t at = 4, count = len < 4 ? 0 : payload[1], links;
  if (!bytes || count > MAX_ZONES) goto bad;
  memcpy(bytes, payload, len);
  for (size_t i = 0; i < count; i++) {
    size_t size = len - at < 2 ? 0 : u16(bytes + at);
    if (size == 0 || size > len - at - 2 || bytes[at + 1 + size] != 0) goto bad;
    paths[i] = (char *)bytes + at + 2;
    at += 2 + size;
  }
  links = at;
  for (int i = 0; i < u16(bytes + 2); i++) {
    if (len - at < 2 || len - at - 2 < (size_t)bytes[at] + bytes[at + 1]) goto bad;
    at += 2 + (size_t)bytes[at] + bytes[at + 1];
  }
  forget();
  for (size_t i = 0; i < count; i++) zones[i] = (struct zone){ .path = paths[i] };
  told.bytes = bytes;
  told.len = len;
  told.links = bytes + links;
  told.link_count = u16(bytes + 2);
  told.zone_count = (int)count;
  told.forward = bytes[0] & FORWARD;
  if (told.engine != client) dns_lost(told.engine);
  told.engine = client;
  return bytes[0] & OPEN ? open_sockets() : 0;
bad:
  if (bytes) munmap(bytes, len);
  return EINVAL;
}
