/* De-interleaving by AVX2: 32 pixels from 96 bytes by byte shuffles within
 * 128-bit lanes. */
#include <immintrin.h>

#include "decode/deinterleave.h"

/* Three vectors whose lanes hold 16 pixels each (the low lanes those of the
 * first 48 bytes, the high lanes those of the next) to one colour of 32. */
static __m256i pick(__m256i a, __m256i b, __m256i c, __m256i from_a,
                    __m256i from_b, __m256i from_c)
{
    return _mm256_or_si256(_mm256_or_si256(_mm256_shuffle_epi8(a, from_a),
                                           _mm256_shuffle_epi8(b, from_b)),
                           _mm256_shuffle_epi8(c, from_c));
}

static __m256i load_lanes(const uint8_t *low, const uint8_t *high)
{
    __m128i l = _mm_loadu_si128((const __m128i *)low);
    __m128i h = _mm_loadu_si128((const __m128i *)high);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(l), h, 1);
}

/* Where pixel i's byte of a colour lies in the part-th 16 of 48 bytes, or -1
 * (which a shuffle takes for 0). */
#define AT(i, colour, part)                                                    \
    (int8_t)(3 * (i) + (colour) >= 16 * (part) &&                              \
                     3 * (i) + (colour) < 16 * (part) + 16                     \
                 ? 3 * (i) + (colour)-16 * (part)                              \
                 : -1)
#define FOUR(i, colour, part)                                                  \
    AT(i, colour, part), AT(i + 1, colour, part), AT(i + 2, colour, part),     \
        AT(i + 3, colour, part)
#define PLACES(colour, part)                                                   \
    {                                                                          \
        FOUR(0, colour, part), FOUR(4, colour, part), FOUR(8, colour, part),   \
            FOUR(12, colour, part)                                             \
    }

static const int8_t table[3][3][16] = {
    {PLACES(0, 0), PLACES(0, 1), PLACES(0, 2)},
    {PLACES(1, 0), PLACES(1, 1), PLACES(1, 2)},
    {PLACES(2, 0), PLACES(2, 1), PLACES(2, 2)},
};

static __m256i places(int colour, int part)
{
    return _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)table[colour][part]));
}

static void rgb_avx2(const uint8_t *rgb, size_t n, uint8_t *red, uint8_t *green,
                     uint8_t *blue)
{
    const __m256i r0 = places(0, 0), r1 = places(0, 1), r2 = places(0, 2);
    const __m256i g0 = places(1, 0), g1 = places(1, 1), g2 = places(1, 2);
    const __m256i b0 = places(2, 0), b1 = places(2, 1), b2 = places(2, 2);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const uint8_t *p = rgb + 3 * i;
        __m256i a = load_lanes(p, p + 48);
        __m256i b = load_lanes(p + 16, p + 64);
        __m256i c = load_lanes(p + 32, p + 80);
        _mm256_storeu_si256((__m256i *)(red + i), pick(a, b, c, r0, r1, r2));
        _mm256_storeu_si256((__m256i *)(green + i), pick(a, b, c, g0, g1, g2));
        _mm256_storeu_si256((__m256i *)(blue + i), pick(a, b, c, b0, b1, b2));
    }
    for (; i < n; i++) {
        red[i] = rgb[3 * i];
        green[i] = rgb[3 * i + 1];
        blue[i] = rgb[3 * i + 2];
    }
}

const struct stk_deinterleave stk_deinterleave_avx2 = {rgb_avx2};
