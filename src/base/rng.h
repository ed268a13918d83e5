/* Counter-based randomness: Philox4x32-10 (Salmon et al., "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011), so that a draw is a pure function
 * of what it is for, not of who drew before. */
#ifndef STK_RNG_H
#define STK_RNG_H

#include <stdint.h>

/* What a stream of draws is for; a number is never given away again. */
enum stk_stream {
    STK_STREAM_ORDER = 1,  /* an epoch's permutation */
    STK_STREAM_REFILL = 2, /* substitutes for bad samples */
    STK_STREAM_RETRY = 3,  /* jitter; decides no pixel */
    STK_STREAM_OP = 16,    /* + the transform's index in the user's list */
};

struct stk_draw {
    uint32_t word[4];
};

/* The block-th 128 bits of a stream: key is the seed, counter the rest. */
struct stk_draw stk_rng_draw(uint64_t seed, uint64_t epoch, uint64_t id,
                             uint32_t stream, uint32_t block);

/* The bijection itself, for known-answer tests. */
struct stk_draw stk_philox4x32(const uint32_t counter[4],
                               const uint32_t key[2]);

/* Uniform in [0, 1) with 53 bits. */
static inline double stk_rng_double(uint32_t high, uint32_t low)
{
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

/* Uniform in 0 ... n-1 from 64 random bits by multiplication; the bias is
 * below n / 2^64. */
static inline uint64_t stk_rng_below(uint32_t high, uint32_t low, uint64_t n)
{
    uint64_t x = (uint64_t)high << 32 | low;
    __extension__ typedef unsigned __int128 u128;
    return (uint64_t)((u128)x * n >> 64);
}

#endif
