/* The AVX-512 kernels of placing, across several files, and the packed form of
 * a horizontal axis, which pack_avx512.c writes and across_avx512.c reads. */
#ifndef STK_PLACE_AVX512_H
#define STK_PLACE_AVX512_H

#include "augment/place_kernels.h"

#include <immintrin.h>

/* Forms of packing: how the taps of 16 outputs are fetched. */
enum {
    STK_PAIRS,  /* at most two taps, one vpermb of 64 bytes */
    STK_NARROW, /* 64 bytes hold four taps of all 16 outputs */
    STK_WIDE,   /* 128 bytes do */
    STK_WHOLE,  /* 128 bytes hold all taps of each eight outputs */
    STK_LONG,   /* they hold eight taps of each */
    STK_FAR,    /* anything: 16 taps of four outputs a vector */
};

/* Eights of taps up to which STK_WHOLE is chosen. */
enum { STK_WHOLE_EIGHTS = 6 };

/* A group of 16 outputs (STK_WHOLE, STK_LONG: of eight): where its bytes begin,
 * which it takes, its weights (STK_PAIRS: high and low 11 bits; else three
 * digits for each four or eight taps). */
struct stk_group16 {
    int32_t base[16]; /* one cache line; only [0] is used */
    __m512i pick;
    __m512i weight[];
};

/* STK_FAR: first taps of 16 outputs, then their digits: for each four outputs
 * and 16 taps three vectors. */
struct stk_far16 {
    int32_t first[16];
    __m512i weight[];
};

/* Bytes from a group to the next. */
static inline size_t stk_group16_bytes(const struct stk_axis *axis)
{
    size_t taps = (size_t)axis->taps;
    switch (axis->packing) {
    case STK_FAR:
        return 64 + (taps + 15) / 16 * 4 * 3 * 64;
    case STK_WHOLE:
    case STK_LONG:
        return 2 * 64 + (taps + 7) / 8 * 3 * 64;
    case STK_PAIRS:
        return 4 * 64;
    default:
        return 2 * 64 + (taps + 3) / 4 * 3 * 64;
    }
}

void stk_weights_avx512(struct stk_axis *axis);
void stk_pack_avx512(struct stk_axis *axis);
bool stk_halves_avx512(struct stk_axis *axis);
void stk_across_avx512(const struct stk_axis *axis,
                       const uint8_t *const from[3], size_t stride,
                       int32_t n_rows, uint32_t *const *to);
void stk_across_bytes_avx512(const struct stk_axis *axis,
                             const uint8_t *const from[3], size_t stride,
                             int32_t n_rows, uint8_t *const to[3],
                             ptrdiff_t to_stride);
void stk_emit_avx512(const struct stk_emit *emit, const uint8_t *const from[3],
                     size_t n, uint8_t *to);

#endif
