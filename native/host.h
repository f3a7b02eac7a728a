#ifndef HOST_H
#define HOST_H
/* Performs programs that arrive on the socket `fd` until its end. The exit code of the process. See docs/design/cell.md. */
int host(int fd);
#endif
