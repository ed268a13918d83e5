/* The inverse DCT on four blocks at once, a block a lane of 128 bits.
 *
 * Coefficients come from scan order straight into pairs of rows r and r + 4,
 * a column a pair, so that both passes are multiply-adds of pairs: the odd
 * part is a 4x4 matrix of libjpeg's own sums.  Between the passes the low
 * halves of columns 0 ... 3 and of 4 ... 7 interleave to pairs again. */
#include <immintrin.h>
#include <stdbool.h>

#include "decode/jpeg_idct.h"
#include "decode/jpeg_kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* [h] in the order of stk_jpeg_quant's lanes 4h ... 4h + 3, as indices into
 * scan order. */
static const int16_t scan_order[2][32] __attribute__((aligned(64))) = {
    {0, 10, 1, 19, 5, 23, 6,  32, 14, 39, 15, 45, 27, 52, 28, 54,
     2, 20, 4, 22, 7, 33, 13, 38, 16, 46, 26, 51, 29, 55, 42, 60},
    {3, 21, 8,  34, 12, 37, 17, 47, 25, 50, 30, 56, 41, 59, 43, 61,
     9, 35, 11, 36, 18, 48, 24, 49, 31, 57, 40, 58, 44, 62, 53, 63},
};

/* Words of two rows of columns 0 1, 2 3 (byte lanes of first) and 4 5, 6 7
 * (of second) to rows of 8 bytes, block after block; [1] for the next two
 * rows. */
#define ROW(b, r)                                                              \
    16 * (b) + (r), 16 * (b) + (r) + 1, 16 * (b) + (r) + 8,                    \
        16 * (b) + (r) + 9, 64 + 16 * (b) + (r), 65 + 16 * (b) + (r),          \
        72 + 16 * (b) + (r), 73 + 16 * (b) + (r)
#define ROWS(r) ROW(0, r), ROW(1, r), ROW(2, r), ROW(3, r)
static const int8_t row_order[2][64]
    __attribute__((aligned(64))) = {{ROWS(0), ROWS(2)}, {ROWS(4), ROWS(6)}};

INLINE __m512i pair(int low, int high)
{
    return _mm512_set1_epi32((int)((unsigned)low & 0xffff) |
                             (int)((unsigned)high << 16));
}

#define MADD(a, l, h)       _mm512_madd_epi16(a, pair(l, h))
#define MADD_TO(s, a, l, h) _mm512_dpwssd_epi32(s, a, pair(l, h))

/* p: pairs (0, 4), (1, 5), (2, 6), (3, 7); out in 32 bits, not shifted. */
INLINE void transform(const __m512i p[4], __m512i round, __m512i out[8])
{
    enum {
        A = STK_C_1_175,
        B = -STK_C_1_961,
        C = -STK_C_0_390,
        D = -STK_C_0_899,
        E = -STK_C_2_562
    };
    __m512i sum = MADD_TO(round, p[0], STK_ONE, STK_ONE);
    __m512i difference = MADD_TO(round, p[0], STK_ONE, -STK_ONE);
    __m512i c = MADD(p[2], STK_C_0_541 + STK_C_0_765, STK_C_0_541);
    __m512i d = MADD(p[2], STK_C_0_541, STK_C_0_541 - STK_C_1_847);
    __m512i odd[4];
    odd[0] =
        MADD_TO(MADD(p[1], STK_C_1_501 + D + C + A, C + A), p[3], A, D + A);
    odd[1] =
        MADD_TO(MADD(p[1], A, E + A), p[3], STK_C_3_072 + E + B + A, B + A);
    odd[2] =
        MADD_TO(MADD(p[1], C + A, STK_C_2_053 + E + C + A), p[3], E + A, A);
    odd[3] =
        MADD_TO(MADD(p[1], D + A, A), p[3], B + A, STK_C_0_298 + D + B + A);
    __m512i even[4] = {
        _mm512_add_epi32(sum, c), _mm512_add_epi32(difference, d),
        _mm512_sub_epi32(difference, d), _mm512_sub_epi32(sum, c)};
    for (int i = 0; i < 4; i++) {
        out[i] = _mm512_add_epi32(even[i], odd[i]);
        out[7 - i] = _mm512_sub_epi32(even[i], odd[i]);
    }
}

/* rows[r]: pairs of columns of row r.  Writes these four rows. */
INLINE void second_pass(const __m512i rows[4], uint8_t *out, size_t stride)
{
    const __mmask32 high = 0xAAAAAAAA;
    __m512i a = _mm512_unpacklo_epi32(rows[0], rows[1]);
    __m512i b = _mm512_unpackhi_epi32(rows[0], rows[1]);
    __m512i c = _mm512_unpacklo_epi32(rows[2], rows[3]);
    __m512i d = _mm512_unpackhi_epi32(rows[2], rows[3]);
    __m512i p[4] = {_mm512_unpacklo_epi64(a, c), _mm512_unpackhi_epi64(a, c),
                    _mm512_unpacklo_epi64(b, d), _mm512_unpackhi_epi64(b, d)};
    __m512i x[8], two[4];
    transform(p, _mm512_set1_epi32(STK_LEVEL_2), x);
    for (int i = 0; i < 4; i++) /* columns 2i and 2i + 1 */
        two[i] = _mm512_mask_blend_epi16(
            high, _mm512_srai_epi32(x[2 * i], STK_SHIFT_2),
            _mm512_srai_epi32(x[2 * i + 1], STK_SHIFT_2 - 16));
    __m512i first = _mm512_packus_epi16(two[0], two[1]);
    __m512i second = _mm512_packus_epi16(two[2], two[3]);
    for (int i = 0; i < 2; i++) {
        __m512i line = _mm512_permutex2var_epi8(
            first, _mm512_load_si512(row_order[i]), second);
        _mm256_storeu_si256((void *)(out + 2 * (size_t)i * stride),
                            _mm512_castsi512_si256(line));
        _mm256_storeu_si256((void *)(out + (2 * (size_t)i + 1) * stride),
                            _mm512_extracti64x4_epi64(line, 1));
    }
}

