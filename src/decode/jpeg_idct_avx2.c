/* The inverse DCT on two blocks at once, a block a lane of 128 bits.  As in
 * the AVX-512 file, but scan order is undone by byte shuffles of 8
 * coefficients at a time.
 *
 * Loads bind here, of masks, constants and what does not fit 16 registers: so
 * blocks go through three stages, each a loop of its own with little to keep,
 * a few blocks each time.  Which blocks may go a shorter way is found out
 * before, since branches between blocks are mispredicted. */
#include "decode/jpeg_two_avx2.h"

/* p: pairs (0, 4), (1, 5), (2, 6), (3, 7); of the first sum and difference
 * are left, with what is to be added to all.  out in 32 bits, not shifted. */
INLINE void transform(const __m256i p[4], __m256i sum, __m256i difference,
                      __m256i out[8])
{
    __m256i c = MADD(p[2], EVEN_20, EVEN_60);
    __m256i d = MADD(p[2], EVEN_21, EVEN_61);
    __m256i even[4] = {
        _mm256_add_epi32(sum, c), _mm256_add_epi32(difference, d),
        _mm256_sub_epi32(difference, d), _mm256_sub_epi32(sum, c)};
    __m256i odd[4] = {_mm256_add_epi32(MADD(p[1], ODD_10, ODD_50),
                                       MADD(p[3], ODD_30, ODD_70)),
                      _mm256_add_epi32(MADD(p[1], ODD_11, ODD_51),
                                       MADD(p[3], ODD_31, ODD_71)),
                      _mm256_add_epi32(MADD(p[1], ODD_12, ODD_52),
                                       MADD(p[3], ODD_32, ODD_72)),
                      _mm256_add_epi32(MADD(p[1], ODD_13, ODD_53),
                                       MADD(p[3], ODD_33, ODD_73))};
    butterfly(even, odd, out);
}

INLINE __m256i dequantised(const struct stk_jpeg_quant *quant, int lane,
                           __m256i v)
{
    const __m128i *q = (const __m128i *)(const void *)quant->lanes + lane;
    return _mm256_mullo_epi16(v, _mm256_broadcastsi128_si256(*q));
}

/* From scan order to stk_jpeg_quant's lanes: words that stand at different
 * places of their chunks are put together first, so that a lane takes one
 * shuffle.  What is left has to move by as much, or not at all. */
INLINE void order(const __m256i c[8], __m256i lane[8])
{
    /* 0 10 1 19 5 23 6 32 */
    lane[0] = WORDS(WORDS(c[0], 0x04, c[1]), 0x88, c[2]);
    lane[0] =
        WORDS(ARRANGED(lane[0], 0, 2, 1, 3, 5, 7, 6, 0), 0x80, UP(c[4], 7));
    /* 14 39 15 45 27 52 28 54 */
    lane[1] = WORDS(WORDS(c[1], 0x20, c[5]), 0x18, c[3]);
    lane[1] =
        WORDS(ARRANGED(lane[1], 6, 0, 7, 5, 3, 0, 4, 0), 0x02, DOWN(c[4], 6));
    lane[1] = WORDS(lane[1], 0xA0, UP(c[6], 1));
    /* 2 20 4 22 7 33 13 38 */
    lane[2] = WORDS(WORDS(c[0], 0x20, c[1]), 0x42, c[4]);
    lane[2] =
        WORDS(ARRANGED(lane[2], 2, 0, 4, 0, 7, 1, 5, 6), 0x0A, DOWN(c[2], 3));
    /* 16 46 26 51 29 55 42 60 */
    lane[3] = WORDS(WORDS(c[2], 0x44, c[5]), 0x20, c[3]);
    lane[3] = WORDS(WORDS(lane[3], 0x88, c[6]), 0x10, c[7]);
    lane[3] = WORDS(ARRANGED(lane[3], 0, 6, 0, 3, 5, 7, 2, 4), 0x04, c[3]);
    /* 3 21 8 34 12 37 17 47 */
    lane[4] = WORDS(WORDS(c[0], 0x22, c[2]), 0x11, c[1]);
    lane[4] = WORDS(WORDS(lane[4], 0x04, c[4]), 0x80, c[5]);
    lane[4] = WORDS(ARRANGED(lane[4], 3, 5, 0, 2, 4, 0, 1, 7), 0x20, c[4]);
    /* 25 50 30 56 41 59 43 61 */
    lane[5] = WORDS(WORDS(c[3], 0x04, c[6]), 0x29, c[7]);
    lane[5] =
        WORDS(ARRANGED(lane[5], 1, 2, 6, 0, 0, 3, 0, 5), 0x50, UP(c[5], 3));
    /* 9 35 11 36 18 48 24 49 */
    lane[6] = WORDS(WORDS(c[4], 0x04, c[2]), 0x03, c[6]);
    lane[6] =
        WORDS(ARRANGED(lane[6], 0, 3, 0, 4, 2, 0, 0, 1), 0x05, DOWN(c[1], 1));
    lane[6] = WORDS(lane[6], 0x40, UP(c[3], 6));
    /* 31 57 40 58 44 62 53 63 */
    lane[7] = WORDS(WORDS(c[7], 0x80, c[3]), 0x11, c[5]);
    lane[7] =
        WORDS(ARRANGED(WORDS(lane[7], 0x20, c[6]), 7, 1, 0, 2, 4, 6, 5, 0),
              0x80, c[7]);
}

