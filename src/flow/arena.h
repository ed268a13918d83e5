/* The arena: one block cut into the buffers that batches lie in. */
#ifndef STK_ARENA_H
#define STK_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* Buffers begin at huge-page boundaries, so that each can be pinned and
 * prefaulted by itself; rows follow one another without gaps. */
enum { STK_BUFFER_ALIGN = 2 << 20 };

struct stk_arena {
    uint8_t *data;
    size_t buffer_bytes; /* a multiple of the alignment */
    uint32_t n_buffers;
};

/* buffer_bytes rounded up, and what n such buffers take; false: too big. */
static inline bool stk_arena_sizes(size_t bytes, size_t n_buffers,
                                   size_t *buffer_bytes, size_t *total_bytes)
{
    if (bytes > SIZE_MAX - STK_BUFFER_ALIGN)
        return false;
    *buffer_bytes = stk_round_up(bytes, STK_BUFFER_ALIGN);
    return !stk_mul_overflows(*buffer_bytes, n_buffers, total_bytes);
}

static inline uint8_t *stk_arena_buffer(const struct stk_arena *arena,
                                        uint32_t buffer)
{
    return arena->data + arena->buffer_bytes * buffer;
}

#endif
