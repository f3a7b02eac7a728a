/* What clients order and what they are told: frames of docs/design/shim.md. */
#include "shim.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { STATE_ROOM = 14 + MAX_PROCS * (MAX_ID + 5) };

/* --- frames out ------------------------------------------------------------------------------------------------- */

struct frame { uint8_t *at, bytes[160]; };

static void put(struct frame *f, const void *data, size_t len) {
  memcpy(f->at, data, len);
  f->at += len;
}

static void put_u32(struct frame *f, uint32_t v) { put(f, &v, 4); }
static void put_u64(struct frame *f, uint64_t v) { put(f, &v, 8); }

static void begin(struct frame *f, uint8_t type) {
  f->bytes[4] = type;
  f->at = f->bytes + 5;
}

static void put_id(struct frame *f, const struct proc *p) {
  uint8_t len = (uint8_t)strlen(p->id);
  put(f, &len, 1);
  put(f, p->id, len);
}

static void answer(struct client *c, struct frame *f) {
  uint32_t len = (uint32_t)(f->at - f->bytes - 5);
  memcpy(f->bytes, &len, 4);
  client_put(c, f->bytes, len + 5, NULL, 0);
}

static void tell(struct frame *f) {
  for (int i = client_count - 1; i >= 0; i--)
    if (clients[i].kind == CONTROL) answer(&clients[i], f);
}

void answer_error(struct client *c, int err) {
  struct frame f;
  begin(&f, err ? M_ERROR : M_OK);
  if (err) put_u32(&f, (uint32_t)err);
  answer(c, &f);
}

void tell_started(const struct proc *p) {
  struct frame f;
  begin(&f, M_STARTED);
  put_id(&f, p);
  put_u32(&f, (uint32_t)p->pid);
  put_u64(&f, (uint64_t)p->started);
  tell(&f);
}

void tell_failed(const struct proc *p, int32_t index, int32_t err, int parent) {
  struct frame f;
  uint8_t which = (uint8_t)parent;
  begin(&f, M_FAILED);
  put_id(&f, p);
  put_u32(&f, (uint32_t)index);
  put_u32(&f, (uint32_t)err);
  put(&f, &which, 1);
  tell(&f);
}

void tell_exited(const struct proc *p) {
  struct frame f;
  uint8_t oom = p->oom != 0;
  begin(&f, M_EXITED);
  put_id(&f, p);
  put_u32(&f, p->code);
  put_u32(&f, p->signal);
  put_u64(&f, (uint64_t)p->ended);
  put(&f, &oom, 1);
  tell(&f);
}

void tell_detached(const struct proc *p) {
  struct frame f;
  begin(&f, M_DETACHED);
  put_id(&f, p);
  tell(&f);
}

void tell_oom(void) {
  struct frame f;
  begin(&f, M_OOM);
  put_id(&f, procs);
  tell(&f);
}

void tell_log_error(int err) {
  struct frame f;
  begin(&f, M_LOG_ERROR);
  put_u32(&f, (uint32_t)err);
  tell(&f);
}

static void answer_state(struct client *c) {
  static uint8_t bytes[5 + STATE_ROOM];
  uint8_t *at = bytes + 19;
  uint16_t count = 0;
  uint32_t pid = procs->life == MADE || procs->life == UNUSED ? 0 : (uint32_t)procs->pid, len;
  for (int i = 1; i < proc_count; i++) {
    const struct proc *p = &procs[i];
    if (p->life != RUNNING) continue;
    *at++ = (uint8_t)strlen(p->id);
    at = (uint8_t *)memcpy(at, p->id, strlen(p->id)) + strlen(p->id);
    at = (uint8_t *)memcpy(at, &p->pid, 4) + 4;
    count++;
  }
  len = (uint32_t)(at - bytes - 5);
  memcpy(bytes, &len, 4);
  bytes[4] = M_STATE;
  memcpy(bytes + 5, &pid, 4);
  memcpy(bytes + 9, &procs->ticks, 8);
  memcpy(bytes + 17, &count, 2);
  client_put(c, bytes, len + 5, NULL, 0);
}

/* --- frames in -------------------------------------------------------------------------------------------------- */

struct reader { const uint8_t *at, *end; int bad; };

static const uint8_t *get(struct reader *r, size_t len) {
  static const uint8_t nothing[256];
  if ((size_t)(r->end - r->at) < len) {
    r->bad = 1;
    return nothing;
  }
  r->at += len;
  return r->at - len;
}

static uint8_t get_u8(struct reader *r) { return *get(r, 1); }
static uint16_t get_u16(struct reader *r) { uint16_t v; memcpy(&v, get(r, 2), 2); return v; }
static uint32_t get_u32(struct reader *r) { uint32_t v; memcpy(&v, get(r, 4), 4); return v; }

