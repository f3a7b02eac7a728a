/* Idioms on descriptors: a path of somebody else's tree is never trusted between two of our own calls. All return 0 or -errno. */
#ifndef FILES_H
#define FILES_H
#include "cell.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct owner { int64_t mode, uid, gid; }; /* uid, gid -1: leave */

/* mkdir -p below dir as root; an O_PATH descriptor of the last one, or -errno. dir AT_FDCWD: plain resolution. */
int make_path(int dir, const char *path, struct owner owner);
/* The same where a link on the way may lead to nothing yet: what it names, inside the root, is made. */
int make_parents(int dir, const char *path, struct owner owner);
/* The same for the parents, then an empty regular file where nothing is; an O_PATH descriptor, or -errno. */
int make_file(int dir, const char *path, struct owner owner);
/* Parents of path, then nothing at path, whose last component must be a name. */
int make_room(int dir, const char *path);
int remove_tree(int dir, const char *path);
enum { COPY_ONLY_INTO_EMPTY = 1 };
int copy_tree(int from, int to, int flags);
/* Owner, mode, times and attributes of a directory. */
int copy_directory(int from, int to);
int tree_usage(int dir, const char *path, uint64_t *bytes, uint64_t *inodes);
/* Files with several names: the name, dir + name, under which the inode was met first, or NULL, and it is remembered now (unless
 * *full). */
struct links;
const char *known_link(struct links **links, const struct stat *st, const char *dir, size_t dir_len, const char *name, int *full);
void forget_links(struct links *links);
/* chmod of what the O_PATH or ordinary descriptor's path names, never through a link. */
int change_mode(int dir, const char *path, mode_t mode);

/* Calls each for every entry but "." and ".."; stops at a negative result. The descriptor is rewound first. */
struct entry { const char *name; uint8_t type; };
int each_entry(int fd, int (*each)(void *context, const struct entry *entry), void *context);

struct reception {
  int from, to;    /* the connection; a file, or -1: nowhere */
  int64_t size;    /* the first time: of the body, or -1: it comes in chunks */
  uint64_t length; /* how much goes to the file */
  struct str data; /* the first time: what of the body was read before */
};

/* Writes the next `length` bytes of the body, then puts out what comes behind them: something, or nothing at its end. */
int receive(struct machine *m, uint32_t index, const struct reception *r);
#endif