/* Lane l of the four blocks' vectors into one vector, for l = 0 ... 3. */
INLINE void gather_lanes(const __m512i from[4], __m512i to[4])
{
    __m512i a = _mm512_shuffle_i64x2(from[0], from[1], 0x44);
    __m512i b = _mm512_shuffle_i64x2(from[2], from[3], 0x44);
    __m512i c = _mm512_shuffle_i64x2(from[0], from[1], 0xEE);
    __m512i d = _mm512_shuffle_i64x2(from[2], from[3], 0xEE);
    to[0] = _mm512_shuffle_i64x2(a, b, 0x88);
    to[1] = _mm512_shuffle_i64x2(a, b, 0xDD);
    to[2] = _mm512_shuffle_i64x2(c, d, 0x88);
    to[3] = _mm512_shuffle_i64x2(c, d, 0xDD);
}

INLINE void load_four(const int16_t *const block[4], __m512i c[8])
{
    for (int h = 0; h < 2; h++) {
        __m512i order = _mm512_load_si512(scan_order[h]), one[4];
        for (int b = 0; b < 4; b++)
            one[b] =
                _mm512_permutex2var_epi16(_mm512_load_si512(block[b]), order,
                                          _mm512_load_si512(block[b] + 32));
        gather_lanes(one, c + 4 * h);
    }
}

/* false: a block is too wild for 16 bits. */
INLINE bool transform_four(const struct stk_jpeg_quant *quant,
                           const int16_t *const block[4], uint8_t *out,
                           size_t stride)
{
    const __mmask32 high = 0xAAAAAAAA;
    __m512i c[8], left[4], right[4], rows[8], x[8], y[8];
    __m512i energy[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};

    load_four(block, c);
    __m512i any = _mm512_or_si512(_mm512_or_si512(c[1], c[3]),
                                  _mm512_or_si512(c[5], c[7]));
    for (int k = 0; k < 4; k++) {
        const __m128i *lanes = (const void *)quant->lanes;
        left[k] = _mm512_mullo_epi16(
            c[2 * k], _mm512_broadcast_i32x4(_mm_load_si128(lanes + 2 * k)));
        energy[0] = _mm512_dpwssds_epi32(energy[0], left[k], left[k]);
        right[k] = _mm512_mullo_epi16(
            c[2 * k + 1],
            _mm512_broadcast_i32x4(_mm_load_si128(lanes + 2 * k + 1)));
        energy[1] = _mm512_dpwssds_epi32(energy[1], right[k], right[k]);
    }
    if (_mm512_cmpgt_epi32_mask(_mm512_max_epi32(energy[0], energy[1]),
                                _mm512_set1_epi32(STK_TAME)))
        return false;
    transform(left, _mm512_set1_epi32(STK_ROUND_1), x);
    if (!_mm512_test_epi32_mask(any, any)) {
        /* Columns 4 ... 7 are zero, and so are their sums. */
        for (int i = 0; i < 8; i++)
            rows[i] = _mm512_and_si512(_mm512_srli_epi32(x[i], STK_SHIFT_1),
                                       _mm512_set1_epi32(0xffff));
    } else {
        transform(right, _mm512_set1_epi32(STK_ROUND_1), y);
        for (int i = 0; i < 8; i++)
            rows[i] = _mm512_mask_blend_epi16(
                high, _mm512_srli_epi32(x[i], STK_SHIFT_1),
                _mm512_slli_epi32(y[i], 16 - STK_SHIFT_1));
    }
    second_pass(rows, out, stride);
    second_pass(rows + 4, out + 4 * stride, stride);
    return true;
}

void stk_jpeg_idct_avx512(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                          size_t stride)
{
    const int16_t *mcu = blocks->first, *block[4] = {mcu, mcu, mcu, mcu};
    int32_t in_mcu = 0;

    for (int32_t i = 0; i < blocks->n; i += 4, out += 32) {
        int n = blocks->n - i < 4 ? blocks->n - i : 4;
        for (int b = 0; b < n; b++) {
            block[b] = mcu + 64 * in_mcu;
            if (++in_mcu == blocks->wide) {
                in_mcu = 0;
                mcu += blocks->mcu_coefficients;
            }
        }
        if (!transform_four(blocks->quant, block, out, stride))
            for (int b = 0; b < n; b++)
                stk_jpeg_idct_exact(blocks->quant, block[b], out + 8 * b,
                                    stride);
    }
}
