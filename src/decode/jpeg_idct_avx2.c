/* The inverse DCT on two blocks at once, a block a lane of 128 bits.  As in
 * the AVX-512 file, but scan order is undone by byte shuffles of 8
 * coefficients at a time, so that blocks without high frequencies, which are
 * most, take a shorter way. */
#include <immintrin.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "decode/jpeg_idct.h"
#include "decode/jpeg_kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* What the second pass adds to all is in column 0 already. */
enum { LEVEL = STK_LEVEL_2 / STK_ONE };

/* [lane][c]: where the lane's coefficients stand among the 8 of chunk c; a
 * lane as in stk_jpeg_quant, in indices into scan order. */
#define BYTE(z, c, i) (int8_t)((z) / 8 == (c) ? (z) % 8 * 2 + (i) : -128)
#define WORD(z, c)    BYTE(z, c, 0), BYTE(z, c, 1)
#define HALF(c, a, b, d, e, f, g, h, i)                                        \
    WORD(a, c), WORD(b, c), WORD(d, c), WORD(e, c), WORD(f, c), WORD(g, c),    \
        WORD(h, c), WORD(i, c)
#define CHUNK(c, ...)                                                          \
    {                                                                          \
        HALF(c, __VA_ARGS__), HALF(c, __VA_ARGS__)                             \
    }
#define LANE(...)                                                              \
    {                                                                          \
        CHUNK(0, __VA_ARGS__), CHUNK(1, __VA_ARGS__), CHUNK(2, __VA_ARGS__),   \
            CHUNK(3, __VA_ARGS__), CHUNK(4, __VA_ARGS__),                      \
            CHUNK(5, __VA_ARGS__), CHUNK(6, __VA_ARGS__),                      \
            CHUNK(7, __VA_ARGS__)                                              \
    }
static const int8_t places[8][8][32] __attribute__((aligned(32))) = {
    LANE(0, 10, 1, 19, 5, 23, 6, 32),    LANE(14, 39, 15, 45, 27, 52, 28, 54),
    LANE(2, 20, 4, 22, 7, 33, 13, 38),   LANE(16, 46, 26, 51, 29, 55, 42, 60),
    LANE(3, 21, 8, 34, 12, 37, 17, 47),  LANE(25, 50, 30, 56, 41, 59, 43, 61),
    LANE(9, 35, 11, 36, 18, 48, 24, 49), LANE(31, 57, 40, 58, 44, 62, 53, 63),
};

INLINE __m256i pair(int low, int high)
{
    return _mm256_set1_epi32(
        (int)(((unsigned)low & 0xffff) | (unsigned)high << 16));
}

#define MADD(a, l, h) _mm256_madd_epi16(a, pair(l, h))

/* p: pairs (0, 4), (1, 5), (2, 6), (3, 7), of which the last are zero from
 * n_pairs on; of the first sum and difference are left, with what is to be
 * added to all.  out in 32 bits, not shifted. */
INLINE void transform(const __m256i p[4], int n_pairs, __m256i sum,
                      __m256i difference, __m256i out[8])
{
    enum {
        A = STK_C_1_175,
        B = -STK_C_1_961,
        C = -STK_C_0_390,
        D = -STK_C_0_899,
        E = -STK_C_2_562
    };
    __m256i even[4], odd[4];
    if (n_pairs == 1) {
        out[0] = out[3] = out[4] = out[7] = sum;
        out[1] = out[2] = out[5] = out[6] = difference;
        return;
    }
    __m256i c = MADD(p[2], STK_C_0_541 + STK_C_0_765, STK_C_0_541);
    __m256i d = MADD(p[2], STK_C_0_541, STK_C_0_541 - STK_C_1_847);
    even[0] = _mm256_add_epi32(sum, c);
    even[1] = _mm256_add_epi32(difference, d);
    even[2] = _mm256_sub_epi32(difference, d);
    even[3] = _mm256_sub_epi32(sum, c);
    odd[0] = _mm256_add_epi32(MADD(p[1], STK_C_1_501 + D + C + A, C + A),
                              MADD(p[3], A, D + A));
    odd[1] = _mm256_add_epi32(MADD(p[1], A, E + A),
                              MADD(p[3], STK_C_3_072 + E + B + A, B + A));
    odd[2] = _mm256_add_epi32(MADD(p[1], C + A, STK_C_2_053 + E + C + A),
                              MADD(p[3], E + A, A));
    odd[3] = _mm256_add_epi32(MADD(p[1], D + A, A),
                              MADD(p[3], B + A, STK_C_0_298 + D + B + A));
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_add_epi32(even[i], odd[i]);
        out[7 - i] = _mm256_sub_epi32(even[i], odd[i]);
    }
}

