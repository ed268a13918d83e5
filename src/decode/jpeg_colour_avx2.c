/* Upsampling and colour with AVX2, 32 pixels at once. */
#include <immintrin.h>

#include "decode/jpeg_kernels.h"

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i load(const uint8_t *at)
{
    return _mm256_loadu_si256((const void *)at);
}

INLINE void store(uint8_t *at, __m256i v)
{
    _mm256_storeu_si256((void *)at, v);
}

/* chroma: in each word cb - 128, then cr - 128; a multiply-add takes weights
 * as bytes without sign. */
INLINE __m256i weighed(__m256i chroma, int of_cb, int of_cr)
{
    return _mm256_maddubs_epi16(_mm256_set1_epi16((short)(of_cr << 8 | of_cb)),
                                chroma);
}

/* Luma in words plus (k * c + 32768) >> 16, of twice c: for any byte that
 * equals luma plus a rounded product with k / 4, the factors here. */
INLINE __m256i offset(__m256i luma, __m256i twice, short factor)
{
    return _mm256_add_epi16(
        luma, _mm256_mulhrs_epi16(twice, _mm256_set1_epi16(factor)));
}

/* 22554 and 46802 in 65536ths as 44 and 91 in 128ths, and 26 and 210 in 512ths
 * of these; right for all pairs, rounding included. */
INLINE __m256i green(__m256i luma, __m256i chroma)
{
    __m256i fine = _mm256_srai_epi16(weighed(chroma, 26, 210), 9);
    __m256i sum = _mm256_add_epi16(weighed(chroma, 44, 91), fine);
    return _mm256_sub_epi16(luma,
                            _mm256_mulhrs_epi16(sum, _mm256_set1_epi16(256)));
}

INLINE void convert(__m256i luma, __m256i cb, __m256i cr, uint8_t *r,
                    uint8_t *g, uint8_t *b)
{
    enum { RED = 22970, BLUE = 29033 };
    const __m256i zero = _mm256_setzero_si256();
    const __m256i half = _mm256_set1_epi8(-128);
    __m256i low = _mm256_unpacklo_epi8(luma, zero);
    __m256i high = _mm256_unpackhi_epi8(luma, zero);
    cb = _mm256_xor_si256(cb, half);
    cr = _mm256_xor_si256(cr, half);
    __m256i c_low = _mm256_unpacklo_epi8(cb, cr);
    __m256i c_high = _mm256_unpackhi_epi8(cb, cr);
    store(r, _mm256_packus_epi16(offset(low, weighed(c_low, 0, 2), RED),
                                 offset(high, weighed(c_high, 0, 2), RED)));
    store(g, _mm256_packus_epi16(green(low, c_low), green(high, c_high)));
    store(b, _mm256_packus_epi16(offset(low, weighed(c_low, 2, 0), BLUE),
                                 offset(high, weighed(c_high, 2, 0), BLUE)));
}

static void colour(uint8_t *const plane[3], size_t stride, int32_t n_rows,
                   size_t n)
{
    uint8_t *r = plane[0], *g = plane[1], *b = plane[2];

    for (; n_rows > 0; n_rows--, r += stride, g += stride, b += stride)
        for (size_t x = 0; x < n; x += 32)
            convert(load(r + x), load(g + x), load(b + x), r + x, g + x, b + x);
}

/* 16 samples and their neighbours: words of even and of odd columns. */
INLINE void spread_16(const uint8_t *chroma, __m256i *even, __m256i *odd)
{
    const __m256i twice =
        _mm256_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 0, 1,
                         1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8);
    __m256i c = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const void *)(chroma - 1))),
        _mm_loadu_si128((const void *)(chroma + 7)), 1);
    __m256i left = _mm256_shuffle_epi8(c, twice);
    __m256i right =
        _mm256_shuffle_epi8(c, _mm256_add_epi8(twice, _mm256_set1_epi8(1)));
    *even = _mm256_maddubs_epi16(left, _mm256_set1_epi16(0x0301));
    *odd = _mm256_maddubs_epi16(right, _mm256_set1_epi16(0x0103));
}

/* Odd columns are 8 bits too high and have bits below. */
INLINE __m256i weave(__m256i even, __m256i odd)
{
    return _mm256_or_si256(
        even, _mm256_and_si256(odd, _mm256_set1_epi16((short)0xff00)));
}

