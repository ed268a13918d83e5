/* Upsampling and colour, 64 pixels at once, bytes in and bytes out. */
#include <immintrin.h>

#include "decode/jpeg_kernels.h"

#define INLINE static inline __attribute__((always_inline))

/* What Cr adds to red and Cb to blue, by their low 7 bits: above 128 it is
 * added, below it is taken away.  k is 1.402 or 1.772 in 16 bits
 * of fraction. */
#define OFFSET(k, c) (uint8_t)(((k) * (c) + 32768) >> 16)
#define FALL(k, c)   (uint8_t)(-(((k) * ((c)-128) + 32768) >> 16))
#define EIGHT(F, k, c)                                                         \
    F(k, c), F(k, (c) + 1), F(k, (c) + 2), F(k, (c) + 3), F(k, (c) + 4),       \
        F(k, (c) + 5), F(k, (c) + 6), F(k, (c) + 7)
#define SIXTY_FOUR(F, k, c)                                                    \
    EIGHT(F, k, c), EIGHT(F, k, (c) + 8), EIGHT(F, k, (c) + 16),               \
        EIGHT(F, k, (c) + 24), EIGHT(F, k, (c) + 32), EIGHT(F, k, (c) + 40),   \
        EIGHT(F, k, (c) + 48), EIGHT(F, k, (c) + 56)
#define TABLE(F, k)                                                            \
    {                                                                          \
        SIXTY_FOUR(F, k, 0), SIXTY_FOUR(F, k, 64)                              \
    }
static const uint8_t red_rise[128] __attribute__((aligned(64))) =
    TABLE(OFFSET, 91881);
static const uint8_t red_fall[128] __attribute__((aligned(64))) =
    TABLE(FALL, 91881);
static const uint8_t blue_rise[128] __attribute__((aligned(64))) =
    TABLE(OFFSET, 116130);
static const uint8_t blue_fall[128] __attribute__((aligned(64))) =
    TABLE(FALL, 116130);

/* The tables in registers. */
struct tables {
    __m512i red_rise[2], red_fall[2], blue_rise[2], blue_fall[2];
};

INLINE struct tables load_tables(void)
{
    struct tables t;
    for (int i = 0; i < 2; i++) {
        t.red_rise[i] = _mm512_load_si512(red_rise + 64 * i);
        t.red_fall[i] = _mm512_load_si512(red_fall + 64 * i);
        t.blue_rise[i] = _mm512_load_si512(blue_rise + 64 * i);
        t.blue_fall[i] = _mm512_load_si512(blue_fall + 64 * i);
    }
    return t;
}

INLINE __m512i offset(__m512i luma, __m512i c, const __m512i rise[2],
                      const __m512i fall[2])
{
    __mmask64 above = _mm512_movepi8_mask(c);
    __m512i more = _mm512_maskz_permutex2var_epi8(above, rise[0], c, rise[1]);
    __m512i less = _mm512_maskz_permutex2var_epi8(~above, fall[0], c, fall[1]);
    return _mm512_subs_epu8(_mm512_adds_epu8(luma, more), less);
}

/* Green of half the pixels: luma in words, pairs (Cb, Cr) of bytes.
 * -22554 Cb - 46802 Cr = (-88 * 256 - 26) Cb + (73 * 256 + 46) Cr - 65536 Cr;
 * 2038 * 256 is 32768 and what the unsigned Cb and Cr are too large by. */
INLINE __m512i green(__m512i luma, __m512i pairs)
{
    const __m512i coarse = _mm512_set1_epi16((73 << 8) | (-88 & 255));
    const __m512i fine = _mm512_set1_epi16((46 << 8) | (-26 & 255));
    __m512i sum = _mm512_add_epi16(
        _mm512_add_epi16(_mm512_maddubs_epi16(pairs, coarse),
                         _mm512_set1_epi16(2038)),
        _mm512_srai_epi16(_mm512_maddubs_epi16(pairs, fine), 8));
    __m512i cr = _mm512_srli_epi16(pairs, 8);
    return _mm512_add_epi16(_mm512_sub_epi16(_mm512_srai_epi16(sum, 8), cr),
                            _mm512_add_epi16(luma, _mm512_set1_epi16(128)));
}

INLINE void convert(const struct tables *t, __m512i luma, __m512i cb,
                    __m512i cr, uint8_t *r, uint8_t *g, uint8_t *b)
{
    __m512i zero = _mm512_setzero_si512();
    __m512i low =
        green(_mm512_unpacklo_epi8(luma, zero), _mm512_unpacklo_epi8(cb, cr));
    __m512i high =
        green(_mm512_unpackhi_epi8(luma, zero), _mm512_unpackhi_epi8(cb, cr));
    _mm512_storeu_si512(r, offset(luma, cr, t->red_rise, t->red_fall));
    _mm512_storeu_si512(g, _mm512_packus_epi16(low, high));
    _mm512_storeu_si512(b, offset(luma, cb, t->blue_rise, t->blue_fall));
}

static void colour(uint8_t *const plane[3], size_t stride, int32_t n_rows,
                   size_t n)
{
    struct tables t = load_tables();
    uint8_t *r = plane[0], *g = plane[1], *b = plane[2];

    for (; n_rows > 0; n_rows--, r += stride, g += stride, b += stride)
        for (size_t x = 0; x < n; x += 64)
            convert(&t, _mm512_loadu_si512(r + x), _mm512_loadu_si512(g + x),
                    _mm512_loadu_si512(b + x), r + x, g + x, b + x);
}

