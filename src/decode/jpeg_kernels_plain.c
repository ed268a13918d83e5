/* The definition of stoker's JPEG pixels, in portable C that compilers turn
 * into vectors (NEON machines run this). */
#include "decode/jpeg_kernels.h"

#include <stdbool.h>
#include <string.h>

#include "decode/jpeg_idct.h"
#include "stoker/stoker.h"

/* Zigzag index of each coefficient, row by row. */
static const uint8_t zigzag_of[64] = {
    0,  1,  5,  6,  14, 15, 27, 28, 2,  4,  7,  13, 16, 26, 29, 42,
    3,  8,  12, 17, 25, 30, 41, 43, 9,  11, 18, 24, 31, 40, 44, 53,
    10, 19, 23, 32, 39, 45, 52, 54, 20, 22, 33, 38, 46, 51, 55, 60,
    21, 34, 37, 47, 50, 56, 59, 61, 35, 36, 48, 49, 57, 58, 62, 63};

void stk_jpeg_quant_init(struct stk_jpeg_quant *quant,
                         const uint16_t zigzag[64])
{
    for (int k = 0; k < 64; k++)
        quant->zigzag[k] = (int16_t)zigzag[k];
    for (int row = 0; row < 8; row++)
        for (int column = 0; column < 8; column++) {
            int lane = (row & 3) * 2 + (column >> 2);
            int word = (column & 3) * 2 + (row >> 2);
            quant->lanes[lane * 8 + word] =
                (int16_t)zigzag[zigzag_of[row * 8 + column]];
        }
}

static inline int16_t saturate(int32_t x)
{
    return (int16_t)(x < -32768 ? -32768 : x > 32767 ? 32767 : x);
}

static inline uint8_t clamp(int32_t x)
{
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

/* Sums wrap, as those of vectors do. */
static inline int32_t add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t sub(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b);
}

/* One dimension: out[0], out[step], ... from in likewise; saturated. */
static inline void transform(const int16_t *in, int16_t *out, int step,
                             int32_t round, int shift)
{
    int32_t even[4], odd[4];
    int32_t x0 = in[0], x1 = in[step], x2 = in[2 * step], x3 = in[3 * step];
    int32_t x4 = in[4 * step], x5 = in[5 * step], x6 = in[6 * step];
    int32_t x7 = in[7 * step];

    int32_t a = (int16_t)(x0 + x4) * STK_ONE;
    int32_t b = (int16_t)(x0 - x4) * STK_ONE;
    int32_t c = x2 * (STK_C_0_541 + STK_C_0_765) + x6 * STK_C_0_541;
    int32_t d = x2 * STK_C_0_541 + x6 * (STK_C_0_541 - STK_C_1_847);
    even[0] = add(a, c);
    even[1] = add(b, d);
    even[2] = sub(b, d);
    even[3] = sub(a, c);

    int32_t z3 = (int16_t)(x7 + x3), z4 = (int16_t)(x5 + x1);
    int32_t y3 = z3 * (STK_C_1_175 - STK_C_1_961) + z4 * STK_C_1_175;
    int32_t y4 = z3 * STK_C_1_175 + z4 * (STK_C_1_175 - STK_C_0_390);
    odd[0] = add(y4, x7 * -STK_C_0_899 + x1 * (STK_C_1_501 - STK_C_0_899));
    odd[1] = add(y3, x5 * -STK_C_2_562 + x3 * (STK_C_3_072 - STK_C_2_562));
    odd[2] = add(y4, x5 * (STK_C_2_053 - STK_C_2_562) + x3 * -STK_C_2_562);
    odd[3] = add(y3, x7 * (STK_C_0_298 - STK_C_0_899) + x1 * -STK_C_0_899);

    for (int i = 0; i < 4; i++) {
        int32_t base = add(even[i], round);
        out[i * step] = saturate(add(base, odd[i]) >> shift);
        out[(7 - i) * step] = saturate(sub(base, odd[i]) >> shift);
    }
}

void stk_jpeg_idct_exact(const struct stk_jpeg_quant *quant,
                         const int16_t *block, uint8_t *out, size_t stride)
{
    int16_t in[64], mid[64], last[64];
    int lower = 0;

    for (int k = 0; k < 64; k++) {
        int z = zigzag_of[k];
        in[k] = (int16_t)(block[z] * quant->zigzag[z]);
        lower |= k >= 8 ? block[z] : 0;
    }
    if (lower)
        for (int c = 0; c < 8; c++)
            transform(in + c, mid + c, 8, STK_ROUND_1, STK_SHIFT_1);
    else /* libjpeg-turbo shifts here, and what leaves 16 bits is lost */
        for (int k = 0; k < 64; k++)
            mid[k] = (int16_t)((uint16_t)in[k & 7] << 2);
    for (int r = 0; r < 8; r++)
        transform(mid + 8 * r, last + 8 * r, 1, STK_ROUND_2, STK_SHIFT_2);
    for (int r = 0; r < 8; r++)
        for (int c = 0; c < 8; c++)
            out[(size_t)r * stride + (size_t)c] = clamp(last[8 * r + c] + 128);
}

