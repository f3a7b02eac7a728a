#ifndef HOST_H
#define HOST_H
/* Performs programs that arrive on the socket `fd` until its end. The exit code of the process. See docs/design/cell.md. */
int host(int fd);
/* A null device for containers; -1: errno. */
int open_null(void);
/* The host's, which its shims open anew. */
extern int host_null;
#endif