/* 32 samples and their neighbours: words of even and of odd columns. */
INLINE void spread_32(const uint8_t *chroma, __m512i *even, __m512i *odd)
{
    const __m512i twice = _mm512_set_epi64(
        0x201f1f1e1e1d1d1c, 0x1c1b1b1a1a191918, 0x1817171616151514,
        0x1413131212111110, 0x100f0f0e0e0d0d0c, 0x0c0b0b0a0a090908,
        0x0807070606050504, 0x0403030202010100);
    __m512i c = _mm512_loadu_si512(chroma - 1);
    __m512i left = _mm512_permutexvar_epi8(twice, c);
    __m512i right =
        _mm512_permutexvar_epi8(_mm512_add_epi8(twice, _mm512_set1_epi8(1)), c);
    *even = _mm512_maddubs_epi16(left, _mm512_set1_epi16(0x0301));
    *odd = _mm512_maddubs_epi16(right, _mm512_set1_epi16(0x0103));
}

/* Low bytes of words: even columns, then odd ones; odd is 8 bits too high
 * and has bits below. */
INLINE __m512i weave(__m512i even, __m512i odd)
{
    return _mm512_ternarylogic_epi32(even, odd,
                                     _mm512_set1_epi16((short)0xff00), 0xF8);
}

INLINE __m512i widen(const uint8_t *chroma)
{
    __m512i even, odd;
    spread_32(chroma, &even, &odd);
    even = _mm512_add_epi16(even, _mm512_set1_epi16(1));
    odd = _mm512_add_epi16(odd, _mm512_set1_epi16(2));
    return weave(_mm512_srli_epi16(even, 2), _mm512_slli_epi16(odd, 6));
}

static void colour_h2v1(const uint8_t *luma, const uint8_t *const chroma[2],
                        uint8_t *const rgb[3], size_t n)
{
    struct tables t = load_tables();

    for (size_t x = 0; x < n; x += 64)
        convert(&t, _mm512_loadu_si512(luma + x), widen(chroma[0] + x / 2),
                widen(chroma[1] + x / 2), rgb[0] + x, rgb[1] + x, rgb[2] + x);
}

INLINE __m512i between(const uint8_t *near, const uint8_t *far, int round)
{
    const __m512i weights = _mm512_set1_epi16(0x0103);
    __m512i add = _mm512_set1_epi16((short)round);
    __m512i a = _mm512_loadu_si512(near), b = _mm512_loadu_si512(far);
    __m512i low = _mm512_maddubs_epi16(_mm512_unpacklo_epi8(a, b), weights);
    __m512i high = _mm512_maddubs_epi16(_mm512_unpackhi_epi8(a, b), weights);
    return _mm512_packus_epi16(
        _mm512_srli_epi16(_mm512_add_epi16(low, add), 2),
        _mm512_srli_epi16(_mm512_add_epi16(high, add), 2));
}

static void colour_h1v2(const struct stk_jpeg_pair *pair, size_t n)
{
    struct tables t = load_tables();

    for (int r = 0; r < 2; r++) {
        const uint8_t *const *near = pair->chroma[r];
        const uint8_t *const *far = pair->chroma[1 - r];
        for (size_t x = 0; x < n; x += 64)
            convert(&t, _mm512_loadu_si512(pair->luma[r] + x),
                    between(near[0] + x, far[0] + x, 2 - r),
                    between(near[1] + x, far[1] + x, 2 - r),
                    pair->rgb[r][0] + x, pair->rgb[r][1] + x,
                    pair->rgb[r][2] + x);
    }
}

static void spread(const uint8_t *chroma, size_t n_samples, uint16_t *even,
                   uint16_t *odd)
{
    for (size_t x = 0; x < n_samples; x += 32) {
        __m512i a, b;
        spread_32(chroma + x, &a, &b);
        _mm512_store_si512(even + x, a);
        _mm512_store_si512(odd + x, b);
    }
}

INLINE __m512i three_to_one(__m512i near, __m512i far, int round)
{
    return _mm512_add_epi16(
        _mm512_add_epi16(near, _mm512_add_epi16(near, near)),
        _mm512_add_epi16(far, _mm512_set1_epi16((short)round)));
}

/* A component's bytes for both rows of the pair, 64 columns. */
INLINE void mix(const struct stk_jpeg_spread *upper,
                const struct stk_jpeg_spread *lower, size_t x, __m512i out[2])
{
    __m512i ue = _mm512_load_si512(upper->even + x);
    __m512i uo = _mm512_load_si512(upper->odd + x);
    __m512i le = _mm512_load_si512(lower->even + x);
    __m512i lo = _mm512_load_si512(lower->odd + x);
    out[0] = weave(_mm512_srli_epi16(three_to_one(ue, le, 8), 4),
                   _mm512_slli_epi16(three_to_one(uo, lo, 7), 4));
    out[1] = weave(_mm512_srli_epi16(three_to_one(le, ue, 8), 4),
                   _mm512_slli_epi16(three_to_one(lo, uo, 7), 4));
}

static void colour_h2v2(const struct stk_jpeg_pair *pair, size_t n)
{
    struct tables t = load_tables();

    for (size_t x = 0; x < n; x += 64) {
        __m512i cb[2], cr[2];
        mix(&pair->spread[0][0], &pair->spread[1][0], x / 2, cb);
        mix(&pair->spread[0][1], &pair->spread[1][1], x / 2, cr);
        for (int r = 0; r < 2; r++)
            convert(&t, _mm512_loadu_si512(pair->luma[r] + x), cb[r], cr[r],
                    pair->rgb[r][0] + x, pair->rgb[r][1] + x,
                    pair->rgb[r][2] + x);
    }
}

const struct stk_jpeg_kernels stk_jpeg_kernels_avx512 = {
    stk_jpeg_idct_avx512, colour, colour_h2v1,
    colour_h1v2,          spread, colour_h2v2};