/* Stage 1: to lanes of pairs, dequantised, those of the left columns first.
 * true: wild. */
INLINE bool order_two(const struct stk_jpeg_quant *quant,
                      const struct stk_two *two, __m256i to[8])
{
    __m256i chunk[8], lane[8];
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};

    for (int c = 0; c < 8; c += 2)
        load_chunks(two, c, chunk);
    order(chunk, lane);
    for (int l = 0; l < 8; l++) {
        __m256i v = dequantised(quant, l, lane[l]);
        sum[l & 1] = add_squares(sum[l & 1], v);
        to[l / 2 + 4 * (l & 1)] = v;
    }
    return is_wild(_mm256_max_epi16(sum[0], sum[1]));
}

/* rows: pairs of columns of four rows; p: those of columns (0, 4), (1, 5),
 * (2, 6) and (3, 7). */
INLINE void transpose(const __m256i rows[4], __m256i p[4])
{
    __m256i a = _mm256_unpacklo_epi32(rows[0], rows[1]);
    __m256i b = _mm256_unpackhi_epi32(rows[0], rows[1]);
    __m256i c = _mm256_unpacklo_epi32(rows[2], rows[3]);
    __m256i d = _mm256_unpackhi_epi32(rows[2], rows[3]);
    p[0] = _mm256_unpacklo_epi64(a, c), p[1] = _mm256_unpackhi_epi64(a, c);
    p[2] = _mm256_unpacklo_epi64(b, d), p[3] = _mm256_unpackhi_epi64(b, d);
}

/* Stage 2: the first pass, to pairs of columns of the upper four rows and of
 * the lower. */
INLINE void first_pass(const __m256i lane[8], __m256i p[8])
{
    const __m256i round[2] = {rounding(LEVEL << STK_SHIFT_1), rounding(0)};
    __m256i x[2][8], rows[8];

    for (int h = 0; h < 2; h++) {
        const __m256i *q = lane + 4 * h;
        transform(q, _mm256_add_epi32(round[h], MADD(q[0], STK_ONE, STK_ONE)),
                  _mm256_add_epi32(round[h], MADD(q[0], STK_ONE, -STK_ONE)),
                  x[h]);
    }
    for (int i = 0; i < 8; i++)
        rows[i] = _mm256_blend_epi16(
            _mm256_srli_epi32(x[0][i], STK_SHIFT_1),
            _mm256_slli_epi32(x[1][i], 16 - STK_SHIFT_1), 0xAA);
    transpose(rows, p);
    transpose(rows + 4, p + 4);
}

