/* Walks over trees that may change meanwhile: what is in one, or what differs between two; and trees as tar archives. */
#ifndef TREES_H
#define TREES_H
#include "cell.h"
#include <sys/stat.h>

enum {
  TREE_OVERLAY = 1, /* an overlay's upper directory: marks of deletion, and every file in it counts as changed */
  TREE_LAYER = 2,   /* deletions become entries ".wh.NAME" of the archive */
  TREE_FILE = 4,    /* the archive is written to a file */
};
enum { TREE_PATH = 65536 };

struct found {
  char kind; /* 'A' added, 'C' changed, 'D' deleted */
  int dir, fd; /* the directory it is in; of a directory itself, else -1 */
  const char *name;
  const struct stat *st; /* NULL for what was deleted */
  int opaque;
};

struct walk {
  int flags;
  struct str except; /* paths, each with its NUL, that count as unchanged when they were added */
  int (*found)(struct walk *w, const struct found *f);
  void *owner;
  char path[TREE_PATH]; /* of what was found, below the roots */
  size_t len;
  struct level *levels;
  int depth, pending; /* levels that are the same, so far */
  int most; /* levels to go down; 0: all */
  char *names; /* of the levels being read, sorted */
  size_t named;
};

/* Attributes of fd that a layer carries, by name. */
int each_xattr(int fd, int (*each)(void *owner, const char *name, const void *value, size_t size), void *owner);

/* Calls found for everything in `fresh` that is not the same in `old` (-1: for everything), a directory before what is in
 * it, and for what is missing; by name, as bytes. Sockets are found, too. */
int walk_tree(struct walk *w, int fresh, int old);

/* The op `changes`: for each change its kind, its path and NUL. */
int tree_changes(struct machine *m, uint32_t index, int fresh, int old, int flags);
/* The op `archive`: a tar archive of dir/path called `name`, or of what differs from `old`; to: -1, or where it is sent. */
struct archive_wish { int dir, old, flags, to; const char *path, *name; struct str except; };
int tree_archive(struct machine *m, uint32_t index, const struct archive_wish *wish);
#endif