INLINE void put_two_rows(__m256i rows, uint8_t *out, size_t stride)
{
    rows = _mm256_permute4x64_epi64(rows, 0xD8);
    _mm_storeu_si128((void *)out, _mm256_castsi256_si128(rows));
    _mm_storeu_si128((void *)(out + stride), _mm256_extracti128_si256(rows, 1));
}

/* more: what the first column gets besides. */
INLINE void first_pass(const __m256i p[4], int n_pairs, int more,
                       __m256i out[8])
{
    const __m256i round = _mm256_setr_epi32(
        STK_ROUND_1 + more, STK_ROUND_1, STK_ROUND_1, STK_ROUND_1,
        STK_ROUND_1 + more, STK_ROUND_1, STK_ROUND_1, STK_ROUND_1);
    transform(p, n_pairs, _mm256_add_epi32(round, MADD(p[0], STK_ONE, STK_ONE)),
              _mm256_add_epi32(round, MADD(p[0], STK_ONE, -STK_ONE)), out);
}

/* rows[r]: pairs of columns of row r, LEVEL in the first.  Writes these four
 * rows. */
INLINE void second_pass(const __m256i rows[4], uint8_t *out, size_t stride)
{
    const __m256i upper = _mm256_set1_epi32(1 << 16);
    const __m256i quarter = _mm256_set1_epi16(1 << 14);
    __m256i a = _mm256_unpacklo_epi32(rows[0], rows[1]);
    __m256i b = _mm256_unpackhi_epi32(rows[0], rows[1]);
    __m256i c = _mm256_unpacklo_epi32(rows[2], rows[3]);
    __m256i d = _mm256_unpackhi_epi32(rows[2], rows[3]);
    __m256i p[4] = {_mm256_unpacklo_epi64(a, c), _mm256_unpackhi_epi64(a, c),
                    _mm256_unpacklo_epi64(b, d), _mm256_unpackhi_epi64(b, d)};
    __m256i x[8], two[4];
    transform(p, 4, MADD(p[0], STK_ONE, STK_ONE), MADD(p[0], STK_ONE, -STK_ONE),
              x);
    /* Columns 2i and 2i + 1: their upper halves, by multiplications, since
     * shifts compete with shuffles. */
    for (int i = 0; i < 4; i++)
        two[i] = _mm256_mulhi_epi16(
            _mm256_blend_epi16(_mm256_madd_epi16(x[2 * i], upper), x[2 * i + 1],
                               0xAA),
            quarter);
    a = _mm256_packus_epi16(two[0], two[2]);
    b = _mm256_packus_epi16(two[1], two[3]);
    c = _mm256_unpacklo_epi16(a, b), d = _mm256_unpackhi_epi16(a, b);
    put_two_rows(_mm256_unpacklo_epi32(c, d), out, stride);
    put_two_rows(_mm256_unpackhi_epi32(c, d), out + 2 * stride, stride);
}

/* The part of lane l that chunk c holds, where there are that many chunks. */
#define PART(l, c)                                                             \
    ((c) < n_chunks                                                            \
         ? _mm256_shuffle_epi8(chunk[c],                                       \
                               _mm256_load_si256((const void *)places[l][c]))  \
         : _mm256_setzero_si256())
#define OR(a, b) _mm256_or_si256(a, b)

/* Scan order to lanes; chunks from n_chunks (2, 4 or 8) on are zero. */
INLINE void order(const __m256i *chunk, int n_chunks, __m256i lane[8])
{
    lane[0] = OR(OR(PART(0, 0), PART(0, 1)), OR(PART(0, 2), PART(0, 4)));
    lane[1] = OR(OR(OR(PART(1, 1), PART(1, 3)), OR(PART(1, 4), PART(1, 5))),
                 PART(1, 6));
    lane[2] = OR(OR(PART(2, 0), PART(2, 1)), OR(PART(2, 2), PART(2, 4)));
    lane[3] = OR(OR(OR(PART(3, 2), PART(3, 3)), OR(PART(3, 5), PART(3, 6))),
                 PART(3, 7));
    lane[4] = OR(OR(OR(PART(4, 0), PART(4, 1)), OR(PART(4, 2), PART(4, 4))),
                 PART(4, 5));
    lane[5] = OR(OR(PART(5, 3), PART(5, 5)), OR(PART(5, 6), PART(5, 7)));
    lane[6] = OR(OR(OR(PART(6, 1), PART(6, 2)), OR(PART(6, 3), PART(6, 4))),
                 PART(6, 6));
    lane[7] = OR(OR(PART(7, 3), PART(7, 5)), OR(PART(7, 6), PART(7, 7)));
}

/* Whether a column's squares may add up to more than STK_TAME: products lose
 * their low 16 bits, each less than one of 65536. */
