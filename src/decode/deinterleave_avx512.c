/* De-interleaving by AVX-512 VBMI: 64 pixels from three vectors, two byte
 * permutations a colour. */
#include <immintrin.h>

#include "decode/deinterleave.h"

/* Where 64 pixels' bytes of a colour lie in the first 128 bytes; the same
 * numbers modulo 64 serve for the last 64 bytes. */
#define AT(i, colour) (uint8_t)((3 * (i) + (colour)) & 127)
#define FOUR(i, colour)                                                        \
    AT(i, colour), AT(i + 1, colour), AT(i + 2, colour), AT(i + 3, colour)
#define SIXTEEN(i, colour)                                                     \
    FOUR(i, colour), FOUR(i + 4, colour), FOUR(i + 8, colour),                 \
        FOUR(i + 12, colour)
#define PLACES(colour)                                                         \
    {                                                                          \
        SIXTEEN(0, colour), SIXTEEN(16, colour), SIXTEEN(32, colour),          \
            SIXTEEN(48, colour)                                                \
    }

static const uint8_t places[3][64] = {PLACES(0), PLACES(1), PLACES(2)};

/* The first pixel of a colour whose byte lies in the last 64. */
static const int first_high[3] = {43, 43, 42};

static __m512i pick(int colour, __m512i a, __m512i b, __m512i c)
{
    __m512i at = _mm512_loadu_si512(places[colour]);
    __mmask64 is_high = ~0ull << first_high[colour];
    __m512i two = _mm512_permutex2var_epi8(a, at, b);
    return _mm512_mask_permutexvar_epi8(two, is_high, at, c);
}

/* The first n of 64 bytes; 0 for none. */
static __mmask64 first(size_t n)
{
    return n >= 64 ? ~0ull : (1ull << n) - 1;
}

static void rgb_avx512(const uint8_t *rgb, size_t n, uint8_t *red,
                       uint8_t *green, uint8_t *blue)
{
    for (size_t i = 0; i < n; i += 64) {
        const uint8_t *p = rgb + 3 * i;
        size_t left = n - i < 64 ? n - i : 64, bytes = 3 * left;
        __m512i x = _mm512_maskz_loadu_epi8(first(bytes), p);
        __m512i y =
            _mm512_maskz_loadu_epi8(first(bytes > 64 ? bytes - 64 : 0), p + 64);
        __m512i z = _mm512_maskz_loadu_epi8(
            first(bytes > 128 ? bytes - 128 : 0), p + 128);
        __mmask64 want = first(left);
        _mm512_mask_storeu_epi8(red + i, want, pick(0, x, y, z));
        _mm512_mask_storeu_epi8(green + i, want, pick(1, x, y, z));
        _mm512_mask_storeu_epi8(blue + i, want, pick(2, x, y, z));
    }
}

const struct stk_deinterleave stk_deinterleave_avx512 = {rgb_avx512};