/* Stage 3. */
INLINE void second_pass(const __m256i p[8], uint8_t *out, size_t stride)
{
    for (int h = 0; h < 2; h++, p += 4, out += 4 * stride) {
        __m256i x[8];
        transform(p, MADD(p[0], STK_ONE, STK_ONE),
                  MADD(p[0], STK_ONE, -STK_ONE), x);
        put_four_rows(x, out, stride);
    }
}

#define OR(a, b) _mm256_or_si256(a, b)

/* Which pairs have nothing but DC, and which besides nothing outside of the
 * corner (scan order 0 ... 9, 11 ... 13, 17, 18, 24). */
INLINE uint64_t find_corners(const struct stk_two *two, int n, uint64_t *flats)
{
    const __m256i outside[2] = {
        _mm256_setr_epi16(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0, -1, -1),
        _mm256_setr_epi16(-1, 0, 0, -1, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1,
                          -1, -1)};
    const __m256i not_dc = _mm256_setr_epi16(0, -1, -1, -1, -1, -1, -1, -1, -1,
                                             -1, -1, -1, -1, -1, -1, -1);
    uint64_t corners = 0;

    *flats = 0;
    for (int i = 0; i < n; i++) {
        const int16_t *a = two[i].block[0], *b = two[i].block[1];
        __m256i v[4];
        for (int k = 0; k < 4; k++)
            v[k] = OR(load(a + 16 * k), load(b + 16 * k));
        __m256i rest = OR(OR(_mm256_and_si256(v[0], outside[0]),
                             _mm256_and_si256(v[1], outside[1])),
                          OR(v[2], v[3]));
        __m256i all = OR(OR(_mm256_and_si256(v[0], not_dc), v[1]), rest);
        uint64_t is_corner = (uint64_t)_mm256_testz_si256(rest, rest);
        uint64_t is_flat = (uint64_t)_mm256_testz_si256(all, all);
        corners |= (is_corner ^ is_flat) << i;
        *flats |= is_flat << i;
    }
    return corners;
}

static void transform_pairs(const struct stk_jpeg_quant *quant,
                            const struct stk_two *two, uint64_t which,
                            size_t stride)
{
    __m256i lanes[STK_TWO_BATCH][8], columns[STK_TWO_BATCH][8];
    const struct stk_two *of[STK_TWO_BATCH];

    while (which) {
        unsigned wild = 0;
        int n = 0;
        for (; n < STK_TWO_BATCH && which; n++, which &= which - 1) {
            of[n] = two + __builtin_ctzll(which);
            wild |= (unsigned)order_two(quant, of[n], lanes[n]) << n;
        }
        for (int i = 0; i < n; i++)
            first_pass(lanes[i], columns[i]);
        for (int i = 0; i < n; i++)
            second_pass(columns[i], of[i]->out, stride);
        for (; wild; wild &= wild - 1)
            stk_jpeg_two_exact(quant, of[__builtin_ctz(wild)], stride);
    }
}

void stk_jpeg_idct_avx2(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                        size_t stride)
{
    struct stk_two two[STK_TWO_GROUP];
    const int16_t *mcu = blocks->first;
    size_t step = blocks->mcu_coefficients;
    int32_t left = blocks->n;

    while (left > 0) {
        uint64_t flats, corners, all;
        int n = 0;
        for (; n < STK_TWO_GROUP && left > 0; n++, left -= 2, out += 16) {
            const int16_t *next = mcu + (blocks->wide == 2 ? 64 : step);
            two[n].block[0] = mcu;
            two[n].block[1] = left == 1 ? mcu : next;
            two[n].out = out;
            mcu += blocks->wide == 2 ? step : 2 * step;
        }
        all = ~UINT64_C(0) >> (STK_TWO_GROUP - n);
        corners = find_corners(two, n, &flats);
        transform_pairs(blocks->quant, two, all & ~(corners | flats), stride);
        stk_jpeg_corners_avx2(blocks->quant, two, corners, stride);
        stk_jpeg_flats_avx2(blocks->quant, two, flats, stride);
    }
}