INLINE bool is_wild(const __m256i left[4], const __m256i right[4], int n_right)
{
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

    for (int k = 0; k < 4; k++)
        sum[0] =
            _mm256_adds_epi16(sum[0], _mm256_mulhi_epi16(left[k], left[k]));
    for (int k = 0; k < n_right; k++)
        sum[1] =
            _mm256_adds_epi16(sum[1], _mm256_mulhi_epi16(right[k], right[k]));
    __m256i both = _mm256_madd_epi16(_mm256_max_epi16(sum[0], sum[1]),
                                     _mm256_set1_epi16(1));
    return _mm256_movemask_epi8(_mm256_cmpgt_epi32(
               both, _mm256_set1_epi32(STK_TAME / 65536 - 8))) != 0;
}

INLINE bool transform_two(const struct stk_jpeg_quant *quant,
                          const __m256i chunk[8], int n_chunks, uint8_t *out,
                          size_t stride)
{
    /* Of 16 coefficients in scan order columns 4 ... 7 have one row. */
    const int n_right = n_chunks == 2 ? 1 : 4;
    __m256i lane[8], left[4], right[4], rows[8], x[8], y[8];

    order(chunk, n_chunks, lane);
    for (int k = 0; k < 4; k++) {
        const __m128i *q = (const __m128i *)(const void *)quant->lanes + 2 * k;
        left[k] = _mm256_mullo_epi16(
            lane[2 * k], _mm256_broadcastsi128_si256(_mm_load_si128(q)));
        right[k] = _mm256_mullo_epi16(
            lane[2 * k + 1],
            _mm256_broadcastsi128_si256(_mm_load_si128(q + 1)));
    }
    if (is_wild(left, right, n_right))
        return false;
    first_pass(left, 4, LEVEL << STK_SHIFT_1, x);
    first_pass(right, n_right, 0, y);
    for (int i = 0; i < 8; i++)
        rows[i] =
            _mm256_blend_epi16(_mm256_srli_epi32(x[i], STK_SHIFT_1),
                               _mm256_slli_epi32(y[i], 16 - STK_SHIFT_1), 0xAA);
    second_pass(rows, out, stride);
    second_pass(rows + 4, out + 4 * stride, stride);
    return true;
}

/* Nothing but DC: 8 x 8 equal bytes. */
INLINE void flat(int value, uint8_t *out, size_t stride)
{
    value = ((value + 4) >> 3) + 128;
    value = value < 0 ? 0 : value > 255 ? 255 : value;
    uint64_t eight = (uint64_t)value * 0x0101010101010101u;
    for (int r = 0; r < 8; r++)
        memcpy(out + (size_t)r * stride, &eight, 8);
}

INLINE __m256i load_chunk(const int16_t *const block[2], int c)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(
            _mm_load_si128((const void *)(block[0] + 8 * c))),
        _mm_load_si128((const void *)(block[1] + 8 * c)), 1);
}

/* false: a block is too wild for 16 bits. */
INLINE bool two_blocks(const struct stk_jpeg_quant *quant,
                       const int16_t *const block[2], uint8_t *out,
                       size_t stride)
{
    const __m256i not_dc = _mm256_set_epi64x(-1, -65536, -1, -65536);
    __m256i chunk[8];

    for (int c = 0; c < 8; c++)
        chunk[c] = load_chunk(block, c);
    __m256i high = OR(OR(chunk[4], chunk[5]), OR(chunk[6], chunk[7]));
    if (!_mm256_testz_si256(high, high))
        return transform_two(quant, chunk, 8, out, stride);
    __m256i middle = OR(chunk[2], chunk[3]);
    if (!_mm256_testz_si256(middle, middle))
        return transform_two(quant, chunk, 4, out, stride);
    __m256i low = OR(_mm256_and_si256(chunk[0], not_dc), chunk[1]);
    if (!_mm256_testz_si256(low, low))
        return transform_two(quant, chunk, 2, out, stride);
    int dc[2] = {block[0][0] * quant->zigzag[0],
                 block[1][0] * quant->zigzag[0]};
    if (abs(dc[0]) > 8191 || abs(dc[1]) > 8191)
        return false;
    flat(dc[0], out, stride);
    flat(dc[1], out + 8, stride);
    return true;
}

void stk_jpeg_idct_avx2(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                        size_t stride)
{
    const int16_t *mcu = blocks->first, *block[2] = {mcu, mcu};
    int32_t in_mcu = 0;

    for (int32_t i = 0; i < blocks->n; i += 2, out += 16) {
        int n = blocks->n - i < 2 ? 1 : 2;
        for (int b = 0; b < n; b++) {
            block[b] = mcu + 64 * in_mcu;
            if (++in_mcu == blocks->wide) {
                in_mcu = 0;
                mcu += blocks->mcu_coefficients;
            }
        }
        if (!two_blocks(blocks->quant, block, out, stride))
            for (int b = 0; b < n; b++)
                stk_jpeg_idct_exact(blocks->quant, block[b], out + 8 * b,
                                    stride);
    }
}
