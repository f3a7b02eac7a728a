/* The log: Docker's json-file, byte for byte, with its rotation. Entries gather in one buffer that is written at the end
 * of every wake-up. */
#include "shim.h"
#include "sys.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PAGE = 4096, PIECE = 16384, BUFFER = 6 * PIECE + MAX_ATTRS + PAGE + 65536, MINUTE = 60000 }; /* an entry and more */

struct line {
  uint32_t len;     /* of its beginning, in part */
  uint8_t pieces;   /* pieces of it are written: they share the time of the first */
  uint32_t tail_len;
  uint8_t tail[MAX_ATTRS + 128]; /* what follows the text of an entry, with its time: the same for all that is read at once */
  uint8_t part[PIECE];
} __attribute__((aligned(PAGE)));

static _Alignas(PAGE) uint8_t buffer[BUFFER]; /* whole pages, as is lines: see log_release */
static struct line lines[2];
static size_t used;
static int fd = -1;
static uint64_t size;           /* of the file, with what is in the buffer */
static uint32_t generation;
static int64_t told = -MINUTE;  /* when a failure was told */

static void failed(int err) {
  if (monotonic_ms() - told < MINUTE) return;
  told = monotonic_ms();
  tell_log_error(err);
}

static int open_file(int flags) {
  struct stat st;
  int file = open(shim.log.p, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
  if (file < 0) return errno;
  if (fstat(file, &st) || !S_ISREG(st.st_mode)) return close(file), EINVAL;
  if (fd >= 0) close(fd);
  fd = file;
  size = (uint64_t)st.st_size;
  return 0;
}

int log_open(void) { return shim.flags & LOG ? open_file(0) : 0; }

int log_reopen(void) {
  log_flush();
  int err = shim.flags & LOG ? open_file(0) : EBADF;
  if (err == 0) generation++;
  return err;
}

void log_place(uint64_t *offset, uint32_t *number) {
  *offset = size;
  *number = generation;
}

const uint8_t *log_unfinished(int stream, size_t *len) {
  *len = lines[stream - 1].len;
  return lines[stream - 1].part;
}

void log_release(void) {
  madvise(buffer, sizeof buffer, MADV_DONTNEED);
  if (lines[0].len + lines[1].len == 0 && !lines[0].pieces && !lines[1].pieces) madvise(lines, sizeof lines, MADV_DONTNEED);
}

/* What cannot be written is lost, and whole entries stay whole: the file is cut behind the last one. */
void log_flush(void) {
  size_t done = 0;
  if (used == 0) return;
  int err = failpoint("shim-log");
  while (fd >= 0 && err == 0 && done < used) {
    ssize_t n = write(fd, buffer + done, used - done);
    if (n < 0 && errno != EINTR) err = errno;
    if (n > 0) done += (size_t)n;
  }
  if (done < used) {
    const uint8_t *end = done ? memrchr(buffer, '\n', done) : NULL;
    size_t whole = end ? (size_t)(end + 1 - buffer) : 0;
    size -= used - whole;
    if (done > whole && ftruncate(fd, (off_t)size)) err = errno;
    failed(err);
  }
  used = 0;
}

static void numbered(char *name, size_t room, int number) {
  snprintf(name, room, number ? "%.*s.%d" : "%.*s", (int)shim.log.len, shim.log.p, number);
}

/* As Docker: the file is put aside when it has reached its size, before the next entry. */
static void rotate(void) {
  char from[4096], to[4096];
  log_flush();
  for (int i = shim.log_files - 1; i >= 1; i--) {
    numbered(from, sizeof from, i - 1);
    numbered(to, sizeof to, i);
    if (rename(from, to) && errno != ENOENT) return failed(errno);
  }
  int err = open_file(O_TRUNC);
  if (err) return failed(err);
  generation++;
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* How many of the next 16 bytes stand for themselves in JSON as Go writes it. */
static unsigned plain(const uint8_t *p, uint8_t *out) {
  bytes16 v;
  memcpy(&v, p, 16);
  memcpy(out, &v, 16);
  bytes16 special = (bytes16)((v < 0x20) | (v >= 0x80) | (v == '"') | (v == '\\') | (v == '<') | (v == '>') | (v == '&'));
  uint64_t half[2];
  memcpy(half, &special, 16);
  if (half[0]) return (unsigned)__builtin_ctzll(half[0]) / 8;
  return half[1] ? 8 + (unsigned)__builtin_ctzll(half[1]) / 8 : 16;
}

/* The length of the UTF-8 character that begins at p, 1 < length ≤ end - p; 0 if there is none: then the byte is bad. */
static int character(const uint8_t *p, const uint8_t *end) {
  int n = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
  if (n == 0 || end - p < n) return 0;
  uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80, high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
  if (p[1] < low || p[1] > high) return 0;
  for (int i = 2; i < n; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  return n;
}

static uint8_t *copy(uint8_t *out, const void *data, size_t len) { return (uint8_t *)memcpy(out, data, len) + len; }

static uint8_t *escape_byte(uint8_t *out, uint8_t b) {
  static const char hex[] = "0123456789abcdef";
  if (b == '"' || b == '\\') return out[0] = '\\', out[1] = b, out + 2;
  if (b == '\n') return copy(out, "\\n", 2);
  if (b == '\r') return copy(out, "\\r", 2);
  out = copy(out, "\\u00", 4);
  *out++ = (uint8_t)hex[b >> 4];
  *out++ = (uint8_t)hex[b & 15];
  return out;
}

/* Writes up to 6 bytes for one, and up to 16 behind the end. */
static uint8_t *escape(uint8_t *out, const uint8_t *p, const uint8_t *end) {
  while (p < end) {
    if (end - p >= 16) {
      unsigned n = plain(p, out);
      p += n;
      out += n;
      if (n == 16) continue;
    }
    uint8_t b = *p;
    if (b >= 0x80) {
      int n = character(p, end);
      if (n == 0) out = copy(out, "\\ufffd", 6), p++;
      else if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] | 1) == 0xa9) out = copy(out, p[2] & 1 ? "\\u2029" : "\\u2028", 6), p += 3;
      else out = copy(out, p, (size_t)n), p += n;
      continue;
    }
    p++;
    if (b < 0x20 || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&') out = escape_byte(out, b);
    else *out++ = b;
  }
  return out;
}

/* Gives the entries to come their time. */
static void stamp(int stream, const char *time) {
  struct line *line = &lines[stream - 1];
  uint8_t *out = copy(line->tail, stream == 1 ? "\",\"stream\":\"stdout\"," : "\",\"stream\":\"stderr\",", 20);
  if (shim.attrs.len > 0) {
    out = copy(out, "\"attrs\":", 8);
    out = copy(out, shim.attrs.p, shim.attrs.len);
    *out++ = ',';
  }
  out = copy(out, "\"time\":\"", 8);
  out = copy(out, time, strlen(time));
  line->tail_len = (uint32_t)(copy(out, "\"}\n", 3) - line->tail);
}

static void entry(int stream, const uint8_t *data, size_t len, int whole) {
  struct line *line = &lines[stream - 1];
  if (shim.log_max > 0 && size >= (uint64_t)shim.log_max) rotate();
  if (BUFFER - used < 6 * len + line->tail_len + 64) log_flush();
  uint8_t *out = buffer + used, *start = out;
  out = copy(out, "{\"log\":\"", 8);
  out = escape(out, data, data + len);
  if (whole) out = copy(out, "\\n", 2);
  out = copy(out, line->tail, line->tail_len);
  used += (size_t)(out - start);
  size += (size_t)(out - start);
  line->pieces = !whole;
}

/* Whole lines of up to 15 plain bytes, as counters print them: found, copied and closed by one look at 16 bytes. Returns
 * how many bytes of p it took. */
static size_t short_lines(const struct line *line, const uint8_t *p, size_t n) {
  const uint8_t *at = p, *last = p + n - 16;
  uint8_t *out = buffer + used, *full = buffer + BUFFER - sizeof line->tail - 64;
  while (at <= last && out <= full && (shim.log_max <= 0 || size + (size_t)(out - buffer) - used < (uint64_t)shim.log_max)) {
    unsigned len = plain(at, out + 8);
    if (len == 16 || at[len] != '\n') break;
    memcpy(out, "{\"log\":\"", 8);
    out = copy(out + 8 + len, "\\n", 2);
    for (uint32_t i = 0; i < line->tail_len; i += 32) memcpy(out + i, line->tail + i, 32);
    out += line->tail_len;
    at += len + 1;
  }
  size += (size_t)(out - buffer) - used;
  used = (size_t)(out - buffer);
  return (size_t)(at - p);
}

void log_output(int stream, const uint8_t *p, size_t n) {
  struct line *line = &lines[stream - 1];
  int stamped = 0;
  char now[31];
  if (fd < 0) return;
  format_time(now, unix_ns(), 1);
  while (n > 0) {
    size_t most = PIECE - line->len < n ? PIECE - line->len : n;
    const uint8_t *end = memchr(p, '\n', most);
    size_t take = end ? (size_t)(end - p) : most;
    int done = end || line->len + take == PIECE;
    if (done && !line->pieces && !stamped) stamp(stream, now), stamped = 1;
    if (stamped && line->len == 0 && !line->pieces && n >= 16 && take < 16) {
      size_t taken = short_lines(line, p, n);
      p += taken;
      n -= taken;
      if (taken > 0) continue;
    }
    if (line->len > 0 || !done) {
      memcpy(line->part + line->len, p, take);
      line->len += (uint32_t)take;
      if (done) entry(stream, line->part, line->len, end != NULL);
      if (done) line->len = 0;
    } else {
      entry(stream, p, take, end != NULL);
    }
    p += take + (end != NULL);
    n -= take + (end != NULL);
  }
}

void log_end(int stream) {
  struct line *line = &lines[stream - 1];
  char now[31];
  if (fd < 0 || line->len == 0) return;
  format_time(now, unix_ns(), 1);
  if (!line->pieces) stamp(stream, now);
  entry(stream, line->part, line->len, 0);
  line->len = 0;
}

/* Days since 1970 to year, month, day (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static void civil(int64_t days, int *year, int *month, int *day) {
  days += 719468;
  int64_t era = days / 146097, of_era = days % 146097;
  int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  int64_t of_year = of_era - (365 * years + years / 4 - years / 100), shifted = (5 * of_year + 2) / 153;
  *day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
  *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
  *year = (int)(years + era * 400 + (*month <= 2));
}

static void digits(char *out, int count, int64_t value) {
  for (int i = count - 1; i >= 0; i--, value /= 10) out[i] = (char)('0' + value % 10);
}

/* The C library's calendar would read the time zone's file. */
int format_time(char *out, int64_t ns, int trim) {
  static int64_t known = -1;
  static char head[20];
  int64_t second = ns / 1000000000;
  if (second != known) {
    int year, month, day, of_day = (int)(second % 86400);
    civil(second / 86400, &year, &month, &day);
    memcpy(head, "0000-00-00T00:00:00.", 20);
    digits(head, 4, year);
    digits(head + 5, 2, month);
    digits(head + 8, 2, day);
    digits(head + 11, 2, of_day / 3600);
    digits(head + 14, 2, of_day / 60 % 60);
    digits(head + 17, 2, of_day % 60);
    known = second;
  }
  memcpy(out, head, 20);
  digits(out + 20, 9, ns % 1000000000);
  int len = 29;
  while (trim && len > 20 && out[len - 1] == '0') len--;
  if (len == 20) len = 19; /* no fraction, no point */
  out[len] = 'Z';
  out[len + 1] = 0;
  return len + 1;
}
