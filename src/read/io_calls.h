/* The system calls under both engines, as a table: tests put a scripted
 * system under the same code that the release build runs. */
#ifndef STK_IO_CALLS_H
#define STK_IO_CALLS_H

#include <stddef.h>
#include <stdint.h>

/* What fstat says of an open file. */
struct stk_io_stat {
    uint32_t mode; /* st_mode */
    int64_t size;
    int64_t mtime_ns;
};

/* Each returns a count, a descriptor or 0, or a negated errno.  self is the
 * table's own.  Immutable; called by the engine's owner thread. */
struct stk_io_calls {
    void *self;
    int (*open)(void *self, const char *path); /* for reading, never waits on
                                                  FIFOs or devices */
    int (*stat)(void *self, int fd, struct stk_io_stat *out);
    int64_t (*read)(void *self, int fd, void *to, size_t n, int64_t offset);
    void (*advise)(void *self, int fd, int64_t offset, int64_t n);
    void (*close)(void *self, int fd);
    int64_t (*now_ns)(void *self);
    void (*sleep_ns)(void *self, int64_t ns);
    /* May change what io_uring answered to a read; NULL: it stands. */
    int64_t (*answer)(void *self, int fd, int64_t offset, int64_t result);
    /* NULL: the engine that the options ask for. */
    const struct stk_io_engine *engine;
};

extern const struct stk_io_calls stk_io_system;

#endif
