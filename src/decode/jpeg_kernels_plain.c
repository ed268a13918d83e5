/* The definition of stoker's JPEG pixels, in portable C that compilers turn
 * into vectors. */
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
            int16_t q = (int16_t)zigzag[zigzag_of[row * 8 + column]];
            quant->natural[row * 8 + column] = q;
            quant->lanes[(row & 3) * 16 + column * 2 + (row >> 2)] = q;
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

/* Pixels are done in groups: luma is copied first, since red may lie where it
 * is, and compilers make vectors of what cannot overlap. */
enum { GROUP = 16 };

/* JFIF's matrix in 16 bits of fraction, rounded as libjpeg does: 1.402 is
 * 91881 = 65536 + 26345, 1.772 is 2 * 65536 - 14942, 0.344 is 22554 and 0.714
 * is 65536 - 18734, so that products of 16 bits are enough. */
static inline void convert(const uint8_t *luma, const uint8_t *cb,
                           const uint8_t *cr, uint8_t *const rgb[3], size_t at)
{
    uint8_t r[GROUP], g[GROUP], b[GROUP];

    for (int i = 0; i < GROUP; i++) {
        int16_t y = luma[i], u = (int16_t)(cb[i] - 128);
        int16_t v = (int16_t)(cr[i] - 128);
        int32_t green = -22554 * u + 18734 * v;
        r[i] = clamp(y + v + ((26345 * v + 32768) >> 16));
        g[i] = clamp(y - v + ((green + 32768) >> 16));
        b[i] = clamp(y + 2 * u + ((-14942 * u + 32768) >> 16));
    }
    memcpy(rgb[0] + at, r, GROUP);
    memcpy(rgb[1] + at, g, GROUP);
    memcpy(rgb[2] + at, b, GROUP);
}

static void colour(uint8_t *const plane[3], size_t stride, int32_t n_rows,
                   size_t n)
{
    for (int32_t row = 0; row < n_rows; row++) {
        uint8_t *rgb[3];
        for (int c = 0; c < 3; c++)
            rgb[c] = plane[c] + (size_t)row * stride;
        for (size_t x = 0; x < n; x += GROUP)
            convert(rgb[0] + x, rgb[1] + x, rgb[2] + x, rgb, x);
    }
}

static void colour_h2v1(const uint8_t *luma, const uint8_t *const chroma[2],
                        uint8_t *const rgb[3], size_t n)
{
    for (size_t x = 0; x < n; x += GROUP) {
        uint8_t wide[2][GROUP];
        for (int k = 0; k < 2; k++) {
            const uint8_t *c = chroma[k] + x / 2;
            for (int i = 0; i < GROUP / 2; i++) {
                wide[k][2 * i] = (uint8_t)((3 * c[i] + c[i - 1] + 1) >> 2);
                wide[k][2 * i + 1] = (uint8_t)((3 * c[i] + c[i + 1] + 2) >> 2);
            }
        }
        convert(luma + x, wide[0], wide[1], rgb, x);
    }
}

static void colour_h1v2(const struct stk_jpeg_pair *pair, size_t n)
{
    for (int row = 0; row < 2; row++) {
        /* The upper row of the pair is the lower one of its chroma row. */
        int round = row ? 1 : 2;
        for (size_t x = 0; x < n; x += GROUP) {
            uint8_t mixed[2][GROUP];
            for (int k = 0; k < 2; k++) {
                const uint8_t *near = pair->chroma[row][k] + x;
                const uint8_t *far = pair->chroma[1 - row][k] + x;
                for (int i = 0; i < GROUP; i++)
                    mixed[k][i] =
                        (uint8_t)((3 * near[i] + far[i] + round) >> 2);
            }
            convert(pair->luma[row] + x, mixed[0], mixed[1], pair->rgb[row], x);
        }
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
    for (int row = 0; row < 2; row++)
        for (size_t x = 0; x < n; x += GROUP) {
            uint8_t mixed[2][GROUP];
            for (int k = 0; k < 2; k++) {
                const struct stk_jpeg_spread *near = &pair->spread[row][k];
                const struct stk_jpeg_spread *far = &pair->spread[1 - row][k];
                for (size_t i = 0; i < GROUP / 2; i++) {
                    size_t at = x / 2 + i;
                    mixed[k][2 * i] =
                        (uint8_t)((3 * near->even[at] + far->even[at] + 8) >>
                                  4);
                    mixed[k][2 * i + 1] =
                        (uint8_t)((3 * near->odd[at] + far->odd[at] + 7) >> 4);
                }
            }
            convert(pair->luma[row] + x, mixed[0], mixed[1], pair->rgb[row], x);
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
#if defined(__x86_64__) || defined(__aarch64__)
    if (cpu == STOKER_CPU_VEC128)
        return &stk_jpeg_kernels_vec128;
#endif
    (void)cpu;
    return &stk_jpeg_kernels_plain;
}