INLINE __m256i widen(const uint8_t *chroma)
{
    __m256i even, odd;
    spread_16(chroma, &even, &odd);
    even = _mm256_add_epi16(even, _mm256_set1_epi16(1));
    odd = _mm256_add_epi16(odd, _mm256_set1_epi16(2));
    return weave(_mm256_srli_epi16(even, 2), _mm256_slli_epi16(odd, 6));
}

static void colour_h2v1(const uint8_t *luma, const uint8_t *const chroma[2],
                        uint8_t *const rgb[3], size_t n)
{
    for (size_t x = 0; x < n; x += 32)
        convert(load(luma + x), widen(chroma[0] + x / 2),
                widen(chroma[1] + x / 2), rgb[0] + x, rgb[1] + x, rgb[2] + x);
}

INLINE __m256i between(const uint8_t *near, const uint8_t *far, int round)
{
    const __m256i weights = _mm256_set1_epi16(0x0103);
    __m256i add = _mm256_set1_epi16((short)round);
    __m256i a = load(near), b = load(far);
    __m256i low = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(a, b), weights);
    __m256i high = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(a, b), weights);
    return _mm256_packus_epi16(
        _mm256_srli_epi16(_mm256_add_epi16(low, add), 2),
        _mm256_srli_epi16(_mm256_add_epi16(high, add), 2));
}

static void colour_h1v2(const struct stk_jpeg_pair *pair, size_t n)
{
    for (int r = 0; r < 2; r++) {
        const uint8_t *const *near = pair->chroma[r];
        const uint8_t *const *far = pair->chroma[1 - r];
        for (size_t x = 0; x < n; x += 32)
            convert(load(pair->luma[r] + x),
                    between(near[0] + x, far[0] + x, 2 - r),
                    between(near[1] + x, far[1] + x, 2 - r),
                    pair->rgb[r][0] + x, pair->rgb[r][1] + x,
                    pair->rgb[r][2] + x);
    }
}

static void spread(const uint8_t *chroma, size_t n_samples, uint16_t *even,
                   uint16_t *odd)
{
    for (size_t x = 0; x < n_samples; x += 16) {
        __m256i a, b;
        spread_16(chroma + x, &a, &b);
        _mm256_store_si256((void *)(even + x), a);
        _mm256_store_si256((void *)(odd + x), b);
    }
}

/* Three times the nearer one and the farther one, for both rows. */
INLINE void three_to_one(__m256i upper, __m256i lower, int round,
                         __m256i out[2])
{
    __m256i both = _mm256_add_epi16(_mm256_add_epi16(upper, lower),
                                    _mm256_set1_epi16((short)round));
    out[0] = _mm256_add_epi16(both, _mm256_add_epi16(upper, upper));
    out[1] = _mm256_add_epi16(both, _mm256_add_epi16(lower, lower));
}

/* A component's bytes for both rows of the pair, 32 columns. */
INLINE void mix(const struct stk_jpeg_spread *upper,
                const struct stk_jpeg_spread *lower, size_t x, __m256i out[2])
{
    __m256i even[2], odd[2];
    three_to_one(_mm256_load_si256((const void *)(upper->even + x)),
                 _mm256_load_si256((const void *)(lower->even + x)), 8, even);
    three_to_one(_mm256_load_si256((const void *)(upper->odd + x)),
                 _mm256_load_si256((const void *)(lower->odd + x)), 7, odd);
    for (int r = 0; r < 2; r++)
        out[r] =
            weave(_mm256_srli_epi16(even[r], 4), _mm256_slli_epi16(odd[r], 4));
}

static void colour_h2v2(const struct stk_jpeg_pair *pair, size_t n)
{
    for (size_t x = 0; x < n; x += 32) {
        __m256i cb[2], cr[2];
        mix(&pair->spread[0][0], &pair->spread[1][0], x / 2, cb);
        mix(&pair->spread[0][1], &pair->spread[1][1], x / 2, cr);
        for (int r = 0; r < 2; r++)
            convert(load(pair->luma[r] + x), cb[r], cr[r], pair->rgb[r][0] + x,
                    pair->rgb[r][1] + x, pair->rgb[r][2] + x);
    }
}

const struct stk_jpeg_kernels stk_jpeg_kernels_avx2 = {
    stk_jpeg_idct_avx2, colour, colour_h2v1, colour_h1v2, spread, colour_h2v2};
