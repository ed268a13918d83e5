/* Where batches live: memory, its cut into buffers, and the ring of turns.
 * Shared by the loader and every leased batch, so that a lease outlives
 * close; the last one out gives the memory back. */
#ifndef STK_HOME_H
#define STK_HOME_H

#include <stdatomic.h>
#include <sys/types.h>

#include "flow/arena.h"
#include "flow/ring.h"
#include "loader/gpu.h"
#include "pin/memory.h"

struct stk_home {
    atomic_uint n_shares; /* the loader's and one a lease */
    pid_t pid;            /* of the process whose threads run the ring */
    struct stk_memory memory;
    struct stk_arena arena;
    struct stk_ring ring;
    struct stk_place *places;
    struct stk_gpu *gpu; /* NULL: no CUDA */
};

/* Buffers of buffer_bytes each, opt->n_slots of them.  Takes gpu (may be
 * NULL) over, also on failure.
 * Owns: the caller has one share.  NULL with err filled on failure. */
struct stk_home *stk_home_open(const stoker_options *opt, size_t buffer_bytes,
                               struct stk_gpu *gpu, stoker_error *err);

struct stk_home *stk_home_retain(struct stk_home *home);
void stk_home_release(struct stk_home *home);

/* Any thread, once a lease: the buffer may be written again, at once. */
void stk_home_return(struct stk_home *home, uint32_t buffer);

/* true in the process that opened it. */
bool stk_home_is_ours(const struct stk_home *home);

#endif
