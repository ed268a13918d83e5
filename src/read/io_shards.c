/* The least recently used shard that nobody reads makes room. */
#include "read/io_shards.h"

#include <stddef.h>
#include <string.h>

static void drop(struct stk_shard *shard, const struct stk_io_calls *calls)
{
    calls->close(calls->self, shard->fd);
    shard->path[0] = '\0';
    shard->is_stale = 0;
}

static struct stk_shard *find(struct stk_shards *shards, const char *path)
{
    for (int i = 0; i < STK_N_SHARDS; i++)
        if (!shards->shard[i].is_stale &&
            strcmp(shards->shard[i].path, path) == 0)
            return &shards->shard[i];
    return NULL;
}

static struct stk_shard *make_room(struct stk_shards *shards,
                                   const struct stk_io_calls *calls)
{
    struct stk_shard *oldest = NULL;

    for (int i = 0; i < STK_N_SHARDS; i++) {
        struct stk_shard *shard = &shards->shard[i];
        if (!shard->path[0])
            return shard;
        if (shard->n_users == 0 &&
            (!oldest || shard->last_use < oldest->last_use))
            oldest = shard;
    }
    if (oldest)
        drop(oldest, calls);
    return oldest;
}

int stk_shards_take(struct stk_shards *shards, const struct stk_io_calls *calls,
                    const char *path, struct stk_shard **out)
{
    size_t n = strlen(path);
    if (n == 0 || n >= STK_SHARD_PATH_BYTES)
        return 1;
    struct stk_shard *shard = find(shards, path);
    if (!shard) {
        shard = make_room(shards, calls);
        if (!shard)
            return 1;
        int fd = calls->open(calls->self, path);
        if (fd < 0)
            return fd;
        shard->fd = fd;
        memcpy(shard->path, path, n + 1);
    }
    shard->n_users++;
    shard->last_use = ++shards->n_uses;
    *out = shard;
    return 0;
}

void stk_shards_return(struct stk_shard *shard,
                       const struct stk_io_calls *calls, int stale)
{
    shard->is_stale |= stale;
    if (--shard->n_users == 0 && shard->is_stale)
        drop(shard, calls);
}

void stk_shards_fini(struct stk_shards *shards,
                     const struct stk_io_calls *calls)
{
    for (int i = 0; i < STK_N_SHARDS; i++)
        if (shards->shard[i].path[0])
            drop(&shards->shard[i], calls);
}
