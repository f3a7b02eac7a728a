/* What volumes need of the kernel beyond files and mounts. All return 0 (or a descriptor) or -errno. */
#ifndef VOLUMES_H
#define VOLUMES_H
#include "cell.h"

/* Moves what is in one directory into another of the same file system, whose owner, mode, times and attributes become those of
 * the first if it is empty. What has a name there already stays where it is. May be done again after it was interrupted. */
int pour_tree(int from, int to);
/* ENOTEMPTY for a directory in which there is something. */
int refuse_full(int dir, const char *path);
/* A user namespace with these maps, held by nothing but the descriptor. */
int user_namespace(struct str uids, struct str gids);
/* Limits what the tree whose top is at path may hold; 0 bytes: no limit. EOPNOTSUPP where the file system cannot. */
int project_quota(int dir, const char *path, uint64_t bytes);
#endif
