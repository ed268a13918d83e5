/* Upsampling and colour by vectors of 16 bytes, 16 pixels at once. */
#include "base/vec128.h"
#include "decode/jpeg_kernels.h"

#define INLINE static inline __attribute__((always_inline))

INLINE stk_s16x8 words(int value)
{
    return (stk_s16x8){0} + (int16_t)value;
}

/* Eight pixels in words; c[0], c[1]: Cb and Cr.  Red and blue by the rounding
 * multiplications of the AVX2 file, green as it is defined. */
INLINE void convert_words(stk_s16x8 luma, const stk_s16x8 c[2],
                          stk_s16x8 rgb[3])
{
    enum { RED = 22970, BLUE = 29033 };
    stk_s16x8 cb = c[0] - 128, cr = c[1] - 128;
    struct stk_v_wide green = stk_v_dot(stk_v_pair(cb, cr), -22554, 18734);

    rgb[0] = luma + stk_v_multiply_round(cr + cr, words(RED));
    rgb[1] =
        luma - cr +
        stk_v_narrow16((green.low + 32768) >> 16, (green.high + 32768) >> 16);
    rgb[2] = luma + stk_v_multiply_round(cb + cb, words(BLUE));
}

INLINE void convert(stk_u8x16 luma, const stk_u8x16 chroma[2],
                    uint8_t *const rgb[3], size_t x)
{
    stk_s16x8 low[3], high[3];
    stk_s16x8 c_low[2] = {stk_v_widen_low(chroma[0]),
                          stk_v_widen_low(chroma[1])};
    stk_s16x8 c_high[2] = {stk_v_widen_high(chroma[0]),
                           stk_v_widen_high(chroma[1])};

    convert_words(stk_v_widen_low(luma), c_low, low);
    convert_words(stk_v_widen_high(luma), c_high, high);
    for (int i = 0; i < 3; i++)
        stk_v_store(rgb[i] + x, stk_v_narrow8(low[i], high[i]));
}

static void colour(uint8_t *const plane[3], size_t stride, int32_t n_rows,
                   size_t n)
{
    for (int32_t row = 0; row < n_rows; row++) {
        uint8_t *rgb[3];
        for (int i = 0; i < 3; i++)
            rgb[i] = plane[i] + (size_t)row * stride;
        for (size_t x = 0; x < n; x += 16) {
            stk_u8x16 chroma[2] = {stk_v_load(rgb[1] + x),
                                   stk_v_load(rgb[2] + x)};
            convert(stk_v_load(rgb[0] + x), chroma, rgb, x);
        }
    }
}

/* Words of even and of odd columns, 8 samples of chroma. */
INLINE void spread_8(const uint8_t *chroma, stk_s16x8 *even, stk_s16x8 *odd)
{
    stk_s16x8 left = stk_v_widen_low(stk_v_load(chroma - 1));
    stk_s16x8 here = stk_v_widen_low(stk_v_load(chroma)) * 3;
    stk_s16x8 right = stk_v_widen_low(stk_v_load(chroma + 1));
    *even = here + left;
    *odd = here + right;
}

/* Bytes of even and odd columns in turn. */
INLINE stk_u8x16 weave(stk_s16x8 even, stk_s16x8 odd)
{
    return (stk_u8x16)(even | odd << 8);
}

INLINE stk_u8x16 widen(const uint8_t *chroma)
{
    stk_s16x8 even, odd;
    spread_8(chroma, &even, &odd);
    return weave((even + 1) >> 2, (odd + 2) >> 2);
}

static void colour_h2v1(const uint8_t *luma, const uint8_t *const chroma[2],
                        uint8_t *const rgb[3], size_t n)
{
    for (size_t x = 0; x < n; x += 16) {
        stk_u8x16 wide[2] = {widen(chroma[0] + x / 2),
                             widen(chroma[1] + x / 2)};
        convert(stk_v_load(luma + x), wide, rgb, x);
    }
}

INLINE stk_u8x16 between(const uint8_t *near, const uint8_t *far, int round)
{
    stk_u8x16 a = stk_v_load(near), b = stk_v_load(far);
    stk_s16x8 low = stk_v_widen_low(a) * 3 + stk_v_widen_low(b);
    stk_s16x8 high = stk_v_widen_high(a) * 3 + stk_v_widen_high(b);
    return stk_v_narrow8((low + words(round)) >> 2, (high + words(round)) >> 2);
}

static void colour_h1v2(const struct stk_jpeg_pair *pair, size_t n)
{
    for (int r = 0; r < 2; r++) {
        const uint8_t *const *near = pair->chroma[r];
        const uint8_t *const *far = pair->chroma[1 - r];
        for (size_t x = 0; x < n; x += 16) {
            stk_u8x16 mixed[2] = {between(near[0] + x, far[0] + x, 2 - r),
                                  between(near[1] + x, far[1] + x, 2 - r)};
            convert(stk_v_load(pair->luma[r] + x), mixed, pair->rgb[r], x);
        }
    }
}

static void spread(const uint8_t *chroma, size_t n_samples, uint16_t *even,
                   uint16_t *odd)
{
    for (size_t x = 0; x < n_samples; x += 8) {
        stk_s16x8 a, b;
        spread_8(chroma + x, &a, &b);
        stk_v_store(even + x, (stk_u8x16)a);
        stk_v_store(odd + x, (stk_u8x16)b);
    }
}

/* Three parts of near and one of far.  Unsigned: behind the last column lies
 * rubbish, which may wrap. */
INLINE stk_u16x8 lean(const uint16_t *near, const uint16_t *far)
{
    return (stk_u16x8)stk_v_load(near) * 3 + (stk_u16x8)stk_v_load(far);
}

/* A component's bytes for one row of the pair, 16 columns. */
INLINE stk_u8x16 mix(const struct stk_jpeg_spread *near,
                     const struct stk_jpeg_spread *far, size_t x)
{
    stk_u16x8 even = lean(near->even + x, far->even + x) + 8;
    stk_u16x8 odd = lean(near->odd + x, far->odd + x) + 7;
    return weave((stk_s16x8)even >> 4, (stk_s16x8)odd >> 4);
}

static void colour_h2v2(const struct stk_jpeg_pair *pair, size_t n)
{
    for (int r = 0; r < 2; r++) {
        const struct stk_jpeg_spread *near = pair->spread[r];
        const struct stk_jpeg_spread *far = pair->spread[1 - r];
        for (size_t x = 0; x < n; x += 16) {
            stk_u8x16 mixed[2] = {mix(&near[0], &far[0], x / 2),
                                  mix(&near[1], &far[1], x / 2)};
            convert(stk_v_load(pair->luma[r] + x), mixed, pair->rgb[r], x);
        }
    }
}

const struct stk_jpeg_kernels stk_jpeg_kernels_vec128 = {
    stk_jpeg_idct_vec128, colour, colour_h2v1,
    colour_h1v2,          spread, colour_h2v2};
