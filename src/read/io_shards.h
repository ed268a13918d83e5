/* A few open shards a worker, so that ranges of one file do not open it once
 * a sample. */
#ifndef STK_IO_SHARDS_H
#define STK_IO_SHARDS_H

#include <stdint.h>

#include "read/io_calls.h"

enum { STK_N_SHARDS = 8, STK_SHARD_PATH_BYTES = 4352 };

struct stk_shard {
    int fd; /* valid while path is not "" */
    int32_t n_users;
    uint64_t last_use;
    int is_stale; /* closed by its last user, not given out again */
    char path[STK_SHARD_PATH_BYTES];
};

struct stk_shards {
    struct stk_shard shard[STK_N_SHARDS];
    uint64_t n_uses;
};

/* Opens the shard or finds it open, and counts a user.
 * Returns 0; 1 when there is no room and the caller is to open it itself; or
 * a negated errno. */
int stk_shards_take(struct stk_shards *shards, const struct stk_io_calls *calls,
                    const char *path, struct stk_shard **out);

/* Counts a user off; stale: the next take opens the path anew. */
void stk_shards_return(struct stk_shard *shard,
                       const struct stk_io_calls *calls, int stale);

void stk_shards_fini(struct stk_shards *shards,
                     const struct stk_io_calls *calls);

#endif
