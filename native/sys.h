/* System calls that the C library of an older distribution does not wrap, and constants its headers may lack. */
#ifndef SYS_H
#define SYS_H
#include <errno.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

/* mount_setattr's argument; linux/mount.h clashes with sys/mount.h. */
struct tree_attr { uint64_t set, clr, propagation, userns; };

static inline int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };
  return (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
}
#endif
