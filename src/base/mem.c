/* Allocation: the only file besides pin/ that asks the system for memory. */
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *stk_calloc(size_t n, size_t bytes)
{
    return calloc(n, bytes);
}

static void *alloc_aligned(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, STK_CACHE_LINE, bytes) != 0)
        return NULL;
    return memory;
}

void *stk_calloc_aligned(size_t n, size_t bytes)
{
    size_t total;
    if (stk_mul_overflows(n, bytes, &total))
        return NULL;
    void *memory = alloc_aligned(total ? total : 1);
    if (memory)
        memset(memory, 0, total);
    return memory;
}

void *stk_realloc(void *memory, size_t bytes)
{
    return realloc(memory, bytes);
}

void stk_free(void *memory)
{
    free(memory);
}

int stk_scratch_reserve(struct stk_scratch *scratch, size_t bytes)
{
    if (bytes <= scratch->bytes)
        return 0;
    size_t want, total;
    if (stk_add_overflows(bytes, bytes / 4, &want) ||
        stk_add_overflows(want, STK_SCRATCH_PAD, &total))
        return -ENOMEM;
    uint8_t *data = alloc_aligned(total);
    if (!data)
        return -ENOMEM;
    free(scratch->data);
    /* Kernels may read pad bytes: they are defined from the first. */
    memset(data + want, 0, STK_SCRATCH_PAD);
    scratch->data = data;
    scratch->bytes = want;
    return 0;
}

void stk_scratch_trim(struct stk_scratch *scratch, size_t keep_bytes)
{
    if (scratch->bytes > keep_bytes)
        stk_scratch_fini(scratch);
}

void stk_scratch_fini(struct stk_scratch *scratch)
{
    free(scratch->data);
    scratch->data = NULL;
    scratch->bytes = 0;
}
