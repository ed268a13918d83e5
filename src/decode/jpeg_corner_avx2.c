/* The shorter ways of the AVX2 inverse DCT: for pairs of blocks whose
 * coefficients all lie in the corner of 4 x 4 low frequencies, a third of a
 * photo's, with half the work; and for those that have nothing but DC. */
#include <stdlib.h>
#include <string.h>

#include "decode/jpeg_two_avx2.h"

/* As transform() of jpeg_idct_avx2.c, where inputs 4 ... 7 are zero: pairs
 * (0, 2) and (1, 3), and what is to be added to all. */
INLINE void transform_corner(__m256i p02, __m256i p13, __m256i add,
                             __m256i out[8])
{
    __m256i even[4] = {
        _mm256_add_epi32(add, MADD(p02, STK_ONE, EVEN_20)),
        _mm256_add_epi32(add, MADD(p02, STK_ONE, EVEN_21)),
        _mm256_add_epi32(add, MADD(p02, STK_ONE, -EVEN_21)),
        _mm256_add_epi32(add, MADD(p02, STK_ONE, -EVEN_20)),
    };
    __m256i odd[4] = {MADD(p13, ODD_10, ODD_30), MADD(p13, ODD_11, ODD_31),
                      MADD(p13, ODD_12, ODD_32), MADD(p13, ODD_13, ODD_33)};
    butterfly(even, odd, out);
}

/* Two rows' words, row by row. */
INLINE __m256i two_rows(const __m256i x[2])
{
    return _mm256_packs_epi32(_mm256_srai_epi32(x[0], STK_SHIFT_1),
                              _mm256_srai_epi32(x[1], STK_SHIFT_1));
}

/* A macro, as clang wants the selection to be a constant as it is written. */
#define DWORDS_OF(a, b, which)                                                 \
    _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a),              \
                                          _mm256_castsi256_ps(b), which))

/* Stages 1 and 2 of corners; rows: of the upper four the pairs of columns 0
 * and 2, then of 1 and 3, and of the lower four.  true: wild. */
INLINE bool first_corner(const __m256i quant[2], const struct stk_two *two,
                         __m256i rows[4])
{
    __m256i chunk[8], x[8];

    load_chunks(two, 0, chunk);
    load_chunks(two, 2, chunk);
    /* Scan order 0 3 5 12 1 8 6 17 and 2 9 7 18 4 11 13 24: columns 0, 2, 1,
     * 3, so that words of rows are such pairs again. */
    __m256i p02 = WORDS(chunk[0], 0x10, chunk[1]);
    p02 = WORDS(ARRANGED(p02, 0, 3, 5, 4, 1, 0, 6, 0), 0x20, UP(chunk[1], 5));
    p02 = WORDS(p02, 0x80, UP(chunk[2], 6));
    __m256i p13 = WORDS(WORDS(chunk[0], 0x2A, chunk[1]), 0x01, chunk[3]);
    p13 = WORDS(ARRANGED(p13, 2, 1, 7, 0, 4, 3, 5, 0), 0x08, UP(chunk[2], 1));
    p02 = _mm256_mullo_epi16(p02, quant[0]);
    p13 = _mm256_mullo_epi16(p13, quant[1]);
    transform_corner(p02, p13, rounding(LEVEL << STK_SHIFT_1), x);
    for (int h = 0; h < 2; h++) {
        __m256i a = two_rows(x + 4 * h), b = two_rows(x + 4 * h + 2);
        rows[2 * h] = DWORDS_OF(a, b, 0x88);
        rows[2 * h + 1] = DWORDS_OF(a, b, 0xDD);
    }
    return is_wild(add_squares(_mm256_mulhi_epi16(p02, p02), p13));
}

/* Stage 3 of corners. */
INLINE void second_corner(const __m256i rows[4], uint8_t *out, size_t stride)
{
    for (int h = 0; h < 2; h++, out += 4 * stride) {
        __m256i x[8];
        transform_corner(rows[2 * h], rows[2 * h + 1], _mm256_setzero_si256(),
                         x);
        put_four_rows(x, out, stride);
    }
}

void stk_jpeg_corners_avx2(const struct stk_jpeg_quant *quant,
                           const struct stk_two *two, uint64_t which,
                           size_t stride)
{
    const __m128i *q = (const __m128i *)(const void *)quant->lanes;
    __m128i q02 = _mm_blend_epi16(q[0], _mm_slli_epi32(q[4], 16), 0xAA);
    __m128i q13 = _mm_blend_epi16(q[2], _mm_slli_epi32(q[6], 16), 0xAA);
    const __m256i corner[2] = {
        _mm256_broadcastsi128_si256(_mm_shuffle_epi32(q02, 0xD8)),
        _mm256_broadcastsi128_si256(_mm_shuffle_epi32(q13, 0xD8))};
    const struct stk_two *of[STK_TWO_BATCH];
    __m256i rows[STK_TWO_BATCH][4];

    while (which) {
        unsigned wild = 0;
        int n = 0;
        for (; n < STK_TWO_BATCH && which; n++, which &= which - 1) {
            of[n] = two + __builtin_ctzll(which);
            wild |= (unsigned)first_corner(corner, of[n], rows[n]) << n;
        }
        for (int i = 0; i < n; i++)
            second_corner(rows[i], of[i]->out, stride);
        for (; wild; wild &= wild - 1)
            stk_jpeg_two_exact(quant, of[__builtin_ctz(wild)], stride);
    }
}

/* 8 x 8 equal bytes. */
INLINE void put_flat(int value, uint8_t *out, size_t stride)
{
    value = ((value + 4) >> 3) + 128;
    value = value < 0 ? 0 : value > 255 ? 255 : value;
    uint64_t eight = (uint64_t)value * 0x0101010101010101u;
    for (int r = 0; r < 8; r++)
        memcpy(out + (size_t)r * stride, &eight, 8);
}

void stk_jpeg_flats_avx2(const struct stk_jpeg_quant *quant,
                         const struct stk_two *two, uint64_t which,
                         size_t stride)
{
    for (; which; which &= which - 1) {
        const struct stk_two *at = two + __builtin_ctzll(which);
        int dc[2] = {at->block[0][0] * quant->zigzag[0],
                     at->block[1][0] * quant->zigzag[0]};
        if (abs(dc[0]) > 8191 || abs(dc[1]) > 8191) {
            stk_jpeg_two_exact(quant, at, stride);
            continue;
        }
        put_flat(dc[0], at->out, stride);
        put_flat(dc[1], at->out + 8, stride);
    }
}

void stk_jpeg_two_exact(const struct stk_jpeg_quant *quant,
                        const struct stk_two *two, size_t stride)
{
    for (int b = 0; b < 2; b++)
        stk_jpeg_idct_exact(quant, two->block[b], two->out + 8 * b, stride);
}
