/* The null device that containers get as standard input or output. Not the host's own: whoever is root in a container
 * could change the owner and the mode of that one through his descriptor. This one is on a file system of ours that is
 * mounted read-only, and nowhere. */
#include "host.h"
#include "sys.h"
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { CREATE = 6, STRING = 1 };

static int make_node(int mount) {
  struct tree_attr readonly = { MOUNT_ATTR_RDONLY, 0, 0, 0 };
  if (mkdirat(mount, "dev", 0755) || mknodat(mount, "dev/null", S_IFCHR | 0666, makedev(1, 3)) || fchmodat(mount, "dev/null", 0666, 0)) return -1;
  if (syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &readonly, sizeof readonly)) return -1;
  return openat(mount, "dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

int open_null(void) {
  int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), mount = -1, null = -1;
  if (context >= 0 && syscall(SYS_fsconfig, context, STRING, "nr_inodes", "3", 0) == 0 && syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0) == 0)
    mount = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  if (mount >= 0) null = make_node(mount);
  int refused = null < 0 && errno == EPERM;
  if (mount >= 0) close(mount);
  if (context >= 0) close(context);
  /* Who may not mount is not the host's root, and so are not the containers: the host's device is safe from them. */
  return refused ? open("/dev/null", O_RDWR | O_NOCTTY | O_CLOEXEC) : null;
}
