/* The AVX2 kernels of placing, across several files, and the packed form of a
 * horizontal axis, which pack_avx2.c writes and across_avx2.c reads. */
#ifndef STK_PLACE_AVX2_H
#define STK_PLACE_AVX2_H

#include "augment/place_kernels.h"

#include <immintrin.h>

/* Forms of packing: how the taps of eight outputs are fetched. */
enum {
    STK_8_FAR = -1, /* anything: 16 taps of one output a vector */
    STK_8_STEP,  /* 16 bytes hold two taps of each four, and move with them */
    STK_8_NEAR,  /* 16 bytes hold all taps of each four */
    STK_8_CLOSE, /* 16 bytes hold all taps of all eight */
};

/* Pairs of taps up to which these forms are chosen; up to STK_8_NEAR_PAIRS
 * all is in one function. */
enum { STK_8_CLOSE_PAIRS = 3, STK_8_NEAR_PAIRS = 5, STK_8_STEP_PAIRS = 18 };

/* Eight outputs: where the bytes of each four begin, which are taken, and
 * high and low weights for each pair of taps. */
struct stk_group8 {
    int32_t base[8]; /* [0] and [1] are used */
    __m256i pick;
    __m256i weight[];
};

/* One output: its first tap; high and low weights of 16 taps. */
struct stk_far8 {
    int32_t first[8]; /* [0] is used */
    __m256i weight[];
};

static inline size_t stk_group8_bytes(const struct stk_axis *axis)
{
    size_t taps = (size_t)axis->taps;
    return axis->packing == STK_8_FAR ? 32 + (taps + 15) / 16 * 64
                                      : 64 + (taps + 1) / 2 * 64;
}

void stk_weights_avx2(struct stk_axis *axis);
void stk_pack_avx2(struct stk_axis *axis);
bool stk_halves_avx2(struct stk_axis *axis);
void stk_across_avx2(const struct stk_axis *axis, const uint8_t *const from[3],
                     size_t stride, int32_t n_rows, uint32_t *const *to);
void stk_across_bytes_avx2(const struct stk_axis *axis,
                           const uint8_t *const from[3], size_t stride,
                           int32_t n_rows, uint8_t *const to[3],
                           ptrdiff_t to_stride);
void stk_emit_avx2(const struct stk_emit *emit, const uint8_t *const from[3],
                   size_t n, uint8_t *to);

#endif
