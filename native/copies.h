/* What a build's COPY needs of trees. Paths handed in lead through no links, or they lead nowhere; roots are descriptors. */
#ifndef COPIES_H
#define COPIES_H
#include "cell.h"
#include "files.h"
#include "trees.h"

/* The op `resolve`: where path leads inside root, links followed (but for the last), and the mode of what is there. */
int resolve_path(struct machine *m, uint32_t index, int root, const char *path, int keep_last);
/* The op `modes`: of each path, 0 for what is not there. */
int path_modes(struct machine *m, uint32_t index, int root, struct str paths);
/* The op `walk`: a record for each. */
int tree_list(struct machine *m, uint32_t index, int dir, const char *path, int depth);

struct range { int from; int64_t offset, length, sec; long nsec; mode_t mode; uid_t uid; gid_t gid; const char *path, *from_path; };
/* The op `putRange`. */
int put_range(const struct machine *m, const struct range *range);
/* The op `linkFiles`. */
int link_files(int from, int to, struct str paths);
/* The op `likeDir`. */
int like_dir(int from, const char *path);
#endif
