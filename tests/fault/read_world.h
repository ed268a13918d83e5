/* A scripted system for reading: files with fates, a clock, and a ring whose
 * answers come after any delay, in any order, or never. */
#ifndef STK_TEST_READ_WORLD_H
#define STK_TEST_READ_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "read/io_engine.h"

enum { N_FILES = 24, MAX_BYTES = 20000, N_FDS = 64 };

enum fate {
    GOOD,      /* a few passing errors: must come back whole */
    VANISHED,  /* -ENOENT */
    SECRET,    /* -EACCES */
    BROKEN,    /* EIO for ever: -EIO */
    CHANGING,  /* one version whole, or -ESTALE */
    STUCK,     /* no answer: -ETIMEDOUT; good where nothing can stall */
    EMPTY,     /* -ENODATA */
    FOLDER,    /* -EISDIR */
    PIPE,      /* -EINVAL */
    HUGE_FILE, /* -EFBIG */
    N_FATES,
};

struct file {
    enum fate fate;
    int64_t size;
    uint32_t version;
    int n_errors; /* passing errors left before the next success */
    char path[16];
};

/* One scripted system; a test program owns one at a time. */
extern struct world {
    struct stk_io_calls calls;
    uint64_t seed, n_draws;
    int64_t now;
    struct file files[N_FILES];
    int fds[N_FDS]; /* the file, or -1 */
    int n_open;
    bool never_answers; /* not even a cancel */
    struct pending {
        struct stk_flight *flight; /* NULL: free */
        int64_t due;
    } pending[256];
    int n_late; /* answers to reads that had been given up */
} w;

/* 0 ... n-1, the next of the seed's numbers. */
uint32_t world_chance(uint32_t n);

/* What a version of a file holds. */
uint8_t world_byte(const struct file *file, uint32_t version, int64_t i);

/* A new world; engine: world_ring or an engine of stoker's own. */
void world_begin(uint64_t seed, const struct stk_io_engine *engine);

extern const struct stk_io_engine world_ring;

#endif
