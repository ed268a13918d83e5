/* A file system that fails (fuse_slow) under a test's feet.  Each test runs in
 * a process of its own, since what hangs leaves a thread behind. */
#ifndef FUSE_RIG_H
#define FUSE_RIG_H

#include <check.h>

enum { STALL_MS = 500 };

/* A folder of our own, and where in it fuse_slow is mounted. */
extern char top[64], mount_at[96];

double now(void);

/* Ends the server: the kernel answers every hanging call with an error. */
void cut_off(void);

/* Mounts for each test of tc and runs the suite.  Returns main's status; 77,
 * with the reason said, where nothing can be mounted. */
int fuse_rig_run(Suite *suite, TCase *tc);

#endif
