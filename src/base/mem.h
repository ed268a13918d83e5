/* Memory: overflow-checked sizes, aligned blocks, scratch that only grows. */
#ifndef STK_MEM_H
#define STK_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STK_CACHE_LINE = 64, STK_SCRATCH_PAD = 128 };

/* true when a * b or a + b does not fit; *out is set otherwise. */
static inline bool stk_mul_overflows(size_t a, size_t b, size_t *out)
{
    return __builtin_mul_overflow(a, b, out);
}
static inline bool stk_add_overflows(size_t a, size_t b, size_t *out)
{
    return __builtin_add_overflow(a, b, out);
}

/* n rounded up to a multiple of a power of two; n is far below SIZE_MAX. */
static inline size_t stk_round_up(size_t n, size_t power)
{
    return (n + power - 1) & ~(power - 1);
}

/* Zeroed, NULL when there is no memory or n * bytes overflows. */
void *stk_calloc(size_t n, size_t bytes);
/* Aligned to a cache line and zeroed; freed by stk_free(). */
void *stk_calloc_aligned(size_t n, size_t bytes);
/* As realloc(): what is new is not zeroed; NULL leaves memory as it was. */
void *stk_realloc(void *memory, size_t bytes);
void stk_free(void *memory);

/* A block that one thread owns and that only grows: no allocation per sample
 * once the largest has been seen. */
struct stk_scratch {
    uint8_t *data; /* 64-byte aligned, STK_SCRATCH_PAD bytes more than bytes */
    size_t bytes;
};

/* Makes room for bytes; the old content is lost.  Returns 0 or -ENOMEM. */
int stk_scratch_reserve(struct stk_scratch *scratch, size_t bytes);
/* Gives memory over keep_bytes back after a giant. */
void stk_scratch_trim(struct stk_scratch *scratch, size_t keep_bytes);
void stk_scratch_fini(struct stk_scratch *scratch);

#endif