static void idct(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                 size_t stride)
{
    const int16_t *mcu = blocks->first;
    for (int32_t i = 0; i < blocks->n; i += blocks->wide) {
        for (int32_t b = i; b < i + blocks->wide && b < blocks->n; b++)
            stk_jpeg_idct_exact(blocks->quant, mcu + 64 * (b - i),
                                out + 8 * (size_t)b, stride);
        mcu += blocks->mcu_coefficients;
    }
}

/* JFIF's matrix in 16 bits of fraction, rounded as libjpeg does. */
static inline void convert(uint8_t luma, int cb, int cr, uint8_t *r, uint8_t *g,
                           uint8_t *b)
{
    int32_t y = luma;
    cb -= 128;
    cr -= 128;
    *r = clamp(y + ((91881 * cr + 32768) >> 16));
    *g = clamp(y + ((-22554 * cb - 46802 * cr + 32768) >> 16));
    *b = clamp(y + ((116130 * cb + 32768) >> 16));
}

static void colour(uint8_t *const plane[3], size_t stride, int32_t n_rows,
                   size_t n)
{
    for (int32_t row = 0; row < n_rows; row++) {
        uint8_t *r = plane[0] + (size_t)row * stride;
        uint8_t *g = plane[1] + (size_t)row * stride;
        uint8_t *b = plane[2] + (size_t)row * stride;
        for (size_t i = 0; i < n; i++)
            convert(r[i], g[i], b[i], &r[i], &g[i], &b[i]);
    }
}

static void colour_h2v1(const uint8_t *luma, const uint8_t *const chroma[2],
                        uint8_t *const rgb[3], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int c[2];
        for (int k = 0; k < 2; k++) {
            const uint8_t *at = chroma[k] + i / 2;
            c[k] = (3 * at[0] + (i & 1 ? at[1] + 2 : at[-1] + 1)) >> 2;
        }
        convert(luma[i], c[0], c[1], rgb[0] + i, rgb[1] + i, rgb[2] + i);
    }
}

static void colour_h1v2(const struct stk_jpeg_pair *pair, size_t n)
{
    for (int row = 0; row < 2; row++) {
        const uint8_t *const *near = pair->chroma[row];
        const uint8_t *const *far = pair->chroma[1 - row];
        /* The upper row of the pair is the lower one of its chroma row. */
        int round = row ? 1 : 2;
        uint8_t *const *rgb = pair->rgb[row];
        for (size_t i = 0; i < n; i++)
            convert(pair->luma[row][i],
                    (3 * near[0][i] + far[0][i] + round) >> 2,
                    (3 * near[1][i] + far[1][i] + round) >> 2, rgb[0] + i,
                    rgb[1] + i, rgb[2] + i);
    }
}

static void spread(const uint8_t *chroma, size_t n_samples, uint16_t *even,
                   uint16_t *odd)
{
    for (size_t i = 0; i < n_samples; i++) {
        even[i] = (uint16_t)(3 * chroma[i] + chroma[(ptrdiff_t)i - 1]);
        odd[i] = (uint16_t)(3 * chroma[i] + chroma[i + 1]);
    }
}

static void colour_h2v2(const struct stk_jpeg_pair *pair, size_t n)
{
    for (int row = 0; row < 2; row++) {
        const struct stk_jpeg_spread *near = pair->spread[row];
        const struct stk_jpeg_spread *far = pair->spread[1 - row];
        uint8_t *const *rgb = pair->rgb[row];
        for (size_t i = 0; i < n; i++) {
            int c[2];
            for (int k = 0; k < 2; k++)
                c[k] = i & 1
                           ? (3 * near[k].odd[i / 2] + far[k].odd[i / 2] + 7)
                           : (3 * near[k].even[i / 2] + far[k].even[i / 2] + 8);
            convert(pair->luma[row][i], c[0] >> 4, c[1] >> 4, rgb[0] + i,
                    rgb[1] + i, rgb[2] + i);
        }
    }
}

const struct stk_jpeg_kernels stk_jpeg_kernels_plain = {
    idct, colour, colour_h2v1, colour_h1v2, spread, colour_h2v2};

const struct stk_jpeg_kernels *stk_jpeg_kernels_for(int cpu)
{
#if defined(__x86_64__)
    if (cpu == STOKER_CPU_AVX512)
        return &stk_jpeg_kernels_avx512;
    if (cpu == STOKER_CPU_AVX2)
        return &stk_jpeg_kernels_avx2;
#endif
    (void)cpu;
    return &stk_jpeg_kernels_plain;
}
