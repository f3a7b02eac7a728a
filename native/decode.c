/* Programs as bytes: the checks that everything else relies on, and the walk over the ops. No policy, no allocation. */
#include "cell.h"
#include <string.h>

enum { MAGIC = 0x31504347, HEADER = 16, OP_HEADER = 16 };

static uint16_t u16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static uint32_t u32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static size_t padded(size_t n) { return (n + 7) & ~(size_t)7; }

/* True if an op that is well-formed begins at `at`; sets its length. */
static int op_valid(const uint8_t *p, size_t len, size_t at, uint32_t *length) {
  if (len - at < OP_HEADER) return 0;
  uint32_t code = u16(p + at), ints = p[at + 4], strs = p[at + 5];
  *length = u32(p + at + 8);
  if (op_shape(code) != (int)(ints << 8 | strs) || ints > MAX_INTS || strs > MAX_STRS || p[at + 6] > 1) return 0;
  if (*length > len - at || *length < OP_HEADER + 8 * ints) return 0;
  size_t pos = OP_HEADER + 8 * ints;
  for (uint32_t i = 0; i < strs; i++) {
    if (*length - pos < 8) return 0;
    size_t n = u32(p + at + pos);
    if (n > MAX_PROGRAM || padded(4 + n + 1) > *length - pos || p[at + pos + 4 + n] != 0) return 0;
    pos += padded(4 + n + 1);
  }
  return pos == *length;
}

int program_valid(const uint8_t *p, size_t len) {
  if (len < HEADER || len > MAX_PROGRAM || u32(p) != MAGIC || u32(p + 8) != len) return 0;
  uint32_t count = 0, length;
  size_t at = HEADER;
  for (; at < len; at += length, count++)
    if (!op_valid(p, len, at, &length)) return 0;
  return count == u32(p + 4);
}

int next_op(const uint8_t *p, size_t len, size_t *at, struct op *op) {
  if (*at == 0) *at = HEADER;
  if (*at >= len) return 0;
  const uint8_t *o = p + *at;
  *op = (struct op){ .code = u16(o), .tolerate = u16(o + 2), .undo = o[6] };
  size_t pos = OP_HEADER;
  for (int i = 0; i < o[4]; i++, pos += 8) memcpy(&op->n[i], o + pos, 8);
  for (int i = 0; i < o[5]; i++) {
    op->s[i] = (struct str){ (const char *)o + pos + 4, u32(o + pos) };
    pos += padded(4 + op->s[i].len + 1);
  }
  *at += u32(o + 8);
  return 1;
}