/* An id becomes part of a file's name. */
static const uint8_t *get_id(struct reader *r, size_t *len) {
  *len = get_u8(r);
  const uint8_t *id = get(r, *len);
  if (*len > MAX_ID) r->bad = 1;
  for (size_t i = 0; i < *len; i++)
    if (!((id[i] >= '0' && id[i] <= '9') || ((id[i] | 32) >= 'a' && (id[i] | 32) <= 'z'))) r->bad = 1;
  return id;
}

static int make_exec(struct client *c, struct reader *r, const uint8_t *id, size_t id_len) {
  uint8_t flags = get_u8(r);
  uint16_t rows = get_u16(r), cols = get_u16(r);
  size_t len = (size_t)(r->end - r->at);
  if (r->bad || id_len == 0 || !program_valid(r->at, len)) return EINVAL;
  if (procs->life != RUNNING) return ESRCH;
  if (find_proc(id, id_len)) return EEXIST;
  struct proc *p = make_proc(id, id_len, (flags & 1 ? TERMINAL : 0) | (flags & 2 ? STDIN | STDIN_ONCE : 0));
  if (!p) return EMFILE;
  p->program = keep(len);
  p->program_len = (uint32_t)len;
  p->maker = (int)(c - clients);
  p->rows = rows;
  p->cols = cols;
  if (!p->program) return proc_forget(p), ENOMEM;
  memcpy(p->program, r->at, len);
  return 0;
}

static void attach(struct client *c, struct reader *r) {
  size_t id_len;
  const uint8_t *id = get_id(r, &id_len);
  uint8_t flags = get_u8(r), count = get_u8(r);
  const uint8_t *keys = get(r, count);
  struct proc *p = r->bad ? NULL : find_proc(id, id_len);
  if (r->bad || count > MAX_KEYS || !p) {
    answer_error(c, r->bad || count > MAX_KEYS ? EINVAL : ESRCH);
    return client_leave(c);
  }
  c->kind = ATTACHED;
  c->proc = (int)(p - procs);
  c->flags = flags;
  c->key_count = count;
  memcpy(c->keys, keys, count);
  log_flush();
  struct frame f;
  uint64_t offset;
  uint32_t generation;
  log_place(&offset, &generation);
  begin(&f, M_ATTACHED);
  put_u64(&f, offset);
  put_u32(&f, generation);
  answer(c, &f);
  attached_begin(c);
}

static int start_container(struct client *c) {
  if (shim.phase != WAITING) return EALREADY;
  int err = failpoint("shim-start");
  if (err) return err;
  answer_error(c, 0);
  shim.phase = LIVE;
  proc_start(&procs[0]);
  return 0;
}

static int start_exec(struct client *c, struct proc *p) {
  if (!p || p == procs || procs->life != RUNNING) return ESRCH;
  if (p->life != MADE) return EALREADY;
  answer_error(c, 0);
  proc_start(p);
  return 0;
}

static int resize(struct proc *p, struct reader *r) {
  uint16_t rows = get_u16(r), cols = get_u16(r);
  if (r->bad) return EINVAL;
  if (!p) return ESRCH;
  if (!(p->flags & TERMINAL)) return ENOTTY;
  p->rows = rows;
  p->cols = cols;
  proc_resize(p);
  return 0;
}

/* -1: answered already. */
static int perform_order(struct client *c, uint8_t type, struct reader *r) {
  size_t id_len = 0;
  int plain = type == M_START || type == M_ROTATE || type == M_PORTS, err;
  const uint8_t *id = plain ? NULL : get_id(r, &id_len);
  struct proc *p = plain || r->bad ? NULL : find_proc(id, id_len);
  if (r->bad) return EINVAL;
  switch (type) {
  case M_START: return (err = start_container(c)) ? err : -1;
  case M_EXEC: return make_exec(c, r, id, id_len);
  case M_EXEC_START: return (err = start_exec(c, p)) ? err : -1;
  case M_RESIZE: return resize(p, r);
  case M_SIGNAL: {
    int signal = (int)get_u32(r);
    return r->bad ? EINVAL : p ? proc_signal(p, signal) : ESRCH;
  }
  case M_ROTATE: return log_reopen();
  case M_PORTS: return ports_hold(r->at, (size_t)(r->end - r->at));
  case M_CLOSE_STDIN: return p ? stdin_close(p), 0 : ESRCH;
  default: return ENOSYS;
  }
}

void take_frame(struct client *c, uint8_t type, uint8_t *payload, size_t len) {
  struct reader r = { payload, payload + len, 0 };
  if (c->kind == CONTROL && type == M_ANSWER) return dns_answer(payload, len);
  if (c->kind == CONTROL && type == M_NAMES) return answer_error(c, dns_names((int)(c - clients), payload, len));
  if (c->kind == NEW) {
    if (is_full()) {
      answer_error(c, EMFILE);
      return client_leave(c);
    }
    if (type == M_ATTACH) return attach(c, &r);
    if (type != M_CONTROL) return client_drop(c);
    c->kind = CONTROL;
    shim.had_control = 1;
    return answer_state(c);
  }
  int err = perform_order(c, type, &r);
  if (err >= 0 && c->kind == CONTROL) answer_error(c, err);
}
